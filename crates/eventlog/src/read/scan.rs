//! A walk over the cells of one event type, hour by hour, as of one sequence.
//!
//! Locks are taken for an hour of a segment at a time, and none while anything is read from disk, so
//! commits never wait long. What is committed
//! meanwhile is left out: a cell that has changed since the walk began is answered by its events up to
//! that sequence instead of its rollup.
use crate::columns::{Fields, Origin};
use crate::error::ReadError;
use crate::format::record::EventRecord;
use crate::memory::corrections::{Adjustment, CellKey, Known};
use crate::memory::delta::{self, Cell, Delta};
use crate::memory::places::Finder;
use crate::memory::project::Project;
use crate::memory::{Cells, Version};
use crate::part::cells::{EventAt, HOURS};
use crate::part::index::Section;
use crate::part::{Part, PartCell};
use crate::read::bulk::Bulk;
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

/// Cells after which a slice takes no more hours.
const SLICE_CELLS: usize = if cfg!(test) { 16 } else { 32 * 1024 };
/// Events after which a slice takes no more hours, unless fewer are asked for: a file of columns is
/// read once for each slice, 16 bytes an event are held meanwhile.
const SLICE_EVENTS: usize = if cfg!(test) { 16 } else { 2 * 1024 * 1024 };
/// Events whose places are looked up under one lock.
const PLACES_AT_ONCE: usize = if cfg!(test) { 8 } else { 8 * 1024 };

/// Events written down of a day from which on it is read hour by hour.
const DAY_EVENTS_MAX: u64 = if cfg!(test) { 16 } else { 1_000_000 };

/// How an hour's cells are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Not at all.
    Nothing,
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
    /// The project was cleared, or a customer erased, meanwhile; begin anew.
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

/// How a cell is read.
enum Judged {
    /// Its totals are shown.
    Shown,
    /// It is passed over, or its totals are kept, to be shown with what corrections add to them.
    Kept,
    /// Its events are read.
    Events,
}

/// Some hours of the walk.
#[derive(Default)]
pub struct Slice {
    /// Events by sequence, with their customers.
    pub events: Vec<(u64, u32)>,
    /// How many totals were shown.
    totals: usize,
    /// Cells whose totals are not shown yet.
    adjusted: Adjusted,
}

impl Slice {
    /// Events to read.
    pub(super) fn of(mut events: Vec<(u64, u32)>) -> Self {
        events.sort_unstable();
        Self { events, ..Self::default() }
    }
}

/// Cells with corrected events, by hour and customer.
type Adjusted = HashMap<(i64, u32), AdjustedCell, RandomState>;

/// What corrections add to a cell, and what its segments have of it.
struct AdjustedCell {
    adjustment: Adjustment,
    rollup: Option<Rollup>,
}

/// What a part has of what is asked for, as the part numbers it.
pub struct AskedPart {
    pub(super) part: Arc<Part>,
    pub(super) event_type: u32,
    pub(super) customers: Option<Vec<u32>>,
}

impl AskedPart {
    /// The event type asked for.
    pub(super) fn event_type_name<'s>(&self, section: &'s Section) -> &'s str {
        section.event_types.get(self.event_type as usize).map_or("", |name| name)
    }

    /// The number in memory of a customer.
    pub(super) fn customer(&self, project: ProjectId, name: &str) -> u32 {
        self.part.customer_number(project, name)
    }
}

