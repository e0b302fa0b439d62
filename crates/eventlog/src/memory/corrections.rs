//! What became of events after they were stored: few are ever corrected, so all of it is kept.
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use reckoner_domain::sum::{Overflow, Sum};
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::ops::Range;

/// One correction of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Its own sequence.
    pub sequence: u64,
    /// When it was made.
    pub received_at: Timestamp,
    /// Whether the event is void from then on; otherwise it says something else.
    pub void: bool,
}

/// Which corrections count: those known at a point of the log, and at an instant where one is given.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Up to this sequence.
    pub sequence: u64,
    /// Made until this instant, itself included.
    pub as_of: Option<Timestamp>,
}

impl Known {
    /// All there are.
    pub const ALL: Self = Self { sequence: u64::MAX, as_of: None };
}

/// What a customer did of an event type in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey {
    /// The hour since 1970.
    pub hour: i64,
    /// The number of the event type.
    pub event_type: u32,
    /// The number of the customer.
    pub customer: u32,
}

/// How the totals of a cell differ from those of its events as they were first stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// To be added to their number.
    pub count: i64,
    /// To be added to their sum.
    pub sum: Sum,
    /// The sequence of the last correction.
    pub last_sequence: u64,
}

/// A correction with all that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The event's sequence.
    pub target: u64,
    /// Its own sequence.
    pub sequence: u64,
    /// When it was made.
    pub received_at: Timestamp,
    /// Whether the event is void from then on.
    pub void: bool,
    /// The event's cell.
    pub cell: CellKey,
    /// By how much the cell's sum changes.
    pub sum: Sum,
}

/// The corrections of a project's events.
#[derive(Default)]
pub struct Corrections {
    cells: BTreeMap<CellKey, Adjustment>,
    by_target: HashMap<u64, Vec<Correction>, RandomState>,
    /// The sequences of the corrections themselves.
    own: HashSet<u64, RandomState>,
}

impl Corrections {
    /// Notes a correction; later ones come later.
    pub fn note(&mut self, noted: &Noted) -> Result<(), Overflow> {
        let Noted { target, sequence, received_at, void, cell, sum } = *noted;
        let adjustment = self.cells.entry(cell).or_default();
        adjustment.sum = adjustment.sum.plus_sum(sum)?;
        adjustment.count -= i64::from(void);
        adjustment.last_sequence = sequence;
        self.own.insert(sequence);
        self.by_target.entry(target).or_default().push(Correction { sequence, received_at, void });
        Ok(())
    }

    /// Notes a correction, unless its event was dropped with all up to a sequence.
    pub fn note_since(&mut self, noted: &Noted, dropped_through: u64) -> Result<(), Overflow> {
        if noted.target > dropped_through {
            return self.note(noted);
        }
        self.note_own(noted.sequence);
        Ok(())
    }

    /// Notes that a sequence is that of a correction, of nothing that is there.
    pub fn note_own(&mut self, sequence: u64) {
        self.own.insert(sequence);
    }

    /// How many events are void.
    pub fn voids(&self) -> u64 {
        let void = |all: &&Vec<Correction>| all.iter().any(|correction| correction.void);
        self.by_target.values().filter(void).count() as u64
    }

    /// The cells of some hours that have corrected events.
    pub fn cells(&self, hours: Range<i64>) -> impl Iterator<Item = (CellKey, Adjustment)> {
        let first = |hour| CellKey { hour, event_type: 0, customer: 0 };
        let range = first(hours.start)..first(hours.end.max(hours.start));
        self.cells.range(range).map(|(key, adjustment)| (*key, *adjustment))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether a sequence is that of a correction.
    pub fn has(&self, sequence: u64) -> bool {
        !self.own.is_empty() && self.own.contains(&sequence)
    }

    /// All corrections of an event, in order.
    pub fn of(&self, target: u64) -> &[Correction] {
        if self.by_target.is_empty() {
            return &[];
        }
        self.by_target.get(&target).map_or(&[], Vec::as_slice)
    }

    /// Those corrections of an event that count, in order.
    pub fn known(&self, target: u64, known: Known) -> impl Iterator<Item = &Correction> {
        let counts = move |correction: &&Correction| {
            correction.sequence <= known.sequence
                && known.as_of.is_none_or(|as_of| correction.received_at <= as_of)
        };
        self.of(target).iter().filter(counts)
    }
}
