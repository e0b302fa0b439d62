//! The events of one request, encoded where the request is read.
use crate::format::frame::{HEADER_BYTES, pad};
use crate::format::record;
use crate::hash::{IdHash, IdHasher};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::event::{
    CUSTOMER_BYTES_MAX, EVENT_TYPE_BYTES_MAX, Event, EventDraft, ID_BYTES_MAX, PROPERTIES_BYTES_MAX,
    SOURCE_CONTEXT_BYTES_MAX, SUBJECT_BYTES_MAX,
};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::ops::Range;

/// Most events of a batch.
pub const BATCH_EVENTS_MAX: usize = 1_000;

/// Events of one project that are judged one by one and written together.
#[derive(Debug)]
pub struct Batch {
    project: ProjectId,
    received_at: Timestamp,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    record: Range<usize>,
    id: Range<usize>,
}

/// Why an event does not go into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The batch has all the events it may have.
    #[error("a batch has at most {BATCH_EVENTS_MAX} events")]
    Full,
    /// A text of the event is longer than it may be.
    #[error("{field} must have at most {bytes_max} bytes")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// How long it may be.
        bytes_max: usize,
    },
}

impl Batch {
    /// A batch without events, of a request that arrived at this instant.
    pub fn new(project: ProjectId, received_at: Timestamp) -> Self {
        let bytes = vec![0; HEADER_BYTES];
        Self { project, received_at, bytes, scratch: Vec::new(), items: Vec::new() }
    }

    /// Adds an event.
    pub fn push(&mut self, draft: &EventDraft<'_>) -> Result<(), BatchError> {
        if self.items.len() >= BATCH_EVENTS_MAX {
            return Err(BatchError::Full);
        }
        check_lengths(draft)?;
        let start = self.bytes.len();
        let id = record::put_event(&mut self.bytes, &mut self.scratch, draft, self.received_at);
        self.items.push(Item { record: start..self.bytes.len(), id });
        Ok(())
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it has no events.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Ready to be committed.
    pub(crate) fn seal(mut self, hasher: &IdHasher) -> SealedBatch {
        pad(&mut self.bytes);
        let payload_crc = crc32c::crc32c(self.bytes.get(HEADER_BYTES..).unwrap_or_default());
        let hash = |item: Item| {
            let id = self.bytes.get(item.id).unwrap_or_default();
            (hasher.of(self.project, id), item.record)
        };
        let items = self.items.into_iter().map(hash).collect();
        let (project, received_at, known) = (self.project, self.received_at, Known::default());
        SealedBatch { project, received_at, payload_crc, items, bytes: self.bytes, known }
    }
}

/// A batch ready to be committed.
pub struct SealedBatch {
    pub(crate) project: ProjectId,
    pub(crate) received_at: Timestamp,
    /// The checksum of the payload when all events are accepted.
    pub(crate) payload_crc: u32,
    /// Each event's hash and where its record lies in `bytes`.
    pub(crate) items: Vec<(IdHash, Range<usize>)>,
    /// A whole frame, its header still blank.
    pub(crate) bytes: Vec<u8>,
    /// What was read ahead for it.
    pub(crate) known: Known,
}

/// Events in columns that may have ids of a batch, as they were first stored. Reading one from columns
/// takes long; so they are read ahead, where that keeps no other request waiting.
#[derive(Default)]
pub struct Known {
    /// Those that are not read yet, by sequence.
    pub wanted: Vec<u64>,
    /// Those that are.
    pub events: HashMap<u64, Event, RandomState>,
    /// Bytes of their texts, about.
    pub bytes: u64,
}

impl SealedBatch {
    /// Whether [`EventLog::look_up`](crate::EventLog::look_up) has something to read for it.
    pub fn wants_look_up(&self) -> bool {
        !self.known.wanted.is_empty()
    }

    /// The bytes of a record.
    pub(crate) fn record(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

fn check_lengths(draft: &EventDraft<'_>) -> Result<(), BatchError> {
    let texts = [
        ("id", Some(draft.id), ID_BYTES_MAX),
        ("customer", Some(draft.customer), CUSTOMER_BYTES_MAX),
        ("event_type", Some(draft.event_type), EVENT_TYPE_BYTES_MAX),
        ("subject", draft.subject, SUBJECT_BYTES_MAX),
        ("properties", draft.properties, PROPERTIES_BYTES_MAX),
        ("source_context", draft.source_context, SOURCE_CONTEXT_BYTES_MAX),
    ];
    for (field, text, bytes_max) in texts {
        if text.is_some_and(|text| text.len() > bytes_max) {
            return Err(BatchError::TooLong { field, bytes_max });
        }
    }
    Ok(())
}
