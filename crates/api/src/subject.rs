//! Subjects: what uses things, and whose usage that is.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A subject to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubject {
    /// As events name it, at most 255 bytes.
    pub subject: String,
    /// The name shown for it.
    pub display_name: Option<String>,
}

/// A change of a subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectChange {
    /// The name shown for it; null for none.
    pub display_name: Option<String>,
}

/// A subject.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Subject {
    /// As events name it.
    pub subject: String,
    /// The name shown for it.
    pub display_name: Option<String>,
    /// The customer whose its usage is now; null where it is assigned to none.
    pub customer: Option<String>,
    /// When it was made.
    pub created_at: String,
}

/// An assignment to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    /// The customer: its own id, or `cus_...`.
    pub customer: String,
    /// The first instant (RFC 3339) from which on the subject's usage is the customer's.
    #[schema(format = DateTime)]
    pub effective_from: String,
}

/// From when on a subject's usage is whose: until the next assignment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Assignment {
    /// The subject.
    pub subject: String,
    /// The customer's own id.
    pub customer: String,
    /// The first instant.
    #[schema(format = DateTime)]
    pub effective_from: String,
    /// When it was made.
    pub created_at: String,
}
