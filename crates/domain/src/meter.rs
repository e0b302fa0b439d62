//! Meters: what is read from events, and how it adds up.
mod aggregation;
mod dimension;

pub use aggregation::{Aggregation, Input, UnknownName};
pub use dimension::{DIMENSION_VALUES_MAX, DIMENSIONS_MAX, Dimension};

use crate::decimal::{Decimal, Excess};
use crate::event::EVENT_TYPE_BYTES_MAX;
use crate::id::MeterId;
use crate::json::{Path, Properties};
use crate::time::Timestamp;
use crate::weights::WeightTable;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Most properties a meter may group by.
pub const GROUP_BY_MAX: usize = 16;
/// Most bytes of a meter's key.
pub const KEY_BYTES_MAX: usize = 128;

/// A meter's key: 1 to 128 printable characters without spaces, slashes, question or number signs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterKey(String);

impl MeterKey {
    /// Reads a key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let good = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | '?' | '#');
        let fits = (1..=KEY_BYTES_MAX).contains(&text.len()) && text.len() <= EVENT_TYPE_BYTES_MAX;
        if fits && text.chars().all(good) { Ok(Self(text.to_owned())) } else { Err(KeyError) }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MeterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no meter key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 bytes without spaces, control characters, '/', '?' or '#'")]
pub struct KeyError;

/// A property and the texts it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Which property.
    pub path: Path,
    /// The texts that pass.
    pub any_of: Vec<String>,
}

impl Filter {
    /// Whether these properties pass.
    pub fn passes(&self, properties: &dyn Properties) -> bool {
        properties.text(&self.path).is_some_and(|text| self.any_of.iter().any(|passing| *passing == text))
    }
}

/// Weights by a property's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighting {
    /// The property that selects the weight.
    pub path: Path,
    /// The weight of each of its values.
    pub table: WeightTable,
}

/// What an earlier version of a meter weighed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierWeighting {
    /// The instant the next version came into force.
    pub until: Timestamp,
    /// Weights by a property; everything weighed one where there were none.
    pub weighting: Option<Weighting>,
}

/// One version of a meter; its meaning never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Identifies this version.
    pub id: MeterId,
    /// Names the meter, the same in all versions.
    pub key: MeterKey,
    /// Counts versions from 1.
    pub version: u32,
    /// The type of the events it reads.
    pub event_type: String,
    /// How readings add up.
    pub aggregation: Aggregation,
    /// The property that replaces the event's value (or whose texts are counted).
    pub value_property: Option<Path>,
    /// Conditions on properties; all must hold.
    pub filters: Vec<Filter>,
    /// Properties that queries of this meter are expected to group by.
    pub group_by: Vec<Path>,
    /// What usage is mostly told apart by.
    pub dimensions: Vec<Dimension>,
    /// What a value says, for levels.
    pub input: Input,
    /// Weights by a property.
    pub weighting: Option<Weighting>,
    /// The weights of earlier versions, the earliest first: an event weighs what it weighed at its time.
    pub earlier_weightings: Vec<EarlierWeighting>,
    /// The unit shown.
    pub unit: Option<String>,
    /// The name shown.
    pub display_name: Option<String>,
    /// Events before this instant are not read.
    pub starts_at: Option<Timestamp>,
}

/// What a meter reads from one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The event's time.
    pub time: Timestamp,
    /// The event's sequence.
    pub sequence: u64,
    /// The number read.
    pub value: Decimal,
    /// What the number counts for.
    pub weight: Decimal,
    /// The text counted by `unique_count`.
    pub text: Option<String>,
}

/// The parts of an event that meters look at.
#[derive(Clone, Copy, Debug)]
pub struct Readable<'a> {
    /// The event's time.
    pub time: Timestamp,
    /// The event's sequence.
    pub sequence: u64,
    /// The event's own value.
    pub value: Decimal,
    /// The event's properties (null when there are none).
    pub properties: &'a dyn Properties,
}

/// An event lacks what a meter of its type reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have a decimal number of at most 18 + 18 digits at {path}: meter {meter} reads it")]
pub struct Unreadable {
    /// The meter's key.
    pub meter: String,
    /// The property it reads.
    pub path: String,
}

