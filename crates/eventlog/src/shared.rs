//! What the committer and the readers share.
use crate::error::ReadError;
use crate::format::record::{EventRecord, Record};
use crate::hash::{IdHash, IdHasher};
use crate::memory::corrections::Known;
use crate::memory::ids::Ids;
use crate::memory::places::{Finder, Place};
use crate::memory::{Memory, Version};
use crate::read::fetch;
use crate::read::values::Values;
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
    /// The values that days show of declared dimensions.
    pub values: Values,
    /// Hashes ids.
    pub hasher: IdHasher,
    /// Whether the log takes events.
    pub health: Mutex<Health>,
    /// What was done so far.
    pub counters: Counters,
}

impl Shared {
    /// The event with this sequence as it was first stored; `None` when there is no such event.
    pub fn event(&self, sequence: u64) -> Result<Option<Event>, ReadError> {
        let found = self.memory.read().places.find(sequence);
        found.map_or(Ok(None), |found| read_at(&Finder::default().place(&found)?))
    }

    /// The event of a project with this sequence as it stands, also when it is void.
    pub fn current(&self, project: ProjectId, sequence: u64) -> Result<Option<Event>, ReadError> {
        let version = self.memory.read().version(project, sequence, Known::ALL);
        let Some(version) = version else { return Ok(None) };
        let Version { amended_at, voided_at, .. } = version;
        let event = read_at(&version.place(&mut Finder::default())?)?;
        Ok(event.map(|event| Event { amended_at, voided_at, ..event }))
    }

    /// The event with this id as it stands, also when it is void.
    pub fn get(&self, project: ProjectId, id: &str) -> Result<Option<Event>, ReadError> {
        let hash = self.hasher.of(project, id.as_bytes());
        let cleared_at = self.memory.read().cleared_at(project);
        let first = self.find(project, id, hash.after_clear(cleared_at))?;
        first.map_or(Ok(None), |first| self.current(project, first.sequence))
    }

    /// The event with this id, of which `hash` is the hash after the last clearing, as it was first
    /// stored.
    pub fn find(&self, project: ProjectId, id: &str, hash: IdHash) -> Result<Option<Event>, ReadError> {
        for sequence in self.ids.candidates(hash) {
            let event = self.event(sequence)?;
            let event = event.filter(|event| event.project == project && event.id == id);
            if event.is_some() && sequence > self.memory.read().cleared_at(project) {
                return Ok(event);
            }
        }
        Ok(None)
    }
}

fn read_at(place: &Place) -> Result<Option<Event>, ReadError> {
    let mut found = None;
    fetch::each(std::slice::from_ref(place), |place, record| {
        found = Some(to_event(place, record));
        Ok::<(), ReadError>(())
    })?;
    Ok(found)
}

/// A record with its place, as it is handed out.
pub fn to_event(place: &Place, record: &EventRecord<'_>) -> Event {
    record.to_event(place.project, place.sequence, place.received_at)
}

/// What a record says of an event; `None` where it says nothing.
pub fn event_of(record: Record<'_>) -> Option<EventRecord<'_>> {
    match record {
        Record::Event(event) => Some(event),
        Record::Correction(correction) => correction.after,
        Record::Cleared => None,
    }
}
