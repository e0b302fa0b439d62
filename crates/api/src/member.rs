//! Members of projects, and invitations to them.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A user who is a member of the project.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// `usr_...`
    pub user: String,
    /// The e-mail address.
    pub email: String,
    /// `owner`, `admin`, `analyst` or `customer`.
    pub role: String,
    /// The own id of the customer that the user is, where he is one.
    pub customer: Option<String>,
    /// Whether the address was shown to be theirs.
    pub email_verified: bool,
    /// When the membership began.
    pub created_at: String,
}

/// What a member is to be.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// `owner`, `admin`, `analyst`, or, for whom is a customer of the project, `customer`.
    pub role: String,
}

/// Somebody to be invited.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// The e-mail address, in any case of letters.
    #[schema(format = "email", max_length = 254)]
    pub email: String,
    /// `owner`, `admin` or `analyst`.
    pub role: String,
}

/// An invitation. Its link is in the mail only.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// `ivt_...`
    pub id: String,
    /// Who is invited.
    pub email: String,
    /// As what.
    pub role: String,
    /// `pending`, `accepted`, `revoked` or `expired`.
    pub state: String,
    /// By whom: `key_...` or `usr_...`.
    pub invited_by: String,
    /// When it was made.
    pub created_at: String,
    /// When it was last mailed.
    pub sent_at: String,
    /// When its link ends.
    pub expires_at: String,
    /// When it was accepted.
    pub accepted_at: Option<String>,
    /// By whom: `usr_...`.
    pub accepted_by: Option<String>,
    /// When it was taken back.
    pub revoked_at: Option<String>,
}
