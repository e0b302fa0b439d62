//! What exact fractions need of 256-bit integers: whole products, divisions and common divisors.
use super::I256;

/// A magnitude as two 128-bit halves, the high one first.
type Halves = (u128, u128);

impl I256 {
    /// One.
    pub const ONE: Self = Self { hi: 0, lo: 1 };

    /// From 128 bits without a sign.
    pub fn from_magnitude(magnitude: u128) -> Self {
        Self { hi: 0, lo: magnitude }
    }

    /// The product, or `None` where it does not fit in 256 bits.
    pub fn checked_product(self, other: Self) -> Option<Self> {
        let (negative, hi, lo) = self.parts();
        let (other_negative, other_hi, other_lo) = other.parts();
        if hi != 0 && other_hi != 0 {
            return None;
        }
        let (low, carry) = lo.carrying_mul(other_lo, 0);
        // At most one of the crossed products is not zero.
        let crossed = hi.checked_mul(other_lo)?.checked_add(lo.checked_mul(other_hi)?)?;
        let high = i128::try_from(crossed.checked_add(carry)?).ok()?;
        let magnitude = Self { hi: high, lo: low };
        Some(if negative == other_negative { magnitude } else { magnitude.wrapping_neg() })
    }

    /// The greatest whole number at or below `self / divisor`, and what is left over; `None` for a
    /// divisor that is not positive.
    pub fn div_floor(self, divisor: Self) -> Option<(Self, Self)> {
        if divisor.is_negative() || divisor.is_zero() {
            return None;
        }
        let (negative, hi, lo) = self.parts();
        let (quotient, remainder) = divide_halves((hi, lo), (divisor.hi as u128, divisor.lo))?;
        let (quotient, remainder) = (from_halves(quotient), from_halves(remainder));
        if !negative {
            return Some((quotient, remainder));
        }
        if remainder.is_zero() {
            return Some((quotient.wrapping_neg(), remainder));
        }
        Some((quotient.checked_add(Self::ONE)?.wrapping_neg(), divisor.checked_sub(remainder)?))
    }

    /// The greatest number that divides both without a rest; zero only for two zeros.
    pub fn common_divisor(self, other: Self) -> Self {
        let (_, hi, lo) = self.parts();
        let (_, other_hi, other_lo) = other.parts();
        from_halves(binary_gcd((hi, lo), (other_hi, other_lo)))
    }

    /// The number with these decimal digits; `None` for anything but digits, or too many.
    pub fn from_digits(digits: &str) -> Option<Self> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.bytes().try_fold(Self::ZERO, |number, digit| {
            number.checked_mul(10)?.checked_add(Self::from(i128::from(digit.wrapping_sub(b'0'))))
        })
    }
}

fn from_halves((hi, lo): Halves) -> I256 {
    I256 { hi: hi as i128, lo }
}

/// Stein's algorithm: twos are taken out by shifting, the rest by subtraction.
fn binary_gcd(mut a: Halves, mut b: Halves) -> Halves {
    if a == (0, 0) {
        return b;
    }
    if b == (0, 0) {
        return a;
    }
    let shared = twos(a).min(twos(b));
    a = shift_right(a, twos(a));
    while b != (0, 0) {
        b = shift_right(b, twos(b));
        if a > b {
            (a, b) = (b, a);
        }
        b = minus(b, a);
    }
    shift_left(a, shared)
}

fn twos((hi, lo): Halves) -> u32 {
    if lo == 0 { hi.trailing_zeros().saturating_add(128) } else { lo.trailing_zeros() }
}

fn shift_right((hi, lo): Halves, by: u32) -> Halves {
    match by {
        0 => (hi, lo),
        1..128 => (hi >> by, (lo >> by) | (hi << 128_u32.saturating_sub(by))),
        _ => (0, hi.checked_shr(by.saturating_sub(128)).unwrap_or(0)),
    }
}

fn shift_left((hi, lo): Halves, by: u32) -> Halves {
    match by {
        0 => (hi, lo),
        1..128 => ((hi << by) | (lo >> 128_u32.saturating_sub(by)), lo << by),
        _ => (lo.checked_shl(by.saturating_sub(128)).unwrap_or(0), 0),
    }
}

fn minus((hi, lo): Halves, (other_hi, other_lo): Halves) -> Halves {
    let (low, borrow) = lo.overflowing_sub(other_lo);
    (hi.wrapping_sub(other_hi).wrapping_sub(u128::from(borrow)), low)
}

