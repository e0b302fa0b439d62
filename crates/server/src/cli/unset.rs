//! Environment variables that are set but empty: they count as unset.
use std::ops::RangeInclusive;

/// Reads a number of this range; an empty text is the default.
pub fn number_or(
    default: u64,
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| match text {
        "" => Ok(default),
        text => match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("must be a whole number from {} to {}", range.start(), range.end())),
        },
    }
}

/// Reads a port; an empty text is the default.
pub fn port_or(default: u16) -> impl Fn(&str) -> Result<u16, String> + Clone + Send + Sync + 'static {
    let number = number_or(default.into(), 0..=u16::MAX.into());
    move |text| number(text).map(|port| u16::try_from(port).unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_unset() {
        let read = number_or(7, 1..=10);
        assert_eq!([read(""), read("1"), read("10")], [Ok(7), Ok(1), Ok(10)]);
        for bad in ["0", "11", "x", " ", "-1", "1.5"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let port = port_or(3_000);
        assert_eq!((port(""), port("0"), port("65536").is_err()), (Ok(3_000), Ok(0), true));
    }
}
