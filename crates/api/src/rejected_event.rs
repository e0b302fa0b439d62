//! Events that were not stored.
use crate::error::FieldError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An event that was not stored, and why.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RejectedEvent {
    /// Identifies the rejection.
    pub id: String,
    /// When the event arrived.
    pub received_at: String,
    /// Its place in the request, from 0.
    pub index: u64,
    /// `malformed` (no JSON), `invalid` (wrong fields) or `conflict` (the id is taken).
    pub code: String,
    /// The event's id, where one could be read.
    pub event_id: Option<String>,
    /// Its customer, where one could be read.
    pub customer: Option<String>,
    /// Its event type, where one could be read.
    pub meter: Option<String>,
    /// Why it was rejected; at most 20 reasons.
    pub errors: Vec<FieldError>,
    /// The event as it was sent; at most 2 KiB of it.
    pub event: String,
    /// Whether it was longer.
    pub is_cut: bool,
}

/// Which rejected events are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RejectedEventParams {
    /// Only this customer's.
    pub customer: Option<String>,
    /// Only of this event type.
    pub meter: Option<String>,
    /// Only those rejected for this: `malformed`, `invalid` or `conflict`.
    pub code: Option<String>,
    /// Most events of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}
