//! Holds what is kept in memory and in parts against the events it was made from.
use super::bulk::Bulk;
use crate::columns::{Fields, Origin};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::Cells;
use crate::memory::corrections::{Adjustment, CellKey, Known};
use crate::memory::delta::Delta;
use crate::memory::places::{Finder, Found};
use crate::part::cells::HOURS;
use crate::part::index::Block;
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

/// Events of cells that are looked at together.
const EVENTS_AT_ONCE: usize = if cfg!(test) { 64 } else { 1_000_000 };
/// Events whose places are looked up under one lock.
const PLACES_AT_ONCE: usize = if cfg!(test) { 8 } else { 8 * 1024 };

/// A walk over the cells of a project.
struct Walk<'a> {
    shared: &'a Shared,
    project: ProjectId,
    cells: &'a Cells,
    verified: &'a mut Verified,
}

/// Cells that are looked at together.
#[derive(Default)]
struct Held {
    cells: Vec<HeldCell>,
    /// Their events by sequence, with the numbers of their cells.
    events: Vec<(u64, u32)>,
}

/// A cell, and what was counted of it.
struct HeldCell {
    key: CellKey,
    kept: Rollup,
    counted: Option<Rollup>,
    /// Events that are not found by their ids, or cannot be added.
    strangers: u64,
}

impl Held {
    fn add(&mut self, key: CellKey, kept: Rollup, sequences: impl Iterator<Item = u64>) {
        let number = self.cells.len() as u32;
        self.cells.push(HeldCell { key, kept, counted: None, strangers: 0 });
        self.events.extend(sequences.map(|sequence| (sequence, number)));
    }
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
                let mut held = Held::default();
                part.each_event(block, &cells, |cell, customer, events| {
                    let key = CellKey { hour: cell.hour, event_type, customer: *customer };
                    held.add(key, cell.rollup, events.iter().map(|event| event.sequence));
                    if held.events.len() >= EVENTS_AT_ONCE { self.count(&mut held) } else { Ok(()) }
                })?;
                self.count(&mut held)?;
            }
        }
        Ok(())
    }

    fn deltas(&mut self) -> Result<(), ReadError> {
        let mut held = Held::default();
        for delta in &self.cells.deltas {
            for key in keys(delta, self.project) {
                if let Some((rollup, sequences)) = kept(delta, self.project, key) {
                    held.add(key, rollup, sequences.into_iter());
                }
                if held.events.len() >= EVENTS_AT_ONCE {
                    self.count(&mut held)?;
                }
            }
        }
        self.count(&mut held)
    }

    /// Holds cells against their events as they were first stored.
    fn count(&mut self, held: &mut Held) -> Result<(), ReadError> {
        let Held { mut cells, mut events } = std::mem::take(held);
        let (shared, project) = (self.shared, self.project);
        self.verified.cells += cells.len() as u64;
        events.sort_unstable();
        let cleared_at = self.cells.cleared_at;
        let mut each = |origin: &Origin, event: &EventRecord<'_>, cell: u32| {
            let Some(cell) = cells.get_mut(cell as usize) else { return Ok(()) };
            let id = event.draft.id;
            let hash = shared.hasher.of(project, id.as_bytes()).after_clear(cleared_at);
            let found = match shared.ids.candidates(hash).as_slice() {
                [only] => *only == origin.sequence,
                // Ids whose hashes have the same bits: the events tell them apart.
                _ => shared.find(project, id, hash)?.is_some_and(|found| found.sequence == origin.sequence),
            };
            let mark = Mark { time: event.time, sequence: origin.sequence, value: event.draft.value };
            let added = match &mut cell.counted {
                Some(rollup) => rollup.add(mark),
                None => Rollup::of(mark).map(|rollup| cell.counted = Some(rollup)),
            };
            cell.strangers += u64::from(!found) + u64::from(added.is_err());
            Ok::<(), ReadError>(())
        };
        let mut bulk = Bulk::new(Fields::ALL);
        let mut finder = Finder::default();
        for events in events.chunks(PLACES_AT_ONCE) {
            let found: Vec<(Found, u32)> = {
                let memory = shared.memory.read();
                let void = |(sequence, _): &&(u64, u32)| {
                    let version = memory.version(project, *sequence, Known::ALL);
                    version.is_some_and(|version| version.voided_at.is_some())
                };
                self.verified.events += (events.len() - events.iter().filter(void).count()) as u64;
                events.iter().filter_map(|(at, cell)| Some((memory.places.find(*at)?, *cell))).collect()
            };
            let mut places = Vec::with_capacity(found.len());
            for (found, cell) in &found {
                places.extend(finder.place(found)?.map(|place| (place, *cell)));
            }
            bulk.take(places, &mut each)?;
        }
        bulk.finish(&mut each)?;
        for HeldCell { key, kept, counted, strangers } in &cells {
            if counted.as_ref() != Some(kept) || *strangers > 0 {
                self.verified.differs(|| format!("project {project:?}, {key:?}: kept {kept:?}, counted {counted:?}, {strangers} ids not found"));
            }
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
