//! Exact fractions: what quantities and amounts are until the line rounds them.
//!
//! A month's mean, a price for 2^30 bytes and a share of a period are no decimals. As fractions of
//! 256-bit integers in lowest terms they stay exact; what does not fit is an error.
mod text;

pub use text::RatioError;

use crate::decimal::{Decimal, ONE};
use crate::sum::{Overflow, Quotient, Sum};
use crate::wide::I256;
use std::cmp::Ordering;

/// A fraction in lowest terms; equal numbers are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: I256,
    denominator: I256,
}

impl Default for Ratio {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Ratio {
    /// Zero.
    pub const ZERO: Self = Self { numerator: I256::ZERO, denominator: I256::ONE };
    /// One.
    pub const ONE: Self = Self { numerator: I256::ONE, denominator: I256::ONE };

    /// `numerator / denominator`; `None` for a denominator that is not positive.
    pub fn new(numerator: I256, denominator: I256) -> Option<Self> {
        let shared = numerator.common_divisor(denominator);
        let (denominator, _) = denominator.div_floor(shared).filter(|_| !denominator.is_negative())?;
        let (numerator, _) = numerator.div_floor(shared)?;
        (!denominator.is_zero()).then_some(Self { numerator, denominator })
    }

    /// A whole number.
    pub fn from_count(count: u64) -> Self {
        Self { numerator: I256::from(i128::from(count)), denominator: I256::ONE }
    }

    /// `part / whole` of two whole numbers; `None` for a whole of zero.
    pub fn from_counts(part: u64, whole: u64) -> Option<Self> {
        Self::new(I256::from(i128::from(part)), I256::from(i128::from(whole)))
    }

    /// A whole number of parts of 10^digits, such as cents for two digits.
    pub fn from_parts(parts: i128, digits: u32) -> Option<Self> {
        Self::new(I256::from(parts), I256::from(10_i128.checked_pow(digits)?))
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        let shared = self.denominator.common_divisor(other.denominator);
        let (mine, theirs) = (quotient(self.denominator, shared)?, quotient(other.denominator, shared)?);
        let left = product(self.numerator, theirs)?;
        let right = product(other.numerator, mine)?;
        let numerator = left.checked_add(right).ok_or(Overflow)?;
        Self::new(numerator, product(self.denominator, theirs)?).ok_or(Overflow)
    }

    /// This without the other.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.plus(other.negated()?)
    }

    /// The number with the other sign.
    pub fn negated(self) -> Result<Self, Overflow> {
        let numerator = I256::ZERO.checked_sub(self.numerator).ok_or(Overflow)?;
        Ok(Self { numerator, ..self })
    }

    /// The product; common factors are taken out first, so that it fits whenever its result does.
    pub fn times(self, other: Self) -> Result<Self, Overflow> {
        let (left, right) = (
            self.numerator.common_divisor(other.denominator),
            other.numerator.common_divisor(self.denominator),
        );
        if left.is_zero() || right.is_zero() {
            return Ok(Self::ZERO);
        }
        let numerator = product(quotient(self.numerator, left)?, quotient(other.numerator, right)?)?;
        let denominator = product(quotient(self.denominator, right)?, quotient(other.denominator, left)?)?;
        Ok(Self { numerator, denominator })
    }

    /// The quotient; a divisor of zero is an error.
    pub fn over(self, divisor: Self) -> Result<Self, Overflow> {
        let (numerator, denominator) = if divisor.is_negative() {
            let turned = divisor.negated()?;
            (I256::ZERO.checked_sub(turned.denominator).ok_or(Overflow)?, turned.numerator)
        } else {
            (divisor.denominator, divisor.numerator)
        };
        if denominator.is_zero() {
            return Err(Overflow);
        }
        self.times(Self { numerator, denominator })
    }

    /// `percent` hundredths of this.
    pub fn percent(self, percent: Decimal) -> Result<Self, Overflow> {
        self.times(Self::from(percent))?.over(Self::from_count(100))
    }

    /// The least whole number at or above this.
    pub fn ceil(self) -> Result<Self, Overflow> {
        let (whole, rest) = self.numerator.div_floor(self.denominator).ok_or(Overflow)?;
        let up = if rest.is_zero() { I256::ZERO } else { I256::ONE };
        Ok(Self { numerator: whole.checked_add(up).ok_or(Overflow)?, denominator: I256::ONE })
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.numerator.is_negative()
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.numerator.is_zero()
    }

    /// The nearest whole number of parts of 10^digits, halves to the even one: the one place where
    /// amounts are rounded.
    pub fn to_parts_half_even(self, digits: u32) -> Result<i128, Overflow> {
        let scale = I256::from(10_i128.checked_pow(digits).ok_or(Overflow)?);
        let scaled = product(self.numerator, scale)?;
        let (floor, rest) = scaled.div_floor(self.denominator).ok_or(Overflow)?;
        let left = self.denominator.checked_sub(rest).ok_or(Overflow)?;
        let floor = floor.to_i128().ok_or(Overflow)?;
        let up = match rest.cmp(&left) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => floor.rem_euclid(2) == 1,
        };
        floor.checked_add(i128::from(up)).ok_or(Overflow)
    }

    /// Shown half to even with at most 18 fractional digits.
    pub fn to_decimal(self) -> Option<Decimal> {
        Decimal::from_units(self.to_parts_half_even(crate::decimal::SCALE).ok()?)
    }
}

fn product(a: I256, b: I256) -> Result<I256, Overflow> {
    a.checked_product(b).ok_or(Overflow)
}

fn quotient(a: I256, b: I256) -> Result<I256, Overflow> {
    a.div_floor(b).map(|(quotient, _)| quotient).ok_or(Overflow)
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        let crossed = (
            self.numerator.checked_product(other.denominator),
            other.numerator.checked_product(self.denominator),
        );
        if let (Some(left), Some(right)) = crossed {
            return left.cmp(&right);
        }
        compare_by_parts(*self, *other)
    }
}

/// Whole parts first, then the reciprocals of the rests, as continued fractions are compared.
fn compare_by_parts(mut a: Ratio, mut b: Ratio) -> Ordering {
    let mut turned = false;
    loop {
        let parts = (a.numerator.div_floor(a.denominator), b.numerator.div_floor(b.denominator));
        let (Some((whole, rest)), Some((other_whole, other_rest))) = parts else { return Ordering::Equal };
        let order = whole.cmp(&other_whole).then_with(|| match (rest.is_zero(), other_rest.is_zero()) {
            (true, true) => Ordering::Equal,
            (zero, other_zero) => other_zero.cmp(&zero),
        });
        if order.is_ne() || rest.is_zero() {
            return if turned { order.reverse() } else { order };
        }
        turned = !turned;
        a = Ratio { numerator: a.denominator, denominator: rest };
        b = Ratio { numerator: b.denominator, denominator: other_rest };
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Decimal> for Ratio {
    fn from(number: Decimal) -> Self {
        Self::new(I256::from(number.units()), I256::from(ONE)).unwrap_or_default()
    }
}

impl From<Sum> for Ratio {
    fn from(sum: Sum) -> Self {
        Self::new(sum.units(), I256::product(ONE, ONE)).unwrap_or_default()
    }
}

impl TryFrom<Quotient> for Ratio {
    type Error = Overflow;
    fn try_from(quotient: Quotient) -> Result<Self, Overflow> {
        quotient.to_ratio().ok_or(Overflow)
    }
}

#[cfg(test)]
mod tests;
