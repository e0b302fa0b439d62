//! `Retry-After`: how long a receiver asks to be left alone.
use jiff::fmt::rfc2822::DateTimeParser;
use reckoner_domain::time::{DAY, SECOND, Timestamp};

/// The longest wait that is honoured, in microseconds.
pub const RETRY_AFTER_MICROS_MAX: i64 = DAY;

/// Reads seconds or an HTTP date (RFC 9110, 10.2.3) as microseconds from `now`, at most
/// [`RETRY_AFTER_MICROS_MAX`]; `None` when it is neither.
pub fn parse(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(SECOND)
    } else {
        let date = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
        Timestamp::from_micros_clamped(date.as_microsecond()).micros_since(now)
    };
    Some(wait.clamp(0, RETRY_AFTER_MICROS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates() {
        let now = Timestamp::parse("1994-11-06T08:49:07Z").unwrap();
        for (text, wait) in [
            ("0", Some(0)),
            (" 120 ", Some(120 * SECOND)),
            ("86401", Some(DAY)),
            ("99999999999999999999999", Some(DAY)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30 * SECOND)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 2999 23:59:59 GMT", Some(DAY)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(parse(text, now), wait, "{text}");
        }
    }
}
