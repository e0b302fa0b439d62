//! What usage is mostly told apart by, within bounds.
use crate::json::{Path, PathError, Properties};
use std::borrow::Cow;
use std::fmt;

/// Most dimensions a meter may declare.
pub const DIMENSIONS_MAX: usize = 4;
/// Most values of a dimension that a day (UTC, of event time) shows, those that were committed
/// first; the rest are one.
pub const DIMENSION_VALUES_MAX: usize = 10_000;

/// A declared dimension. Unlike other groups it has a bounded number of values a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The subject.
    Subject,
    /// The text of a property.
    Property(Path),
}

impl Dimension {
    const SUBJECT: &'static str = "subject";

    /// Reads `subject` or a property's path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text == Self::SUBJECT { Ok(Self::Subject) } else { Path::parse(text).map(Self::Property) }
    }

    /// The text an event has in this dimension.
    pub fn text_of<'a>(
        &self,
        subject: Option<&'a str>,
        properties: &'a dyn Properties,
    ) -> Option<Cow<'a, str>> {
        match self {
            Self::Subject => subject.map(Cow::Borrowed),
            Self::Property(path) => properties.text(path),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str(Self::SUBJECT),
            Self::Property(path) => path.fmt(f),
        }
    }
}
