//! Clearing test data.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to clear.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Clear {
    /// `events` (and the aggregations made from them) or `aggregations`.
    pub what: String,
    /// The key's project by name, so that none is cleared by mistake.
    pub project: String,
}

/// What was cleared.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Cleared {
    /// Always true.
    pub cleared: bool,
    /// How many events are gone.
    pub events: u64,
    /// How many aggregations are gone.
    pub aggregations: u64,
}
