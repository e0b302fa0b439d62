//! A walk over the cells of one event type, hour by hour, as of one sequence.
//!
//! Locks are taken for an hour of a segment at a time, so commits never wait long. What is committed
//! meanwhile is left out: a cell that has changed since the walk began is answered by its events up to
//! that sequence instead of its rollup.
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::corrections::{Adjustment, CellKey, Known};
use crate::memory::delta::{Cell, Cells, Delta};
use crate::memory::places::Place;
use crate::memory::project::Project;
use crate::read::fetch;
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::Rollup;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Cells and events after which a slice takes no more hours.
const SLICE_SIZE: usize = if cfg!(test) { 16 } else { 32 * 1024 };
/// Events whose places are looked up under one lock.
const PLACES_AT_ONCE: usize = if cfg!(test) { 8 } else { 8 * 1024 };

/// How an hour's cells are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// As counts and sums.
    Totals,
    /// As counts, sums, least, greatest, first and last.
    Rollups,
    /// As events.
    Events,
}

/// How cells with corrected events are read where totals are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrected {
    /// By what corrections add up to.
    ByTotals,
    /// By their events.
    ByEvents,
}

/// The walk could not be finished as of one state.
#[derive(Debug)]
pub enum ScanError {
    /// The project was cleared meanwhile; begin anew.
    Cleared,
    /// A cell with corrected events got more of them; begin anew, and read those [`Corrected::ByEvents`].
    Moved,
    /// A total left its 256 bits.
    Overflow(Overflow),
    /// The disk failed.
    Read(ReadError),
}

impl From<ReadError> for ScanError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<Overflow> for ScanError {
    fn from(error: Overflow) -> Self {
        Self::Overflow(error)
    }
}

/// Some hours of the walk.
#[derive(Default)]
pub struct Slice {
    /// Totals of cells, by hour and customer.
    pub rollups: Vec<(i64, u32, Rollup)>,
    /// Events by sequence, with their customers.
    pub events: Vec<(u64, u32)>,
}

/// An hour's cells with corrected events, by customer.
type Adjusted = HashMap<u32, AdjustedCell, RandomState>;

/// What corrections add to a cell, and what its segments have of it.
struct AdjustedCell {
    adjustment: Adjustment,
    rollup: Option<Rollup>,
}

/// What to walk over.
pub struct Scan<'a> {
    shared: &'a Shared,
    deltas: Vec<Arc<Delta>>,
    project: ProjectId,
    /// The number of the event type; `None` where there are no events of it.
    event_type: Option<u32>,
    /// The numbers of the customers asked for; all are where there is no set.
    customers: Option<BTreeSet<u32>>,
    times: Range<Timestamp>,
    next_hour: i64,
    corrected: Corrected,
    /// What was committed when the walk began, and is looked at.
    known: Known,
    cleared_at: u64,
}

impl<'a> Scan<'a> {
    /// Walks over the events of a type with times in this range, of these customers (of all when
    /// there are none), with the corrections made until `as_of`.
    pub fn new(
        shared: &'a Shared,
        project: ProjectId,
        event_type: &str,
        customers: &[String],
        times: Range<Timestamp>,
        as_of: Option<Timestamp>,
    ) -> Self {
        let memory = shared.memory.read();
        let names = memory.projects.get(&project);
        // A set, so that a customer named twice counts once.
        let number = |text: &String| names.and_then(|names| names.customers.find(text));
        Self {
            shared,
            deltas: memory.deltas.clone(),
            project,
            event_type: names.and_then(|names| names.event_types.find(event_type)),
            customers: (!customers.is_empty()).then(|| customers.iter().filter_map(number).collect()),
            next_hour: times.start.hour_index(),
            times,
            corrected: Corrected::ByTotals,
            known: Known { sequence: memory.sequence, as_of },
            cleared_at: memory.cleared_at(project),
        }
    }

    /// Reads cells with corrected events in another way.
    pub fn reading(self, corrected: Corrected) -> Self {
        Self { corrected, ..self }
    }

    /// The next hours; `None` after the last.
    pub fn next(&mut self, wanted: impl Fn(i64) -> Wanted) -> Result<Option<Slice>, ScanError> {
        let Some(event_type) = self.event_type.filter(|_| self.times.start < self.times.end) else {
            return Ok(None);
        };
        let last = self.times.end.plus_micros(-1).hour_index();
        let mut slice = Slice::default();
        let mut any = false;
        while slice.rollups.len() + slice.events.len() < SLICE_SIZE
            && let Some(hour) = self.first_hour(self.next_hour, last)
        {
            any = true;
            self.next_hour = hour + 1;
            self.take_hour(&mut slice, hour, event_type, wanted(hour))?;
        }
        slice.events.sort_unstable();
        // Hours that a clearing took away were passed over.
        self.check_cleared(self.shared.memory.read().projects.get(&self.project))?;
        Ok(any.then_some(slice))
    }

    /// The first hour with events of the project in a range.
    fn first_hour(&self, from: i64, last: i64) -> Option<i64> {
        if from > last {
            return None;
        }
        let first = |delta: &Arc<Delta>| {
            delta.look().hours(self.project).range(from..=last).next().map(|(hour, _)| *hour)
        };
        self.deltas.iter().filter_map(first).min()
    }

