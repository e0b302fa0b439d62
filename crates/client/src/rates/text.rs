//! Limits as texts.
use super::{RATE_MAX, Rate, Rates};
use std::str::FromStr;

/// Why a text is no [`Rates`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RatesError(String);

impl FromStr for Rates {
    type Err = RatesError;

    fn from_str(text: &str) -> Result<Self, RatesError> {
        let wrong =
            |what: String| RatesError(format!("`{text}` is no limit such as 10/s,600/m,burst=20: {what}"));
        let (mut second, mut minute, mut burst) = (None, None, None);
        for item in text.split(',').map(str::trim) {
            let (place, number) = match (item.split_once('/'), item.strip_prefix("burst=")) {
                (Some((number, "s")), _) => (&mut second, number),
                (Some((number, "m")), _) => (&mut minute, number),
                (_, Some(number)) => (&mut burst, number),
                _ => return Err(wrong(format!("`{item}` is none of COUNT/s, COUNT/m, burst=COUNT"))),
            };
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            let read = number.parse().ok().filter(|count| digits && (1..=RATE_MAX).contains(count));
            let count: u32 = read.ok_or_else(|| wrong(format!("`{item}` is not from 1 to {RATE_MAX}")))?;
            if place.replace(count).is_some() {
                return Err(wrong(format!("`{item}` comes after another of its kind")));
            }
        }
        if burst.is_some() && second.is_none() {
            return Err(wrong("burst needs a limit of a second".to_owned()));
        }
        let per_second = second.map(Rate::new).map(|rate| burst.map_or(rate, |burst| rate.at_once(burst)));
        Ok(Self { per_second, per_minute: minute.map(Rate::new) })
    }
}

#[test]
fn limits_are_read_and_what_is_none_is_refused() {
    let rates = Rates::default().per_second(Rate { count: 10, burst: 20 }).per_minute(Rate::new(600));
    assert_eq!("10/s,600/m,burst=20".parse(), Ok(rates));
    assert_eq!(" burst=20, 600/m ,10/s".parse(), Ok(rates));
    assert_eq!("1000000/m".parse(), Ok(Rates::default().per_minute(Rate::new(RATE_MAX))));
    for bad in [
        "",
        "10",
        "0/s",
        "+1/s",
        "10/h",
        "1000001/m",
        "10/s,",
        "10/s,20/s",
        "burst=5",
        "600/m,burst=5",
        "-1/s",
    ] {
        assert!(bad.parse::<Rates>().is_err(), "{bad}");
    }
}
