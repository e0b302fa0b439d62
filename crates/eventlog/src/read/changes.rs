//! What changed, who was active, and how much there is.
use crate::memory::project::{Hour, Project};
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeTo};
use std::sync::Arc;

/// Where usage changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Everything up to this sequence is told; the next call goes on after it.
    pub through_sequence: u64,
    /// The sequence of the project's last clearing; 0 when it never was. After one, all that was
    /// told before is gone.
    pub cleared_at: u64,
    /// Customers with new events, by name, in each hour since 1970 (of event time).
    pub by_hour: BTreeMap<i64, Vec<Arc<str>>>,
}

/// How much a project has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Its events that are not void.
    pub events: u64,
    /// Its customers.
    pub customers: u64,
    /// The time of its earliest event, void or not.
    pub first_time: Option<Timestamp>,
    /// The time of its latest event, void or not.
    pub last_time: Option<Timestamp>,
}

/// Which changes are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Since<'a> {
    /// Events of a sequence after this one.
    pub after_sequence: u64,
    /// In hours that begin before this instant (of event time).
    pub before: Timestamp,
    /// Event types whose usage is carried into later hours: where an hour of them changed, the
    /// customer's later hours with such events count as changed too.
    pub carried: &'a [String],
}

/// Hours and customers whose usage changed.
pub fn changed(shared: &Shared, project: ProjectId, since: Since<'_>) -> Changes {
    let memory = shared.memory.read();
    let through_sequence = memory.sequence;
    let Some(project) = memory.projects.get(&project) else {
        return Changes { through_sequence, ..Changes::default() };
    };
    let mut by_hour: BTreeMap<i64, BTreeSet<u32>> = BTreeMap::new();
    let before = hours_until(since.before);
    for (hour, cells) in project.hours.range(before) {
        if cells.last_sequence > since.after_sequence {
            let cells = cells.types.values().flatten();
            let newer = cells.filter(|(_, cell)| cell.last_sequence > since.after_sequence);
            by_hour.entry(*hour).or_default().extend(newer.map(|(customer, _)| customer));
        }
    }
    for event_type in since.carried.iter().filter_map(|name| project.event_types.find(name)) {
        carry(project, event_type, since, &mut by_hour);
    }
    let named = by_hour.into_iter().map(|(hour, numbers)| (hour, names(project, numbers))).collect();
    Changes { through_sequence, cleared_at: project.cleared_at, by_hour: named }
}

/// Adds the later hours of customers whose usage of a carried type changed.
fn carry(project: &Project, event_type: u32, since: Since<'_>, by_hour: &mut BTreeMap<i64, BTreeSet<u32>>) {
    let mut touched: BTreeSet<u32> = BTreeSet::new();
    for (hour, cells) in project.hours.range(hours_until(since.before)) {
        let Some(cells) = cells.types.get(&event_type) else { continue };
        let later = touched.iter().filter(|customer| cells.contains_key(*customer)).copied();
        let later: Vec<u32> = later.collect();
        if !later.is_empty() {
            by_hour.entry(*hour).or_default().extend(later);
        }
        let newer = cells.iter().filter(|(_, cell)| cell.last_sequence > since.after_sequence);
        touched.extend(newer.map(|(customer, _)| customer));
    }
}

/// The hours that begin before an instant.
fn hours_until(before: Timestamp) -> RangeTo<i64> {
    let hour = before.hour_index();
    let begun = i64::from(Timestamp::from_hour_index(hour) < before);
    ..hour + begun
}

/// The hours with events that have instants in a range of event time, in order.
pub fn active_hours(shared: &Shared, project: ProjectId, times: &Range<Timestamp>) -> Vec<i64> {
    let memory = shared.memory.read();
    let Some(project) = memory.projects.get(&project).filter(|_| times.start < times.end) else {
        return Vec::new();
    };
    let hours = project.hours.range(times.start.hour_index()..=times.end.plus_micros(-1).hour_index());
    hours.map(|(hour, _)| *hour).collect()
}

fn names(project: &Project, numbers: BTreeSet<u32>) -> Vec<Arc<str>> {
    let mut names: Vec<_> = numbers.into_iter().map(|number| project.customers.text(number)).collect();
    names.sort_unstable();
    names
}

/// Every customer with events, by name.
pub fn customers(shared: &Shared, project: ProjectId) -> Vec<Arc<str>> {
    let memory = shared.memory.read();
    let texts = memory.projects.get(&project).map(|project| project.customers.texts().to_vec());
    drop(memory);
    let mut texts = texts.unwrap_or_default();
    texts.sort_unstable();
    texts
}

/// Every event type with events, by name.
pub fn event_types(shared: &Shared, project: ProjectId) -> Vec<Arc<str>> {
    let memory = shared.memory.read();
    let texts = memory.projects.get(&project).map(|project| project.event_types.texts().to_vec());
    drop(memory);
    let mut texts = texts.unwrap_or_default();
    texts.sort_unstable();
    texts
}

/// How much a project has.
pub fn stats(shared: &Shared, project: ProjectId) -> Stats {
    let memory = shared.memory.read();
    let Some(project) = memory.projects.get(&project) else { return Stats::default() };
    let ends = |(hour, cells): (&i64, &Hour)| {
        let cells = cells.types.values().flatten();
        cells.flat_map(|(_, cell)| cell.time_ends(*hour)).collect::<Vec<_>>()
    };
    Stats {
        events: project.events,
        customers: project.customers.texts().len() as u64,
        first_time: project.hours.first_key_value().and_then(|hour| ends(hour).into_iter().min()),
        last_time: project.hours.last_key_value().and_then(|hour| ends(hour).into_iter().max()),
    }
}
