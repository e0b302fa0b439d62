//! Aggregations.
use crate::meter::Number;
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
    /// When it was imported from another system; its figures never change then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_at: Option<String>,
}

/// Aggregations of another system to import.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAggregations {
    /// 1 to 1,000, each of another customer or period.
    pub aggregations: Vec<NewAggregation>,
}

/// The usage of one customer in one period that has ended, as another system aggregated it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAggregation {
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
    /// Each meter's value.
    pub values: BTreeMap<String, Number>,
    /// How many events each meter read; for the same meters.
    pub event_counts: BTreeMap<String, u64>,
    /// How many events there were.
    pub event_count: u64,
    /// How its webhook fared; none is sent for it here.
    pub webhook_status: Option<WebhookStatus>,
    /// When it was made; now, when absent.
    pub created_at: Option<String>,
}

/// How a webhook fared in another system.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookStatus {
    /// Whether it was taken.
    pub delivered: bool,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was taken.
    pub delivered_at: Option<String>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When the last attempt was made.
    pub last_attempt_at: Option<String>,
    /// Whether it was only logged.
    pub dry_run: Option<bool>,
}

/// What an import came to; all of it was taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportedAggregations {
    /// Aggregations that are new.
    pub imported: u64,
    /// Aggregations that were there and say the same.
    pub unchanged: u64,
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
    /// Everything as one answer: `csv`, `json` (an array), `ndjson` or `parquet`; else as `Accept` says.
    pub format: Option<String>,
    /// Most aggregations of a page: 1 to 1,000, by default 50. Not for exports.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before. Not for exports.
    pub cursor: Option<String>,
}
