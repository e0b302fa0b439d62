//! Which group an event belongs to, and what it reads as.
use super::query::{GroupBy, OTHER, Query, Row};
use super::scan::{Scan, ScanError};
use super::values::{self, Shown};
use crate::columns::{Fields, Origin};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use reckoner_domain::meter::{Aggregation, Input, Readable, Reading};
use reckoner_domain::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// What tells groups apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    customer: Option<u32>,
    subject: Option<String>,
    properties: Vec<Option<String>>,
    /// Whether one of them is all values of a dimension beyond those that the day shows.
    is_other: bool,
}

/// Days whose values are held at once.
const DAYS_HELD_MAX: usize = 64;

/// The groups seen so far, numbered from 0.
pub struct Groups<'a> {
    shared: &'a Shared,
    query: &'a Query<'a>,
    by_customer: bool,
    by_subject: bool,
    needs_properties: bool,
    numbers: HashMap<Arc<Key>, usize, RandomState>,
    keys: Vec<Arc<Key>>,
    /// The declared dimension whose values bound each group of the query.
    dimensions: Vec<Option<usize>>,
    /// The values that a day shows of a dimension, where it does not show all.
    shown: HashMap<(usize, i64), Option<Arc<Shown>>, RandomState>,
}

impl<'a> Groups<'a> {
    /// No groups yet; but without a group-by there is always the one.
    pub fn new(shared: &'a Shared, query: &'a Query<'a>) -> Self {
        let by_property = query.group_by.iter().any(|by| matches!(by, GroupBy::Property(_)));
        let mut groups = Self {
            shared,
            query,
            by_customer: query.group_by.contains(&GroupBy::Customer),
            by_subject: query.group_by.contains(&GroupBy::Subject),
            needs_properties: by_property || !query.filters.is_empty() || query.meter.reads_properties(),
            numbers: HashMap::default(),
            keys: Vec::new(),
            dimensions: query.group_by.iter().map(|by| query.bounded_by(by)).collect(),
            shown: HashMap::default(),
        };
        if query.group_by.is_empty() {
            groups.of_customer(0);
        }
        groups
    }

    /// What is read of events beside time and value.
    pub fn fields(&self) -> Fields {
        let meter = self.query.meter;
        let states = meter.aggregation == Aggregation::TimeWeightedAvg && meter.input == Input::Level;
        let subject = self.by_subject || states || !self.query.subjects.is_empty();
        Fields { subject, properties: self.needs_properties, ..Fields::NONE }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The group of a customer, where nothing else tells groups apart.
    pub fn of_customer(&mut self, customer: u32) -> usize {
        let customer = self.by_customer.then_some(customer);
        self.number(Key { customer, subject: None, properties: Vec::new(), is_other: false })
    }

    fn number(&mut self, key: Key) -> usize {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let (number, key) = (self.keys.len(), Arc::new(key));
        self.keys.push(Arc::clone(&key));
        self.numbers.insert(key, number);
        number
    }

    /// What the meter reads from an event, and its group; `None` where the event does not count.
    pub fn read(
        &mut self,
        origin: &Origin,
        event: &EventRecord<'_>,
        customer: u32,
    ) -> Result<Option<(usize, Reading)>, ReadError> {
        let query = self.query;
        let draft = &event.draft;
        if query.as_of.is_some_and(|as_of| origin.received_at > as_of) {
            return Ok(None);
        }
        let asked = |subject: &str| query.subjects.iter().any(|asked| asked == subject);
        if !query.subjects.is_empty() && !draft.subject.is_some_and(asked) {
            return Ok(None);
        }
        let properties = match draft.properties {
            Some(text) if self.needs_properties => serde_json::from_str(text).unwrap_or_default(),
            _ => Value::Null,
        };
        if !query.filters.iter().all(|filter| filter.passes(&properties)) {
            return Ok(None);
        }
        let (time, sequence, value) = (event.time, origin.sequence, draft.value);
        let readable = Readable { time, sequence, value, properties: &properties };
        let Some(reading) = query.meter.read(&readable) else { return Ok(None) };
        let customer = self.by_customer.then_some(customer);
        let mut key = Key { customer, subject: None, properties: Vec::new(), is_other: false };
        for (index, by) in query.group_by.iter().enumerate() {
            match by {
                GroupBy::Customer => {}
                GroupBy::Subject => {
                    let subject = draft.subject.map(str::to_owned);
                    key.subject = self.bounded(index, subject, time, &mut key.is_other)?;
                }
                GroupBy::Property(path) => {
                    let text = path.find_text(&properties);
                    key.properties.push(self.bounded(index, text, time, &mut key.is_other)?);
                }
            }
        }
        Ok(Some((self.number(key), reading)))
    }

    /// The text that is shown for an event's in a group of the query: its own, unless the group is a
    /// declared dimension of which the day shows others.
    fn bounded(
        &mut self,
        group: usize,
        text: Option<String>,
        time: Timestamp,
        is_other: &mut bool,
    ) -> Result<Option<String>, ReadError> {
        let dimension = self.dimensions.get(group).copied().flatten();
        let (Some(own), Some(dimension)) = (&text, dimension) else { return Ok(text) };
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
        match shown {
            Some(shown) if !shown.contains(&shared.hasher.of(query.project, own.as_bytes())) => {
                *is_other = true;
                Ok(Some(OTHER.to_owned()))
            }
            _ => Ok(text),
        }
    }

    /// Rows without values, one for each group, in the order of their numbers; their window is the
    /// first.
    pub fn rows(&self, scan: &Scan<'_>) -> Result<Vec<Row>, ScanError> {
        let Some(window) = self.query.windows.first().copied() else { return Ok(Vec::new()) };
        let numbers: Vec<u32> = self.keys.iter().filter_map(|key| key.customer).collect();
        let mut names = scan.customer_names(&numbers)?.into_iter();
        let only = |texts: &[String]| match texts {
            [one] => Some(one.clone()),
            _ => None,
        };
        let row = |key: &Arc<Key>| Row {
            window,
            customer: if self.by_customer { names.next() } else { only(&self.query.customers) },
            subject: if self.by_subject { key.subject.clone() } else { only(&self.query.subjects) },
            group: key.properties.clone(),
            usage: None,
            base: None,
            events: 0,
            closing: None,
            was_negative: false,
            is_other: key.is_other,
        };
        Ok(self.keys.iter().map(row).collect())
    }
}
