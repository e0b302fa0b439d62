//! Exact decimals of at most 18 integer and 18 fractional digits.
//!
//! A fixed point on `i128` rather than a floating decimal: every value has one representation, so
//! equality, hashing and totals never depend on how a number was written.
use std::fmt;

/// Fractional digits kept.
pub const SCALE: u32 = 18;
/// Units in one.
pub const ONE: i128 = 1_000_000_000_000_000_000;
/// The first magnitude, in units, that is out of range.
const LIMIT: u128 = 1_000_000_000_000_000_000_000_000_000_000_000_000;
/// Mantissas below this take one more digit without leaving `u128`.
const MANTISSA_ROOM: u128 = 10_000_000_000_000_000_000_000_000_000_000_000_000;

/// A decimal number, exact, between -10^18 and 10^18 (both exclusive), in steps of 10^-18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

/// Why a text is no [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a number in JSON's grammar.
    #[error("must be a decimal number such as 12, -0.5 or 1e3")]
    Syntax,
    /// The magnitude reaches 10^18.
    #[error("must have at most 18 digits before the decimal point")]
    TooLarge,
    /// A digit beyond the 18th fractional one is not zero.
    #[error("must have at most 18 digits after the decimal point")]
    TooPrecise,
}

/// What becomes of digits beyond the 18th fractional one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The text is refused.
    Refuse,
    /// The number is rounded, half to even.
    Round,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(ONE);

    /// From a count of 10^-18 units; `None` when out of range.
    pub fn from_units(units: i128) -> Option<Self> {
        (units.unsigned_abs() < LIMIT).then_some(Self(units))
    }

    /// The number in units of 10^-18.
    pub fn units(self) -> i128 {
        self.0
    }

    /// A small whole number.
    pub fn from_i32(whole: i32) -> Self {
        Self(i128::from(whole).saturating_mul(ONE))
    }

    /// Reads a number in JSON's grammar, exactly or not at all.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        Self::parse_with(text, Excess::Refuse)
    }

    /// Reads a number in JSON's grammar; `excess` decides about digits beyond the 18th.
    pub fn parse_with(text: &str, excess: Excess) -> Result<Self, DecimalError> {
        Scanned::read(text.as_bytes())?.into_decimal(excess)
    }
}

/// A number as read: (-1)^negative x mantissa x 10^exponent, plus something smaller if `sticky`.
struct Scanned {
    negative: bool,
    mantissa: u128,
    exponent: i64,
    sticky: bool,
}

impl Scanned {
    fn read(bytes: &[u8]) -> Result<Self, DecimalError> {
        let (negative, rest) = match bytes.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, bytes),
        };
        let mut number = Self { negative, mantissa: 0, exponent: 0, sticky: false };
        let (whole, rest) = split_digits(rest);
        if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
            return Err(DecimalError::Syntax);
        }
        number.push(whole, false);
        let rest = match rest.split_first() {
            Some((b'.', rest)) => {
                let (fraction, rest) = split_digits(rest);
                if fraction.is_empty() {
                    return Err(DecimalError::Syntax);
                }
                number.push(fraction, true);
                rest
            }
            _ => rest,
        };
        match rest.split_first() {
            None => {}
            Some((b'e' | b'E', rest)) => {
                number.exponent = number.exponent.saturating_add(read_exponent(rest)?);
            }
            Some(_) => return Err(DecimalError::Syntax),
        }
        Ok(number)
    }

    fn push(&mut self, digits: &[u8], fraction: bool) {
        for digit in digits {
            let digit = u128::from(digit.wrapping_sub(b'0'));
            if self.mantissa < MANTISSA_ROOM {
                self.mantissa = self.mantissa.wrapping_mul(10).wrapping_add(digit);
                self.exponent = self.exponent.saturating_sub(i64::from(fraction));
            } else {
                self.sticky |= digit != 0;
                self.exponent = self.exponent.saturating_add(i64::from(!fraction));
            }
        }
    }

    fn into_decimal(self, excess: Excess) -> Result<Decimal, DecimalError> {
        if self.mantissa == 0 {
            return Ok(Decimal::ZERO);
        }
        let shift = self.exponent.saturating_add(i64::from(SCALE));
        let magnitude = if shift >= 0 {
            if self.sticky {
                return Err(DecimalError::TooLarge);
            }
            power_of_ten(shift)
                .and_then(|factor| self.mantissa.checked_mul(factor))
                .ok_or(DecimalError::TooLarge)?
        } else {
            self.shrink(shift.saturating_neg(), excess)?
        };
        if magnitude >= LIMIT {
            return Err(DecimalError::TooLarge);
        }
        let units = magnitude as i128;
        Ok(Decimal(if self.negative { units.wrapping_neg() } else { units }))
    }

    /// The mantissa divided by 10^places, rounded or refused as `excess` says.
    fn shrink(&self, places: i64, excess: Excess) -> Result<u128, DecimalError> {
        let Some(divisor) = power_of_ten(places) else {
            // Below half a unit whatever the mantissa.
            return if excess == Excess::Round { Ok(0) } else { Err(DecimalError::TooPrecise) };
        };
        let quotient = self.mantissa.checked_div(divisor).unwrap_or(0);
        let remainder = self.mantissa.checked_rem(divisor).unwrap_or(0);
        if remainder == 0 && !self.sticky {
            return Ok(quotient);
        }
        if excess == Excess::Refuse {
            return Err(if quotient >= LIMIT { DecimalError::TooLarge } else { DecimalError::TooPrecise });
        }
        let rest = divisor.wrapping_sub(remainder);
        let up = remainder > rest || (remainder == rest && (self.sticky || quotient & 1 == 1));
        Ok(quotient.saturating_add(u128::from(up)))
    }
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn read_exponent(bytes: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Syntax);
    }
    let magnitude = digits
        .iter()
        .fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0'))));
    Ok(if negative { magnitude.saturating_neg() } else { magnitude })
}

