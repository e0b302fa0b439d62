//! Plans, coupons and catalogues of them.
use crate::meter::NewMeter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A plan as it is written. Amounts and quantities are decimal texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// Names the plan in all its versions: at most 128 bytes.
    pub key: String,
    /// The name shown; the key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An ISO 4217 code.
    pub currency: String,
    /// Due for each billing period, in advance; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_price: Option<String>,
    /// `day`, `week`, `month`, `quarter` or `year`.
    pub interval: String,
    /// From when billing periods are counted: `anniversary` (when absent) or `calendar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<String>,
    /// Days of 24 hours that are free at the start, at most 730; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_days: Option<u32>,
    /// Paid in advance each period and drawn by usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<String>,
    /// Which of the customer's rates of tax it is taxed at; the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<String>,
    /// What its customers may do, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<Entitlement>,
    /// What usage costs, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<Price>,
}

/// What a plan grants of one feature. Which fields belong together, `type` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entitlement {
    /// The feature.
    pub feature: String,
    /// `boolean`, `static` or `metered`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `static`: the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `metered`: the key of the meter that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// `metered`: what happens at the limit: `block`, `overage` or `unlimited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
    /// `metered`: how much may be used between two resets; absent for `unlimited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// `metered`: when to warn, in percent of the limit; 80 and 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<u32>>,
    /// `metered`: when counting begins anew: `day`, `month` (when absent) or `billing_period`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
}

/// A price. Which fields belong together, `model` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Names the price within its plan; the meter's key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `flat`, `per_unit`, `package`, `graduated`, `volume` or `percentage`.
    pub model: String,
    /// The key of the meter whose usage is priced; not for `flat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// `flat`: due for each billing period, in advance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// `per_unit`: what a unit costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<String>,
    /// `package`: units in a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_size: Option<String>,
    /// `package`: what a started package costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_price: Option<String>,
    /// `graduated`, `volume`: the tiers, the lowest first, at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Vec<Tier>>,
    /// `percentage`: the share of the summed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    /// `percentage`: due for each event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_fee: Option<String>,
    /// `per_unit`, `graduated`, `volume`: how much usage makes a unit, such as 1073741824 bytes; 1
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_size: Option<String>,
    /// Units of each period that cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<String>,
    /// The least that a period costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<String>,
    /// The most that a period costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<String>,
    /// Which of the customer's rates of tax it is taxed at; the plan's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<String>,
}

/// A tier of a price. It begins above the bound of the tier before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The last unit of the tier; absent for the last one, which is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<String>,
    /// What a unit costs; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<String>,
    /// Due once the tier is entered; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat_fee: Option<String>,
}

/// A discount on the invoices of some billing periods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCoupon {
    /// Names the coupon: at most 128 bytes.
    pub key: String,
    /// What it takes off, in percent; this or `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    /// What it takes off, as an amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The amount's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// For how many billing periods, 1 for once; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periods: Option<u32>,
}

/// A version of a plan. What it says never changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Counts the versions of the key from 1.
    pub version: u32,
    /// What it says.
    #[serde(flatten)]
    pub definition: NewPlan,
    /// When it was made.
    pub created_at: String,
    /// When the plan was archived: nobody subscribes to it any more.
    pub archived_at: Option<String>,
}

/// A version of a coupon.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Coupon {
    /// Counts the versions of the key from 1.
    pub version: u32,
    /// What it says.
    #[serde(flatten)]
    pub definition: NewCoupon,
    /// When it was made.
    pub created_at: String,
    /// When the coupon was archived: nobody gets it any more.
    pub archived_at: Option<String>,
}

/// Meters, plans and coupons that are applied together, or not at all.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogApplication {
    /// Meters that plans name, at most 1,000.
    #[serde(default)]
    pub meters: Vec<NewMeter>,
    /// Meters that are made where there is none with the key, at most 1,000; one that there is stays as it is.
    #[serde(default)]
    pub missing_meters: Vec<NewMeter>,
    /// Plans, at most 1,000.
    #[serde(default)]
    pub plans: Vec<NewPlan>,
    /// Coupons, at most 1,000.
    #[serde(default)]
    pub coupons: Vec<NewCoupon>,
    /// Whether plans and coupons that are not named are archived.
    #[serde(default)]
    pub prune: bool,
    /// Whether nothing is changed: the answer tells what would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// What applying a catalogue changed, or would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogChanges {
    /// Whether it was done.
    pub applied: bool,
    /// Meters, plans and coupons that differ, in this order, each by key.
    pub changes: Vec<CatalogChange>,
    /// How many of those named stay as they are.
    pub unchanged: u32,
}

/// What becomes of a meter, plan or coupon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogChange {
    /// `meter`, `plan` or `coupon`.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// `create`, `update` (a new version), `restore` (it was archived) or `archive`.
    pub action: String,
    /// The version that is in force then.
    pub version: u32,
    /// Subscriptions that stay on earlier versions until they are moved; for plans.
    pub subscriptions_staying: u64,
    /// The fields that differ, for updates.
    pub fields: Vec<FieldChange>,
}

/// A field that differs between two versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Which field, as a path; elements of lists go by their key or feature.
    pub field: String,
    /// What it was; null where there was no such field.
    pub before: Option<String>,
    /// What it is; null where there is none any more.
    pub after: Option<String>,
}
