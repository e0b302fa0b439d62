//! Signed 256-bit integers, as far as sums, integrals and fractions need them.
mod exact;

use std::fmt::Write;

/// A signed 256-bit integer in two's complement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct I256 {
    hi: i128,
    lo: u128,
}

impl PartialOrd for I256 {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for I256 {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.hi, self.lo).cmp(&(other.hi, other.lo))
    }
}

impl From<i128> for I256 {
    fn from(value: i128) -> Self {
        Self { hi: if value < 0 { -1 } else { 0 }, lo: value as u128 }
    }
}

impl I256 {
    /// Zero.
    pub const ZERO: Self = Self { hi: 0, lo: 0 };

    /// The exact product of two 128-bit integers; it always fits.
    pub fn product(a: i128, b: i128) -> Self {
        let (lo, hi) = a.unsigned_abs().carrying_mul(b.unsigned_abs(), 0);
        let magnitude = Self { hi: hi as i128, lo };
        if (a < 0) == (b < 0) { magnitude } else { magnitude.wrapping_neg() }
    }

    /// The sum, or `None` where it does not fit in 256 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (lo, carry) = self.lo.overflowing_add(other.lo);
        let hi = self.hi.wrapping_add(other.hi).wrapping_add(i128::from(carry));
        let overflowed = (self.hi < 0) == (other.hi < 0) && (hi < 0) != (self.hi < 0);
        (!overflowed).then_some(Self { hi, lo })
    }

    /// The difference, or `None` where it does not fit in 256 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let (lo, borrow) = self.lo.overflowing_sub(other.lo);
        let hi = self.hi.wrapping_sub(other.hi).wrapping_sub(i128::from(borrow));
        let overflowed = (self.hi < 0) != (other.hi < 0) && (hi < 0) != (self.hi < 0);
        (!overflowed).then_some(Self { hi, lo })
    }

    /// The product with a small number, or `None` where it does not fit in 256 bits.
    pub fn checked_mul(self, factor: u64) -> Option<Self> {
        let (negative, hi, lo) = self.parts();
        let (lo, carry) = lo.carrying_mul(u128::from(factor), 0);
        let (hi, excess) = hi.carrying_mul(u128::from(factor), carry);
        let magnitude = Self { hi: i128::try_from(hi).ok()?, lo };
        let product = if negative { magnitude.wrapping_neg() } else { magnitude };
        (excess == 0).then_some(product)
    }

    /// Whether the number is below zero.
    pub fn is_negative(self) -> bool {
        self.hi < 0
    }

    /// Whether the number is zero.
    pub fn is_zero(self) -> bool {
        self.hi == 0 && self.lo == 0
    }

    /// The 32 bytes, little endian.
    pub fn to_le_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (low, high) = bytes.split_at_mut(16);
        low.copy_from_slice(&self.lo.to_le_bytes());
        high.copy_from_slice(&self.hi.to_le_bytes());
        bytes
    }

    /// The number with these 32 bytes, little endian.
    pub fn from_le_bytes(bytes: [u8; 32]) -> Self {
        let (low, high) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>());
        let half = |chunk: Option<&[u8; 16]>| u128::from_le_bytes(chunk.copied().unwrap_or_default());
        Self { lo: half(low), hi: half(high) as i128 }
    }

    /// The number as 128 bits, where it fits.
    pub fn to_i128(self) -> Option<i128> {
        let narrow = self.lo as i128;
        (Self::from(narrow) == self).then_some(narrow)
    }

    fn wrapping_neg(self) -> Self {
        let (lo, carry) = (!self.lo).overflowing_add(1);
        Self { hi: (!self.hi).wrapping_add(i128::from(carry)), lo }
    }

    /// Sign and magnitude as two 128-bit halves (high, low).
    fn parts(self) -> (bool, u128, u128) {
        let negative = self.is_negative();
        let magnitude = if negative { self.wrapping_neg() } else { self };
        (negative, magnitude.hi as u128, magnitude.lo)
    }

    /// Divides the magnitude by `divisor`, rounding half to even, and returns it with the sign.
    /// `None` for a zero divisor or a quotient outside 128 bits.
    pub fn div_half_even(self, divisor: u128) -> Option<i128> {
        let (negative, hi, lo) = self.parts();
        let ((quotient_hi, quotient), remainder) = divide(hi, lo, divisor)?;
        if quotient_hi != 0 {
            return None;
        }
        let rest = divisor.checked_sub(remainder)?;
        let up = match remainder.cmp(&rest) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => quotient & 1 == 1,
        };
        let rounded = quotient.checked_add(u128::from(up && remainder != 0))?;
        let value = i128::try_from(rounded).ok()?;
        if negative { value.checked_neg() } else { Some(value) }
    }

    /// The decimal digits of the magnitude, without leading zeros ("0" for zero), and the sign.
    pub fn to_digits(self) -> (bool, String) {
        const GROUP: u128 = 1_000_000_000_000_000_000;
        let (negative, mut hi, mut lo) = self.parts();
        let mut groups = Vec::new();
        while let Some(((next_hi, next_lo), rest)) = divide(hi, lo, GROUP) {
            groups.push(rest);
            (hi, lo) = (next_hi, next_lo);
            if hi == 0 && lo == 0 {
                break;
            }
        }
        let mut digits = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            let _ = write!(digits, "{group:018}");
        }
        (negative, digits)
    }
}

