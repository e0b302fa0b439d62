//! Periods of aggregation, and the keys that name them.
use crate::local::{Unit, first_instant_of, furthest_reading};
use crate::meter::UnknownName;
use crate::time::{DAY, HOUR, MINUTE, Timestamp, civil_from_days, days_from_civil};
use jiff::tz::TimeZone;
use std::str::FromStr;

/// The zone of hourly periods.
static UTC: TimeZone = TimeZone::UTC;

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// An hour of UTC, in every zone.
    Hourly,
    /// A date.
    Daily,
    /// An ISO week, Monday to Sunday.
    Weekly,
    /// A calendar month.
    Monthly,
    /// A calendar year.
    Yearly,
}

/// A period of a zone: the instants from `start` to before `end`, whole, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodSpan {
    /// How long it is.
    pub period: Period,
    /// Its key, such as `20260114`.
    pub key: String,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// Why a text is no key of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodKeyError {
    /// Not the digits of such a key.
    #[error("must be {digits} digits such as {example}")]
    Syntax {
        /// How many digits a key of the period has.
        digits: usize,
        /// A key of the period.
        example: &'static str,
    },
    /// The calendar has no such hour, date, week or month.
    #[error("names an hour, date, week or month that no calendar has")]
    NoSuchDate,
    /// The zone's clock skipped the whole period.
    #[error("names a date that the time zone skipped")]
    Skipped,
}

impl Period {
    /// Every period, as named in configuration and API.
    pub const NAMES: [&'static str; 5] = ["hourly", "daily", "weekly", "monthly", "yearly"];
    /// Every period, from the shortest to the longest.
    pub const ALL: [Self; 5] = [Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    /// The name in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Hourly => Unit::Hour,
            Self::Daily => Unit::Day,
            Self::Weekly => Unit::Week,
            Self::Monthly => Unit::Month,
            Self::Yearly => Unit::Year,
        }
    }

    /// The zone whose clock counts: UTC for hours.
    fn zone(self, zone: &TimeZone) -> &TimeZone {
        if self == Self::Hourly { &UTC } else { zone }
    }

    /// The period that an instant lies in, in the zone in force at the period's start.
    ///
    /// Keys have years of four digits: the first and the last period of the years 0001 to 9999
    /// reach to the ends of time on either side.
    pub fn span_at(self, instant: Timestamp, zone: &TimeZone) -> PeriodSpan {
        let zone = self.zone(zone);
        self.span_of_reading(clamp(furthest_reading(zone, instant.as_micros())), zone)
    }

    /// The period that a key names, read strictly.
    pub fn span_of_key(self, key: &str, zone: &TimeZone) -> Result<PeriodSpan, PeriodKeyError> {
        let reading = self.reading_of_key(key)?;
        let span = self.span_of_reading(reading, self.zone(zone));
        if span.start < span.end { Ok(span) } else { Err(PeriodKeyError::Skipped) }
    }

    /// The period whose beginning the clock reads at or last before `reading`, a date in years 1 to 9999.
    fn span_of_reading(self, reading: i64, zone: &TimeZone) -> PeriodSpan {
        let floor = self.unit().floor(reading);
        let next = self.unit().next(floor);
        let instant = |reading| Timestamp::from_micros_clamped(first_instant_of(zone, reading));
        let first = floor <= Timestamp::MIN.as_micros();
        let last = next > Timestamp::MAX.as_micros();
        PeriodSpan {
            period: self,
            key: self.key_of(floor),
            start: if first { Timestamp::MIN } else { instant(floor) },
            end: if last { Timestamp::MAX } else { instant(next) },
        }
    }

    fn key_of(self, reading: i64) -> String {
        let (year, month, day, time) = fields(reading);
        match self {
            Self::Hourly => format!("{year:04}{month:02}{day:02}{:02}", time.div_euclid(HOUR)),
            Self::Daily => format!("{year:04}{month:02}{day:02}"),
            Self::Weekly => week_key(reading),
            Self::Monthly => format!("{year:04}{month:02}"),
            Self::Yearly => format!("{year:04}"),
        }
    }

    #[expect(clippy::arithmetic_side_effects, reason = "keys have years of four digits")]
    fn reading_of_key(self, key: &str) -> Result<i64, PeriodKeyError> {
        let example = match self {
            Self::Hourly => "2026011409",
            Self::Daily => "20260114",
            Self::Weekly => "202603",
            Self::Monthly => "202601",
            Self::Yearly => "2026",
        };
        let digits = example.len();
        if key.len() != digits || !key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PeriodKeyError::Syntax { digits, example });
        }
        let field = |from: usize, to: usize| key.get(from..to).and_then(|text| text.parse::<i64>().ok());
        let (year, second) = (field(0, 4).unwrap_or(0), field(4, 6).unwrap_or(1));
        let days = match self {
            Self::Weekly => Unit::Week.floor(days_from_civil(year, 1, 4) * DAY) / DAY + (second - 1) * 7,
            _ => days_from_civil(year, second, field(6, 8).unwrap_or(1)),
        };
        let reading = days * DAY + field(8, 10).unwrap_or(0) * HOUR;
        // What the calendar lacks, such as a 30th of February, comes back under another name.
        let known = reading == clamp(reading) && self.key_of(reading) == key;
        if known { Ok(reading) } else { Err(PeriodKeyError::NoSuchDate) }
    }
}

impl FromStr for Period {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|period| period.as_str() == name).ok_or(UnknownName)
    }
}

/// The keys under which one event is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKeys {
    /// Its minute in UTC, such as `202601140930`.
    pub minute: String,
    /// Its hour in UTC, such as `2026011409`.
    pub hour: String,
    /// Its date in the zone, such as `20260114`.
    pub day: String,
    /// Its ISO year and week in the zone, such as `202603`.
    pub week: String,
    /// Its month in the zone, such as `202601`.
    pub month: String,
    /// Its year in the zone, such as `2026`.
    pub year: String,
}

impl EventKeys {
    /// The keys of an instant: the same as those of the periods it lies in.
    pub fn at(instant: Timestamp, zone: &TimeZone) -> Self {
        let (year, month, day, time) = fields(instant.as_micros());
        let minute = time.div_euclid(MINUTE).rem_euclid(60);
        let hour = format!("{year:04}{month:02}{day:02}{:02}", time.div_euclid(HOUR));
        let reading = clamp(furthest_reading(zone, instant.as_micros()));
        Self {
            minute: format!("{hour}{minute:02}"),
            hour,
            day: Period::Daily.key_of(reading),
            week: week_key(reading),
            month: Period::Monthly.key_of(reading),
            year: Period::Yearly.key_of(reading),
        }
    }
}

/// Kept within the years whose number has four digits.
fn clamp(reading: i64) -> i64 {
    reading.clamp(Timestamp::MIN.as_micros(), Timestamp::MAX.as_micros())
}

/// Year, month, day and the microseconds since midnight.
fn fields(reading: i64) -> (i64, i64, i64, i64) {
    let (year, month, day) = civil_from_days(reading.div_euclid(DAY));
    (year, month, day, reading.rem_euclid(DAY))
}

/// ISO 8601: a week belongs to the year that its Thursday lies in.
#[expect(clippy::arithmetic_side_effects, reason = "readings lie in years of four digits")]
fn week_key(reading: i64) -> String {
    let thursday = Unit::Week.floor(reading) / DAY + 3;
    let (year, ..) = civil_from_days(thursday);
    let week = (thursday - days_from_civil(year, 1, 1)) / 7 + 1;
    format!("{year:04}{week:02}")
}

#[cfg(test)]
mod tests;
