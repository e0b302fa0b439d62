//! Weights of operations, as compute units have them.
use crate::decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;

/// Fractional digits a weight may have.
pub const WEIGHT_SCALE_MAX: u32 = 6;
/// The greatest weight.
pub const WEIGHT_MAX: i32 = 1_000_000;

/// The table of compute operations shipped with Reckoner, as JSON.
pub const COMPUTE_WEIGHTS_JSON: &str = include_str!("../data/compute_weights.json");

/// A weight for each of a property's values, and one for all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightTable {
    weights: BTreeMap<String, Decimal>,
    default: Decimal,
}

/// A weight outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 0 to 1000000 with at most 6 fractional digits")]
pub struct WeightError;

/// A number as a weight: from 0 to 1,000,000 with at most six fractional digits, so that sums of
/// weighted values keep their room in 256 bits.
pub fn weight(number: Decimal) -> Result<Decimal, WeightError> {
    const STEP: i128 = 1_000_000_000_000;
    let in_range = (Decimal::ZERO..=Decimal::from_i32(WEIGHT_MAX)).contains(&number);
    let coarse = number.units().checked_rem(STEP) == Some(0);
    if in_range && coarse { Ok(number) } else { Err(WeightError) }
}

impl WeightTable {
    /// A table of weights; each has passed [`weight`].
    pub fn new(weights: BTreeMap<String, Decimal>, default: Decimal) -> Self {
        Self { weights, default }
    }

    /// The table of compute operations shipped with Reckoner.
    pub fn compute() -> Self {
        let read = |value: &Value| weight(Decimal::parse(value.as_number()?.as_str()).ok()?).ok();
        let file: Value = serde_json::from_str(COMPUTE_WEIGHTS_JSON).unwrap_or_default();
        let weights = file.get("weights").and_then(Value::as_object).into_iter().flatten();
        let weights = weights.filter_map(|(name, value)| Some((name.clone(), read(value)?))).collect();
        Self::new(weights, Decimal::ONE)
    }

    /// The same with another weight for everything it does not name; it has passed [`weight`].
    pub fn with_default(self, default: Decimal) -> Self {
        Self { default, ..self }
    }

    /// The weight of a property's value.
    pub fn weight_of(&self, text: Option<&str>) -> Decimal {
        text.and_then(|text| self.weights.get(text)).copied().unwrap_or(self.default)
    }

    /// The weights by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Decimal)> {
        self.weights.iter().map(|(name, weight)| (name.as_str(), *weight))
    }

    /// The weight of everything the table does not name.
    pub fn default_weight(&self) -> Decimal {
        self.default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_whole() {
        let table = WeightTable::compute();
        assert_eq!(table.entries().count(), 58);
        assert_eq!(table.weight_of(Some("ai_code_review")).to_string(), "20");
        assert_eq!(table.weight_of(Some("project_read")).to_string(), "0.5");
        assert_eq!(table.weight_of(Some("unheard of")), Decimal::ONE);
        assert_eq!(table.weight_of(None), Decimal::ONE);
    }

    #[test]
    fn weights_have_a_range() {
        let number = |text| Decimal::parse(text).expect("a number");
        assert!(
            weight(number("0")).is_ok()
                && weight(number("1000000")).is_ok()
                && weight(number("0.000001")).is_ok()
        );
        for bad in ["-1", "1000000.1", "0.0000001"] {
            assert_eq!(weight(number(bad)), Err(WeightError), "{bad}");
        }
    }
}
