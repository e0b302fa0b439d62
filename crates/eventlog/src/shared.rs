//! What the committer and the readers share.
use crate::error::ReadError;
use crate::format::record::{EventRecord, Record};
use crate::hash::IdHasher;
use crate::memory::Memory;
use crate::memory::ids::Ids;
use crate::memory::places::Place;
use crate::read::fetch;
use crate::status::{Counters, Health};
use parking_lot::{Mutex, RwLock};
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;

/// What the committer writes and everybody reads.
pub struct Shared {
    /// Identifies the store.
    pub store_id: u128,
    /// Rollups and places.
    pub memory: RwLock<Memory>,
    /// Taken ids.
    pub ids: Ids,
    /// Hashes ids.
    pub hasher: IdHasher,
    /// Whether the log takes events.
    pub health: Mutex<Health>,
    /// What was done so far.
    pub counters: Counters,
}

impl Shared {
    /// The event with this sequence; `None` when there is no such event.
    pub fn event(&self, sequence: u64) -> Result<Option<Event>, ReadError> {
        let Some(place) = self.memory.read().places.find(sequence) else { return Ok(None) };
        let mut found = None;
        fetch::each(std::slice::from_ref(&place), |place, record| {
            found = Some(to_event(place, record));
            Ok::<(), ReadError>(())
        })?;
        Ok(found)
    }

    /// The event with this id.
    pub fn get(&self, project: ProjectId, id: &str) -> Result<Option<Event>, ReadError> {
        let hash = self.hasher.of(project, id.as_bytes());
        let cleared_at = self.memory.read().cleared_at(project);
        let Some(sequence) = self.ids.get(hash.after_clear(cleared_at)) else { return Ok(None) };
        Ok(self.event(sequence)?.filter(|event| event.id == id && event.project == project))
    }
}

/// A record with its place, as it is handed out.
pub fn to_event(place: &Place, record: &EventRecord<'_>) -> Event {
    record.to_event(place.project, place.sequence, place.received_at)
}

/// The event of a record; `None` for any other.
pub fn event_of(record: Record<'_>) -> Option<EventRecord<'_>> {
    match record {
        Record::Event(event) => Some(event),
        Record::Cleared => None,
    }
}
