//! Windows of a query: minutes to years as a zone's clock shows them.
use crate::local::{Unit, starts};
use crate::meter::UnknownName;
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use std::str::FromStr;

/// How long the windows of a query are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WindowSize {
    /// From one full minute to the next.
    Minute,
    /// From one full hour to the next.
    Hour,
    /// A date.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
    /// The whole range in one.
    #[default]
    None,
}

impl WindowSize {
    /// Every size, as named in the API.
    pub const NAMES: [&'static str; 7] = ["minute", "hour", "day", "week", "month", "year", "none"];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
            Self::None => "none",
        }
    }

    fn unit(self) -> Option<Unit> {
        match self {
            Self::Minute => Some(Unit::Minute),
            Self::Hour => Some(Unit::Hour),
            Self::Day => Some(Unit::Day),
            Self::Week => Some(Unit::Week),
            Self::Month => Some(Unit::Month),
            Self::Year => Some(Unit::Year),
            Self::None => None,
        }
    }
}

impl FromStr for WindowSize {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Ok(match name {
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "year" => Self::Year,
            "none" => Self::None,
            _ => return Err(UnknownName),
        })
    }
}

/// The instants from `start` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

impl Window {
    /// Microseconds from start to end; zero where the end does not come after the start.
    pub fn micros(self) -> u64 {
        u64::try_from(self.end.micros_since(self.start)).unwrap_or(0)
    }

    /// Whether an instant lies in the window.
    pub fn contains(self, instant: Timestamp) -> bool {
        (self.start..self.end).contains(&instant)
    }
}

/// A range has more windows than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be cut into at most {max} windows")]
pub struct TooManyWindows {
    /// The most that were allowed.
    pub max: usize,
}

/// The windows that cover `from` to before `to`, contiguous and in order, the first and the last
/// clipped to the range. None for an empty range.
///
/// Hours and minutes begin whenever the zone's clock reads a full one, again or for the first time,
/// or a change skips one. Longer windows begin at the first midnight of their first date, or at the
/// change that skips it; a date that never was has no window.
pub fn windows(
    size: WindowSize,
    zone: &TimeZone,
    from: Timestamp,
    to: Timestamp,
    max: usize,
) -> Result<Vec<Window>, TooManyWindows> {
    if from >= to {
        return Ok(Vec::new());
    }
    let edges = size.unit().map(|unit| starts(unit, zone, from.as_micros(), to.as_micros()));
    let edges = edges.into_iter().flatten().map(|start| Timestamp::from_micros_clamped(start.at));
    let mut list = Vec::new();
    let mut start = from;
    for end in edges.chain([to]) {
        if list.len() >= max {
            return Err(TooManyWindows { max });
        }
        list.push(Window { start, end });
        start = end;
    }
    Ok(list)
}

#[cfg(test)]
mod tests;
