//! Numbers and amounts as system C shows them.
use reckoner_domain::ratio::Ratio;
use serde_json::{Number, Value};

/// A plain JSON number; one that is whole prints without a fraction.
pub fn number(ratio: Ratio) -> Value {
    let text = ratio.to_shown();
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

/// The same with at most so many fractional digits, half to even.
pub fn rounded(ratio: Ratio, digits: u32) -> Value {
    let parts = ratio.to_parts_half_even(digits).ok();
    parts.and_then(|parts| Ratio::from_parts(parts, digits)).map_or(Value::Null, number)
}

/// A whole number with commas between thousands: `5,000`.
pub fn grouped(ratio: Ratio) -> String {
    let text = ratio.to_shown();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut shown = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    if fraction.is_empty() { shown } else { format!("{shown}.{fraction}") }
}

/// An amount in dollars: at least two fractional digits, more where there are more: `$5.00`, `$0.001`.
pub fn dollars(amount: Ratio) -> String {
    let text = grouped(amount);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("${whole}.{fraction:0<2}")
}

/// An amount in dollars, without cents where there are none: `$2,647`.
pub fn whole_dollars(amount: Ratio) -> String {
    let text = dollars(amount);
    text.strip_suffix(".00").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(text: &str) -> Ratio {
        Ratio::parse(text).expect("a number")
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        for (text, shown) in [("5000", "5000"), ("0.001", "0.001"), ("-3", "-3"), ("12.50", "12.5")] {
            assert_eq!(number(ratio(text)).to_string(), shown);
        }
        assert_eq!(rounded(ratio("1/3"), 2).to_string(), "0.33");
        assert_eq!(rounded(ratio("5"), 2).to_string(), "5");
    }

    #[test]
    fn amounts_have_commas_and_cents() {
        for (text, calls, amount) in [
            ("5000", "5,000", "$5,000.00"),
            ("5", "5", "$5.00"),
            ("0.001", "0.001", "$0.001"),
            ("1234567.5", "1,234,567.5", "$1,234,567.50"),
            ("100", "100", "$100.00"),
        ] {
            assert_eq!((grouped(ratio(text)), dollars(ratio(text))), (calls.to_owned(), amount.to_owned()));
        }
    }
}
