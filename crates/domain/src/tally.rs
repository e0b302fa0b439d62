//! The running value of one row of a query: a meter's aggregation over rollups and readings.
use crate::decimal::Decimal;
use crate::meter::{Aggregation, Reading};
use crate::ratio::Ratio;
use crate::rollup::{Mark, Rollup};
use crate::sketch::Sketch;
use crate::sum::{Overflow, Quotient, Sum};
use std::collections::HashSet;

/// A meter's value over a range: exact, or a quotient not yet rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// An exact number.
    Exact(Sum),
    /// Kept as what is divided and by what.
    Ratio(Quotient),
}

impl Usage {
    /// An exact decimal.
    pub fn of(number: Decimal) -> Self {
        Self::Exact(Sum::ZERO.plus(number).unwrap_or_default())
    }

    /// The exact fraction.
    pub fn to_ratio(self) -> Result<Ratio, Overflow> {
        match self {
            Self::Exact(sum) => Ok(Ratio::from(sum)),
            Self::Ratio(quotient) => Ratio::try_from(quotient),
        }
    }

    /// As shown: exact, or half to even with at most 18 fractional digits.
    pub fn to_text(self) -> String {
        match self {
            Self::Exact(sum) => sum.to_string(),
            Self::Ratio(quotient) => quotient.to_decimal().unwrap_or_default().to_string(),
        }
    }
}

/// Collects readings, and rollups where the aggregation allows, of one row.
#[derive(Clone, Debug)]
pub struct Tally {
    aggregation: Aggregation,
    rollup: Option<Rollup>,
    weighted: Option<Weighted>,
    texts: HashSet<String>,
    sketch: Sketch,
}

/// Exact totals of weighted readings.
#[derive(Clone, Copy, Debug, Default)]
struct Weighted {
    sum: Sum,
    weight: Sum,
}

impl Tally {
    /// An empty row. `weighted` says whether the meter weighs its events.
    pub fn new(aggregation: Aggregation, weighted: bool) -> Self {
        Self {
            aggregation,
            rollup: None,
            weighted: weighted.then(Weighted::default),
            texts: HashSet::new(),
            sketch: Sketch::default(),
        }
    }

    /// Adds the rollup of whole hours; only for meters that read rollups.
    pub fn add_rollup(&mut self, rollup: &Rollup) -> Result<(), Overflow> {
        match &mut self.rollup {
            Some(total) => total.merge(rollup),
            None => {
                self.rollup = Some(*rollup);
                Ok(())
            }
        }
    }

    /// Adds one reading.
    pub fn add(&mut self, reading: &Reading) -> Result<(), Overflow> {
        match self.aggregation {
            Aggregation::UniqueCount => {
                if let Some(text) = &reading.text {
                    self.texts.insert(text.clone());
                }
                return Ok(());
            }
            Aggregation::Percentile(_) => {
                self.sketch.add(reading.value);
                return Ok(());
            }
            _ => {}
        }
        if let Some(weighted) = &mut self.weighted {
            weighted.sum = weighted.sum.plus_product(reading.value, reading.weight)?;
            weighted.weight = weighted.weight.plus(reading.weight)?;
        }
        let mark = Mark { time: reading.time, sequence: reading.sequence, value: reading.value };
        match &mut self.rollup {
            Some(total) => total.add(mark),
            None => {
                self.rollup = Some(Rollup::of(mark)?);
                Ok(())
            }
        }
    }

    /// The row's value; `None` where there is none without events.
    pub fn usage(&self) -> Option<Usage> {
        let exact = |number: Option<Decimal>| number.map(Usage::of);
        let rollup = self.rollup.as_ref();
        match self.aggregation {
            Aggregation::Sum => Some(Usage::Exact(self.sum())),
            Aggregation::Count => Some(Usage::Exact(self.count())),
            Aggregation::Avg => self.sum().over(self.count()).map(Usage::Ratio),
            Aggregation::Min => exact(rollup.map(|r| r.min)),
            Aggregation::Max => exact(rollup.map(|r| r.max)),
            Aggregation::First => exact(rollup.map(|r| r.first.value)),
            Aggregation::Last => exact(rollup.map(|r| r.last.value)),
            Aggregation::UniqueCount => Some(Usage::Exact(Sum::from_count(self.texts.len() as u64))),
            Aggregation::Percentile(percent) => exact(self.sketch.percentile(percent)),
            Aggregation::TimeWeightedAvg => None,
        }
    }

