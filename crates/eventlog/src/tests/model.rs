//! What the engine must be equal to: a list of events and plain loops over it.
use crate::erase::Pending;
use crate::format::record::EventRecord;
use crate::read::list::{Cursor, ListFilter, Order};
use crate::read::query::{GroupBy, OTHER, Query, Row};
use crate::read::values::{VALUES_MAX, day_of};
use crate::write::corrections::{Change, Content, Corrected, Corrections};
use crate::write::outcome::Outcome;
use reckoner_domain::event::{Event, EventDraft};
use reckoner_domain::id::ProjectId;
use reckoner_domain::level::level_windows;
use reckoner_domain::meter::{Aggregation, Input, Readable, Reading};
use reckoner_domain::sum::Sum;
use reckoner_domain::tally::{Tally, Usage};
use reckoner_domain::time::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// An event as sent, owning its texts.
#[derive(Clone, Debug)]
pub struct Sent {
    pub event: Event,
}

impl Sent {
    pub fn draft(&self) -> EventDraft<'_> {
        EventRecord::of(&self.event).draft
    }
}

/// Everything committed.
#[derive(Clone, Default)]
pub struct Model {
    /// The events as they stand, also those that are void.
    pub events: Vec<Event>,
    /// Each event as it was first, and after each of its corrections, with their sequences.
    pub revisions: BTreeMap<u64, Vec<(u64, Timestamp, Event)>>,
    pub sequence: u64,
    pub cleared_at: BTreeMap<ProjectId, u64>,
    /// The pseudonyms of erased customers.
    pub erased: BTreeSet<String>,
}

impl Model {
    /// Judges and stores a batch.
    pub fn append(&mut self, batch: &[Sent]) -> Vec<Outcome> {
        batch.iter().map(|sent| self.judge(sent)).collect()
    }

    fn judge(&mut self, sent: &Sent) -> Outcome {
        let same_id = |known: &&Event| known.project == sent.event.project && known.id == sent.event.id;
        if let Some(known) = self.events.iter().find(same_id) {
            let sequence = known.sequence;
            let (_, _, first) = &self.revisions[&sequence][0];
            let erased = self.erased.contains(&first.customer);
            let draft = sent.draft();
            let same = if erased { first.may_have_been(&draft) } else { first.says_the_same(&draft) };
            return if same { Outcome::Duplicate { sequence } } else { Outcome::Conflict { sequence } };
        }
        self.sequence += 1;
        let event = Event { sequence: self.sequence, ..sent.event.clone() };
        self.revisions.insert(self.sequence, vec![(self.sequence, event.received_at, event.clone())]);
        self.events.push(event);
        Outcome::Accepted { sequence: self.sequence }
    }

    /// Voids and amends.
    pub fn correct(&mut self, corrections: &Corrections) -> Vec<Corrected> {
        let mut outcomes = vec![Corrected::Unknown; corrections.changes.len()];
        let mut order: Vec<usize> = (0..corrections.changes.len()).collect();
        order.sort_by_key(|index| corrections.changes[*index].target);
        let mut done = Vec::new();
        for index in order {
            let Change { target, after } = &corrections.changes[index];
            let here = |event: &&mut Event| event.sequence == *target && event.project == corrections.project;
            let Some(event) = self.events.iter_mut().find(here) else { continue };
            outcomes[index] = match after {
                _ if done.contains(target) => Corrected::Unchanged,
                None if event.voided_at.is_some() => Corrected::Unchanged,
                Some(_) if event.voided_at.is_some() => Corrected::Void,
                Some(after) if *after == content(event) => Corrected::Unchanged,
                _ => Corrected::Done,
            };
            done.push(*target);
            if outcomes[index] != Corrected::Done {
                continue;
            }
            let at = corrections.received_at;
            match after.clone() {
                None => event.voided_at = Some(at),
                Some(Content { value, subject, properties, source_context }) => {
                    // Its record states the time.
                    let (amended_at, time_given) = (Some(at), true);
                    *event = Event {
                        value,
                        subject,
                        properties,
                        source_context,
                        amended_at,
                        time_given,
                        ..event.clone()
                    };
                }
            }
            self.sequence += 1;
            let revision = (self.sequence, at, event.clone());
            self.revisions.get_mut(target).expect("a first").push(revision);
        }
        outcomes
    }

    /// The sequence of what happened last to an event.
    pub fn touched(&self, event: &Event) -> u64 {
        self.revisions[&event.sequence].last().expect("a first").0
    }

    /// Erases a customer from all records so far.
    pub fn erase(&mut self, pending: &Pending) {
        let erase = |event: &mut Event| {
            if pending.has(event.project, 0, &event.customer) {
                event.customer.clone_from(&pending.erasure.pseudonym);
                event.properties = pending.left_of(&event.event_type, event.properties.as_deref());
                (event.subject, event.source_context) = (None, None);
            }
        };
        let old = |event: &Event| event.sequence <= pending.through;
        self.events.iter_mut().filter(|event| old(event)).for_each(erase);
        let revisions = self.revisions.range_mut(..=pending.through).flat_map(|(_, revisions)| revisions);
        revisions.for_each(|(_, _, event)| erase(event));
        self.erased.insert(pending.erasure.pseudonym.clone());
    }

