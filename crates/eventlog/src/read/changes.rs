//! What changed, who was active, and how much there is.
use crate::memory::Memory;
use crate::memory::corrections::CellKey;
use crate::memory::delta::Hour;
use crate::memory::project::Project;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
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
    let Some(known) = memory.projects.get(&project) else {
        return Changes { through_sequence, ..Changes::default() };
    };
    let before = hours_until(since.before);
    let mut newer: BTreeSet<CellKey> = BTreeSet::new();
    for delta in &memory.deltas {
        let look = delta.look();
        for (hour, cells) in look.hours(project).range(..before) {
            if cells.last_sequence <= since.after_sequence {
                continue;
            }
            for (event_type, cells) in &cells.types {
                let newer_cells =
                    cells.iter().filter(|(_, cell)| cell.last_sequence() > since.after_sequence);
                let key = |customer| CellKey { hour: *hour, event_type: *event_type, customer };
                newer.extend(newer_cells.map(|(customer, _)| key(*customer)));
            }
        }
    }
    let corrected = known.corrections.cells(i64::MIN..before);
    let corrected = corrected.filter(|(_, adjustment)| adjustment.last_sequence > since.after_sequence);
    newer.extend(corrected.map(|(key, _)| key));
    let mut by_hour: BTreeMap<i64, BTreeSet<u32>> = BTreeMap::new();
    for key in &newer {
        by_hour.entry(key.hour).or_default().insert(key.customer);
    }
    for event_type in since.carried.iter().filter_map(|name| known.event_types.find(name)) {
        let newer = newer.iter().filter(|key| key.event_type == event_type);
        let mut first: BTreeMap<u32, i64> = BTreeMap::new();
        newer.for_each(|key| {
            first.entry(key.customer).or_insert(key.hour);
        });
        carry(&memory, project, (event_type, before), &first, &mut by_hour);
    }
    let named = by_hour.into_iter().map(|(hour, numbers)| (hour, names(known, numbers))).collect();
    Changes { through_sequence, cleared_at: known.cleared_at, by_hour: named }
}

/// Adds the later hours, before one, of customers whose usage of a carried type changed first in an hour.
fn carry(
    memory: &Memory,
    project: ProjectId,
    (event_type, before): (u32, i64),
    first: &BTreeMap<u32, i64>,
    by_hour: &mut BTreeMap<i64, BTreeSet<u32>>,
) {
    let Some(earliest) = first.values().min() else { return };
    for delta in &memory.deltas {
        let look = delta.look();
        for (hour, cells) in look.hours(project).range(*earliest..before.max(*earliest)) {
            let Some(cells) = cells.types.get(&event_type) else { continue };
            let later =
                first.iter().filter(|(customer, first)| *hour > **first && cells.contains_key(*customer));
            let later: Vec<u32> = later.map(|(customer, _)| *customer).collect();
            if !later.is_empty() {
                by_hour.entry(*hour).or_default().extend(later);
            }
        }
    }
}

/// The first hour that does not begin before an instant.
fn hours_until(before: Timestamp) -> i64 {
    let hour = before.hour_index();
    hour + i64::from(Timestamp::from_hour_index(hour) < before)
}

/// The hours with events that have instants in a range of event time, in order.
pub fn active_hours(shared: &Shared, project: ProjectId, times: &Range<Timestamp>) -> Vec<i64> {
    if times.start >= times.end {
        return Vec::new();
    }
    let range = times.start.hour_index()..=times.end.plus_micros(-1).hour_index();
    let deltas = shared.memory.read().deltas.clone();
    let mut hours: BTreeSet<i64> = BTreeSet::new();
    for delta in deltas {
        hours.extend(delta.look().hours(project).range(range.clone()).map(|(hour, _)| *hour));
    }
    hours.into_iter().collect()
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
    let (mut stats, deltas) = {
        let memory = shared.memory.read();
        let Some(known) = memory.projects.get(&project) else { return Stats::default() };
        let customers = known.customers.texts().len() as u64;
        (Stats { events: known.events, customers, ..Stats::default() }, memory.deltas.clone())
    };
    for delta in deltas {
        let look = delta.look();
        let hours = look.hours(project);
        let rollups = |hour: &Hour| {
            let cells = hour.types.values().flat_map(|cells| cells.values());
            cells.map(|cell| (cell.rollup.first.time, cell.rollup.last.time)).collect::<Vec<_>>()
        };
        let first = hours.first_key_value().into_iter().flat_map(|(_, hour)| rollups(hour));
        let last = hours.last_key_value().into_iter().flat_map(|(_, hour)| rollups(hour));
        stats.first_time = first.map(|(first, _)| first).chain(stats.first_time).min();
        stats.last_time = last.map(|(_, last)| last).chain(stats.last_time).max();
    }
    stats
}
