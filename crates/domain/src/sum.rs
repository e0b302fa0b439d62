//! Exact totals and quotients in 256 bits.
use crate::decimal::{Decimal, ONE, SCALE};
use crate::ratio::Ratio;
use crate::wide::I256;
use std::fmt;

/// Fractional digits of a [`Sum`]: those of a product of two decimals.
const SUM_SCALE: usize = 2 * SCALE as usize;

/// A total left the 256 bits that hold it; nothing was rounded or wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the total exceeds 256 bits")]
pub struct Overflow;

/// An exact total of decimals, or of products of two decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sum(I256);

impl Sum {
    /// Nothing added yet.
    pub const ZERO: Self = Self(I256::ZERO);

    /// This total and one more number.
    pub fn plus(self, number: Decimal) -> Result<Self, Overflow> {
        self.plus_product(number, Decimal::ONE)
    }

    /// This total and the exact product of two numbers.
    pub fn plus_product(self, a: Decimal, b: Decimal) -> Result<Self, Overflow> {
        self.0.checked_add(I256::product(a.units(), b.units())).map(Self).ok_or(Overflow)
    }

    /// Both totals together.
    pub fn plus_sum(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// This total without the other.
    pub fn minus_sum(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
    }

    /// A whole number as a total.
    pub fn from_count(count: u64) -> Self {
        Self(I256::product(i128::from(count).saturating_mul(ONE), ONE))
    }

    /// The total where it is a decimal of 18 + 18 digits.
    pub fn to_decimal(self) -> Option<Decimal> {
        let units = self.0.div_half_even(ONE.unsigned_abs())?;
        (I256::product(units, ONE) == self.0).then(|| Decimal::from_units(units))?
    }

    /// The total as bytes: units of 10^-36, the least significant byte first.
    pub fn to_le_bytes(self) -> [u8; 32] {
        self.0.to_le_bytes()
    }

    /// The total with these bytes.
    pub fn from_le_bytes(bytes: [u8; 32]) -> Self {
        Self(I256::from_le_bytes(bytes))
    }

    /// The total in units of 10^-36.
    pub(crate) fn units(self) -> I256 {
        self.0
    }

    /// Whether the total is below zero.
    pub fn is_negative(self) -> bool {
        self.0.is_negative()
    }

    /// This total divided by another, kept unrounded; `None` for a divisor that is not positive.
    pub fn over(self, weight: Self) -> Option<Quotient> {
        let weight = weight.0.div_half_even(ONE.unsigned_abs())?;
        Quotient::new(self.0, weight.unsigned_abs()).filter(|_| weight > 0)
    }
}

impl fmt::Display for Sum {
    /// Plain notation without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (negative, digits) = self.0.to_digits();
        let padded = format!("{digits:0>width$}", width = SUM_SCALE.saturating_add(1));
        let (whole, fraction) = padded.split_at(padded.len().saturating_sub(SUM_SCALE));
        let fraction = fraction.trim_end_matches('0');
        let sign = if negative { "-" } else { "" };
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

/// A quotient kept as what is divided and by what, so that nothing is rounded before it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotient {
    numerator: I256,
    denominator: u128,
}

impl Quotient {
    /// `numerator / denominator` in units of 10^-18; `None` for a zero denominator.
    pub fn new(numerator: I256, denominator: u128) -> Option<Self> {
        (denominator != 0).then_some(Self { numerator, denominator })
    }

    /// The same as a fraction; `None` where it does not fit in 256 bits.
    pub(crate) fn to_ratio(self) -> Option<Ratio> {
        Ratio::new(self.numerator, I256::from_magnitude(self.denominator).checked_product(I256::from(ONE))?)
    }

    /// Shown half to even with at most 18 fractional digits; `None` when out of a decimal's range.
    pub fn to_decimal(self) -> Option<Decimal> {
        Decimal::from_units(self.numerator.div_half_even(self.denominator)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).expect("a number")
    }

    #[test]
    fn tenths_add_up() {
        let sum = Sum::ZERO.plus(number("0.1")).and_then(|s| s.plus(number("0.2")));
        assert_eq!(sum.map(|s| s.to_string()), Ok("0.3".to_owned()));
        let tenth = number("0.1");
        let million = (0..10_000_000).try_fold(Sum::ZERO, |sum, _| sum.plus(tenth));
        assert_eq!(million.map(|s| s.to_string()), Ok("1000000".to_owned()));
    }

    #[test]
    fn products_keep_every_digit() {
        let tiny = number("0.000000000000000001");
        let sum = Sum::ZERO.plus_product(tiny, tiny).expect("fits");
        assert_eq!(sum.to_string(), "0.000000000000000000000000000000000001");
        assert_eq!(sum.to_decimal(), None);
    }

    #[test]
    fn quotients_round_once_and_half_to_even() {
        let sum = Sum::ZERO.plus(number("2")).expect("fits");
        let third = sum.over(Sum::from_count(3)).and_then(Quotient::to_decimal);
        assert_eq!(third.map(|d| d.to_string()).as_deref(), Some("0.666666666666666667"));
        assert_eq!(sum.over(Sum::ZERO), None);
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(mut numbers in prop::collection::vec(-1_000_000_000_000_000_000_000_i128..1_000_000_000_000_000_000_000, 1..40), cut in 0_usize..40) {
            let add = |units: &[i128]| units.iter().try_fold(Sum::ZERO, |s, u| s.plus(Decimal::from_units(*u).expect("in range")));
            let whole = add(&numbers).expect("fits");
            let cut = cut.min(numbers.len());
            let (left, right) = numbers.split_at(cut);
            prop_assert_eq!(add(left).and_then(|l| l.plus_sum(add(right)?)), Ok(whole));
            numbers.reverse();
            prop_assert_eq!(add(&numbers), Ok(whole));
        }
    }
}
