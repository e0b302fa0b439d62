//! Which group an event belongs to, and what it reads as.
use super::query::{GroupBy, OTHER, Query, Row};
use super::scan::{Scan, ScanError};
use super::values::{self, Shown};
use crate::columns::{Fields, Origin};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::intern::Interner;
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use reckoner_domain::json::{Extractor, Path, Properties};
use reckoner_domain::meter::{Aggregation, Input, Readable, Reading};
use reckoner_domain::time::Timestamp;
use std::sync::Arc;

/// What tells groups apart, each as a number: the customer's, then of each group of the query that of its
/// text, and whether one of those stands for all values of a dimension beyond those that the day shows.
type Key = Box<[u32]>;

/// Days whose values are held at once.
const DAYS_HELD_MAX: usize = 64;
/// What stands for no text.
const NO_TEXT: u32 = u32::MAX;

/// The groups seen so far, numbered from 0.
pub struct Groups<'a> {
    query: &'a Query<'a>,
    by_customer: bool,
    needs_properties: bool,
    properties: Extractor,
    keys: Keys<'a>,
}

/// The keys of groups.
struct Keys<'a> {
    shared: &'a Shared,
    query: &'a Query<'a>,
    numbers: HashMap<Key, usize, RandomState>,
    all: Vec<Key>,
    /// Texts of subjects and properties.
    texts: Interner,
    /// The key that is looked up.
    key: Vec<u32>,
    /// The declared dimension whose values bound each group of the query.
    dimensions: Vec<Option<usize>>,
    /// The values that a day shows of a dimension, where it does not show all.
    shown: HashMap<(usize, i64), Option<Arc<Shown>>, RandomState>,
}

impl<'a> Groups<'a> {
    /// No groups yet; but without a group-by there is always the one.
    pub fn new(shared: &'a Shared, query: &'a Query<'a>) -> Self {
        let grouped = query.group_by.iter().filter_map(|by| match by {
            GroupBy::Property(path) => Some(path),
            GroupBy::Customer | GroupBy::Subject => None,
        });
        let filtered = query.filters.iter().map(|filter| &filter.path);
        let paths: Vec<&Path> = grouped.chain(filtered).chain(query.meter.paths()).collect();
        let keys = Keys {
            shared,
            query,
            numbers: HashMap::default(),
            all: Vec::new(),
            texts: Interner::default(),
            key: Vec::new(),
            dimensions: query.group_by.iter().map(|by| query.bounded_by(by)).collect(),
            shown: HashMap::default(),
        };
        let mut groups = Self {
            query,
            by_customer: query.group_by.contains(&GroupBy::Customer),
            needs_properties: !paths.is_empty(),
            properties: Extractor::new(paths),
            keys,
        };
        if query.group_by.is_empty() {
            groups.of_customer(0);
        }
        groups
    }

