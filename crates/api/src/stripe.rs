//! What Stripe has, held against what is written down.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a look at Stripe came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reconciliation {
    /// Since when what was sent was looked at, in real time.
    pub since: String,
    /// How many charges are written down as sent.
    pub sent: u64,
    /// How many items of them Stripe listed.
    pub found: u64,
    /// How many differences there are.
    pub differences: u64,
    /// How many of these were not known.
    pub new_differences: u64,
    /// How many that were known are gone.
    pub resolved: u64,
    /// Whether all of Stripe's list was seen; otherwise nothing is held to be missing there.
    pub is_complete: bool,
}

/// Something that Stripe has otherwise than it is written down.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StripeDifference {
    /// `missing_there`, `missing_here` or `other_amount`.
    #[schema(pattern = "^(missing_there|missing_here|other_amount)$")]
    pub kind: String,
    /// What Stripe calls the invoice item.
    pub item: String,
    /// The charge; null where the item names none.
    pub charge: Option<String>,
    /// The currency, as Stripe writes it.
    pub currency: String,
    /// How much was sent, in the minor units that Stripe counts; null where nothing is written down.
    pub sent_minor: Option<i64>,
    /// How much Stripe has; null where it has nothing.
    pub found_minor: Option<i64>,
    /// When it was seen first, in real time.
    pub first_seen_at: String,
    /// When it was seen last, in real time.
    pub last_seen_at: String,
    /// When it was seen to be gone, in real time; null while it is not.
    pub resolved_at: Option<String>,
}