    pub fn clear(&mut self, project: ProjectId) {
        self.sequence += 1;
        self.cleared_at.insert(project, self.sequence);
        self.events.retain(|event| event.project != project);
    }

    pub fn list(&self, filter: &ListFilter) -> Vec<Event> {
        let equal = |asked: &Option<String>, text: Option<&str>| asked.is_none() || asked.as_deref() == text;
        let place = |event: &Event| Cursor { time: event.time, sequence: event.sequence };
        let mut events: Vec<Event> = self.events.clone();
        events.retain(|event| {
            event.project == filter.project
                && event.voided_at.is_none()
                && equal(&filter.customer, Some(&event.customer))
                && equal(&filter.event_type, Some(&event.event_type))
                && equal(&filter.subject, event.subject.as_deref())
                && equal(&filter.id, Some(&event.id))
                && filter.from.is_none_or(|from| event.time >= from)
                && filter.to.is_none_or(|to| event.time < to)
                && filter.filters.iter().all(|one| one.passes(&properties(event)))
        });
        events.sort_by_key(place);
        match filter.order {
            Order::OldestFirst => {}
            Order::NewestFirst => events.reverse(),
            Order::LatestFirst => events.sort_by_key(|event| std::cmp::Reverse(event.sequence)),
        }
        if let Some(after) = filter.after {
            events.retain(|event| match filter.order {
                Order::NewestFirst => place(event) < after,
                Order::OldestFirst => place(event) > after,
                Order::LatestFirst => event.sequence < after.sequence,
            });
        }
        events.truncate(filter.limit);
        events
    }

    pub fn query(&self, query: &Query<'_>) -> Vec<Row> {
        let readings = self.readings(query);
        let mut groups: BTreeMap<Key, Vec<Read>> = BTreeMap::new();
        for read in readings {
            groups.entry(read.key.clone()).or_default().push(read);
        }
        let named = named(query);
        for key in &named {
            groups.entry(key.clone()).or_default();
        }
        let level = query.meter.aggregation == Aggregation::TimeWeightedAvg;
        let times = query.windows[0].start..query.windows.last().expect("a window").end;
        groups.retain(|key, reads| {
            named.contains(key)
                || reads
                    .iter()
                    .any(|r| times.contains(&r.reading.time) || (level && r.reading.time < times.start))
        });
        let rows = groups
            .iter()
            .map(|(key, reads)| if level { levels(query, key, reads) } else { plain(query, key, reads) });
        let mut rows: Vec<Row> = rows.flatten().collect();
        rows.sort_by_key(|row| {
            (row.window.start, row.customer.clone(), row.subject.clone(), row.group.clone(), row.is_other)
        });
        rows
    }

    fn readings(&self, query: &Query<'_>) -> Vec<Read> {
        let mut reads = Vec::new();
        for event in &self.events {
            let revisions = &self.revisions[&event.sequence];
            let known = |(_, at, _): &&(u64, Timestamp, Event)| query.as_of.is_none_or(|as_of| *at <= as_of);
            let Some((_, _, event)) = revisions.iter().rfind(known) else { continue };
            if event.voided_at.is_some() {
                continue;
            }
            let properties = properties(event);
            let readable = Readable {
                time: event.time,
                sequence: event.sequence,
                value: event.value,
                properties: &properties,
            };
            let wanted = event.project == query.project
                && event.event_type == query.meter.event_type
                && (query.customers.is_empty() || query.customers.contains(&event.customer))
                && (query.subjects.is_empty()
                    || event.subject.as_ref().is_some_and(|subject| query.subjects.contains(subject)))
                && query.filters.iter().all(|filter| filter.passes(&properties))
                && query.as_of.is_none_or(|as_of| event.received_at <= as_of);
            if let Some(reading) = query.meter.read(&readable).filter(|_| wanted) {
                let holder = (event.customer.clone(), event.subject.clone());
                reads.push(Read { key: self.key(query, event, &properties), reading, holder });
            }
        }
        reads.sort_by_key(|read| (read.reading.time, read.reading.sequence));
        reads
    }

    fn key(&self, query: &Query<'_>, event: &Event, properties: &Value) -> Key {
        let mut key: Key = (None, None, Vec::new(), false);
        for by in &query.group_by {
            match by {
                GroupBy::Customer => key.0 = Some(event.customer.clone()),
                GroupBy::Subject => {
                    key.1 = Some(self.bounded(query, by, event, event.subject.clone(), &mut key.3));
                }
                GroupBy::Property(path) => {
                    let text = path.find_text(properties);
                    key.2.push(self.bounded(query, by, event, text, &mut key.3));
                }
            }
        }
        key
    }

