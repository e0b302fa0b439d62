//! Subscriptions.
use crate::invoice::Money;
use crate::plan::FieldChange;
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
    /// Whether what is given back of the old plan's fees and due of the new one's is invoiced at once; when absent
    /// or false it is on the invoice of the period. Only for what changes now.
    pub invoice_now: Option<bool>,
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
    /// The one that they follow from the next period on; null where that is the same.
    pub next_time_zone: Option<String>,
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

/// Open subscriptions that are to get another plan or version.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionMove {
    /// Open subscriptions to this plan, by its key.
    pub plan: String,
    /// Only to this version of it.
    pub plan_version: Option<u32>,
    /// The plan that they get; another version of the same when absent.
    pub to_plan: Option<String>,
    /// The version that they get; the newest when absent.
    pub to_version: Option<u32>,
    /// When: `now` or `period_end`. When absent, as a single change of plan: a plan whose monthly base price is no
    /// lower begins now, another one at the end of the period.
    pub when: Option<String>,
    /// Only say what it would change; true when absent.
    pub dry_run: Option<bool>,
    /// Most subscriptions of this call: 1 to 1,000, by default 50.
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the call before.
    pub cursor: Option<String>,
}

/// What a move changes, or would change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionsMoved {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The plan that subscriptions get.
    pub to_plan: String,
    /// Its version.
    pub to_version: u32,
    /// What they have when the call begins, by version.
    pub from: Vec<MovedVersion>,
    /// Their base prices per month, without coupons.
    pub monthly_base_before: Money,
    /// The same with the plan that they get.
    pub monthly_base_after: Money,
    /// What comes of each of this call, in the order of making.
    pub data: Vec<MovedSubscription>,
    /// Go on with it where it is not null: there are more.
    pub next_cursor: Option<String>,
}

/// Subscriptions to a version that is left.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MovedVersion {
    /// The version.
    pub plan_version: u32,
    /// How many open subscriptions have it.
    pub subscriptions: u64,
    /// What the plan that they get has otherwise.
    pub fields: Vec<FieldChange>,
}

/// What comes of moving a subscription.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MovedSubscription {
    /// `sub_...`
    pub id: String,
    /// The customer's own id.
    pub customer: String,
    /// The version that it had.
    pub plan_version: u32,
    /// `moved`, `scheduled`, `skipped` or `failed`.
    pub outcome: String,
    /// When it gets the plan, where that is scheduled.
    pub scheduled_at: Option<String>,
    /// Why it stays as it is.
    pub reason: Option<String>,
    /// What its next invoice comes to as it is, tax included; only in a dry run, null where there is none.
    pub next_invoice_before: Option<Money>,
    /// The same if it is moved.
    pub next_invoice_after: Option<Money>,
}
