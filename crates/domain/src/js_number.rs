//! Numbers as JavaScript prints them.
//!
//! Some receivers verify a signature over `JSON.stringify(JSON.parse(body))`, so a body's numbers must
//! come out of that unchanged.

/// Powers of ten from which JavaScript writes an exponent, upwards and downwards.
const PLAIN_EXPONENTS: std::ops::RangeInclusive<i32> = -6..=20;

/// What `JSON.stringify(Number(text))` prints for a plain decimal text: the shortest digits that read
/// back as the same double (ECMA-262, `Number::toString`). `null` for what is no finite number.
pub fn to_js(text: &str) -> String {
    let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) else {
        return "null".to_owned();
    };
    if number == 0.0 {
        return "0".to_owned();
    }
    let shortest = shortest_digits(number.abs());
    let sign = if number < 0.0 { "-" } else { "" };
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent = exponent.parse().unwrap_or(0);
    let digits = digits.replace('.', "");
    let magnitude = if PLAIN_EXPONENTS.contains(&exponent) {
        plain(&digits, exponent)
    } else {
        scientific(&digits, exponent)
    };
    format!("{sign}{magnitude}")
}

/// The fewest digits that read back as this number, `d.ddde-d`: of several the closest to it, of two
/// equally close ones the even.
fn shortest_digits(number: f64) -> String {
    let shortest = format!("{number:e}");
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    // Rust takes the greater of two equally close ones; with a precision it rounds half to even. Where
    // doubles lie closer together below a power of two than above, that may be another double.
    let even = format!("{number:.*e}", digits.saturating_sub(1));
    if even.parse() == Ok(number) { even } else { shortest }
}

/// d.ddd x 10^exponent without an exponent.
fn plain(digits: &str, exponent: i32) -> String {
    let Ok(exponent) = usize::try_from(exponent) else {
        let zeros = exponent.unsigned_abs().saturating_sub(1) as usize;
        return format!("0.{}{digits}", "0".repeat(zeros));
    };
    let whole_digits = exponent.saturating_add(1);
    match digits.split_at_checked(whole_digits) {
        Some((whole, "")) => whole.to_owned(),
        Some((whole, fraction)) => format!("{whole}.{fraction}"),
        None => format!("{digits:0<whole_digits$}"),
    }
}

fn scientific(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    format!("{first}{point}{rest}e{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_as_javascript_does() {
        // Printed by node 20: JSON.stringify(Number(text)).
        for (text, shown) in GOLDEN {
            assert_eq!(to_js(text), *shown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_double(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = to_js(&format!("{number}"));
            prop_assert_eq!(text.parse::<f64>(), Ok(number + 0.0));
            prop_assert_eq!(to_js(&text), text);
        }
    }

    const GOLDEN: &[(&str, &str)] = &[
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1", "1"),
        ("-5", "-5"),
        ("21", "21"),
        ("0.3", "0.3"),
        ("0.1", "0.1"),
        ("55.5", "55.5"),
        ("10.5", "10.5"),
        ("100", "100"),
        ("1000000", "1000000"),
        ("0.666666666666666667", "0.6666666666666666"),
        ("-0.666666666666666667", "-0.6666666666666666"),
        ("2.048780487804878049", "2.048780487804878"),
        ("123456789012345678", "123456789012345680"),
        ("999999999999999999", "1000000000000000000"),
        ("999999999999999999.999999999999999999", "1000000000000000000"),
        ("9007199254740993", "9007199254740992"),
        ("9007199254740992", "9007199254740992"),
        ("100000000000000000000", "100000000000000000000"),
        ("123456789012345680000", "123456789012345680000"),
        ("999999999999999999999", "1e+21"),
        ("1000000000000000000000", "1e+21"),
        ("1234567890123456789012", "1.2345678901234568e+21"),
        (
            "57896044618658097711785492504343953926634.992332820282019728792003956564819967",
            "5.789604461865809e+40",
        ),
        ("-1000000000000000000000000", "-1e+24"),
        ("0.001", "0.001"),
        ("0.00001", "0.00001"),
        ("0.000001", "0.000001"),
        ("0.0000012", "0.0000012"),
        ("0.0000009999999999999999", "0.000001"),
        ("0.0000001", "1e-7"),
        ("-0.00000015", "-1.5e-7"),
        ("0.000000000000000001", "1e-18"),
        ("0.000000000000000000000000000000000001", "1e-36"),
        ("0.000000000000000000123456789012345678", "1.2345678901234568e-19"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("4.35", "4.35"),
        ("0.000035689", "0.000035689"),
        ("179769313486231570", "179769313486231580"),
        ("2500", "2500"),
        ("4294967296", "4294967296"),
        ("0.1234567890123456789", "0.12345678901234568"),
        ("9.5367431640625e-7", "9.5367431640625e-7"),
        ("7.12023634722304442588874469546e-307", "7.120236347223045e-307"),
        ("1058330904791817.21", "1058330904791817.2"),
        ("-10467373572369.0625", "-10467373572369.062"),
        ("1179308275463046.75", "1179308275463046.8"),
    ];
}
