//! Rating: what usage costs under a price.
//!
//! The order is fixed: included units come off, the model prices the rest, the maximum caps it,
//! percent discounts are taken, the result is rounded, and a minimum makes up for what is missing.
//! Everything before the rounding is exact.
mod commitment;
mod flat;
mod graduated;
mod included;
mod minimum;
mod package;
mod percentage;
mod settle;
mod unit;
mod volume;

pub use commitment::draw;
pub use flat::flat;
pub use settle::{Settled, settle};

use crate::money::MoneyError;
use crate::price::{Metered, Model};
use crate::ratio::Ratio;
use crate::share::Share;
use crate::sum::Overflow;
use serde::{Deserialize, Serialize};

/// What a meter counted in a period, or in the part of one that a price version was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The meter's value, unrounded.
    pub quantity: Ratio,
    /// How many events there were: percentage prices charge for each.
    pub events: u64,
}

/// What a line's amount is made of: `amount = quantity x price + flat_fee`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    /// What is counted.
    pub of: Counted,
    /// The tier, from 1, where there are tiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u32>,
    /// How much of it.
    pub quantity: Ratio,
    /// What one costs.
    pub price: Ratio,
    /// Due besides, whatever the quantity.
    pub flat_fee: Ratio,
    /// What that makes, unrounded.
    pub amount: Ratio,
}

/// What a detail counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Units of usage.
    Units,
    /// Started packages.
    Packages,
    /// Value of which a share is due.
    Value,
    /// Events.
    Events,
}

impl Detail {
    fn new(of: Counted, quantity: Ratio, price: Ratio) -> Result<Self, Overflow> {
        let amount = quantity.times(price)?;
        Ok(Self { of, tier: None, quantity, price, flat_fee: Ratio::ZERO, amount })
    }

    fn in_tier(self, tier: usize, flat_fee: Ratio) -> Result<Self, Overflow> {
        let tier = u32::try_from(tier).map_err(|_| Overflow)?;
        let amount = self.amount.plus(flat_fee)?;
        Ok(Self { tier: Some(tier), flat_fee, amount, ..self })
    }
}

/// What a price found used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Units used, never below zero.
    pub units: Ratio,
    /// Units of them that cost nothing.
    pub included: Ratio,
    /// Whether the usage was below zero and counts as none.
    pub was_negative: bool,
    /// Whether the price's maximum was reached.
    pub is_capped: bool,
}

/// What usage costs before discounts and rounding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rated {
    /// What was used.
    pub measured: Measured,
    /// How the amount comes about, before the maximum.
    pub details: Vec<Detail>,
    /// What the usage costs, exact, after the maximum.
    pub amount: Ratio,
    /// The least that the period costs, exact.
    pub minimum: Option<Ratio>,
}

/// Rates the usage of a period, or of `share` of one: included units and the minimum are scaled by
/// time, tiers start anew and are not.
pub fn rate(metered: &Metered, usage: Usage, share: Share) -> Result<Rated, MoneyError> {
    let was_negative = usage.quantity.is_negative();
    let quantity = usage.quantity.max(Ratio::ZERO);
    let units = quantity.over(Ratio::from(metered.unit_size))?;
    let (included, billed) = included::take_off(units, Ratio::from(metered.included), share)?;
    let details = price(&metered.model, billed, usage.events)?;
    let amount = details.iter().try_fold(Ratio::ZERO, |sum, detail| sum.plus(detail.amount))?;
    let (amount, is_capped) = minimum::cap(amount, metered.maximum);
    let minimum = metered.minimum.map(|minimum| share.scale(minimum.exact())).transpose()?;
    let measured = Measured { units, included, was_negative, is_capped };
    Ok(Rated { measured, details, amount, minimum })
}

fn price(model: &Model, units: Ratio, events: u64) -> Result<Vec<Detail>, Overflow> {
    match model {
        Model::PerUnit { unit_price } => unit::price(*unit_price, units),
        Model::Package { size, price } => package::price(*size, *price, units),
        Model::Graduated(tiers) => graduated::price(tiers, units),
        Model::Volume(tiers) => volume::price(tiers, units),
        Model::Percentage { percent, event_fee } => percentage::price(*percent, *event_fee, units, events),
    }
}

#[cfg(test)]
mod tests;