/// (high, low) / divisor as ((quotient high, quotient low), remainder).
fn divide(hi: u128, lo: u128, divisor: u128) -> Option<((u128, u128), u128)> {
    if divisor == 0 {
        return None;
    }
    let (quotient_hi, mut remainder) = (hi.checked_div(divisor)?, hi.checked_rem(divisor)?);
    if remainder == 0 {
        return Some(((quotient_hi, lo.checked_div(divisor)?), lo.checked_rem(divisor)?));
    }
    let mut quotient_lo = 0_u128;
    for bit in (0..128).rev() {
        let carry = remainder >> 127 == 1;
        remainder = (remainder << 1) | ((lo >> bit) & 1);
        quotient_lo <<= 1;
        if carry || remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient_lo |= 1;
        }
    }
    Some(((quotient_hi, quotient_lo), remainder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn product_then_division_gives_the_factor_back(a in any::<i128>(), b in 1..=i128::MAX) {
            prop_assert_eq!(I256::product(a, b).div_half_even(b as u128), Some(a));
        }

        #[test]
        fn adding_then_subtracting_is_identity(a in any::<i128>(), b in any::<i128>(), c in any::<i128>()) {
            let (x, y) = (I256::product(a, b), I256::from(c));
            let sum = x.checked_add(y).expect("far from the edge");
            prop_assert_eq!(sum.checked_sub(y), Some(x));
            prop_assert_eq!(I256::from(c).to_i128(), Some(c));
        }

        #[test]
        fn a_wide_product_is_the_sum_of_narrow_ones(a in any::<i128>(), b in any::<i64>(), factor in any::<u64>()) {
            let wide = I256::product(a, i128::from(b) << 1);
            let narrow = i128::from(factor);
            let expected = i128::from(b).checked_mul(narrow).and_then(|b| b.checked_mul(2));
            if let Some(expected) = expected {
                prop_assert_eq!(wide.checked_mul(factor), Some(I256::product(a, expected)));
            }
        }

        #[test]
        fn digits_agree_with_the_narrow_ones(a in any::<i128>()) {
            let (negative, digits) = I256::from(a).to_digits();
            prop_assert_eq!(digits, a.unsigned_abs().to_string());
            prop_assert_eq!(negative, a < 0);
        }
    }

    #[test]
    fn overflow_is_noticed_on_both_sides() {
        let most = I256 { hi: i128::MAX, lo: u128::MAX };
        let least = I256 { hi: i128::MIN, lo: 0 };
        assert_eq!(most.checked_add(I256::from(1)), None);
        assert_eq!(least.checked_sub(I256::from(1)), None);
        assert_eq!(most.checked_add(least), Some(I256::from(-1)));
        assert_eq!(most.checked_mul(1), Some(most));
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(I256 { hi: 1 << 64, lo: 0 }.checked_mul(1 << 63), None);
        assert_eq!(I256 { hi: 1 << 100, lo: 0 }.checked_mul(1 << 63), None);
        assert_eq!(I256 { hi: -1, lo: 1 }.checked_mul(u64::MAX).map(I256::is_negative), Some(true));
    }

    #[test]
    fn halves_round_to_even() {
        for (number, expected) in [(5, 2), (15, 8), (25, 12), (-5, -2), (-15, -8), (26, 13)] {
            assert_eq!(I256::from(number).div_half_even(2), Some(if number == 26 { 13 } else { expected }));
        }
        assert_eq!(I256::from(3).div_half_even(0), None);
    }
}