    fn take_hour(
        &self,
        slice: &mut Slice,
        hour: i64,
        event_type: u32,
        wanted: Wanted,
    ) -> Result<(), ScanError> {
        let mut adjusted = self.adjusted(hour, event_type)?;
        for delta in &self.deltas {
            let memory = self.shared.memory.read();
            self.check_cleared(memory.projects.get(&self.project))?;
            let look = delta.look();
            let Some(cells) =
                look.hours(self.project).get(&hour).and_then(|hour| hour.types.get(&event_type))
            else {
                continue;
            };
            self.each_asked(cells, |customer, cell| {
                self.take_cell(slice, (hour, customer), cell, wanted, &mut adjusted)
            })?;
        }
        for (customer, AdjustedCell { adjustment, rollup }) in adjusted {
            let Some(rollup) = rollup else { continue };
            let count = rollup.count.saturating_add_signed(adjustment.count);
            let sum = rollup.sum.plus_sum(adjustment.sum)?;
            if count > 0 {
                slice.rollups.push((hour, customer, Rollup { count, sum, ..rollup }));
            }
        }
        Ok(())
    }

    /// The cells of an hour that have corrected events.
    fn adjusted(&self, hour: i64, event_type: u32) -> Result<Adjusted, ScanError> {
        let memory = self.shared.memory.read();
        let project = memory.projects.get(&self.project);
        self.check_cleared(project)?;
        let cells = project.into_iter().flat_map(|project| project.corrections.cells(hour..hour + 1));
        let cells = cells.filter(|(key, _)| key.event_type == event_type);
        let cell = |(key, adjustment): (CellKey, Adjustment)| {
            (key.customer, AdjustedCell { adjustment, rollup: None })
        };
        Ok(cells.map(cell).collect())
    }

    fn each_asked(
        &self,
        cells: &Cells,
        mut take: impl FnMut(u32, &Cell) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        match &self.customers {
            None => cells.iter().try_for_each(|(customer, cell)| take(*customer, cell)),
            Some(customers) => {
                let mut asked = customers.iter().filter_map(|number| Some((*number, cells.get(number)?)));
                asked.try_for_each(|(customer, cell)| take(customer, cell))
            }
        }
    }

    fn take_cell(
        &self,
        slice: &mut Slice,
        (hour, customer): (i64, u32),
        cell: &Cell,
        wanted: Wanted,
        adjusted: &mut Adjusted,
    ) -> Result<(), ScanError> {
        let known = cell.last_sequence() <= self.known.sequence;
        match adjusted.get_mut(&customer) {
            None if known && wanted != Wanted::Events => {
                slice.rollups.push((hour, customer, cell.rollup));
                return Ok(());
            }
            Some(sum) if wanted == Wanted::Totals && self.corrected == Corrected::ByTotals => {
                if !known || sum.adjustment.last_sequence > self.known.sequence {
                    return Err(ScanError::Moved);
                }
                match &mut sum.rollup {
                    Some(rollup) => rollup.merge(&cell.rollup)?,
                    None => sum.rollup = Some(cell.rollup),
                }
                return Ok(());
            }
            _ => {}
        }
        let known = cell.events.partition_point(|event| event.sequence() <= self.known.sequence);
        let events = cell.events.iter().take(known);
        let in_time = events.filter(|event| self.times.contains(&event.time(hour)));
        slice.events.extend(in_time.map(|event| (event.sequence(), customer)));
        Ok(())
    }

    /// Shows each event of a slice that is not void, as it stands, with its customer's number.
    pub fn read<E: From<ReadError>>(
        &self,
        slice: &Slice,
        mut each: impl FnMut(&Place, &EventRecord<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        for events in slice.events.chunks(PLACES_AT_ONCE) {
            let (places, customers): (Vec<Place>, Vec<u32>) = {
                let memory = self.shared.memory.read();
                let versions = events.iter().filter_map(|(sequence, customer)| {
                    let version = memory.version(*sequence, self.known)?;
                    version.voided_at.is_none().then_some((version.place, *customer))
                });
                versions.unzip()
            };
            let mut customers = customers.into_iter();
            fetch::each(&places, |place, record| each(place, record, customers.next().unwrap_or(u32::MAX)))?;
        }
        Ok(())
    }

    /// The texts of customers' numbers seen on the walk.
    pub fn customer_names(&self, numbers: &[u32]) -> Result<Vec<String>, ScanError> {
        let memory = self.shared.memory.read();
        let Some(project) = memory.projects.get(&self.project) else { return Ok(Vec::new()) };
        self.check_cleared(Some(project))?;
        Ok(numbers.iter().map(|number| project.customers.text(*number).to_string()).collect())
    }

    fn check_cleared(&self, project: Option<&Project>) -> Result<(), ScanError> {
        let cleared_at = project.map_or(0, |project| project.cleared_at);
        if cleared_at == self.cleared_at { Ok(()) } else { Err(ScanError::Cleared) }
    }
}
