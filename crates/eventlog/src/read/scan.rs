//! A walk over the cells of one event type, hour by hour, as of one sequence.
//!
//! The lock is taken for a slice of the hours at a time, so commits never wait long. What is
//! committed meanwhile is left out: a cell that has changed since the walk began is answered by its
//! events up to that sequence instead of its rollup.
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::corrections::Known;
use crate::memory::places::Place;
use crate::memory::project::{Cell, Cells, Project};
use crate::read::fetch;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::Rollup;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeSet;
use std::ops::Range;

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

/// The walk could not be finished as of one state.
#[derive(Debug)]
pub enum ScanError {
    /// The project was cleared meanwhile; begin anew.
    Cleared,
    /// The disk failed.
    Read(ReadError),
}

impl From<ReadError> for ScanError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
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

/// What to walk over.
pub struct Scan<'a> {
    shared: &'a Shared,
    project: ProjectId,
    event_type: &'a str,
    customers: &'a [String],
    times: Range<Timestamp>,
    next_hour: Option<i64>,
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
        event_type: &'a str,
        customers: &'a [String],
        times: Range<Timestamp>,
        as_of: Option<Timestamp>,
    ) -> Self {
        let memory = shared.memory.read();
        let known = Known { sequence: memory.sequence, as_of };
        let cleared_at = memory.cleared_at(project);
        let next_hour = (times.start < times.end).then(|| times.start.hour_index());
        Self { shared, project, event_type, customers, times, next_hour, known, cleared_at }
    }

    /// The next hours; `None` after the last.
    pub fn next(&mut self, wanted: impl Fn(i64) -> Wanted) -> Result<Option<Slice>, ScanError> {
        let Some(from) = self.next_hour else { return Ok(None) };
        let memory = self.shared.memory.read();
        let Some(project) = memory.projects.get(&self.project) else { return Ok(None) };
        self.check_cleared(project)?;
        let Some(event_type) = project.event_types.find(self.event_type) else { return Ok(None) };
        // A set, so that a customer named twice counts once.
        let customers: BTreeSet<u32> =
            self.customers.iter().filter_map(|text| project.customers.find(text)).collect();
        let mut slice = Slice::default();
        self.next_hour = None;
        let last = self.times.end.plus_micros(-1).hour_index();
        for (hour, cells) in project.hours.range(from..=last) {
            if slice.rollups.len() + slice.events.len() >= SLICE_SIZE {
                self.next_hour = Some(*hour);
                break;
            }
            if let Some(cells) = cells.types.get(&event_type) {
                self.take_hour(&mut slice, *hour, cells, &customers, wanted(*hour));
            }
        }
        drop(memory);
        slice.events.sort_unstable();
        Ok(Some(slice))
    }

    fn take_hour(
        &self,
        slice: &mut Slice,
        hour: i64,
        cells: &Cells,
        customers: &BTreeSet<u32>,
        wanted: Wanted,
    ) {
        if self.customers.is_empty() {
            for (customer, cell) in cells {
                self.take_cell(slice, hour, *customer, cell, wanted);
            }
        } else {
            for customer in customers {
                if let Some(cell) = cells.get(customer) {
                    self.take_cell(slice, hour, *customer, cell, wanted);
                }
            }
        }
    }

    fn take_cell(&self, slice: &mut Slice, hour: i64, customer: u32, cell: &Cell, wanted: Wanted) {
        let enough = match wanted {
            Wanted::Events => false,
            Wanted::Totals => true,
            Wanted::Rollups => !cell.ends_unknown,
        };
        if enough && cell.last_sequence <= self.known.sequence {
            if cell.rollup.count > 0 {
                slice.rollups.push((hour, customer, cell.rollup));
            }
            return;
        }
        let known = cell.events.partition_point(|event| event.sequence() <= self.known.sequence);
        let events = cell.events.iter().take(known);
        let in_time = events.filter(|event| self.times.contains(&event.time(hour)));
        slice.events.extend(in_time.map(|event| (event.sequence(), customer)));
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
        self.check_cleared(project)?;
        Ok(numbers.iter().map(|number| project.customers.text(*number).to_string()).collect())
    }

    fn check_cleared(&self, project: &Project) -> Result<(), ScanError> {
        if project.cleared_at == self.cleared_at { Ok(()) } else { Err(ScanError::Cleared) }
    }
}