    /// What is read of events beside time and value.
    pub fn fields(&self) -> Fields {
        let Query { meter, group_by, subjects, as_of, .. } = self.query;
        let states = meter.aggregation == Aggregation::TimeWeightedAvg && meter.input == Input::Level;
        Fields {
            origin: as_of.is_some(),
            subject: group_by.contains(&GroupBy::Subject) || states || !subjects.is_empty(),
            properties: self.needs_properties,
            ..Fields::NONE
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.keys.all.len()
    }

    /// The group of a customer, where nothing else tells groups apart.
    pub fn of_customer(&mut self, customer: u32) -> usize {
        self.keys.begin(self.by_customer, customer);
        self.keys.number(false)
    }

    /// What the meter reads from an event, and its group; `None` where the event does not count.
    pub fn read(
        &mut self,
        origin: &Origin,
        event: &EventRecord<'_>,
        customer: u32,
    ) -> Result<Option<(usize, Reading)>, ReadError> {
        let (query, draft) = (self.query, &event.draft);
        if query.as_of.is_some_and(|as_of| origin.received_at > as_of) {
            return Ok(None);
        }
        let asked = |subject: &str| query.subjects.iter().any(|asked| asked == subject);
        if !query.subjects.is_empty() && !draft.subject.is_some_and(asked) {
            return Ok(None);
        }
        let properties = self.properties.read(draft.properties.filter(|_| self.needs_properties));
        if !query.filters.iter().all(|filter| filter.passes(&properties)) {
            return Ok(None);
        }
        let (time, sequence, value) = (event.time, origin.sequence, draft.value);
        let readable = Readable { time, sequence, value, properties: &properties };
        let Some(reading) = query.meter.read(&readable) else { return Ok(None) };
        let keys = &mut self.keys;
        keys.begin(self.by_customer, customer);
        let mut is_other = false;
        for (index, by) in query.group_by.iter().enumerate() {
            match by {
                GroupBy::Customer => {}
                GroupBy::Subject => is_other |= keys.push(index, draft.subject, time)?,
                GroupBy::Property(path) => {
                    is_other |= keys.push(index, properties.text(path).as_deref(), time)?;
                }
            }
        }
        Ok(Some((keys.number(is_other), reading)))
    }

    /// Rows without values, one for each group, in the order of their numbers; their window is the
    /// first.
    pub fn rows(&self, scan: &Scan<'_>) -> Result<Vec<Row>, ScanError> {
        let Some(window) = self.query.windows.first().copied() else { return Ok(Vec::new()) };
        let group_by = &self.query.group_by;
        let mut names = Vec::new();
        if self.by_customer {
            let numbers: Vec<u32> = self.keys.all.iter().filter_map(|key| key.first().copied()).collect();
            names = scan.customer_names(&numbers)?;
        }
        let mut names = names.into_iter();
        let only = |texts: &[String]| match texts {
            [one] => Some(one.clone()),
            _ => None,
        };
        let row = |key: &Key| {
            let texts = key.iter().skip(1).map(|number| self.keys.text(*number));
            let others = group_by.iter().filter(|by| **by != GroupBy::Customer).zip(texts);
            let (mut subject, mut group) = (only(&self.query.subjects), Vec::new());
            for (by, text) in others {
                if *by == GroupBy::Subject { subject = text } else { group.push(text) }
            }
            Row {
                window,
                customer: if self.by_customer { names.next() } else { only(&self.query.customers) },
                subject,
                group,
                usage: None,
                base: None,
                events: 0,
                closing: None,
                was_negative: false,
                is_other: key.last() == Some(&1),
            }
        };
        Ok(self.keys.all.iter().map(row).collect())
    }
}

impl Keys<'_> {
    /// Begins a key.
    fn begin(&mut self, by_customer: bool, customer: u32) {
        self.key.clear();
        self.key.push(if by_customer { customer } else { 0 });
    }

    /// Goes on with the text that is shown for an event's in a group of the query: its own, unless the
    /// group is a declared dimension of which the day shows others. Whether it is not its own.
    fn push(&mut self, group: usize, text: Option<&str>, time: Timestamp) -> Result<bool, ReadError> {
        let is_other = match text {
            Some(own) => self.is_other(group, own, time)?,
            None => false,
        };
        let shown = if is_other { Some(OTHER) } else { text };
        let number = shown.map_or(NO_TEXT, |shown| self.texts.number(shown));
        self.key.push(number);
        Ok(is_other)
    }

    /// Whether a day shows other values than this one.
    fn is_other(&mut self, group: usize, own: &str, time: Timestamp) -> Result<bool, ReadError> {
        let Some(dimension) = self.dimensions.get(group).copied().flatten() else { return Ok(false) };
        let (shared, query, day) = (self.shared, self.query, values::day_of(time));
        if self.shown.len() >= DAYS_HELD_MAX && !self.shown.contains_key(&(dimension, day)) {
            self.shown.clear();
        }
        let shown = match self.shown.entry((dimension, day)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(values::shown(shared, query.project, query.meter, dimension, day)?)
            }
        };
        let hash = |own: &str| shared.hasher.of(query.project, own.as_bytes());
        Ok(shown.as_ref().is_some_and(|shown| !shown.contains(&hash(own))))
    }

    /// The number of the group that has the key that was begun.
    fn number(&mut self, is_other: bool) -> usize {
        self.key.push(u32::from(is_other));
        if let Some(number) = self.numbers.get(self.key.as_slice()) {
            return *number;
        }
        let (number, key) = (self.all.len(), Key::from(self.key.as_slice()));
        self.all.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    /// A text by its number.
    fn text(&self, number: u32) -> Option<String> {
        (number != NO_TEXT).then(|| self.texts.text(number).to_string())
    }
}
