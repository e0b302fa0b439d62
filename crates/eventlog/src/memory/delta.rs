//! What the events of one segment add up to, as they were first stored: hour, event type, customer.
//!
//! Corrections change nothing here; they lie beside (see [`super::corrections`]).
use super::corrections::Noted;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::{Mark, Rollup};
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::{HOUR, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// An event of a cell: when in the hour, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef {
    micros_in_hour: u32,
    /// Two halves, so that a reference takes 12 bytes and not 16.
    sequence: [u32; 2],
}

impl EventRef {
    fn new(mark: &Mark) -> Self {
        Self {
            micros_in_hour: mark.time.as_micros().rem_euclid(HOUR) as u32,
            sequence: [mark.sequence as u32, (mark.sequence >> 32) as u32],
        }
    }

    /// The event's sequence.
    pub fn sequence(self) -> u64 {
        let [low, high] = self.sequence;
        u64::from(low) | u64::from(high) << 32
    }

    /// The event's time, in the hour with this index.
    pub fn time(self, hour: i64) -> Timestamp {
        Timestamp::from_hour_index(hour).plus_micros(i64::from(self.micros_in_hour))
    }
}

/// What one customer did of one event type in one hour.
pub struct Cell {
    /// Its exact totals.
    pub rollup: Rollup,
    /// Its events, by sequence.
    pub events: Vec<EventRef>,
}

impl Cell {
    /// The sequence of the event that came last.
    pub fn last_sequence(&self) -> u64 {
        self.events.last().map_or(0, |event| event.sequence())
    }
}

/// The cells of one event type in one hour, by customer.
pub type Cells = HashMap<u32, Cell, RandomState>;

/// One hour of a project.
#[derive(Default)]
pub struct Hour {
    /// The sequence of the event that came last.
    pub last_sequence: u64,
    /// The cells, by event type.
    pub types: HashMap<u32, Cells, RandomState>,
}

/// The hours of a project that have events, since 1970.
pub type Hours = BTreeMap<i64, Hour>;

/// What a segment has of a project, since its last clearing.
#[derive(Default)]
pub struct DeltaSection {
    /// The sequence of that clearing, where it is in the segment; otherwise 0.
    pub cleared_at: u64,
    /// The cells of its events.
    pub hours: Hours,
    /// Its corrections, by sequence.
    pub corrections: Vec<Noted>,
}

/// What a segment has of each project.
type Sections = BTreeMap<ProjectId, DeltaSection>;

/// The cells of one segment's events. Only the last segment's change.
pub struct Delta {
    /// The segment's number.
    pub number: u64,
    /// The sequence of the segment's first record.
    pub first_sequence: u64,
    sections: RwLock<Sections>,
    /// Projects that were cleared since. They have a lock of their own: whoever looks at a sealed
    /// segment for long, to write it down, keeps no clearing waiting.
    forgotten: RwLock<BTreeSet<ProjectId>>,
}

/// A look at a delta, whose cells do not change meanwhile.
pub struct Look<'a> {
    sections: RwLockReadGuard<'a, Sections>,
    forgotten: &'a RwLock<BTreeSet<ProjectId>>,
}

impl Look<'_> {
    /// The hours of a project.
    pub fn hours(&self, project: ProjectId) -> &Hours {
        static NONE: Hours = BTreeMap::new();
        let section = self.sections.get(&project).filter(|_| !self.is_forgotten(project));
        section.map_or(&NONE, |section| &section.hours)
    }

    /// What there is of each project.
    pub fn sections(&self) -> impl Iterator<Item = (&ProjectId, &DeltaSection)> {
        self.sections.iter().filter(|(project, _)| !self.is_forgotten(**project))
    }

    fn is_forgotten(&self, project: ProjectId) -> bool {
        self.forgotten.read().contains(&project)
    }
}

/// A change of a delta, which nobody looks at meanwhile.
pub struct Change<'a>(RwLockWriteGuard<'a, Sections>);

impl Delta {
    /// No events yet, of the segment with this number and first sequence.
    pub fn new(number: u64, first_sequence: u64) -> Self {
        Self { number, first_sequence, sections: RwLock::default(), forgotten: RwLock::default() }
    }

    /// Keeps it from changing for a while.
    pub fn look(&self) -> Look<'_> {
        Look { sections: self.sections.read(), forgotten: &self.forgotten }
    }

    /// Keeps others from looking at it for a while.
    pub fn change(&self) -> Change<'_> {
        Change(self.sections.write())
    }

    /// Forgets a project's events, in a segment that takes no more.
    pub fn forget(&self, project: ProjectId) {
        self.forgotten.write().insert(project);
    }
}

impl Change<'_> {
    /// Adds an event of a type and a customer. A sum cannot overflow: a value is below 2^180 in the
    /// units of a [`Sum`](reckoner_domain::sum::Sum), 2^64 of them stay below 2^244, and 2^255 fit.
    pub fn add(
        &mut self,
        project: ProjectId,
        (event_type, customer): (u32, u32),
        mark: Mark,
    ) -> Result<(), Overflow> {
        let section = self.0.entry(project).or_default();
        let hour = section.hours.entry(mark.time.hour_index()).or_default();
        let cells = hour.types.entry(event_type).or_default();
        match cells.get_mut(&customer) {
            Some(cell) => {
                cell.rollup.add(mark)?;
                cell.events.push(EventRef::new(&mark));
            }
            None => {
                let (rollup, events) = (Rollup::of(mark)?, vec![EventRef::new(&mark)]);
                cells.insert(customer, Cell { rollup, events });
            }
        }
        hour.last_sequence = mark.sequence;
        Ok(())
    }

    /// Notes a correction.
    pub fn note(&mut self, project: ProjectId, noted: Noted) {
        self.0.entry(project).or_default().corrections.push(noted);
    }

    /// Forgets a project's events, and notes that it was cleared at a sequence.
    pub fn clear(&mut self, project: ProjectId, sequence: u64) {
        self.0.insert(project, DeltaSection { cleared_at: sequence, ..DeltaSection::default() });
    }
}
