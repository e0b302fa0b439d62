//! Subscriptions.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A subscription to begin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// The customer's own id, or `cus_...`. An own id that is not known is made.
    pub customer: String,
    /// The plan's key.
    pub plan: String,
    /// The plan's version; the newest when absent.
    pub plan_version: Option<u32>,
    /// Days of its trial instead of the plan's.
    pub trial_days: Option<u32>,
    /// What follows the trial: `activate` (when absent) or `expire`.
    pub after_trial: Option<String>,
    /// Who collects what it costs: `reckoner` (when absent) or `stripe`.
    pub collection: Option<String>,
}

/// A plan that a subscription is to have.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanChange {
    /// The plan's key.
    pub plan: String,
    /// The plan's version; the newest when absent.
    pub plan_version: Option<u32>,
    /// When: `now` or `period_end`. When absent, a plan whose monthly base price is no lower begins
    /// now, another one at the end of the period.
    pub when: Option<String>,
}

/// When a subscription is to end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// `period_end` (when absent) or `now`.
    pub when: Option<String>,
}

/// A customer's subscription to a version of a plan, on which it stays until it is moved.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    /// `sub_...`
    pub id: String,
    /// The customer's own id.
    pub customer: String,
    /// The plan's key.
    pub plan: String,
    /// The plan's version.
    pub plan_version: u32,
    /// `trialing`, `active`, `past_due`, `paused`, `canceled` or `expired`.
    pub status: String,
    /// When it began.
    pub started_at: String,
    /// When its trial ends or ended.
    pub trial_ends_at: Option<String>,
    /// What follows the trial: `activate` or `expire`.
    pub after_trial: String,
    /// Where the billing period begins that is open; null in a trial, and once it is over.
    pub current_period_start: Option<String>,
    /// Where it ends.
    pub current_period_end: Option<String>,
    /// The IANA time zone whose clock its periods follow.
    pub time_zone: String,
    /// Who collects what it costs: `reckoner` or `stripe`.
    pub collection: String,
    /// What happens by itself at the end of the period.
    pub scheduled: Option<Scheduled>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// Counts changes; `If-Match` takes it.
    pub version: u32,
}

/// What happens to a subscription by itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Scheduled {
    /// When.
    pub at: String,
    /// `cancel` or `change`.
    pub action: String,
    /// The plan it changes to.
    pub plan: Option<String>,
    /// That plan's version.
    pub plan_version: Option<u32>,
}

/// What a subscription was from an instant on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Phase {
    /// Since when.
    pub starts_at: String,
    /// The plan's key.
    pub plan: String,
    /// The plan's version.
    pub plan_version: u32,
    /// Where it stood.
    pub status: String,
}
