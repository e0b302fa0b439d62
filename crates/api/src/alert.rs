//! Alerts, and what they told of.
use crate::invoice::Money;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An alert to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAlert {
    /// What people call it, at most 255 bytes.
    pub name: Option<String>,
    /// `usage` of a meter, `spend` (the next invoice so far, before the wallet) or `balance` (credit in the wallet).
    pub kind: String,
    /// The customer: its own id, or `cus_...`. Without one the alert is about each customer by itself.
    pub customer: Option<String>,
    /// The subject whose usage it is; for usage only.
    pub subject: Option<String>,
    /// The meter's key; for usage only, and required there.
    pub meter: Option<String>,
    /// Usage and spend fire at or above it, balance at or below it: a decimal above 0, for balance also 0.
    pub threshold: String,
    /// `absolute` (in the meter's unit, or in money), by default, or `percent`: of the limit of the customer's quota
    /// for usage, of `budget` for spend, of `budget` or else of what was last paid in for balance.
    pub unit: Option<String>,
    /// For absolute usage: `billing_period`, by default, or `month`, which it always is for a subject.
    pub period: Option<String>,
    /// What percent of spend and balance are of.
    pub budget: Option<Money>,
    /// For amounts: only customers of this currency. Without one the threshold counts in each customer's own.
    pub currency: Option<String>,
    /// How somebody is told: any of `mail`, `webhook` and `in_app`, at least one.
    pub channels: Vec<String>,
    /// Who gets mails, at most 20 addresses; the project's owners and administrators where there are none.
    pub recipients: Option<Vec<String>>,
    /// Where webhooks go instead of the project's endpoints.
    pub webhook_url: Option<String>,
    /// Whether it watches, by default true.
    pub enabled: Option<bool>,
}

/// A change of an alert; what is absent stays. A change of `meter`, `threshold`, `unit`, `period`, `budget` or
/// `currency` lets it fire anew in the period that goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertChange {
    /// What people call it; null for nothing.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Option<String>>,
    /// The meter's key.
    pub meter: Option<String>,
    /// What is to be reached.
    pub threshold: Option<String>,
    /// `absolute` or `percent`. A change of it forgets `period`, `budget` and `currency`.
    pub unit: Option<String>,
    /// `billing_period` or `month`; null for the usual one.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub period: Option<Option<String>>,
    /// What percent are of; null for nothing.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Money>)]
    pub budget: Option<Option<Money>>,
    /// Only customers of this currency; null for any.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub currency: Option<Option<String>>,
    /// How somebody is told. Without `mail` the recipients go, without `webhook` the URL.
    pub channels: Option<Vec<String>>,
    /// Who gets mails; owners and administrators when empty.
    pub recipients: Option<Vec<String>>,
    /// Where webhooks go; null for the project's endpoints.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub webhook_url: Option<Option<String>>,
    /// Whether it watches.
    pub enabled: Option<bool>,
}

/// Tells null, which says something, from a field that is absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// An alert.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// `alt_...`
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// `usage`, `spend` or `balance`.
    pub kind: String,
    /// The customer's own id; null for each customer.
    pub customer: Option<String>,
    /// The subject whose usage it is.
    pub subject: Option<String>,
    /// The meter's key.
    pub meter: Option<String>,
    /// What is to be reached.
    pub threshold: String,
    /// `absolute` or `percent`.
    pub unit: String,
    /// `billing_period` or `month`, for absolute usage.
    pub period: Option<String>,
    /// What percent are of.
    pub budget: Option<Money>,
    /// Only customers of this currency.
    pub currency: Option<String>,
    /// Any of `mail`, `webhook` and `in_app`.
    pub channels: Vec<String>,
    /// Who gets mails.
    pub recipients: Vec<String>,
    /// Where webhooks go instead of the project's endpoints.
    pub webhook_url: Option<String>,
    /// The endpoint of that URL, with its deliveries and its secret: `whe_...`
    pub webhook_endpoint: Option<String>,
    /// Whether it watches.
    pub enabled: bool,
    /// Who made it: a key, a user or a service.
    pub created_by: String,
    /// When it was made.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// When it last fired.
    pub last_triggered_at: Option<String>,
    /// Counts changes; `If-Match` takes it.
    pub version: i64,
}

/// Which alerts are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AlertParams {
    /// Only of this kind: `usage`, `spend` or `balance`.
    pub kind: Option<String>,
    /// Only of this customer: its own id, or `cus_...`.
    pub customer: Option<String>,
    /// Only of this subject.
    pub subject: Option<String>,
    /// Most alerts of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// One time that an alert fired.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertNotice {
    /// `aln_...`
    pub id: String,
    /// The alert, which may be gone: `alt_...`
    pub alert: String,
    /// What the alert was called.
    pub name: Option<String>,
    /// `usage`, `spend` or `balance`.
    pub kind: String,
    /// The customer's own id; null for a subject alone.
    pub customer: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The meter's key.
    pub meter: Option<String>,
    /// What was to be reached.
    pub threshold: String,
    /// `absolute` or `percent`.
    pub unit: String,
    /// What the threshold came to.
    pub bound: String,
    /// What reached it.
    pub value: String,
    /// The currency of both, of money.
    pub currency: Option<String>,
    /// How somebody was told.
    pub channels: Vec<String>,
    /// The period that it was told of once; null for balance.
    pub period_start: Option<String>,
    /// The end of it.
    pub period_end: Option<String>,
    /// When it fired.
    pub triggered_at: String,
    /// When somebody said that it was read.
    pub read_at: Option<String>,
}

/// Which notices are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AlertNoticeParams {
    /// Only of this alert: `alt_...`
    pub alert: Option<String>,
    /// Only of this customer: its own id, or `cus_...`.
    pub customer: Option<String>,
    /// Only those that were read (`true`), or were not (`false`).
    #[param(value_type = Option<bool>)]
    pub read: Option<String>,
    /// Most notices of a page: 1 to 1,000, by default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}
