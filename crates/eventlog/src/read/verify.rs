//! Holds what is kept in memory against the events it was made from.
use crate::error::ReadError;
use crate::memory::corrections::{Adjustment, CellKey, Known};
use crate::memory::delta::Delta;
use crate::memory::places::Place;
use crate::read::fetch;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::{Mark, Rollup};
use reckoner_domain::sum::Sum;

/// Most differences that are told one by one.
const TOLD_MAX: usize = 100;

/// What a log holds, and where it does not agree with itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events that are not void.
    pub events: u64,
    /// Hours of customers and event types, as they are kept.
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
    let (projects, deltas) = {
        let memory = shared.memory.read();
        (memory.projects.keys().copied().collect::<Vec<ProjectId>>(), memory.deltas.clone())
    };
    for project in projects {
        for delta in &deltas {
            for key in cells(delta, project) {
                cell(shared, project, (delta, key), &mut verified)?;
            }
        }
        adjustments(shared, project, &deltas, &mut verified)?;
    }
    Ok(verified)
}

fn cells(delta: &Delta, project: ProjectId) -> Vec<CellKey> {
    let look = delta.look();
    let mut keys = Vec::new();
    for (hour, cells) in look.hours(project) {
        for (event_type, cells) in &cells.types {
            let key = |customer: &u32| CellKey { hour: *hour, event_type: *event_type, customer: *customer };
            keys.extend(cells.keys().map(key));
        }
    }
    keys
}

/// A cell's rollup, and the sequences of its events.
fn kept(delta: &Delta, project: ProjectId, key: CellKey) -> Option<(Rollup, Vec<u64>)> {
    let look = delta.look();
    let cell = look.hours(project).get(&key.hour)?.types.get(&key.event_type)?.get(&key.customer)?;
    Some((cell.rollup, cell.events.iter().map(|event| event.sequence()).collect()))
}

fn cell(
    shared: &Shared,
    project: ProjectId,
    (delta, key): (&Delta, CellKey),
    verified: &mut Verified,
) -> Result<(), ReadError> {
    let Some((kept, sequences)) = kept(delta, project, key) else { return Ok(()) };
    verified.cells += 1;
    let places: Vec<Place> = {
        let memory = shared.memory.read();
        let void = |sequence: &&u64| {
            memory.version(**sequence, Known::ALL).is_some_and(|version| version.voided_at.is_some())
        };
        verified.events += sequences.len() as u64 - sequences.iter().filter(void).count() as u64;
        sequences.iter().filter_map(|sequence| memory.places.find(*sequence)).collect()
    };
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
    if counted != Some(kept) || strangers > 0 {
        verified.differs(|| {
            format!(
                "project {project:?}, {key:?}: kept {kept:?}, counted {counted:?}, {strangers} ids not found"
            )
        });
    }
    Ok(())
}

/// Computes anew by how much corrections change the totals of cells.
fn adjustments(
    shared: &Shared,
    project: ProjectId,
    deltas: &[std::sync::Arc<Delta>],
    verified: &mut Verified,
) -> Result<(), ReadError> {
    let adjusted: Vec<(CellKey, Adjustment)> = {
        let memory = shared.memory.read();
        let known = memory.projects.get(&project);
        known.into_iter().flat_map(|known| known.corrections.cells(i64::MIN..i64::MAX)).collect()
    };
    for (key, kept_adjustment) in adjusted {
        let (mut count, mut sum) = (0_i64, Some(Sum::ZERO));
        for sequence in deltas.iter().filter_map(|delta| kept(delta, project, key)).flat_map(|(_, all)| all) {
            let (first, now) = (shared.event(sequence)?, shared.current(sequence)?);
            let (Some(first), Some(now)) = (first, now) else { continue };
            let value = if now.voided_at.is_some() { None } else { Some(now.value) };
            count += i64::from(value.is_some()) - 1;
            let change = |sum: Sum| {
                let before = Sum::ZERO.plus(first.value).ok()?;
                sum.plus(value.unwrap_or_default()).ok()?.minus_sum(before).ok()
            };
            sum = sum.and_then(change);
        }
        if (kept_adjustment.count, Some(kept_adjustment.sum)) != (count, sum) {
            verified.differs(|| {
                format!("project {project:?}, {key:?}: corrections kept {kept_adjustment:?}, counted {count}, {sum:?}")
            });
        }
    }
    Ok(())
}
