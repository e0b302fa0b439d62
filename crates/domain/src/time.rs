//! Instants in microseconds, read from and written as RFC 3339.
use std::fmt;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60_000_000;
/// Microseconds in an hour.
pub const HOUR: i64 = 3_600_000_000;
/// Microseconds in a day of 24 hours.
pub const DAY: i64 = 86_400_000_000;

/// An instant: microseconds since 1970-01-01T00:00:00Z, in the years 0001 to 9999.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp(i64);

/// Why a text is no [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("must be an RFC 3339 time such as 2026-01-14T09:30:00Z")]
    Syntax,
    /// No offset: the instant would depend on who reads it.
    #[error("must end in Z or an offset such as +05:30")]
    NoOffset,
    /// A field outside its range; second 60 among them.
    #[error("names a date or time of day that does not exist")]
    Range,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since 1970; `None` outside the years 0001 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        let instant = Self(micros);
        (Self::MIN..=Self::MAX).contains(&instant).then_some(instant)
    }

    /// From microseconds since 1970, moved to the nearest end when outside the years 0001 to 9999.
    pub fn from_micros_clamped(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// This instant moved by `micros`, kept within the years 0001 to 9999.
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros_clamped(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this instant.
    pub fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The number of whole hours since 1970, rounded down: the hour this instant lies in.
    pub fn hour_index(self) -> i64 {
        self.0.div_euclid(HOUR)
    }

    /// The start of the hour with this index.
    pub fn from_hour_index(hour: i64) -> Self {
        Self::from_micros_clamped(hour.saturating_mul(HOUR))
    }

    /// Reads RFC 3339; digits beyond microseconds are cut.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        Reader { bytes: text.as_bytes() }.timestamp()
    }

    /// RFC 3339 in UTC with three decimals, as JavaScript writes it.
    pub fn to_millis_text(self) -> String {
        self.write(3)
    }

    fn write(self, decimals: usize) -> String {
        let (year, month, day) = civil_from_days(self.0.div_euclid(DAY));
        let rest = self.0.rem_euclid(DAY);
        let at = |unit: i64, modulus: i64| rest.div_euclid(unit).rem_euclid(modulus);
        let micros = format!("{:06}", rest.rem_euclid(SECOND));
        let fraction = micros.get(..decimals).unwrap_or_default();
        let (hour, minute, second) = (at(HOUR, 24), at(MINUTE, 60), at(SECOND, 60));
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}Z")
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write(6))
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn timestamp(mut self) -> Result<Timestamp, TimeError> {
        let (year, month, day) = (self.number(4, b"-")?, self.number(2, b"-")?, self.number(2, b"Tt ")?);
        let (hour, minute, second) = (self.number(2, b":")?, self.number(2, b":")?, self.number(2, b"")?);
        let micros = self.fraction()?;
        let offset = self.offset()?;
        let in_range =
            (1..=12).contains(&month) && year >= 1 && (1..=days_in_month(year, month)).contains(&day);
        if !in_range || hour > 23 || minute > 59 || second > 59 {
            return Err(TimeError::Range);
        }
        let seconds = days_from_civil(year, month, day)
            .saturating_mul(86_400)
            .saturating_add(hour.saturating_mul(3_600))
            .saturating_add(minute.saturating_mul(60))
            .saturating_add(second)
            .saturating_sub(offset);
        Timestamp::from_micros(seconds.saturating_mul(SECOND).saturating_add(micros)).ok_or(TimeError::Range)
    }

    /// `width` digits and then one of `ends` (none for an empty list).
    fn number(&mut self, width: usize, ends: &[u8]) -> Result<i64, TimeError> {
        let (digits, rest) = self.bytes.split_at_checked(width).ok_or(TimeError::Syntax)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(TimeError::Syntax);
        }
        self.bytes = rest;
        if !ends.is_empty() {
            let (end, rest) = rest.split_first().ok_or(TimeError::Syntax)?;
            if !ends.contains(end) {
                return Err(TimeError::Syntax);
            }
            self.bytes = rest;
        }
        Ok(read_digits(digits))
    }

    fn fraction(&mut self) -> Result<i64, TimeError> {
        let Some((b'.', rest)) = self.bytes.split_first() else { return Ok(0) };
        let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(end);
        if digits.is_empty() {
            return Err(TimeError::Syntax);
        }
        self.bytes = rest;
        let kept = digits.get(..6).unwrap_or(digits);
        let missing = 6_usize.saturating_sub(kept.len());
        Ok((0..missing).fold(read_digits(kept), |micros, _| micros.saturating_mul(10)))
    }

    fn offset(&mut self) -> Result<i64, TimeError> {
        let (sign, rest) = match self.bytes.split_first() {
            None => return Err(TimeError::NoOffset),
            Some((b'Z' | b'z', [])) => return Ok(0),
            Some((b'+', rest)) => (1_i64, rest),
            Some((b'-', rest)) => (-1, rest),
            Some(_) => return Err(TimeError::Syntax),
        };
        self.bytes = rest;
        let (hours, minutes) = (self.number(2, b":")?, self.number(2, b"")?);
        if !self.bytes.is_empty() {
            return Err(TimeError::Syntax);
        }
        if hours > 23 || minutes > 59 {
            return Err(TimeError::Range);
        }
        Ok(sign.saturating_mul(hours.saturating_mul(3_600).saturating_add(minutes.saturating_mul(60))))
    }
}

fn read_digits(digits: &[u8]) -> i64 {
    digits
        .iter()
        .fold(0, |sum: i64, digit| sum.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0'))))
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28_i64.saturating_add(i64::from(leap)),
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (years counted from March, 400 at a time).
#[expect(clippy::arithmetic_side_effects, reason = "years have four digits: nothing comes near an edge")]
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
#[expect(clippy::arithmetic_side_effects, reason = "timestamps lie in years of four digits")]
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, shown) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
            ("2026-01-14T09:30:00.123456789Z", "2026-01-14T09:30:00.123456Z"),
            ("2024-02-29t23:59:59.5+05:30", "2024-02-29T18:29:59.500000Z"),
            ("2026-01-01 00:00:00-01:00", "2026-01-01T01:00:00.000000Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp::parse(text).map(|t| t.to_string()), Ok(shown.to_owned()), "{text}");
        }
        assert_eq!(
            Timestamp::parse("2026-01-14T09:30:00.1239Z").map(Timestamp::to_millis_text),
            Ok("2026-01-14T09:30:00.123Z".into())
        );
    }

    #[test]
    fn refuses() {
        for (text, why) in [
            ("2026-01-14T09:30:00", TimeError::NoOffset),
            ("2026-01-14", TimeError::Syntax),
            ("", TimeError::Syntax),
            ("2026-01-14T09:30:60Z", TimeError::Range),
            ("2026-02-29T00:00:00Z", TimeError::Range),
            ("2026-13-01T00:00:00Z", TimeError::Range),
            ("0000-01-01T00:00:00Z", TimeError::Range),
            ("2026-01-14T24:00:00Z", TimeError::Range),
            ("2026-01-14T09:30:00.Z", TimeError::Syntax),
            ("2026-01-14T09:30:00Zx", TimeError::Syntax),
            ("2026-01-14T09:30:00+0530", TimeError::Syntax),
            ("0001-01-01T00:00:00+01:00", TimeError::Range),
        ] {
            assert_eq!(Timestamp::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_reads_back() {
        for days in -146_097..146_097 {
            let instant = Timestamp(days * DAY);
            assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
        }
    }
}