    /// What the row's value would be if every event weighed one; `None` where events are not weighed,
    /// or where weights do not matter.
    pub fn base_usage(&self) -> Option<Usage> {
        self.weighted.as_ref()?;
        let (sum, count) = self.rollup.as_ref().map_or((Sum::ZERO, 0), |rollup| (rollup.sum, rollup.count));
        match self.aggregation {
            Aggregation::Sum => Some(Usage::Exact(sum)),
            Aggregation::Count => Some(Usage::Exact(Sum::from_count(count))),
            Aggregation::Avg => sum.over(Sum::from_count(count)).map(Usage::Ratio),
            _ => None,
        }
    }

    fn sum(&self) -> Sum {
        match (&self.weighted, &self.rollup) {
            (Some(weighted), _) => weighted.sum,
            (None, Some(rollup)) => rollup.sum,
            (None, None) => Sum::ZERO,
        }
    }

    fn count(&self) -> Sum {
        match (&self.weighted, &self.rollup) {
            (Some(weighted), _) => weighted.weight,
            (None, Some(rollup)) => Sum::from_count(rollup.count),
            (None, None) => Sum::ZERO,
        }
    }

    /// How many readings there were, unweighted (distinct texts for `unique_count`).
    pub fn readings(&self) -> u64 {
        match self.aggregation {
            Aggregation::UniqueCount => self.texts.len() as u64,
            Aggregation::Percentile(_) => self.sketch.count(),
            _ => self.rollup.as_ref().map_or(0, |rollup| rollup.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn tally(aggregation: Aggregation, values: &[&str]) -> Option<String> {
        let mut tally = Tally::new(aggregation, false);
        for (sequence, value) in values.iter().enumerate() {
            let value = Decimal::parse(value).expect("a number");
            let reading = Reading {
                time: Timestamp::default(),
                sequence: sequence as u64,
                value,
                weight: Decimal::ONE,
                text: Some(value.to_string()),
            };
            tally.add(&reading).expect("fits");
        }
        tally.usage().map(Usage::to_text)
    }

    #[test]
    fn the_plain_aggregations_of_ten_values() {
        let ten = ["10.5", "20.5", "30.5", "40.5", "50.5", "60.5", "70.5", "80.5", "90.5", "100.5"];
        for (name, expected) in [
            ("sum", "555"),
            ("count", "10"),
            ("avg", "55.5"),
            ("min", "10.5"),
            ("max", "100.5"),
            ("first", "10.5"),
            ("last", "100.5"),
            ("unique_count", "10"),
        ] {
            let aggregation = name.parse().expect("a name");
            assert_eq!(tally(aggregation, &ten).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn nothing_is_zero_or_null() {
        for name in Aggregation::NAMES {
            let aggregation: Aggregation = name.parse().expect("a name");
            let expected = matches!(name, "sum" | "count" | "unique_count").then_some("0");
            assert_eq!(tally(aggregation, &[]).as_deref(), expected, "{name}");
            assert_eq!(aggregation.as_str(), name);
        }
    }

    #[test]
    fn negatives_zeros_and_single_values() {
        assert_eq!(tally(Aggregation::Sum, &["-5", "3", "0"]).as_deref(), Some("-2"));
        assert_eq!(tally(Aggregation::Avg, &["-5", "3", "0"]).as_deref(), Some("-0.666666666666666667"));
        assert_eq!(tally(Aggregation::Max, &["-5"]).as_deref(), Some("-5"));
        assert_eq!(tally(Aggregation::Count, &["0"]).as_deref(), Some("1"));
    }

    #[test]
    fn weights_multiply_sums_and_stand_for_counts() {
        let mut tally = Tally::new(Aggregation::Avg, true);
        for (value, weight) in [("2", "20"), ("4", "0.5")] {
            let number = |text| Decimal::parse(text).expect("a number");
            let (value, weight) = (number(value), number(weight));
            tally
                .add(&Reading { time: Timestamp::default(), sequence: 1, value, weight, text: None })
                .expect("fits");
        }
        assert_eq!(tally.sum().to_string(), "42");
        assert_eq!(tally.count().to_string(), "20.5");
        assert_eq!(tally.usage().map(Usage::to_text).as_deref(), Some("2.048780487804878049"));
        assert_eq!(tally.readings(), 2);
    }
}
