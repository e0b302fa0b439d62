//! Holds what is kept in memory and in parts against the events it was made from.
use crate::error::ReadError;
use crate::memory::Cells;
use crate::memory::corrections::{Adjustment, CellKey, Known};
use crate::memory::delta::Delta;
use crate::memory::places::{Finder, Found};
use crate::part::cells::HOURS;
use crate::part::index::Block;
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
    let projects: Vec<ProjectId> = shared.memory.read().projects.keys().copied().collect();
    for project in projects {
        let cells = shared.memory.read().cells(project);
        let mut walk = Walk { shared, project, cells: &cells, verified: &mut verified };
        walk.parts()?;
        walk.deltas()?;
        walk.adjustments()?;
    }
    Ok(verified)
}

/// A walk over the cells of a project.
struct Walk<'a> {
    shared: &'a Shared,
    project: ProjectId,
    cells: &'a Cells,
    verified: &'a mut Verified,
}

impl Walk<'_> {
    fn parts(&mut self) -> Result<(), ReadError> {
        for part in &self.cells.parts {
            let Some(section) = part.section(self.project, self.cells.cleared_at) else { continue };
            for block in &section.blocks {
                let event_type = part.event_type_number(self.project, block.event_type);
                let mut cells = Vec::new();
                part.each_cell(section, block, &(i64::MIN..i64::MAX), None, |found| {
                    cells.push((found.cell, found.customer));
                    Ok::<(), ReadError>(())
                })?;
                part.each_event(block, &cells, |cell, customer, events| {
                    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
                    let key = CellKey { hour: cell.hour, event_type, customer: *customer };
                    self.cell(key, &cell.rollup, &sequences)
                })?;
            }
        }
        Ok(())
    }

    fn deltas(&mut self) -> Result<(), ReadError> {
        for delta in &self.cells.deltas {
            for key in keys(delta, self.project) {
                if let Some((rollup, sequences)) = kept(delta, self.project, key) {
                    self.cell(key, &rollup, &sequences)?;
                }
            }
        }
        Ok(())
    }

    /// Holds a cell against its events as they were first stored.
    fn cell(&mut self, key: CellKey, kept: &Rollup, sequences: &[u64]) -> Result<(), ReadError> {
        let (shared, project) = (self.shared, self.project);
        self.verified.cells += 1;
        let found: Vec<Found> = {
            let memory = shared.memory.read();
            let void = |sequence: &&u64| {
                let version = memory.version(project, **sequence, Known::ALL);
                version.is_some_and(|version| version.voided_at.is_some())
            };
            self.verified.events += sequences.len() as u64 - sequences.iter().filter(void).count() as u64;
            sequences.iter().filter_map(|sequence| memory.places.find(*sequence)).collect()
        };
        let mut finder = Finder::default();
        let places = found.iter().map(|found| finder.place(found)).collect::<Result<Vec<_>, _>>()?;
        let mut counted: Option<Rollup> = None;
        let mut strangers = 0_u64;
        fetch::each(&places, |place, event| {
            let hash = shared.hasher.of(project, event.draft.id.as_bytes());
            let hash = hash.after_clear(self.cells.cleared_at);
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
        if counted.as_ref() != Some(kept) || strangers > 0 {
            self.verified.differs(|| format!("project {project:?}, {key:?}: kept {kept:?}, counted {counted:?}, {strangers} ids not found"));
        }
        Ok(())
    }

    /// Computes anew by how much corrections change the totals of cells.
    fn adjustments(&mut self) -> Result<(), ReadError> {
        let adjusted: Vec<(CellKey, Adjustment)> = {
            let memory = self.shared.memory.read();
            let known = memory.projects.get(&self.project);
            known.into_iter().flat_map(|known| known.corrections.cells(i64::MIN..i64::MAX)).collect()
        };
        for (key, kept) in adjusted {
            let (mut count, mut sum) = (0_i64, Some(Sum::ZERO));
            for sequence in self.sequences(key)? {
                let first = self.shared.event(sequence)?;
                let now = self.shared.current(self.project, sequence)?;
                let (Some(first), Some(now)) = (first, now) else { continue };
                let value = if now.voided_at.is_some() { None } else { Some(now.value) };
                count += i64::from(value.is_some()) - 1;
                let change = |sum: Sum| {
                    let before = Sum::ZERO.plus(first.value).ok()?;
                    sum.plus(value.unwrap_or_default()).ok()?.minus_sum(before).ok()
                };
                sum = sum.and_then(change);
            }
            let project = self.project;
            if (kept.count, Some(kept.sum)) != (count, sum) {
                self.verified.differs(|| {
                    format!(
                        "project {project:?}, {key:?}: corrections kept {kept:?}, counted {count}, {sum:?}"
                    )
                });
            }
        }
        Ok(())
    }

    /// The sequences of a cell's events.
    fn sequences(&self, key: CellKey) -> Result<Vec<u64>, ReadError> {
        let mut sequences = Vec::new();
        for part in &self.cells.parts {
            let Some(section) = part.section(self.project, self.cells.cleared_at) else { continue };
            let day = key.hour.div_euclid(HOURS);
            let same_type = |block: &&Block| {
                block.day == day && part.event_type_number(self.project, block.event_type) == key.event_type
            };
            let Some(block) = section.blocks.iter().find(same_type) else { continue };
            let mut cells = Vec::new();
            part.each_cell(section, block, &(key.hour..key.hour + 1), None, |found| {
                if found.customer == key.customer {
                    cells.push((found.cell, ()));
                }
                Ok::<(), ReadError>(())
            })?;
            part.each_event(block, &cells, |_, (), events| {
                sequences.extend(events.iter().map(|event| event.sequence));
                Ok::<(), ReadError>(())
            })?;
        }
        let kept = self.cells.deltas.iter().filter_map(|delta| kept(delta, self.project, key));
        sequences.extend(kept.flat_map(|(_, all)| all));
        Ok(sequences)
    }
}

fn keys(delta: &Delta, project: ProjectId) -> Vec<CellKey> {
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
