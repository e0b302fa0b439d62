//! What usage might cost: an estimate, for a look at a delivery and not for a bill.
use reckoner_domain::decimal::{Decimal, Excess, SCALE};
use reckoner_domain::sum::Sum;
use reckoner_domain::wide::I256;
use serde_json::Value;
use std::str::FromStr;

/// The currency of estimates.
pub const CURRENCY: &str = "USD";
/// Fractional digits that are shown.
const SHOWN_DIGITS: u32 = 6;
/// Rates unless others are given: calls, bytes stored and moved by the GB (2^30 bytes), compute.
const DEFAULT_RATES: [&str; 4] = ["api.*=0.001", "storage.*=0.05/GB", "traffic.*=0.10/GB", "compute.*=0.001"];
/// Bytes of a GB.
const GB: &str = "1073741824";

/// A price for the event types that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// An event type, or the beginning of one.
    pattern: String,
    /// Whether the pattern is a beginning.
    prefix: bool,
    /// The price of `per` units.
    price: Decimal,
    /// Units of that price; above zero.
    per: Decimal,
}

/// A text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be TYPE=PRICE, TYPE=PRICE/UNITS or TYPE=PRICE/GB; TYPE may end in *")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (pattern, rest) = text.rsplit_once('=').ok_or(RateError)?;
        let (price, per) = rest.split_once('/').unwrap_or((rest, "1"));
        let per = if per.eq_ignore_ascii_case("GB") { GB } else { per };
        let number = |text| Decimal::parse(text).map_err(|_| RateError);
        let (price, per) = (number(price)?, number(per)?);
        if pattern.is_empty() || price < Decimal::ZERO || per <= Decimal::ZERO {
            return Err(RateError);
        }
        let start = pattern.strip_suffix('*');
        Ok(Self { pattern: start.unwrap_or(pattern).to_owned(), prefix: start.is_some(), price, per })
    }
}

/// Rates, the first that matches first.
#[derive(Clone, Debug, Default)]
pub struct Rates(Vec<Rate>);

impl Rates {
    /// These rates, and after them the default ones.
    pub fn new(given: Vec<Rate>) -> Self {
        let defaults = DEFAULT_RATES.iter().filter_map(|text| text.parse().ok());
        Self(given.into_iter().chain(defaults).collect())
    }

    /// The price of so much usage of a type; `None` where no rate matches, or for a number that
    /// is too large.
    pub fn price(&self, event_type: &str, value: Decimal) -> Option<Decimal> {
        let rate = self.0.iter().find(|rate| {
            if rate.prefix { event_type.starts_with(&rate.pattern) } else { event_type == rate.pattern }
        })?;
        let whole = Sum::ZERO.plus_product(value, rate.price).ok()?;
        shown(whole.over(Sum::ZERO.plus(rate.per).ok()?)?.to_decimal()?)
    }

    /// The prices of the totals in `{"api.calls": 5, ...}`, and what they come to.
    pub fn estimate(&self, totals: Option<&Value>) -> Estimate {
        let totals = totals.and_then(Value::as_object).into_iter().flatten();
        let lines: Vec<Line> = totals.map(|(name, value)| self.line(name, value)).collect();
        let prices = lines.iter().filter_map(|line| line.price);
        let total = prices.fold(Sum::ZERO, |total, price| total.plus(price).unwrap_or(total));
        Estimate { lines, total: total.to_decimal().unwrap_or_default() }
    }

    fn line(&self, event_type: &str, value: &Value) -> Line {
        let number =
            value.as_number().and_then(|number| Decimal::parse_with(number.as_str(), Excess::Round).ok());
        Line {
            event_type: event_type.to_owned(),
            value: value.to_string(),
            price: number.and_then(|number| self.price(event_type, number)),
        }
    }
}

/// What a delivery's usage might cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// One line for each type.
    pub lines: Vec<Line>,
    /// The sum of all prices.
    pub total: Decimal,
}

/// The usage of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The event type.
    pub event_type: String,
    /// The total as delivered.
    pub value: String,
    /// Its price, where a rate matches.
    pub price: Option<Decimal>,
}

fn shown(price: Decimal) -> Option<Decimal> {
    let step = 10_u128.checked_pow(SCALE.checked_sub(SHOWN_DIGITS)?)?;
    let steps = I256::from(price.units()).div_half_even(step)?;
    Decimal::from_units(steps.checked_mul(i128::try_from(step).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rate_that_matches_prices() {
        let rate = |text: &str| text.parse::<Rate>().expect("a rate");
        let rates = Rates::new(vec![rate("api.calls=0.5"), rate("api.*=2/10")]);
        let price = |name, value| {
            let value = Decimal::parse(value).expect("a number");
            rates.price(name, value).map(|price| price.to_string())
        };
        assert_eq!(price("api.calls", "3").as_deref(), Some("1.5"));
        assert_eq!(price("api.other", "3").as_deref(), Some("0.6"));
        assert_eq!(price("storage.bytes", "3221225472").as_deref(), Some("0.15"));
        assert_eq!(price("storage.bytes", "1").as_deref(), Some("0"));
        assert_eq!(price("traffic.bytes", "12345678").as_deref(), Some("0.00115"));
        assert_eq!(price("response.time.ms", "3"), None);
        assert_eq!(price("api.calls", "-2").as_deref(), Some("-1"));
    }

    #[test]
    fn estimates_add_up() {
        let totals = serde_json::json!({"api.calls": 1500, "response.time.ms": 12.5, "compute.units": 20});
        let estimate = Rates::new(Vec::new()).estimate(Some(&totals));
        assert_eq!(estimate.total.to_string(), "1.52");
        assert_eq!(estimate.lines.len(), 3);
        assert_eq!(estimate.lines[1].price, None);
        assert_eq!(Rates::default().estimate(None).total, Decimal::ZERO);
    }

    #[test]
    fn texts_that_are_no_rates() {
        for text in ["", "api.calls", "=1", "a=", "a=x", "a=-1", "a=1/0", "a=1/-2", "a=1/"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
    }
}
