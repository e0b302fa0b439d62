//! What becomes of events.
use crate::erase::Progress;
use crate::error::AppendError;
use crate::format::record::{self, EventRecord};
use crate::shared::{Shared, event_of};
use crate::status::add;
use reckoner_domain::event::Event;
use reckoner_domain::time::Timestamp;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored, with this sequence.
    Accepted {
        /// The order of commit, from 1.
        sequence: u64,
    },
    /// The same event was stored before.
    Duplicate {
        /// The stored event's sequence.
        sequence: u64,
    },
    /// An event with the same id and other content was stored before; nothing was changed.
    Conflict {
        /// The stored event's sequence.
        sequence: u64,
    },
}

/// Hears what became of a batch's events, in the order of their push.
pub type OnAppended = Box<dyn FnOnce(Result<Vec<Outcome>, AppendError>) + Send>;
/// Hears the sequence of a clearing.
pub type OnCleared = Box<dyn FnOnce(Result<u64, AppendError>) + Send>;

/// Hears how far an erasure is.
pub type OnErased = Box<dyn FnOnce(Result<Progress, AppendError>) + Send>;

/// Hears that dropping has begun.
pub type OnRetained = Box<dyn FnOnce(Result<(), AppendError>) + Send>;

/// A record that is an event.
pub fn read_event(mut bytes: &[u8], received_at: Timestamp) -> Option<EventRecord<'_>> {
    record::take(&mut bytes, received_at).ok().and_then(event_of)
}

/// What a record is beside the stored event with its id, of which less is known where its customer was
/// erased.
pub fn compare(
    (known, erased): (Option<&Event>, bool),
    sequence: u64,
    record: &[u8],
    received_at: Timestamp,
) -> Outcome {
    let same = match (known, read_event(record, received_at)) {
        (Some(known), Some(event)) if known.id == event.draft.id => {
            if erased {
                known.may_have_been(&event.draft)
            } else {
                known.says_the_same(&event.draft)
            }
        }
        _ => false,
    };
    if same { Outcome::Duplicate { sequence } } else { Outcome::Conflict { sequence } }
}

/// Counts outcomes since the start.
pub fn count(shared: &Shared, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let counter = match outcome {
            Outcome::Accepted { .. } => &shared.counters.accepted,
            Outcome::Duplicate { .. } => &shared.counters.duplicates,
            Outcome::Conflict { .. } => &shared.counters.conflicts,
        };
        add(counter, 1);
    }
}