impl Meter {
    /// A meter over an event type's own values, as in a configuration file.
    pub fn plain(id: MeterId, key: MeterKey, aggregation: Aggregation) -> Self {
        Self {
            id,
            version: 1,
            event_type: key.as_str().to_owned(),
            key,
            aggregation,
            value_property: None,
            filters: Vec::new(),
            group_by: Vec::new(),
            dimensions: Vec::new(),
            input: Input::Delta,
            weighting: None,
            earlier_weightings: Vec::new(),
            unit: None,
            display_name: None,
            starts_at: None,
        }
    }

    /// Whether hourly rollups of the event type answer for this meter (without filters on the
    /// query): nothing but the event's own value and time matters to it.
    pub fn reads_rollups(&self) -> bool {
        self.aggregation.rolls_up()
            && self.value_property.is_none()
            && self.filters.is_empty()
            && !self.is_weighted()
            && self.starts_at.is_none_or(|start| start.as_micros().rem_euclid(crate::time::HOUR) == 0)
    }

    /// Whether reading an event means looking at its properties.
    pub fn reads_properties(&self) -> bool {
        self.value_property.is_some() || !self.filters.is_empty() || self.is_weighted()
    }

    /// Whether events weigh, or once weighed, other than one.
    pub fn is_weighted(&self) -> bool {
        self.weighting.is_some() || self.earlier_weightings.iter().any(|earlier| earlier.weighting.is_some())
    }

    /// The paths to the properties that it looks at in events.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let weightings = self.earlier_weightings.iter().map(|earlier| earlier.weighting.as_ref());
        let weightings = weightings.chain([self.weighting.as_ref()]).flatten();
        let filters = self.filters.iter().map(|filter| &filter.path);
        let weighed = weightings.map(|weighting| &weighting.path);
        self.value_property.iter().chain(filters).chain(weighed)
    }

    /// Whether its values differ from what they would be if every event weighed one.
    pub fn has_base(&self) -> bool {
        let by_weight = matches!(self.aggregation, Aggregation::Sum | Aggregation::Count | Aggregation::Avg);
        by_weight && self.is_weighted()
    }

    /// The weights in force at an instant.
    fn weighting_at(&self, time: Timestamp) -> Option<&Weighting> {
        let earlier = self.earlier_weightings.iter().find(|earlier| time < earlier.until);
        earlier.map_or(self.weighting.as_ref(), |earlier| earlier.weighting.as_ref())
    }

    /// Whether an event with these properties can be read; asked before it is stored. `excess` says
    /// whether the sender may leave digits beyond the 18th fractional one to be rounded.
    pub fn check(&self, properties: &Value, excess: Excess) -> Result<(), Unreadable> {
        let Some(path) = &self.value_property else { return Ok(()) };
        let numeric = self.aggregation != Aggregation::UniqueCount;
        if !numeric || !self.filters.iter().all(|filter| filter.passes(properties)) {
            return Ok(());
        }
        match path.find_decimal(properties, excess) {
            Some(_) => Ok(()),
            None => Err(Unreadable { meter: self.key.to_string(), path: path.to_string() }),
        }
    }

    /// What this meter reads from an event of its type; `None` where it does not count. Properties are
    /// stored as sent, so whatever any check let pass is read: excess digits are rounded, half to even.
    pub fn read(&self, event: &Readable<'_>) -> Option<Reading> {
        let Readable { time, sequence, value, properties } = *event;
        if self.starts_at.is_some_and(|start| time < start) {
            return None;
        }
        if !self.filters.iter().all(|filter| filter.passes(properties)) {
            return None;
        }
        let weight = self.weighting_at(time).map_or(Decimal::ONE, |weighting| {
            let text = properties.text(&weighting.path);
            weighting.table.weight_of(text.as_deref())
        });
        let (value, text) = match (&self.value_property, self.aggregation) {
            (Some(path), Aggregation::UniqueCount) => (value, Some(properties.text(path)?.into_owned())),
            (Some(path), _) => (properties.decimal(path, Excess::Round)?, None),
            (None, Aggregation::UniqueCount) => (value, Some(value.to_string())),
            (None, _) => (value, None),
        };
        Some(Reading { time, sequence, value, weight, text })
    }

    /// Whether another definition means the same; names and units shown may differ.
    pub fn means_the_same(&self, other: &Self) -> bool {
        self.event_type == other.event_type
            && self.aggregation == other.aggregation
            && self.value_property == other.value_property
            && self.filters == other.filters
            && self.group_by == other.group_by
            && self.dimensions == other.dimensions
            && self.input == other.input
            && self.weighting == other.weighting
            && self.starts_at == other.starts_at
    }
}

