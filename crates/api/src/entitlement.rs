//! Entitlements: what a customer may still use, and shares of it that a client takes ahead.
//!
//! To consume is to send a [`NewEvent`](crate::event::NewEvent) whose `meter` is a meter's key.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks what a customer may still use; nothing is consumed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntitlementCheck {
    /// The customer's own id; may be absent where the subject is assigned to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// What uses it. Where it is assigned to a customer, that one counts instead of none, of `system`, and of one that is
    /// named as the subject is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The meter's key.
    pub meter: String,
    /// How much is wanted, a decimal; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1")]
    pub value: Option<String>,
}

/// Whether something may be used, and what is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Whether it may be used; after `consume` also whether it was recorded.
    pub allowed: bool,
    /// Most units of a period, a decimal; null where there is no limit.
    pub limit: Option<String>,
    /// Units used in this period: what the meter shows.
    pub used: String,
    /// Units left in this period without those that leases hold, never below 0; null where there is no
    /// limit.
    pub remaining: Option<String>,
    /// When counting begins anew; null where it never does.
    #[schema(format = DateTime)]
    pub resets_at: Option<String>,
    /// What happens at the limit.
    pub behaviour: LimitBehaviour,
    /// How long a period is; null where counting never begins anew.
    pub reset: Option<LimitReset>,
    /// Why it may not be used; null where it may.
    pub reason: Option<RefusalReason>,
    /// Present, and true, where `consume` was sent before and this is its first verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
}

/// What happens at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitBehaviour {
    /// More is refused.
    Block,
    /// More is allowed and billed.
    Overage,
    /// There is no limit.
    Unlimited,
}

/// How long usage counts towards a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitReset {
    /// A day.
    Day,
    /// A calendar month.
    Month,
    /// The subscription's billing period.
    BillingPeriod,
}

/// Why something may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// It would pass the limit.
    Limit,
    /// The customer is suspended.
    Suspended,
    /// The customer's plan does not have it.
    NotEntitled,
}

/// What a customer's plan grants of a feature. A feature that it does not name is not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerEntitlement {
    /// The feature's key.
    pub feature: String,
    /// What is granted of it.
    #[serde(rename = "type")]
    pub kind: EntitlementType,
    /// The form of a static feature; null of others.
    pub value: Option<String>,
    /// The key of the meter that counts; null of features that are not metered, as is all that follows.
    pub meter: Option<String>,
    /// Most units of a period, a decimal; null where there is no limit.
    pub limit: Option<String>,
    /// Units used in this period: what the meter shows.
    pub used: Option<String>,
    /// Units left in this period without those that leases hold, never below 0; null where there is no
    /// limit.
    pub remaining: Option<String>,
    /// When counting begins anew.
    #[schema(format = DateTime)]
    pub resets_at: Option<String>,
    /// How long a period is.
    pub reset: Option<LimitReset>,
    /// What happens at the limit.
    pub behaviour: Option<LimitBehaviour>,
}

/// What is granted of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntitlementType {
    /// The feature itself.
    Boolean,
    /// The feature in the form that `value` says.
    Static,
    /// Use of a meter.
    Metered,
}

/// Takes units ahead, to decide without asking.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLease {
    /// The customer's own id; may be absent where the subject is assigned to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// What uses it. Where it is assigned to a customer, that one counts instead of none, of `system`, and of one that is
    /// named as the subject is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The meter's key.
    pub meter: String,
    /// How many units are wanted, a decimal; fewer may be granted.
    pub value: String,
}

/// Units that a client holds against everybody else until it reports or returns them, or they expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// Names the lease.
    pub lease_id: String,
    /// How many units it holds in all, a decimal.
    pub granted: String,
    /// When what was not reported as used is free again.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Most units of a period, a decimal; null where there is no limit.
    pub limit: Option<String>,
    /// Units used in this period: what the meter shows.
    pub used: String,
    /// Units left in this period for others, never below 0; null where there is no limit.
    pub remaining: Option<String>,
    /// When counting begins anew; null where it never does.
    #[schema(format = DateTime)]
    pub resets_at: Option<String>,
    /// What happens at the limit.
    pub behaviour: LimitBehaviour,
    /// How long a period is; null where counting never begins anew.
    pub reset: Option<LimitReset>,
}

/// Tells how much of a lease was used. Sent after the events of that use were acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseReport {
    /// Units used so far in all, a decimal.
    pub used: String,
    /// Whether the lease shall expire later; only of reports, a return ends the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew: Option<bool>,
}
