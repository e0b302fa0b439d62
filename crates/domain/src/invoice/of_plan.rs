//! What a plan charges: fees in advance, usage in arrears.
use super::charge::Charge;
use super::line::{LineKind, Source};
use super::tax::Taxes;
use crate::billing_period::Fee;
use crate::id::MeterId;
use crate::key::PriceKey;
use crate::meter::Aggregation;
use crate::money::{Money, MoneyError};
use crate::plan::{Plan, UsageKind};
use crate::price::{Charges, Price};
use crate::rate::{Rated, Usage, flat, rate};
use crate::ratio::Ratio;
use crate::share::Share;
use crate::window::Window;

/// What a meter counted that is billed (see [`Limit::billable`](crate::quota::Limit::billable)), and
/// where that is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metering {
    /// What it counted.
    pub usage: Usage,
    /// The meter's version.
    pub meter: Option<MeterId>,
    /// The aggregation that holds it.
    pub aggregation: Option<String>,
}

/// What a plan charges for a period or its rest, or gives back: base price, commitment and flat prices. What is free
/// has no charge.
pub fn fee_charges(plan: &Plan, fee: &Fee, taxes: &Taxes) -> Result<Vec<Charge>, MoneyError> {
    let commitment = plan.commitment.map(|amount| (None, "Prepaid commitment".to_owned(), amount));
    let flat_prices = plan.prices.iter().filter_map(|price| match price.charges {
        Charges::Flat { amount } => Some((Some(price), price.key.to_string(), amount)),
        Charges::Metered { .. } => None,
    });
    let fees = [(None, plan.name.clone(), plan.base_price)].into_iter().chain(commitment).chain(flat_prices);
    let share = Share::of(fee.rest, fee.whole);
    let charge = |(price, name, amount): (Option<&Price>, String, Money)| {
        let exact = flat(amount, share)?;
        let (description, exact) =
            if fee.given_back { (format!("{name}, given back"), exact.negated()?) } else { (name, exact) };
        Ok(Charge {
            kind: LineKind::Base,
            description,
            period: fee.rest,
            share,
            measured: None,
            details: Vec::new(),
            exact,
            minimum: None,
            tax: taxes.key_of(plan.tax_of(price)).cloned(),
            source: Some(source(plan, price.map(|price| &price.key))),
        })
    };
    fees.filter(|(.., amount)| !amount.is_zero()).map(charge).collect()
}

/// The usage of a price in a period or in a part of one, of which `share` is the share; `None` for a
/// flat price.
pub fn usage_charge(
    plan: &Plan,
    price: &Price,
    metering: Metering,
    part: Window,
    share: Share,
    taxes: &Taxes,
) -> Result<Option<Charge>, MoneyError> {
    let Charges::Metered { meter, metered } = &price.charges else { return Ok(None) };
    let Rated { measured, details, amount, minimum } = rate(metered, metering.usage, share)?;
    Ok(Some(Charge {
        kind: match plan.usage_kind(meter) {
            UsageKind::Usage => LineKind::Usage,
            UsageKind::Overage => LineKind::Overage,
        },
        description: price.key.to_string(),
        period: part,
        share,
        measured: Some(measured),
        details,
        exact: amount,
        minimum,
        tax: taxes.key_of(plan.tax_of(Some(price))).cloned(),
        source: Some(Source {
            meter: metering.meter,
            aggregation: metering.aggregation,
            ..source(plan, Some(&price.key))
        }),
    }))
}

/// The quantity that a meter's value in a part of a billing period is billed as. A mean level counts for the
/// time that it lasted, measured against the whole period: 100 GB for half of it are 50 GB-periods.
pub fn billed_quantity(
    aggregation: Aggregation,
    value: Ratio,
    part: Window,
    whole: Window,
) -> Result<Ratio, MoneyError> {
    if aggregation != Aggregation::TimeWeightedAvg {
        return Ok(value);
    }
    let share = Ratio::from_counts(part.micros(), whole.micros()).unwrap_or(Ratio::ZERO);
    Ok(value.times(share)?)
}

fn source(plan: &Plan, price: Option<&PriceKey>) -> Source {
    Source {
        plan: plan.key.clone(),
        plan_version: plan.version,
        price: price.cloned(),
        meter: None,
        aggregation: None,
    }
}
