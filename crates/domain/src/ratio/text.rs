//! Fractions as text: plain decimals where they are some, fractions in lowest terms where not.
use super::Ratio;
use crate::wide::I256;
use std::fmt;

/// Most fractional digits of a fraction that is written as a decimal.
const DECIMALS_MAX: u32 = 60;

/// A text is no fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a decimal number such as -12.5, or a fraction such as 1/3")]
pub struct RatioError;

impl Ratio {
    /// Reads what [`fmt::Display`] writes, and any other plain decimal or fraction.
    pub fn parse(text: &str) -> Result<Self, RatioError> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let read = |digits| I256::from_digits(digits).ok_or(RatioError);
        let (numerator, denominator) = if let Some((above, below)) = rest.split_once('/') {
            (read(above)?, read(below)?)
        } else if let Some((whole, fraction)) = rest.split_once('.') {
            read(whole)?;
            read(fraction)?;
            let scale = (0..fraction.len()).try_fold(I256::ONE, |scale, _| scale.checked_mul(10));
            (read(&format!("{whole}{fraction}"))?, scale.ok_or(RatioError)?)
        } else {
            (read(rest)?, I256::ONE)
        };
        let number = Self::new(numerator, denominator).ok_or(RatioError)?;
        if negative { number.negated().map_err(|_| RatioError) } else { Ok(number) }
    }

    /// As quantities are shown: exact, or half to even with at most 18 fractional digits.
    pub fn to_shown(self) -> String {
        self.to_decimal().map_or_else(|| self.to_string(), |decimal| decimal.to_string())
    }

    /// Numerator and number of fractional digits of the decimal that this is, if it is one.
    fn as_decimal(self) -> Option<(I256, u32)> {
        let mut scaled = I256::ONE;
        for digits in 0..=DECIMALS_MAX {
            let (factor, rest) = scaled.div_floor(self.denominator)?;
            if rest.is_zero() {
                return Some((self.numerator.checked_product(factor)?, digits));
            }
            scaled = scaled.checked_mul(10)?;
        }
        None
    }
}

impl fmt::Display for Ratio {
    /// A plain decimal where the number is one (`0.3`), a fraction in lowest terms where not (`1/3`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scaled, fractional)) = self.as_decimal() else {
            let (negative, above) = self.numerator.to_digits();
            let (_, below) = self.denominator.to_digits();
            return write!(f, "{}{above}/{below}", if negative { "-" } else { "" });
        };
        let (negative, digits) = scaled.to_digits();
        let fractional = fractional as usize;
        let padded = format!("{digits:0>width$}", width = fractional.saturating_add(1));
        let (whole, fraction) = padded.split_at(padded.len().saturating_sub(fractional));
        let sign = if negative { "-" } else { "" };
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

impl serde::Serialize for Ratio {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Ratio {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