/// Quotient and remainder; `None` for a zero divisor.
fn divide_halves(number: Halves, divisor: Halves) -> Option<(Halves, Halves)> {
    if divisor.0 == 0 {
        let (quotient, remainder) = super::divide(number.0, number.1, divisor.1)?;
        return Some((quotient, (0, remainder)));
    }
    // The divisor has more than 128 bits, so the quotient has fewer.
    let (mut quotient, mut remainder) = (0_u128, (0, number.0));
    for bit in (0..128).rev() {
        remainder = shift_left(remainder, 1);
        remainder.1 |= (number.1 >> bit) & 1;
        quotient <<= 1;
        if remainder >= divisor {
            remainder = minus(remainder, divisor);
            quotient |= 1;
        }
    }
    Some(((0, quotient), remainder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digits(text: &str) -> I256 {
        I256::from_digits(text).expect("digits")
    }

    #[test]
    fn wide_products_and_divisions() {
        // 3^100, 3^101, 3^61 and their like from another program's big integers.
        let power = digits("515377520732011331036461129765621272702107522001");
        let (quotient, rest) =
            power.div_floor(digits("1000000000000000000000000000000000000001")).expect("divides");
        assert_eq!(quotient, digits("515377520"));
        assert_eq!(rest, digits("732011331036461129765621272701592144481"));
        assert_eq!(
            power.checked_product(I256::from(3)),
            Some(digits("1546132562196033993109383389296863818106322566003"))
        );
        assert_eq!(power.checked_product(power), None);
        let half = digits("127173474825648610542883299603");
        assert_eq!(power.common_divisor(half.checked_product(I256::from(10)).expect("fits")), half);
        assert_eq!(I256::from(-7).div_floor(I256::from(2)), Some((I256::from(-4), I256::ONE)));
        assert_eq!(I256::from(-8).div_floor(I256::from(2)), Some((I256::from(-4), I256::ZERO)));
        assert_eq!(I256::ONE.div_floor(I256::ZERO), None);
        assert_eq!(I256::ONE.div_floor(I256::from(-1)), None);
    }

    #[test]
    fn edges_of_the_halves() {
        let bit = |shift: u32| {
            if shift < 128 { I256 { hi: 0, lo: 1 << shift } } else { I256 { hi: 1 << (shift - 128), lo: 0 } }
        };
        for shift in [0, 1, 63, 127, 128, 129, 200, 253] {
            assert_eq!(bit(shift).common_divisor(bit(254)), bit(shift), "{shift}");
            assert_eq!(bit(254).div_floor(bit(shift)), Some((bit(254 - shift), I256::ZERO)), "{shift}");
        }
        assert_eq!(bit(127).checked_product(bit(128)), None);
        assert_eq!(bit(126).checked_product(bit(128)), Some(bit(254)));
        assert_eq!(I256::ZERO.common_divisor(I256::from(-5)), I256::from(5));
        assert_eq!(I256::from_digits("12a"), None);
        assert_eq!(I256::from_digits(&"9".repeat(78)), None);
    }

    proptest! {
        #[test]
        fn agrees_with_128_bits(a in any::<i64>(), b in 1_i64.., c in any::<i64>()) {
            let (a, b, c) = (i128::from(a), i128::from(b), i128::from(c));
            prop_assert_eq!(I256::from(a).checked_product(I256::from(c)), Some(I256::from(a * c)));
            let floor = (I256::from(a.div_euclid(b)), I256::from(a.rem_euclid(b)));
            prop_assert_eq!(I256::from(a).div_floor(I256::from(b)), Some(floor));
        }

        #[test]
        fn quotient_and_rest_make_the_number(a in any::<[u8; 31]>(), b in 1_u128.., hi in 0_i128..1 << 40) {
            let mut bytes = [0; 32];
            bytes[..31].copy_from_slice(&a);
            let (number, divisor) = (I256::from_le_bytes(bytes), I256 { hi, lo: b });
            let (quotient, rest) = number.div_floor(divisor).expect("positive");
            prop_assert!(rest < divisor);
            let back = quotient.checked_product(divisor).and_then(|product| product.checked_add(rest));
            prop_assert_eq!(back, Some(number));
            let shared = number.common_divisor(divisor);
            prop_assert_eq!(number.div_floor(shared).map(|(_, rest)| rest), Some(I256::ZERO));
            prop_assert_eq!(divisor.div_floor(shared).map(|(_, rest)| rest), Some(I256::ZERO));
        }
    }
}
