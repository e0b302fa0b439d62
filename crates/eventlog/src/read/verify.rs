//! Holds what is kept in memory against the events it was made from.
use crate::error::ReadError;
use crate::memory::corrections::Known;
use crate::memory::places::Place;
use crate::memory::project::Cell;
use crate::read::fetch;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::{Mark, Rollup};

/// Most differences that are told one by one.
const TOLD_MAX: usize = 100;

/// What a log holds, and where it does not agree with itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events that are not void.
    pub events: u64,
    /// Hours of customers and event types.
    pub cells: u64,
    /// What does not agree; at most a hundred are told.
    pub differences: Vec<String>,
}

impl Verified {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        if self.differences.len() < TOLD_MAX {
            self.differences.push(what());
        }
    }
}

/// Computes every rollup anew from its events, and looks every id up.
pub fn run(shared: &Shared) -> Result<Verified, ReadError> {
    let mut verified = Verified::default();
    let projects: Vec<ProjectId> = shared.memory.read().projects.keys().copied().collect();
    for project in projects {
        for (hour, event_type, customer) in cells(shared, project) {
            cell(shared, project, (hour, event_type, customer), &mut verified)?;
        }
    }
    Ok(verified)
}

/// A cell's hour, event type and customer.
type Key = (i64, u32, u32);

fn cells(shared: &Shared, project: ProjectId) -> Vec<Key> {
    let memory = shared.memory.read();
    let Some(project) = memory.projects.get(&project) else { return Vec::new() };
    let mut keys = Vec::new();
    for (hour, cells) in &project.hours {
        for (event_type, cells) in &cells.types {
            keys.extend(cells.keys().map(|customer| (*hour, *event_type, *customer)));
        }
    }
    keys
}

fn cell(shared: &Shared, project: ProjectId, key: Key, verified: &mut Verified) -> Result<(), ReadError> {
    let Some((places, kept, ends_unknown)) = look(shared, project, key) else { return Ok(()) };
    verified.cells += 1;
    let mut counted: Option<Rollup> = None;
    let mut strangers = 0_u64;
    fetch::each(&places, |place, event| {
        let hash = shared.hasher.of(project, event.draft.id.as_bytes());
        let hash = hash.after_clear(shared.memory.read().cleared_at(project));
        let found = shared.find(project, event.draft.id, hash)?;
        strangers += u64::from(found.is_none_or(|found| found.sequence != place.sequence));
        let mark = Mark { time: event.time, sequence: place.sequence, value: event.draft.value };
        let added = match &mut counted {
            Some(rollup) => rollup.add(mark),
            None => Rollup::of(mark).map(|rollup| counted = Some(rollup)),
        };
        strangers += u64::from(added.is_err());
        Ok::<(), ReadError>(())
    })?;
    let (count, sum) = counted.map_or_else(Default::default, |rollup| (rollup.count, rollup.sum));
    verified.events += count;
    let totals = (kept.count, kept.sum) == (count, sum);
    let ends = ends_unknown || count == 0 || counted == Some(kept);
    if !totals || !ends || strangers > 0 {
        verified.differs(|| format!("project {project:?}, hour, type and customer {key:?}: kept {kept:?}, counted {counted:?}, {strangers} ids not found"));
    }
    Ok(())
}

fn look(
    shared: &Shared,
    project: ProjectId,
    (hour, event_type, customer): Key,
) -> Option<(Vec<Place>, Rollup, bool)> {
    let memory = shared.memory.read();
    let cell: &Cell =
        memory.projects.get(&project)?.hours.get(&hour)?.types.get(&event_type)?.get(&customer)?;
    let versions = cell.events.iter().filter_map(|event| memory.version(event.sequence(), Known::ALL));
    let places =
        versions.filter(|version| version.voided_at.is_none()).map(|version| version.place).collect();
    Some((places, cell.rollup, cell.ends_unknown))
}