/// A version of a meter, and when it came into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub meter: Meter,
    /// When it was made, by the project's clock.
    pub since: Timestamp,
}

/// The newest of a meter's versions, weighing each event as the version in force at its time did;
/// `None` when there are none.
pub fn newest(mut versions: Vec<Version>) -> Option<Meter> {
    versions.sort_by_key(|version| version.meter.version);
    let mut newest = versions.last()?.meter.clone();
    let pairs = versions.iter().zip(versions.iter().skip(1));
    // A clock may have been set back between two versions: what was made later counts from then on.
    let mut until = Timestamp::MAX;
    for (earlier, next) in pairs.rev() {
        until = until.min(next.since);
        newest
            .earlier_weightings
            .push(EarlierWeighting { until, weighting: earlier.meter.weighting.clone() });
    }
    newest.earlier_weightings.reverse();
    // Versions that changed something else weigh as the next one does.
    while newest.earlier_weightings.last().is_some_and(|last| last.weighting == newest.weighting) {
        newest.earlier_weightings.pop();
    }
    Some(newest)
}

/// The meters of a project at one moment, the current version of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    by_key: BTreeMap<String, Meter>,
    by_event_type: BTreeMap<String, Vec<String>>,
}

impl Catalogue {
    /// A catalogue of these meters; of several versions of one key the highest stays.
    pub fn new(meters: impl IntoIterator<Item = Meter>) -> Self {
        let mut by_key: BTreeMap<String, Meter> = BTreeMap::new();
        for meter in meters {
            let newer = by_key.get(meter.key.as_str()).is_none_or(|known| known.version < meter.version);
            if newer {
                by_key.insert(meter.key.to_string(), meter);
            }
        }
        let mut by_event_type: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for meter in by_key.values() {
            by_event_type.entry(meter.event_type.clone()).or_default().push(meter.key.to_string());
        }
        Self { by_key, by_event_type }
    }

    /// The meter with this key.
    pub fn get(&self, key: &str) -> Option<&Meter> {
        self.by_key.get(key)
    }

    /// All meters, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Meter> {
        self.by_key.values()
    }

    /// Every event type that some meter reads, in order.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        self.by_event_type.keys().map(String::as_str)
    }

    /// The meters that read an event type; `None` where no meter does.
    pub fn reading(&self, event_type: &str) -> Option<impl Iterator<Item = &Meter>> {
        let keys = self.by_event_type.get(event_type)?;
        Some(keys.iter().filter_map(|key| self.by_key.get(key)))
    }

    /// Whether there is no meter at all.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[test]
fn versions_made_under_a_clock_that_was_set_back_count_from_then_on() {
    let made = |version, since| {
        let key = MeterKey::parse("m").expect("a key");
        let path = Path::parse("kind").expect("a path");
        let table = WeightTable::new(BTreeMap::new(), Decimal::from_i32(version));
        let weighting = Some(Weighting { path, table });
        let meter = Meter::plain(MeterId::from_bits(1), key, Aggregation::Sum);
        let meter = Meter { version: version.unsigned_abs(), weighting, ..meter };
        Version { meter, since: Timestamp::from_micros_clamped(since) }
    };
    let newest = newest(vec![made(3, 20), made(1, 10), made(2, 70)]).expect("a meter");
    for (time, version) in [(0, 1), (19, 1), (20, 3), (50, 3), (90, 3)] {
        let (time, properties) = (Timestamp::from_micros_clamped(time), Value::Null);
        let event = Readable { time, sequence: 1, value: Decimal::ONE, properties: &properties };
        assert_eq!(newest.read(&event).map(|read| read.weight), Some(Decimal::from_i32(version)));
    }
}
