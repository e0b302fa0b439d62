//! Prices: what a meter's usage, or a period, costs.
mod form;
mod read;
mod tier;

pub use form::{PriceForm, TierForm};
pub(crate) use read::not_negative;
pub use tier::{TIERS_MAX, Tier, Tiers};

use crate::decimal::Decimal;
use crate::key::{PriceKey, TaxKey};
use crate::meter::MeterKey;
use crate::money::{Money, UnitPrice};
use crate::percent::Percent;

/// A price of a plan; its amounts are in the plan's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Names it within the plan.
    pub key: PriceKey,
    /// The customer's rate of tax that it is taxed at; the plan's where it names none.
    pub tax: Option<TaxKey>,
    /// What is charged for.
    pub charges: Charges,
}

/// What a price charges for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charges {
    /// Each billing period, in advance, whatever was used.
    Flat {
        /// What the period costs.
        amount: Money,
    },
    /// Usage, in arrears.
    Metered {
        /// The meter that counts.
        meter: MeterKey,
        /// How its usage is priced.
        metered: Metered,
    },
}

/// How usage is priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metered {
    /// How an amount comes of units.
    pub model: Model,
    /// How much usage makes a unit, above zero.
    pub unit_size: Decimal,
    /// Units of each period that cost nothing.
    pub included: Decimal,
    /// The least that a period costs, due without usage too.
    pub minimum: Option<Money>,
    /// The most that a period's usage costs.
    pub maximum: Option<Money>,
}

/// How an amount comes of units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// Each unit costs the same.
    PerUnit {
        /// What a unit costs.
        unit_price: UnitPrice,
    },
    /// Started packages are paid whole.
    Package {
        /// Units in a package, above zero.
        size: Decimal,
        /// What a package costs.
        price: UnitPrice,
    },
    /// Each unit costs what its tier says.
    Graduated(Tiers),
    /// All units cost what the tier says that the total reaches.
    Volume(Tiers),
    /// A share of the summed value, and a fee for each event.
    Percentage {
        /// The share.
        percent: Percent,
        /// What each event costs.
        event_fee: UnitPrice,
    },
}

impl Model {
    /// Every model, as named in catalogues and API; `flat` is the one without a meter.
    pub const NAMES: [&'static str; 6] = ["flat", "per_unit", "package", "graduated", "volume", "percentage"];

    /// The name in catalogues and API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::PerUnit { .. } => "per_unit",
            Self::Package { .. } => "package",
            Self::Graduated(_) => "graduated",
            Self::Volume(_) => "volume",
            Self::Percentage { .. } => "percentage",
        }
    }
}

impl Price {
    /// The meter that it prices; none for a flat price.
    pub fn meter(&self) -> Option<&MeterKey> {
        match &self.charges {
            Charges::Flat { .. } => None,
            Charges::Metered { meter, .. } => Some(meter),
        }
    }
}
