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

impl TaxMode {
    /// Both, as named in the API.
    pub const NAMES: [&'static str; 2] = ["exclusive", "inclusive"];
    /// Both, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Exclusive, Self::Inclusive];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Inclusive => "inclusive",
        }
    }
}

/// What a customer is taxed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxes {
    /// Whether prices contain their tax.
    pub mode: TaxMode,
    /// The rates; the first is that of all that names no other.
    pub rates: Vec<TaxRate>,
}

impl Default for Taxes {
    fn default() -> Self {
        Self { mode: TaxMode::Exclusive, rates: Vec::new() }
    }
}

impl Taxes {
    /// The rate of what names this one, or none: a name that the customer has no rate of is not taxed.
    pub fn key_of(&self, named: Option<&TaxKey>) -> Option<&TaxKey> {
        let found = match named {
            Some(key) => self.rates.iter().find(|rate| rate.key == *key),
            None => self.rates.first(),
        };
        found.map(|rate| &rate.key)
    }
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
