//! Erasures of customers.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What confirms that a customer is to be erased.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// The customer's own id.
    pub confirm: String,
}

/// The erasure of a customer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// Identifies it.
    pub erasure_id: String,
    /// Reckoner's id of the customer, which stays.
    pub customer_id: String,
    /// What stands in place of the customer's own id: random, and told from nothing.
    pub pseudonym: String,
    /// `pending`, or `done`: then nothing tells who the customer was.
    #[schema(pattern = "^(pending|done)$")]
    pub status: String,
    /// When it was asked for, in real time.
    pub requested_at: String,
    /// When it was done, in real time; null before.
    pub finished_at: Option<String>,
}
