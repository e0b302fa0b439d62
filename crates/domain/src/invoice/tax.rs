//! Taxes: one line for each rate, on the sum of its rounded lines.
use super::charge::Charged;
use super::line::{Line, LineKind};
use crate::key::TaxKey;
use crate::money::{Money, MoneyError};
use crate::percent::Percent;
use serde::{Deserialize, Serialize};

/// A rate of tax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRate {
    /// Names it.
    pub key: TaxKey,
    /// What the line says, such as `VAT`.
    pub name: String,
    /// The rate.
    pub percent: Percent,
}

/// Whether prices contain their tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxMode {
    /// Tax is added.
    Exclusive,
    /// Tax is contained, and only shown.
    Inclusive,
}

/// A tax line for each rate that a charge has, rounded once.
pub(super) fn lines(
    rates: &[TaxRate],
    mode: TaxMode,
    charged: &[Charged],
    nothing: Money,
) -> Result<Vec<Line>, MoneyError> {
    let mut lines = Vec::new();
    for rate in rates {
        let of_rate = |charge: &&Charged| charge.line.tax.as_ref() == Some(&rate.key);
        if charged.iter().all(|charge| !of_rate(&charge)) {
            continue;
        }
        let base = charged.iter().filter(of_rate).map(|charge| charge.net);
        let base = Money::total(base, nothing.currency())?.exact();
        let exact = match mode {
            TaxMode::Exclusive => rate.percent.of(base)?,
            TaxMode::Inclusive => rate.percent.within(base)?,
        };
        let amount = Money::rounded(exact, nothing.currency())?;
        let text = format!("{} {} %", rate.name, rate.percent);
        let line = Line::derived(LineKind::Tax, text, amount, Some(rate.key.clone()));
        lines.push(Line { exact: Some(exact), ..line });
    }
    Ok(lines)
}
