//! Plans: what customers subscribe to.
mod difference;
mod form;

pub use difference::{Difference, differences, differences_of};
pub use form::PlanForm;

use crate::currency::Currency;
use crate::entitlement::{Entitlement, Grant};
use crate::interval::Interval;
use crate::key::{FeatureKey, PlanKey, TaxKey};
use crate::meter::MeterKey;
use crate::money::{Money, MoneyError};
use crate::price::Price;
use crate::proration::BaseFee;
use crate::quota::{Limit, Quota};
use crate::rate::flat;
use crate::share::Share;

/// Most entitlements of a plan.
pub const ENTITLEMENTS_MAX: usize = 100;
/// Most prices of a plan.
pub const PRICES_MAX: usize = 100;
/// Most days of a trial.
pub const TRIAL_DAYS_MAX: u32 = 730;
/// Most bytes of a plan's name.
pub const NAME_BYTES_MAX: usize = 128;

/// One version of a plan; what it says never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Names the plan, the same in all versions.
    pub key: PlanKey,
    /// Counts versions from 1.
    pub version: u32,
    /// The name shown.
    pub name: String,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// Due for each billing period, in advance.
    pub base_price: Money,
    /// How often it is billed.
    pub interval: Interval,
    /// From when its billing periods are counted.
    pub billing: Billing,
    /// Days of 24 hours that are free at the start.
    pub trial_days: u32,
    /// Paid in advance each period and drawn by usage; what is left lapses.
    pub commitment: Option<Money>,
    /// The customer's rate of tax that it is taxed at; the customer's first where it names none.
    pub tax: Option<TaxKey>,
    /// What its customers may do.
    pub entitlements: Vec<Entitlement>,
    /// What usage costs.
    pub prices: Vec<Price>,
}

/// From when billing periods are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    /// From the start of the subscription, or the end of its trial.
    Anniversary,
    /// With the calendar; the first period is part of one.
    Calendar,
}

/// How a line of usage is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageKind {
    /// Use of a meter without a limit that usage may exceed.
    Usage,
    /// Use of a meter whose quota allows to exceed its limit.
    Overage,
}

impl Billing {
    /// Both kinds, as named in catalogues and API.
    pub const NAMES: [&'static str; 2] = ["anniversary", "calendar"];
    /// Both kinds, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Anniversary, Self::Calendar];

    /// The name in catalogues and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anniversary => "anniversary",
            Self::Calendar => "calendar",
        }
    }
}

impl Plan {
    /// What the plan grants of a feature; `None` where it does not name the feature.
    pub fn grant(&self, feature: &FeatureKey) -> Option<&Grant> {
        self.entitlements.iter().find(|entitlement| entitlement.feature == *feature).map(|found| &found.grant)
    }

    /// The quota over a meter; `None` where the plan limits it not at all.
    pub fn quota(&self, meter: &MeterKey) -> Option<&Quota> {
        self.entitlements.iter().find_map(|entitlement| match &entitlement.grant {
            Grant::Metered(quota) if quota.meter == *meter => Some(quota),
            _ => None,
        })
    }

    /// How lines of a meter's usage are called.
    pub fn usage_kind(&self, meter: &MeterKey) -> UsageKind {
        match self.quota(meter).map(|quota| quota.limit) {
            Some(Limit::Overage(_)) => UsageKind::Overage,
            _ => UsageKind::Usage,
        }
    }

    /// What is due in advance, and how often.
    pub fn base_fee(&self) -> BaseFee {
        BaseFee { amount: self.base_price, interval: self.interval }
    }

    /// The commitment of a period, or of a part of one: what was paid for it, and so what usage draws on.
    pub fn commitment_in(&self, share: Share) -> Result<Option<Money>, MoneyError> {
        let paid = |amount| Money::rounded(flat(amount, share)?, self.currency);
        self.commitment.map(paid).transpose()
    }

    /// The rate of tax that a price names, or else the plan; the plan's for its base fee.
    pub fn tax_of<'p>(&'p self, price: Option<&'p Price>) -> Option<&'p TaxKey> {
        price.and_then(|price| price.tax.as_ref()).or(self.tax.as_ref())
    }

    /// Whether another version says the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let same_version = Self { version: other.version, ..self.clone() };
        same_version == *other
    }
}

#[cfg(test)]
mod tests;
