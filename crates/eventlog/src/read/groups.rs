//! Which group an event belongs to, and what it reads as.
use super::query::{GroupBy, Query, Row};
use super::scan::{Scan, ScanError};
use crate::format::record::EventRecord;
use crate::memory::places::Place;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::meter::{Readable, Reading};
use serde_json::Value;
use std::sync::Arc;

/// What tells groups apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    customer: Option<u32>,
    subject: Option<String>,
    properties: Vec<Option<String>>,
}

/// The groups seen so far, numbered from 0.
pub struct Groups<'a> {
    query: &'a Query<'a>,
    by_customer: bool,
    by_subject: bool,
    needs_properties: bool,
    numbers: HashMap<Arc<Key>, usize, RandomState>,
    keys: Vec<Arc<Key>>,
}

impl<'a> Groups<'a> {
    /// No groups yet; but without a group-by there is always the one.
    pub fn new(query: &'a Query<'a>) -> Self {
        let by_property = query.group_by.iter().any(|by| matches!(by, GroupBy::Property(_)));
        let mut groups = Self {
            query,
            by_customer: query.group_by.contains(&GroupBy::Customer),
            by_subject: query.group_by.contains(&GroupBy::Subject),
            needs_properties: by_property || !query.filters.is_empty() || query.meter.reads_properties(),
            numbers: HashMap::default(),
            keys: Vec::new(),
        };
        if query.group_by.is_empty() {
            groups.of_customer(0);
        }
        groups
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The group of a customer, where nothing else tells groups apart.
    pub fn of_customer(&mut self, customer: u32) -> usize {
        let customer = self.by_customer.then_some(customer);
        self.number(Key { customer, subject: None, properties: Vec::new() })
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
        place: &Place,
        event: &EventRecord<'_>,
        customer: u32,
    ) -> Option<(usize, Reading)> {
        let query = self.query;
        let draft = &event.draft;
        if query.as_of.is_some_and(|as_of| place.received_at > as_of) {
            return None;
        }
        let asked = |subject: &str| query.subjects.iter().any(|asked| asked == subject);
        if !query.subjects.is_empty() && !draft.subject.is_some_and(asked) {
            return None;
        }
        let properties = match draft.properties {
            Some(text) if self.needs_properties => serde_json::from_str(text).unwrap_or_default(),
            _ => Value::Null,
        };
        if !query.filters.iter().all(|filter| filter.passes(&properties)) {
            return None;
        }
        let (time, sequence, value) = (event.time, place.sequence, draft.value);
        let reading = query.meter.read(&Readable { time, sequence, value, properties: &properties })?;
        let key = Key {
            customer: self.by_customer.then_some(customer),
            subject: draft.subject.filter(|_| self.by_subject).map(str::to_owned),
            properties: self.property_texts(&properties),
        };
        Some((self.number(key), reading))
    }

    fn property_texts(&self, properties: &Value) -> Vec<Option<String>> {
        let path = |by: &'a GroupBy| match by {
            GroupBy::Property(path) => Some(path),
            GroupBy::Customer | GroupBy::Subject => None,
        };
        let paths = self.query.group_by.iter().filter_map(path);
        paths.map(|path| path.find_text(properties)).collect()
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
            was_negative: false,
        };
        Ok(self.keys.iter().map(row).collect())
    }
}
