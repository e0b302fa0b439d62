//! Aggregations.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// The usage of one customer in one period.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Aggregation {
    /// `{customer}_{period}_{period_key}`.
    pub id: String,
    /// The customer's own id.
    pub customer: String,
    /// `hourly`, `daily`, `weekly`, `monthly` or `yearly`.
    pub period: String,
    /// For instance `20260114`.
    pub period_key: String,
    /// The start of the period.
    pub period_start: String,
    /// The end of the period, exclusive.
    pub period_end: String,
    /// Each meter's value, as a decimal.
    pub values: BTreeMap<String, String>,
    /// How many events each meter read.
    pub event_counts: BTreeMap<String, u64>,
    /// How many events there were.
    pub event_count: u64,
    /// Whether the period had ended.
    pub complete: bool,
    /// Counts changes after completion, from 1.
    pub revision: i64,
    /// When it was first made.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
}

/// Which aggregations are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AggregationParams {
    /// Only this customer's.
    pub customer: Option<String>,
    /// Only these periods: `hourly`, `daily`, `weekly`, `monthly` or `yearly`.
    pub period: Option<String>,
    /// Periods that start at or after this time.
    pub from: Option<String>,
    /// Periods that start before this time.
    pub to: Option<String>,
    /// Most aggregations of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}
