//! What changed, who was active, and how much there is.
use crate::error::ReadError;
use crate::memory::Cells;
use crate::memory::corrections::CellKey;
use crate::memory::delta::Hour;
use crate::memory::project::Project;
use crate::part::{Part, PartCell};
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
pub fn changed(shared: &Shared, project: ProjectId, since: Since<'_>) -> Result<Changes, ReadError> {
    let before = hours_until(since.before);
    let mut newer: BTreeSet<CellKey> = BTreeSet::new();
    let (cells, carried) = {
        let memory = shared.memory.read();
        let cells = memory.cells(project);
        let Some(known) = memory.projects.get(&project) else {
            return Ok(Changes { through_sequence: cells.sequence, ..Changes::default() });
        };
        let corrected = known.corrections.cells(i64::MIN..before);
        let corrected = corrected.filter(|(_, adjustment)| adjustment.last_sequence > since.after_sequence);
        newer.extend(corrected.map(|(key, _)| key));
        let number = |name: &String| Some((name.clone(), known.event_types.find(name)?));
        (cells, since.carried.iter().filter_map(number).collect::<Vec<_>>())
    };
    let walk = Walk { project, cells: &cells };
    walk.newer(since.after_sequence, before, &mut newer)?;
    let mut by_hour: BTreeMap<i64, BTreeSet<u32>> = BTreeMap::new();
    for key in &newer {
        by_hour.entry(key.hour).or_default().insert(key.customer);
    }
    for (name, event_type) in carried {
        let mut first: BTreeMap<u32, i64> = BTreeMap::new();
        for key in newer.iter().filter(|key| key.event_type == event_type) {
            first.entry(key.customer).or_insert(key.hour);
        }
        walk.carry((&name, event_type), before, &first, &mut by_hour)?;
    }
    let memory = shared.memory.read();
    let known = memory.projects.get(&project).filter(|known| known.cleared_at == cells.cleared_at);
    let named = |(hour, numbers)| Some((hour, names(known?, numbers)));
    let by_hour = by_hour.into_iter().filter_map(named).collect();
    // What a clearing took away meanwhile is told by the next call.
    Ok(Changes { through_sequence: cells.sequence, cleared_at: cells.cleared_at, by_hour })
}

/// A walk over the cells of a project.
struct Walk<'a> {
    project: ProjectId,
    cells: &'a Cells,
}

impl Walk<'_> {
    /// Adds the cells of hours before one that have events after a sequence.
    fn newer(&self, after: u64, before: i64, newer: &mut BTreeSet<CellKey>) -> Result<(), ReadError> {
        for part in self.cells.parts.iter().filter(|part| part.last_sequence() > after) {
            let Some(section) = part.section(self.project, self.cells.cleared_at) else { continue };
            for block in section.blocks.iter().filter(|block| block.last_sequence > after) {
                let event_type = part.event_type_number(self.project, block.event_type);
                part.each_cell(section, block, &(i64::MIN..before), None, |found| {
                    let PartCell { cell, customer } = found;
                    if cell.last_sequence > after {
                        newer.insert(CellKey { hour: cell.hour, event_type, customer });
                    }
                    Ok::<(), ReadError>(())
                })?;
            }
        }
        for delta in &self.cells.deltas {
            let look = delta.look();
            let hours = look.hours(self.project).range(..before);
            for (hour, types) in hours.filter(|(_, hour)| hour.last_sequence > after) {
                for (event_type, cells) in &types.types {
                    let key = |customer| CellKey { hour: *hour, event_type: *event_type, customer };
                    let cells = cells.iter().filter(|(_, cell)| cell.last_sequence() > after);
                    newer.extend(cells.map(|(customer, _)| key(*customer)));
                }
            }
        }
        Ok(())
    }

    /// Adds the later hours, before one, of customers whose usage of a carried type changed first in
    /// an hour.
    fn carry(
        &self,
        (name, event_type): (&str, u32),
        before: i64,
        first: &BTreeMap<u32, i64>,
        by_hour: &mut BTreeMap<i64, BTreeSet<u32>>,
    ) -> Result<(), ReadError> {
        let Some(earliest) = first.values().min() else { return Ok(()) };
        let hours = *earliest..before.max(*earliest);
        let later = |hour: i64, customer: u32| first.get(&customer).is_some_and(|first| hour > *first);
        for part in &self.cells.parts {
            let Some(section) = part.section(self.project, self.cells.cleared_at) else { continue };
            let Some(event_type) = Part::event_type(section, name) else { continue };
            for block in section.blocks_of(event_type, &hours) {
                part.each_cell(section, block, &hours, None, |PartCell { cell, customer }| {
                    if later(cell.hour, customer) {
                        by_hour.entry(cell.hour).or_default().insert(customer);
                    }
                    Ok::<(), ReadError>(())
                })?;
            }
        }
        for delta in &self.cells.deltas {
            let look = delta.look();
            for (hour, types) in look.hours(self.project).range(hours.clone()) {
                let cells = types.types.get(&event_type).into_iter().flat_map(|cells| cells.keys());
                let customers: Vec<u32> = cells.copied().filter(|customer| later(*hour, *customer)).collect();
                if !customers.is_empty() {
                    by_hour.entry(*hour).or_default().extend(customers);
                }
            }
        }
        Ok(())
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
    let cells = shared.memory.read().cells(project);
    let mut hours: BTreeSet<i64> = BTreeSet::new();
    for section in cells.parts.iter().filter_map(|part| part.section(project, cells.cleared_at)) {
        hours.extend(section.hours.iter().filter(|hour| range.contains(hour)));
    }
    for delta in cells.deltas {
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
    let texts =
        memory.projects.get(&project).map(|project| project.customers.texts().cloned().collect::<Vec<_>>());
    drop(memory);
    let mut texts = texts.unwrap_or_default();
    texts.sort_unstable();
    texts
}

/// Every event type with events, by name.
pub fn event_types(shared: &Shared, project: ProjectId) -> Vec<Arc<str>> {
    let memory = shared.memory.read();
    let texts =
        memory.projects.get(&project).map(|project| project.event_types.texts().cloned().collect::<Vec<_>>());
    drop(memory);
    let mut texts = texts.unwrap_or_default();
    texts.sort_unstable();
    texts
}

/// How much a project has.
pub fn stats(shared: &Shared, project: ProjectId) -> Stats {
    let (mut stats, cells) = {
        let memory = shared.memory.read();
        let Some(known) = memory.projects.get(&project) else { return Stats::default() };
        let customers = known.customers.texts().len() as u64;
        (Stats { events: known.events, customers, ..Stats::default() }, memory.cells(project))
    };
    for section in cells.parts.iter().filter_map(|part| part.section(project, cells.cleared_at)) {
        stats.first_time = stats.first_time.into_iter().chain([section.first_time]).min();
        stats.last_time = stats.last_time.into_iter().chain([section.last_time]).max();
    }
    for delta in cells.deltas {
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
