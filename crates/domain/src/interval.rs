//! How often a plan is billed.
use crate::meter::UnknownName;
use crate::ratio::Ratio;
use crate::sum::Overflow;
use std::str::FromStr;

/// The length of a billing period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

impl Interval {
    /// Every interval, as named in catalogues and API.
    pub const NAMES: [&'static str; 5] = ["day", "week", "month", "quarter", "year"];
    /// Every interval, in the order of their names.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The name in catalogues and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Months of the interval, for those that are counted in months.
    pub(crate) fn months(self) -> Option<i64> {
        match self {
            Self::Day | Self::Week => None,
            Self::Month => Some(1),
            Self::Quarter => Some(3),
            Self::Year => Some(12),
        }
    }

    /// What an amount per interval comes to in a month: a day counts 365/12, a week 52/12.
    pub fn monthly(self, amount: Ratio) -> Result<Ratio, Overflow> {
        let (part, whole) = match self {
            Self::Day => (365, 12),
            Self::Week => (52, 12),
            Self::Month => (1, 1),
            Self::Quarter => (1, 3),
            Self::Year => (1, 12),
        };
        amount.times(Ratio::from_counts(part, whole).ok_or(Overflow)?)
    }
}

impl FromStr for Interval {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == name).ok_or(UnknownName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_months_are_exact() {
        let monthly = ["365", "52", "12", "4", "1"];
        for ((name, interval), expected) in Interval::NAMES.into_iter().zip(Interval::ALL).zip(monthly) {
            assert_eq!((name.parse(), interval.as_str()), (Ok(interval), name));
            assert_eq!(
                interval.monthly(Ratio::from_count(12)).map(|m| m.to_string()),
                Ok(expected.to_owned())
            );
        }
        assert_eq!("Month".parse::<Interval>(), Err(UnknownName));
    }
}