fn power_of_ten(exponent: i64) -> Option<u128> {
    10_u128.checked_pow(u32::try_from(exponent).ok()?)
}

impl fmt::Display for Decimal {
    /// Plain notation without trailing zeros: `21`, `0.3`, `-5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let one = ONE.unsigned_abs();
        let whole = magnitude.checked_div(one).unwrap_or(0);
        let fraction = magnitude.checked_rem(one).unwrap_or(0);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if fraction != 0 {
            let digits = format!("{fraction:018}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Decimal {
    type Err = DecimalError;
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints() {
        for (text, shown) in [
            ("0", "0"),
            ("-0", "0"),
            ("21.000", "21"),
            ("0.1", "0.1"),
            ("-12.50", "-12.5"),
            ("1e3", "1000"),
            ("15E-1", "1.5"),
            ("1e-18", "0.000000000000000001"),
            ("999999999999999999.999999999999999999", "999999999999999999.999999999999999999"),
            ("0.0000000000000000000000000000000000000000", "0"),
        ] {
            assert_eq!(Decimal::parse(text).map(|d| d.to_string()), Ok(shown.to_owned()), "{text}");
        }
        let zeros = format!("1.5{}", "0".repeat(10_000));
        assert_eq!(Decimal::parse(&zeros).map(|d| d.to_string()), Ok("1.5".to_owned()));
    }

    #[test]
    fn refuses() {
        for text in
            ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "NaN", "Infinity", "0x10", "1 ", "1,5", "--1"]
        {
            assert_eq!(Decimal::parse(text), Err(DecimalError::Syntax), "{text}");
        }
        for text in ["1e18", "1000000000000000000", "1e999999999999999999999", &"9".repeat(10_000)] {
            assert_eq!(Decimal::parse(text), Err(DecimalError::TooLarge), "{text}");
        }
        for text in ["1e-19", "0.1234567890123456789", "1e-99999999999"] {
            assert_eq!(Decimal::parse(text), Err(DecimalError::TooPrecise), "{text}");
        }
    }

    #[test]
    fn rounds_half_to_even_where_asked() {
        for (text, shown) in [
            ("0.0000000000000000005", "0"),
            ("0.0000000000000000015", "0.000000000000000002"),
            ("0.00000000000000000051", "0.000000000000000001"),
            ("-0.0000000000000000025", "-0.000000000000000002"),
            ("1e-400", "0"),
            ("0.1000000000000000055511151231257827", "0.100000000000000006"),
        ] {
            let number = Decimal::parse_with(text, Excess::Round).map(|d| d.to_string());
            assert_eq!(number, Ok(shown.to_owned()), "{text}");
        }
        let edge = Decimal::parse_with("999999999999999999.9999999999999999995", Excess::Round);
        assert_eq!(edge, Err(DecimalError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(units in -(LIMIT as i128) + 1..LIMIT as i128) {
            let number = Decimal::from_units(units).expect("in range");
            prop_assert_eq!(Decimal::parse(&number.to_string()), Ok(number));
        }
    }
}
