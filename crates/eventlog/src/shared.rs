//! What the committer and the readers share.
use crate::batch::{Known, SealedBatch};
use crate::columns::Origin;
use crate::error::ReadError;
use crate::format::record::{EventRecord, Record};
use crate::hash::{IdHash, IdHasher};
use crate::memory::corrections;
use crate::memory::ids::Ids;
use crate::memory::places::{Finder, Found, Place};
use crate::memory::{Memory, Version};
use crate::read::fetch;
use crate::read::values::Values;
use crate::status::{Counters, Health};
use crate::watch::Watches;
use parking_lot::{Mutex, RwLock};
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// What lies in columns, as far as [`Shared::want`] needs to know.
    pub in_columns: InColumns,
    /// Who is told of what is committed.
    pub watches: Watches,
    /// Hashes ids.
    pub hasher: IdHasher,
    /// Whether the log takes events.
    pub health: Mutex<Health>,
    /// What was done so far.
    pub counters: Counters,
}

/// What lies in columns. It may be a moment behind: it only says what is worth reading ahead.
#[derive(Default)]
pub struct InColumns {
    /// The last sequence.
    through: AtomicU64,
    /// The sequences of projects' last clearings.
    cleared: RwLock<BTreeMap<ProjectId, u64>>,
}

impl Shared {
    /// Notes what lies in columns, after that has changed.
    pub fn note_columns(&self) {
        let memory = self.memory.read();
        let parts = memory.parts.iter().filter(|part| !part.columns().is_empty());
        let through = parts.map(|part| part.last_sequence()).max().unwrap_or(0);
        self.in_columns.through.store(through, Ordering::Relaxed);
        let cleared = memory.projects.iter().map(|(project, known)| (*project, known.cleared_at));
        *self.in_columns.cleared.write() = cleared.filter(|(_, at)| *at > 0).collect();
    }

    /// Finds the events in columns that may have ids of a batch.
    pub fn want(&self, batch: &mut SealedBatch) {
        let through = self.in_columns.through.load(Ordering::Relaxed);
        if through == 0 {
            return;
        }
        let cleared_at = self.in_columns.cleared.read().get(&batch.project).copied().unwrap_or(0);
        let candidates =
            batch.items.iter().flat_map(|(hash, _)| self.ids.candidates(hash.after_clear(cleared_at)));
        batch.known.wanted = candidates.filter(|sequence| *sequence <= through).collect();
    }

    /// Reads the events that a batch wants.
    pub fn look_up(&self, known: &mut Known) -> Result<(), ReadError> {
        known.wanted.sort_unstable();
        known.wanted.dedup();
        let found: Vec<Found> = {
            let memory = self.memory.read();
            known.wanted.drain(..).filter_map(|sequence| memory.places.find(sequence)).collect()
        };
        let mut finder = Finder::default();
        let places = found.iter().filter_map(|found| finder.place(found).transpose());
        let places = places.collect::<Result<Vec<_>, _>>()?;
        fetch::each(&places, |_, origin, record| {
            let draft = &record.draft;
            let texts =
                [Some(draft.id), Some(draft.customer), draft.subject, draft.properties, draft.source_context];
            known.bytes += texts.into_iter().flatten().map(|text| text.len() as u64).sum::<u64>();
            known.events.insert(origin.sequence, to_event(origin, record));
            Ok::<(), ReadError>(())
        })
    }

    /// The event with this sequence as it was first stored; `None` when there is no such event.
    pub fn event(&self, sequence: u64) -> Result<Option<Event>, ReadError> {
        let found = self.memory.read().places.find(sequence);
        found.map_or(Ok(None), |found| read_at(Finder::default().place(&found)?.as_slice()))
    }

    /// The event of a project with this sequence as it stands, also when it is void.
    pub fn current(&self, project: ProjectId, sequence: u64) -> Result<Option<Event>, ReadError> {
        let version = self.memory.read().version(project, sequence, corrections::Known::ALL);
        let Some(version) = version else { return Ok(None) };
        let event = read_at(version.place(&mut Finder::default())?.as_slice())?;
        let Version { amended_at, voided_at, .. } = version;
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
        self.find_among(&Known::default(), project, id, hash)
    }

    /// The same, where some events are read already.
    pub fn find_among(
        &self,
        known: &Known,
        project: ProjectId,
        id: &str,
        hash: IdHash,
    ) -> Result<Option<Event>, ReadError> {
        for sequence in self.ids.candidates(hash) {
            let event = match known.events.get(&sequence) {
                Some(event) => Some(event.clone()),
                None => self.event(sequence)?,
            };
            let event = event.filter(|event| event.project == project && event.id == id);
            if event.is_some() && sequence > self.memory.read().cleared_at(project) {
                return Ok(event);
            }
        }
        Ok(None)
    }
}

/// The event at the place, where there is one.
fn read_at(place: &[Place]) -> Result<Option<Event>, ReadError> {
    let mut found = None;
    fetch::each(place, |_, origin, record| {
        found = Some(to_event(origin, record));
        Ok::<(), ReadError>(())
    })?;
    Ok(found)
}

/// A record with its origin, as it is handed out.
pub fn to_event(origin: &Origin, record: &EventRecord<'_>) -> Event {
    record.to_event(origin.project, origin.sequence, origin.received_at)
}

/// What a record says of an event; `None` where it says nothing.
pub fn event_of(record: Record<'_>) -> Option<EventRecord<'_>> {
    match record {
        Record::Event(event) => Some(event),
        Record::Correction(correction) => correction.after,
        Record::Cleared => None,
    }
}
