//! What a plan charges: fees in advance, usage in arrears.
use super::charge::Charge;
use super::line::{LineKind, Source};
use crate::id::MeterId;
use crate::key::{PriceKey, TaxKey};
use crate::money::{Money, MoneyError};
use crate::plan::{Plan, UsageKind};
use crate::price::{Charges, Price};
use crate::rate::{Rated, Usage, flat, rate};
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

/// The fees of a period, or of its rest: base price, commitment and flat prices. What is free has no
/// charge.
pub fn base_charges(
    plan: &Plan,
    period: Window,
    share: Share,
    tax: Option<&TaxKey>,
) -> Result<Vec<Charge>, MoneyError> {
    let commitment = plan.commitment.map(|amount| (None, "Prepaid commitment".to_owned(), amount));
    let flat_prices = plan.prices.iter().filter_map(|price| match price.charges {
        Charges::Flat { amount } => Some((Some(&price.key), price.key.to_string(), amount)),
        Charges::Metered { .. } => None,
    });
    let fees = [(None, plan.name.clone(), plan.base_price)].into_iter().chain(commitment).chain(flat_prices);
    let charge = |(price, description, amount): (Option<&PriceKey>, String, Money)| {
        Ok(Charge {
            kind: LineKind::Base,
            description,
            period,
            share,
            measured: None,
            details: Vec::new(),
            exact: flat(amount, share)?,
            minimum: None,
            tax: tax.cloned(),
            source: Some(source(plan, price)),
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
    tax: Option<&TaxKey>,
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
        tax: tax.cloned(),
        source: Some(Source {
            meter: metering.meter,
            aggregation: metering.aggregation,
            ..source(plan, Some(&price.key))
        }),
    }))
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