    /// A text as it is shown: the first of a day's values are, those of amendments included.
    fn bounded(
        &self,
        query: &Query<'_>,
        by: &GroupBy,
        event: &Event,
        text: Option<String>,
        is_other: &mut bool,
    ) -> Option<String> {
        let (Some(index), Some(own)) = (query.bounded_by(by), &text) else { return text };
        let dimension = &query.meter.dimensions[index];
        let mut records: Vec<&(u64, Timestamp, Event)> =
            self.events.iter().flat_map(|event| &self.revisions[&event.sequence]).collect();
        records.sort_by_key(|(sequence, _, _)| *sequence);
        let mut values: Vec<String> = Vec::new();
        for (_, _, record) in records {
            let properties = properties(record);
            let (time, sequence, value) = (record.time, record.sequence, record.value);
            let readable = Readable { time, sequence, value, properties: &properties };
            let counts = record.project == query.project
                && record.event_type == query.meter.event_type
                && day_of(record.time) == day_of(event.time)
                && query.meter.read(&readable).is_some();
            let value = dimension
                .text_of(record.subject.as_deref(), &properties)
                .filter(|_| counts)
                .map(Cow::into_owned);
            values.extend(value.filter(|value| values.len() < VALUES_MAX && !values.contains(value)));
        }
        if values.contains(own) {
            return text;
        }
        *is_other = true;
        Some(OTHER.to_owned())
    }
}

/// What an amendment to an event as it is would say.
pub fn content(event: &Event) -> Content {
    let Event { value, subject, properties, source_context, .. } = event.clone();
    Content { value, subject, properties, source_context }
}

type Key = (Option<String>, Option<Option<String>>, Vec<Option<String>>, bool);

struct Read {
    key: Key,
    reading: Reading,
    holder: (String, Option<String>),
}

/// The groups that there are without events.
fn named(query: &Query<'_>) -> Vec<Key> {
    let mut keys: Vec<Key> = vec![(None, None, Vec::new(), false)];
    for by in &query.group_by {
        let texts = match by {
            GroupBy::Customer if query.fill_zero => query.customers.as_slice(),
            GroupBy::Subject if query.fill_zero => query.subjects.as_slice(),
            _ => &[],
        };
        let with = |(customer, subject, ..): &Key, text: &String| match by {
            GroupBy::Customer => (Some(text.clone()), subject.clone(), Vec::new(), false),
            _ => (customer.clone(), Some(Some(text.clone())), Vec::new(), false),
        };
        keys = keys.iter().flat_map(|key| texts.iter().map(move |text| with(key, text))).collect();
    }
    keys
}

fn properties(event: &Event) -> Value {
    event.properties.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"))
}

fn blank(query: &Query<'_>, key: &Key) -> Row {
    let only = |texts: &[String]| (texts.len() == 1).then(|| texts[0].clone());
    Row {
        window: query.windows[0],
        customer: key.0.clone().or_else(|| only(&query.customers)),
        subject: key.1.clone().unwrap_or_else(|| only(&query.subjects)),
        group: key.2.clone(),
        usage: None,
        base: None,
        events: 0,
        closing: None,
        was_negative: false,
        is_other: key.3,
    }
}

fn plain(query: &Query<'_>, key: &Key, reads: &[Read]) -> Vec<Row> {
    let mut rows = Vec::new();
    for window in query.windows {
        let mut tally = Tally::new(query.meter.aggregation, query.meter.is_weighted());
        let inside: Vec<_> = reads.iter().filter(|read| window.contains(read.reading.time)).collect();
        for read in &inside {
            tally.add(&read.reading).expect("fits");
        }
        if !inside.is_empty() || query.fill_zero {
            let events = inside.len() as u64;
            rows.push(Row {
                window: *window,
                usage: tally.usage(),
                base: tally.base_usage(),
                events,
                ..blank(query, key)
            });
        }
    }
    rows
}

fn levels(query: &Query<'_>, key: &Key, reads: &[Read]) -> Vec<Row> {
    let mut stated: BTreeMap<_, Sum> = BTreeMap::new();
    let mut changes: Vec<(Timestamp, Sum)> = Vec::new();
    for read in reads {
        let value = Sum::ZERO.plus_product(read.reading.value, read.reading.weight).expect("fits");
        let before = stated.insert(read.holder.clone(), value).unwrap_or(Sum::ZERO);
        let by = match query.meter.input {
            Input::Delta => value,
            Input::Level => value.minus_sum(before).expect("fits"),
        };
        changes.push((read.reading.time, by));
    }
    let closed = level_windows(Input::Delta, Sum::ZERO, changes, query.windows).expect("in order");
    let mut rows = Vec::new();
    for level in closed {
        let known = reads.iter().any(|read| read.reading.time < level.window.end);
        if known || query.fill_zero {
            rows.push(Row {
                window: level.window,
                usage: level.average().map(Usage::Ratio),
                events: reads.iter().filter(|read| level.window.contains(read.reading.time)).count() as u64,
                closing: Some(level.closing),
                was_negative: level.was_negative,
                ..blank(query, key)
            });
        }
    }
    rows
}
