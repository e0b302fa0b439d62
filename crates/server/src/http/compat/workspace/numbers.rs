//! Numbers as system B shows them: plain JSON numbers that are exact, or half to even with at most 18
//! fractional digits.
use crate::events::{Row, Usage};
use reckoner_domain::ratio::Ratio;
use serde_json::{Number, Value};

/// Bytes of a GB: 2^30.
pub const GB_BYTES: u64 = 1 << 30;

/// A plain JSON number.
pub fn number(ratio: Ratio) -> Value {
    of_text(&ratio.to_shown())
}

/// The same of a decimal's text.
pub fn of_text(text: &str) -> Value {
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

/// Bytes as GB.
pub fn gigabytes(bytes: Ratio) -> Ratio {
    // Nothing is too large to be made smaller.
    bytes.over(Ratio::from_count(GB_BYTES)).unwrap_or_default()
}

/// The value of a row; zero where it has none.
pub fn value(row: &Row) -> Ratio {
    match row.usage {
        None => Ratio::ZERO,
        Some(Usage::Exact(sum)) => Ratio::from(sum),
        Some(Usage::Ratio(quotient)) => Ratio::try_from(quotient).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_lost_and_nothing_is_a_text() {
        for text in ["123456789012345678", "0.000000000000000001", "-12.5", "0"] {
            assert_eq!(number(Ratio::parse(text).expect("a number")).to_string(), text);
        }
        assert_eq!(number(Ratio::parse("1/3").expect("a number")).to_string(), "0.333333333333333333");
        assert_eq!(gigabytes(Ratio::from_count(3 << 29)).to_string(), "1.5");
    }
}
