//! Percentages of prices, coupons and taxes.
use crate::decimal::Decimal;
use crate::ratio::Ratio;
use crate::sum::Overflow;
use serde::{Deserialize, Serialize};
use std::fmt;

/// From 0 to 100 with at most 6 fractional digits, written as "2.9".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Percent(Decimal);

/// A text is no percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a percentage from 0 to 100 with at most 6 digits after the decimal point, such as 2.9")]
pub struct PercentError;

impl Percent {
    /// Reads a decimal number.
    pub fn parse(text: &str) -> Result<Self, PercentError> {
        const STEP: i128 = 1_000_000_000_000;
        let number = Decimal::parse(text).map_err(|_| PercentError)?;
        let in_range = (Decimal::ZERO..=Decimal::from_i32(100)).contains(&number);
        let coarse = number.units().checked_rem(STEP) == Some(0);
        if in_range && coarse { Ok(Self(number)) } else { Err(PercentError) }
    }

    /// This share of an amount.
    pub fn of(self, amount: Ratio) -> Result<Ratio, Overflow> {
        amount.percent(self.0)
    }

    /// What is left of an amount without this share.
    pub fn off(self, amount: Ratio) -> Result<Ratio, Overflow> {
        amount.minus(self.of(amount)?)
    }

    /// The part of an amount that this share makes of it when it is already included: p / (100 + p).
    pub fn within(self, amount: Ratio) -> Result<Ratio, Overflow> {
        let share = Ratio::from(self.0);
        amount.times(share)?.over(Ratio::from_count(100).plus(share)?)
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.0 == Decimal::ZERO
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> Self {
        percent.to_string()
    }
}

impl TryFrom<String> for Percent {
    type Error = PercentError;
    fn try_from(text: String) -> Result<Self, PercentError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_range() {
        for (text, shown) in [("0", "0"), ("2.90", "2.9"), ("100", "100"), ("0.000001", "0.000001")] {
            assert_eq!(
                Percent::parse(text).map(|percent| percent.to_string()),
                Ok(shown.to_owned()),
                "{text}"
            );
        }
        for text in ["-1", "100.1", "0.0000001", "", "5%"] {
            assert_eq!(Percent::parse(text), Err(PercentError), "{text}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let amount = Ratio::parse("119.9").expect("a number");
        let percent = Percent::parse("19").expect("a percentage");
        let shown = |share: Result<Ratio, Overflow>| share.map(|share| share.to_string());
        assert_eq!(shown(percent.of(amount)), Ok("22.781".to_owned()));
        assert_eq!(shown(percent.off(amount)), Ok("97.119".to_owned()));
        // 119.9 x 19 / 119
        assert_eq!(shown(percent.within(amount)), Ok("22781/1190".to_owned()));
    }
}
