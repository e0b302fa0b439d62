//! What became of events after they were stored: few are ever corrected, so all of it is kept.
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use reckoner_domain::time::Timestamp;

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

/// The corrections of a project's events.
#[derive(Default)]
pub struct Corrections {
    by_target: HashMap<u64, Vec<Correction>, RandomState>,
    /// The sequences of the corrections themselves.
    own: HashSet<u64, RandomState>,
}

impl Corrections {
    /// Notes a correction; later ones come later.
    pub fn note(&mut self, target: u64, sequence: u64, received_at: Timestamp, void: bool) {
        self.own.insert(sequence);
        self.by_target.entry(target).or_default().push(Correction { sequence, received_at, void });
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
