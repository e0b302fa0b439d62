//! Usage queries.
use crate::meter::OneOrMany;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A usage query, as the body of `POST`; `GET` takes the same names as parameters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// The start of the range, inclusive (RFC 3339).
    #[schema(required = true, value_type = String)]
    pub from: Option<String>,
    /// The end of the range, exclusive.
    #[schema(required = true, value_type = String)]
    pub to: Option<String>,
    /// `minute`, `hour`, `day`, `week`, `month`, `year` or `none` (the default).
    pub window: Option<String>,
    /// The IANA time zone of the windows; UTC when absent.
    pub time_zone: Option<String>,
    /// Only these customers: their own ids, or `cus_...`.
    pub customer: Option<OneOrMany>,
    /// Only these subjects.
    pub subject: Option<OneOrMany>,
    /// `customer`, `subject` or properties.
    pub group_by: Option<Vec<String>>,
    /// Properties and the values they must have.
    pub filter: Option<BTreeMap<String, OneOrMany>>,
    /// Usage as it was known at this time.
    pub as_of: Option<String>,
    /// `zero`: windows without events are shown too.
    pub fill: Option<String>,
}

/// The answer to a usage query.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// The meter's key.
    pub meter: String,
    /// The start of the range.
    pub from: String,
    /// The end of the range.
    pub to: String,
    /// The size of the windows.
    pub window: String,
    /// By window, then customer, subject and group.
    pub data: Vec<UsageRow>,
}

/// One value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UsageRow {
    /// The meter's value, a decimal; null where there is none without events.
    pub value: Option<String>,
    /// The value if every event weighed one, for meters that weigh events: what was used, beside
    /// what it counts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_value: Option<String>,
    /// The start of the window.
    pub window_start: String,
    /// The end of the window.
    pub window_end: String,
    /// The customer, when grouped or filtered by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The subject, when grouped or filtered by; null for events without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub subject: Option<Option<String>>,
    /// The properties grouped by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<BTreeMap<String, Option<String>>>,
    /// Present, and true, where the level was below zero for any length of time in the window; it
    /// counts as zero there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_negative: bool,
    /// Present, and true, where a subject or property shown as `_other` stands for all values of one
    /// of the meter's dimensions beyond the first 10,000 of a day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_other: bool,
}
