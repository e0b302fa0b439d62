//! How readings add up, and what they say.
use std::str::FromStr;

/// How the readings of a range become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// Their exact sum.
    Sum,
    /// How many there are.
    Count,
    /// Their sum divided by their number.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The earliest by event time, then by sequence.
    First,
    /// The latest by event time, then by sequence.
    Last,
    /// How many different texts a property had.
    UniqueCount,
    /// The mean of a level over time.
    TimeWeightedAvg,
    /// The element at this percentile, within 1 %.
    Percentile(u8),
}

impl Aggregation {
    /// Every aggregation, as named in configuration and API.
    pub const NAMES: [&'static str; 13] = [
        "sum",
        "count",
        "avg",
        "min",
        "max",
        "first",
        "last",
        "unique_count",
        "time_weighted_avg",
        "p50",
        "p90",
        "p95",
        "p99",
    ];

    /// The name in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::First => "first",
            Self::Last => "last",
            Self::UniqueCount => "unique_count",
            Self::TimeWeightedAvg => "time_weighted_avg",
            Self::Percentile(50) => "p50",
            Self::Percentile(90) => "p90",
            Self::Percentile(95) => "p95",
            Self::Percentile(_) => "p99",
        }
    }

    /// Whether it is told from single readings: the least, the greatest, the first or the last.
    pub fn needs_ends(self) -> bool {
        matches!(self, Self::Min | Self::Max | Self::First | Self::Last)
    }

    /// Whether hourly rollups hold all that this aggregation needs.
    pub fn rolls_up(self) -> bool {
        !matches!(self, Self::UniqueCount | Self::TimeWeightedAvg | Self::Percentile(_))
    }
}

impl FromStr for Aggregation {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Ok(match name {
            "sum" => Self::Sum,
            "count" => Self::Count,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "first" => Self::First,
            "last" => Self::Last,
            "unique_count" => Self::UniqueCount,
            "time_weighted_avg" => Self::TimeWeightedAvg,
            "p50" => Self::Percentile(50),
            "p90" => Self::Percentile(90),
            "p95" => Self::Percentile(95),
            "p99" => Self::Percentile(99),
            _ => return Err(UnknownName),
        })
    }
}

/// A name that is not among those allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not among the allowed names")]
pub struct UnknownName;

/// What a value of a level meter says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Input {
    /// A change of the level: the level is the running sum.
    #[default]
    Delta,
    /// The level itself.
    Level,
}

impl Input {
    /// The name in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Level => "level",
        }
    }
}

impl FromStr for Input {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "delta" => Ok(Self::Delta),
            "level" => Ok(Self::Level),
            _ => Err(UnknownName),
        }
    }
}
