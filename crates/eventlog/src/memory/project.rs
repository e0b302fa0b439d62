//! A project's rollups: hour, event type, customer.
use super::corrections::Corrections;
use super::intern::Interner;
use crate::format::record::{CorrectionRecord, EventRecord};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::rollup::{Mark, Rollup};
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::{HOUR, Timestamp};
use std::collections::BTreeMap;

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
    /// Whether least, greatest, first and last may be those of an event that was corrected: then
    /// only its events tell them.
    pub ends_unknown: bool,
    /// The sequence of the event or correction that came last.
    pub last_sequence: u64,
    /// Its events, by sequence, also those that are void.
    pub events: Vec<EventRef>,
}

impl Cell {
    /// The times of its earliest and latest event, void or not.
    pub fn time_ends(&self, hour: i64) -> [Timestamp; 2] {
        let kept = [self.rollup.first.time, self.rollup.last.time];
        if !self.ends_unknown && self.rollup.count == self.events.len() as u64 {
            return kept;
        }
        let times = || self.events.iter().map(|event| event.time(hour));
        times().min().zip(times().max()).map_or(kept, |(first, last)| [first, last])
    }

    fn add(&mut self, mark: Mark) -> Result<(), Overflow> {
        if self.rollup.count == 0 {
            self.rollup = Rollup::of(mark)?;
            self.ends_unknown = false;
            return Ok(());
        }
        self.rollup.add(mark)
    }
}

/// The cells of one event type in one hour, by customer.
pub type Cells = HashMap<u32, Cell, RandomState>;

/// One hour of a project.
#[derive(Default)]
pub struct Hour {
    /// The sequence of the event or correction that came last.
    pub last_sequence: u64,
    /// The cells, by event type.
    pub types: HashMap<u32, Cells, RandomState>,
}

/// What a project's events add up to.
#[derive(Default)]
pub struct Project {
    /// The sequence of the last clearing; 0 when it never was.
    pub cleared_at: u64,
    /// Customers by number.
    pub customers: Interner,
    /// Event types by number.
    pub event_types: Interner,
    /// Hours since 1970 that have events.
    pub hours: BTreeMap<i64, Hour>,
    /// How many events that are not void.
    pub events: u64,
    /// What became of events after they were stored.
    pub corrections: Corrections,
}

impl Project {
    /// A project without events, after a clearing.
    pub fn cleared(at: u64) -> Self {
        Self { cleared_at: at, ..Self::default() }
    }

    /// Adds an event. A sum cannot overflow: a value is below 2^180 in the units of a
    /// [`Sum`](reckoner_domain::sum::Sum), 2^64 of them stay below 2^244, and 2^255 fit.
    pub fn add(&mut self, event: &EventRecord<'_>, sequence: u64) -> Result<(), Overflow> {
        let customer = self.customers.number(event.draft.customer);
        let event_type = self.event_types.number(event.draft.event_type);
        let mark = Mark { time: event.time, sequence, value: event.draft.value };
        let hour = self.hours.entry(event.time.hour_index()).or_default();
        let cells = hour.types.entry(event_type).or_default();
        match cells.get_mut(&customer) {
            Some(cell) => {
                cell.add(mark)?;
                cell.last_sequence = sequence;
                cell.events.push(EventRef::new(&mark));
            }
            None => {
                let rollup = Rollup::of(mark)?;
                let events = vec![EventRef::new(&mark)];
                let cell = Cell { rollup, ends_unknown: false, last_sequence: sequence, events };
                cells.insert(customer, cell);
            }
        }
        hour.last_sequence = sequence;
        self.events += 1;
        Ok(())
    }

    /// Corrects an event; `false` when it names none of this project.
    pub fn correct(
        &mut self,
        correction: &CorrectionRecord<'_>,
        sequence: u64,
        received_at: Timestamp,
    ) -> Result<bool, Overflow> {
        let numbers =
            (self.event_types.find(correction.event_type), self.customers.find(correction.customer));
        let (Some(event_type), Some(customer)) = numbers else { return Ok(false) };
        let Some(hour) = self.hours.get_mut(&correction.time.hour_index()) else { return Ok(false) };
        let cells = hour.types.get_mut(&event_type);
        let Some(cell) = cells.and_then(|cells| cells.get_mut(&customer)) else { return Ok(false) };
        let mark = |value| Mark { time: correction.time, sequence: correction.target, value };
        cell.ends_unknown |= !cell.rollup.remove(mark(correction.before))?;
        match &correction.after {
            Some(after) => cell.add(mark(after.draft.value))?,
            None => self.events = self.events.saturating_sub(1),
        }
        cell.last_sequence = sequence;
        hour.last_sequence = sequence;
        self.corrections.note(correction.target, sequence, received_at, correction.after.is_none());
        Ok(true)
    }
}