/// What to walk over.
pub struct Scan<'a> {
    pub(super) shared: &'a Shared,
    pub(crate) parts: Vec<AskedPart>,
    deltas: Vec<Arc<Delta>>,
    pub(super) project: ProjectId,
    /// The number of the event type; `None` where there are no events of it.
    event_type: Option<u32>,
    /// The numbers of the customers asked for; all are where there is no set.
    pub(super) customers: Option<BTreeSet<u32>>,
    pub(super) times: Range<Timestamp>,
    next_hour: i64,
    corrected: Corrected,
    events_max: usize,
    /// What was committed when the walk began, and is looked at.
    known: Known,
    pub(super) cleared_at: u64,
    renamings: u64,
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
        let Cells { parts, deltas, sequence, cleared_at } = memory.cells(project);
        let asked = |part: Arc<Part>| {
            let section = part.section(project, cleared_at)?;
            let event_type = Part::event_type(section, event_type)?;
            let named = || Part::customers(section, customers.iter().map(String::as_str));
            let customers = (!customers.is_empty()).then(named);
            Some(AskedPart { part, event_type, customers })
        };
        Self {
            shared,
            parts: parts.into_iter().filter_map(asked).collect(),
            deltas,
            project,
            event_type: names.and_then(|names| names.event_types.find(event_type)),
            customers: (!customers.is_empty()).then(|| customers.iter().filter_map(number).collect()),
            next_hour: times.start.hour_index(),
            times,
            corrected: Corrected::ByTotals,
            events_max: SLICE_EVENTS,
            known: Known { sequence, as_of },
            cleared_at,
            renamings: names.map_or(0, |names| names.renamings),
        }
    }

    /// The sequence that it walks as of.
    pub fn sequence(&self) -> u64 {
        self.known.sequence
    }

    /// Reads cells with corrected events in another way.
    pub fn reading(self, corrected: Corrected) -> Self {
        Self { corrected, ..self }
    }

    /// Takes no more hours into a slice that has so many events.
    pub fn in_slices_of(self, events_max: usize) -> Self {
        Self { events_max, ..self }
    }

    /// The next hours; `None` after the last. Totals of their cells are shown by hour and customer,
    /// in no order and perhaps in several pieces. They are wanted by hour and customer; of no customer it is
    /// asked whether those of any are wanted as events.
    pub fn next<E: From<ScanError> + From<ReadError>>(
        &mut self,
        wanted: impl Fn(i64, Option<u32>) -> Wanted,
        mut totals: impl FnMut(i64, u32, &Rollup) -> Result<(), E>,
    ) -> Result<Option<Slice>, E> {
        let Some(event_type) = self.event_type.filter(|_| self.times.start < self.times.end) else {
            return Ok(None);
        };
        let last = self.times.end.plus_micros(-1).hour_index();
        let mut slice = Slice::default();
        let mut any = false;
        while slice.totals < SLICE_CELLS
            && slice.events.len() < self.events_max
            && let Some(hours) = self.next_hours(last, &wanted)
        {
            any = true;
            self.next_hour = hours.end;
            self.take_hours(&mut slice, &hours, event_type, &wanted, &mut totals)?;
        }
        slice.events.sort_unstable();
        // Hours that a clearing took away were passed over.
        self.check_cleared(self.shared.memory.read().projects.get(&self.project))?;
        Ok(any.then_some(slice))
    }

    /// The next hours with events of the project, of one day, since what is written down is read day by
    /// day: as many as are wanted as totals, or have few events to read, or else one.
    fn next_hours(&self, last: i64, wanted: &impl Fn(i64, Option<u32>) -> Wanted) -> Option<Range<i64>> {
        let from = self.next_hour;
        if from > last {
            return None;
        }
        let of_delta = |delta: &Arc<Delta>| {
            delta.look().hours(self.project).range(from..=last).next().map(|(hour, _)| *hour)
        };
        let of_part = |asked: &AskedPart| {
            let hours = &asked.part.section(self.project, self.cleared_at)?.hours;
            hours.get(hours.partition_point(|hour| *hour < from)).copied().filter(|hour| *hour <= last)
        };
        let of_deltas = self.deltas.iter().filter_map(of_delta);
        let first = self.parts.iter().filter_map(of_part).chain(of_deltas).min()?;
        let day = first.div_euclid(HOURS);
        let events: u64 = self.parts.iter().filter_map(|asked| self.events_of_day(asked, day)).sum();
        let end = ((day + 1) * HOURS).min(last + 1);
        let end = match events {
            0 => first + 1,
            1..=DAY_EVENTS_MAX => end,
            _ => (first..end)
                .find(|hour| wanted(*hour, None) == Wanted::Events)
                .map_or(end, |hour| hour.max(first + 1)),
        };
        Some(first..end)
    }

    /// About how many events a part has on a day of what is asked for.
    fn events_of_day(&self, asked: &AskedPart, day: i64) -> Option<u64> {
        let block = asked.part.section(self.project, self.cleared_at)?.block(asked.event_type, day)?;
        let customers = asked.customers.as_ref().map_or(block.customers as usize, Vec::len) as u64;
        Some((block.events * customers / u64::from(block.customers.max(1))).clamp(1, block.events))
    }

    fn take_hours<E: From<ScanError> + From<ReadError>>(
        &self,
        slice: &mut Slice,
        hours: &Range<i64>,
        event_type: u32,
        wanted: &impl Fn(i64, Option<u32>) -> Wanted,
        totals: &mut impl FnMut(i64, u32, &Rollup) -> Result<(), E>,
    ) -> Result<(), E> {
        slice.adjusted = self.adjusted(hours, event_type)?;
        for asked in &self.parts {
            self.take_part(slice, asked, hours, wanted, totals)?;
        }
        for delta in &self.deltas {
            for hour in delta_hours(delta, self.project, hours) {
                let memory = self.shared.memory.read();
                self.check_cleared(memory.projects.get(&self.project))?;
                let look = delta.look();
                let hours = look.hours(self.project);
                let Some(cells) = hours.get(&hour).and_then(|hour| hour.types.get(&event_type)) else {
                    continue;
                };
                self.each_asked(cells, |customer, cell| {
                    let known = cell.last_sequence() <= self.known.sequence;
                    let at = (hour, customer);
                    match self.judge(slice, at, (&cell.rollup, known), wanted(hour, Some(customer)))? {
                        Judged::Shown => {
                            slice.totals += 1;
                            totals(hour, customer, &cell.rollup)?;
                        }
                        Judged::Kept => {}
                        Judged::Events => self.take_events(slice, at, cell),
                    }
                    Ok::<(), E>(())
                })?;
            }
        }
        for ((hour, customer), AdjustedCell { adjustment, rollup }) in std::mem::take(&mut slice.adjusted) {
            let Some(rollup) = rollup else { continue };
            let count = rollup.count.saturating_add_signed(adjustment.count);
            let sum = rollup.sum.plus_sum(adjustment.sum).map_err(ScanError::from)?;
            if count > 0 {
                slice.totals += 1;
                totals(hour, customer, &Rollup { count, sum, ..rollup })?;
            }
        }
        Ok(())
    }

    fn take_part<E: From<ScanError> + From<ReadError>>(
        &self,
        slice: &mut Slice,
        asked: &AskedPart,
        hours: &Range<i64>,
        wanted: &impl Fn(i64, Option<u32>) -> Wanted,
        totals: &mut impl FnMut(i64, u32, &Rollup) -> Result<(), E>,
    ) -> Result<(), E> {
        let AskedPart { part, event_type, customers } = asked;
        let Some(section) = part.section(self.project, self.cleared_at) else { return Ok(()) };
        for block in section.blocks_of(*event_type, hours) {
            let mut by_events = Vec::new();
            part.each_cell(section, block, hours, customers.as_deref(), |PartCell { cell, customer }| {
                let hour = cell.hour;
                match self.judge(
                    slice,
                    (hour, customer),
                    (&cell.rollup, true),
                    wanted(hour, Some(customer)),
                )? {
                    Judged::Shown => {
                        slice.totals += 1;
                        totals(hour, customer, &cell.rollup)?;
                    }
                    Judged::Kept => {}
                    Judged::Events => by_events.push((cell, customer)),
                }
                Ok::<(), E>(())
            })?;
            part.each_event(block, &by_events, |cell, customer, events| {
                let start = Timestamp::from_hour_index(cell.hour);
                let asked =
                    |event: &&EventAt| self.times.contains(&start.plus_micros(i64::from(event.micros)));
                slice.events.extend(events.iter().filter(asked).map(|event| (event.sequence, *customer)));
                Ok::<(), E>(())
            })?;
        }
        Ok(())
    }

    /// The cells of some hours that have corrected events.
    fn adjusted(&self, hours: &Range<i64>, event_type: u32) -> Result<Adjusted, ScanError> {
        let memory = self.shared.memory.read();
        let project = memory.projects.get(&self.project);
        self.check_cleared(project)?;
        let cells = project.into_iter().flat_map(|project| project.corrections.cells(hours.clone()));
        let cells = cells.filter(|(key, _)| key.event_type == event_type);
        let cell = |(key, adjustment): (CellKey, Adjustment)| {
            ((key.hour, key.customer), AdjustedCell { adjustment, rollup: None })
        };
        Ok(cells.map(cell).collect())
    }

    fn each_asked<E>(
        &self,
        cells: &delta::Cells,
        mut take: impl FnMut(u32, &Cell) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.customers {
            None => cells.iter().try_for_each(|(customer, cell)| take(*customer, cell)),
            Some(customers) => {
                let mut asked = customers.iter().filter_map(|number| Some((*number, cells.get(number)?)));
                asked.try_for_each(|(customer, cell)| take(customer, cell))
            }
        }
    }

    /// How to read a cell, of which all events are known to the walk or not.
    fn judge(
        &self,
        slice: &mut Slice,
        at: (i64, u32),
        (rollup, known): (&Rollup, bool),
        wanted: Wanted,
    ) -> Result<Judged, ScanError> {
        match slice.adjusted.get_mut(&at) {
            _ if wanted == Wanted::Nothing => Ok(Judged::Kept),
            None if known && wanted != Wanted::Events => Ok(Judged::Shown),
            Some(sum) if wanted == Wanted::Totals && self.corrected == Corrected::ByTotals => {
                if !known || sum.adjustment.last_sequence > self.known.sequence {
                    return Err(ScanError::Moved);
                }
                match &mut sum.rollup {
                    Some(kept) => kept.merge(rollup)?,
                    None => sum.rollup = Some(*rollup),
                }
                Ok(Judged::Kept)
            }
            _ => Ok(Judged::Events),
        }
    }

    fn take_events(&self, slice: &mut Slice, (hour, customer): (i64, u32), cell: &Cell) {
        let known = cell.events.partition_point(|event| event.sequence() <= self.known.sequence);
        let events = cell.events.iter().take(known);
        let in_time = events.filter(|event| self.times.contains(&event.time(hour)));
        slice.events.extend(in_time.map(|event| (event.sequence(), customer)));
    }

    /// Shows each event of a slice that is not void, as it stands, with its customer's number, in no
    /// order; of those in columns these fields are read.
    pub fn read<E: From<ReadError>>(
        &self,
        slice: &Slice,
        fields: Fields,
        mut each: impl FnMut(&Origin, &EventRecord<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bulk = Bulk::new(fields);
        let mut finder = Finder::default();
        for events in slice.events.chunks(PLACES_AT_ONCE) {
            let versions: Vec<(Version, u64, u32)> = {
                let memory = self.shared.memory.read();
                let version = |(sequence, customer): &(u64, u32)| {
                    Some((memory.version(self.project, *sequence, self.known)?, *sequence, *customer))
                };
                let versions = events.iter().filter_map(version);
                versions.filter(|(version, ..)| version.voided_at.is_none()).collect()
            };
            let mut places = Vec::with_capacity(versions.len());
            for (version, sequence, customer) in versions {
                let place = if fields.origin {
                    version.place(&mut finder)
                } else {
                    let received_at = Timestamp::default();
                    version.place_from(&mut finder, Origin { project: self.project, sequence, received_at })
                };
                places.extend(place?.map(|place| (place, customer)));
            }
            bulk.take(places, &mut each)?;
        }
        bulk.finish(&mut each)
    }

    /// The texts of customers' numbers seen on the walk.
    pub fn customer_names(&self, numbers: &[u32]) -> Result<Vec<String>, ScanError> {
        let memory = self.shared.memory.read();
        let Some(project) = memory.projects.get(&self.project) else { return Ok(Vec::new()) };
        self.check_cleared(Some(project))?;
        Ok(numbers.iter().map(|number| project.customers.text(*number).to_string()).collect())
    }

    pub(super) fn check_cleared(&self, project: Option<&Project>) -> Result<(), ScanError> {
        let now = project.map_or((0, 0), |project| (project.cleared_at, project.renamings));
        if now == (self.cleared_at, self.renamings) { Ok(()) } else { Err(ScanError::Cleared) }
    }
}

/// The hours among these that a delta has of a project.
fn delta_hours(delta: &Delta, project: ProjectId, hours: &Range<i64>) -> Vec<i64> {
    delta.look().hours(project).range(hours.clone()).map(|(hour, _)| *hour).collect()
}
