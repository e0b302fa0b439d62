//! What customers hold.
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What a customer holds, as one meter counts it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Level {
    /// The meter's key.
    pub meter: String,
    /// The subject that holds it; null for what no subject holds.
    pub subject: Option<String>,
    /// How much. Below zero where more was released than was held, which costs nothing.
    pub level: String,
    /// Whether more was released than was held.
    pub is_negative: bool,
    /// The instant that it is of.
    #[schema(format = DateTime)]
    pub as_of: String,
}

/// What a customer held at a midnight of UTC, as was known then.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LevelSnapshot {
    /// The midnight; what happened at that instant is not in yet.
    pub taken_at: String,
    /// The customer's own id.
    pub customer: String,
    /// The meter's key.
    pub meter: String,
    /// The subject that held it; null for what no subject held.
    pub subject: Option<String>,
    /// How much.
    pub level: String,
    /// Whether more was released than was held.
    pub is_negative: bool,
}

/// Which of a customer's levels are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LevelParams {
    /// Only of this meter.
    pub meter: Option<String>,
    /// Only of this subject.
    pub subject: Option<String>,
    /// Most levels of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Which snapshots are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LevelSnapshotParams {
    /// Only this customer's: its own id, or `cus_...`.
    pub customer: Option<String>,
    /// Only of this subject.
    pub subject: Option<String>,
    /// Only of this meter.
    pub meter: Option<String>,
    /// Not before this time.
    pub from: Option<String>,
    /// Before this time.
    pub to: Option<String>,
    /// Most snapshots of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}
