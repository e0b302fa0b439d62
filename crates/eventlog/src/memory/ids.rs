//! Which ids may be taken: of each, 36 bits of its hash and the sequence of its event, in eight bytes.
//!
//! Two ids may share those bits: whoever asks reads the events named and compares their ids, which
//! makes the answer exact. With a hundred million ids one new id in seven hundred names an event in
//! vain; a whole hash in memory would take four times the space.
//!
//! Shards of equal size would fill up, and grow, all at the same moment. Their shares of the ids
//! therefore rise from one to two, so that each grows alone.
use super::table::{LOW_BITS, Table};
use crate::hash::IdHash;
use parking_lot::{Mutex, RwLock};

/// How many shards: 12 bits of a hash choose one.
pub const SHARDS: usize = 4096;
/// How finely the ids are dealt out to shards.
const SLOTS: usize = 16 * SHARDS;
/// Bits of an entry that hold a sequence; those above hold bits of the hash.
const SEQUENCE_BITS: u32 = LOW_BITS;
/// The highest sequence that fits: a million million.
pub const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;

/// The sequence of an event's record, below the first 24 bits of its id's hash.
#[derive(Clone, Copy)]
struct Entry(u64);

impl Entry {
    fn new(id: IdHash, sequence: u64) -> Self {
        Self(tag(id) << SEQUENCE_BITS | (sequence & SEQUENCE_MAX))
    }

    fn tag(self) -> u64 {
        self.0 >> SEQUENCE_BITS
    }

    fn sequence(self) -> u64 {
        self.0 & SEQUENCE_MAX
    }
}

fn tag(id: IdHash) -> u64 {
    id.low >> SEQUENCE_BITS
}

/// An id: its shard and its entry.
#[derive(Clone, Copy)]
pub struct RecentId {
    /// The shard.
    pub shard: u16,
    entry: Entry,
}

impl RecentId {
    /// Bits of its hash.
    pub fn tag(self) -> u64 {
        self.entry.tag()
    }

    /// The sequence of its event.
    pub fn sequence(self) -> u64 {
        self.entry.sequence()
    }
}

/// The sequences of events, by the hashes of their ids.
pub struct Ids {
    shards: Vec<RwLock<Table>>,
    shard_of_slot: Vec<u16>,
    /// Those that no part has yet, since this was last asked for.
    recent: Mutex<Vec<RecentId>>,
}

impl Ids {
    /// No ids yet.
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, shard_of_slot: deal_slots(), recent: Mutex::default() }
    }

    fn shard_number(&self, id: IdHash) -> u16 {
        self.shard_of_slot.get(id.high as usize % SLOTS).copied().unwrap_or_default()
    }

    fn shard(&self, id: IdHash) -> Option<&RwLock<Table>> {
        self.shards.get(usize::from(self.shard_number(id)))
    }

    /// The events that may have this id; none for nearly every id that is free.
    pub fn candidates(&self, id: IdHash) -> Vec<u64> {
        let Some(shard) = self.shard(id) else { return Vec::new() };
        shard.read().find(tag(id)).map(|number| Entry(number).sequence()).collect()
    }

    /// Whether there may be an event with this id.
    pub fn may_have(&self, id: IdHash) -> bool {
        self.shard(id).is_some_and(|shard| shard.read().find(tag(id)).next().is_some())
    }

    /// An id with the sequence of its event.
    pub fn entry(&self, id: IdHash, sequence: u64) -> RecentId {
        RecentId { shard: self.shard_number(id), entry: Entry::new(id, sequence) }
    }

    /// Notes the events of ids that were free.
    pub fn insert_all(&self, ids: impl IntoIterator<Item = (IdHash, u64)>) {
        let mut recent = self.recent.lock();
        for (id, sequence) in ids {
            let id = self.entry(id, sequence);
            self.put(usize::from(id.shard), id.entry);
            recent.push(id);
        }
    }

    fn put(&self, shard: usize, entry: Entry) {
        if let Some(shard) = self.shards.get(shard) {
            shard.write().insert(entry.0);
        }
    }

    /// Forgets the ids of events up to a sequence: they are free.
    pub fn forget_through(&self, sequence: u64) {
        for shard in &self.shards {
            shard.write().retain(|number| Entry(number).sequence() > sequence);
        }
    }

    /// The ids noted since this was last called.
    pub fn take_recent(&self) -> Vec<RecentId> {
        std::mem::take(&mut self.recent.lock())
    }

    /// Takes ids into a shard that were written down: bits of their hashes and the sequences of their
    /// events.
    pub fn load(&self, shard: usize, ids: impl Iterator<Item = (u64, u64)>) {
        if let Some(shard) = self.shards.get(shard) {
            let entry = |(tag, sequence)| tag << SEQUENCE_BITS | (sequence & SEQUENCE_MAX);
            shard.write().extend(ids.map(entry));
        }
    }
}

/// The shard of each slot: shard `i` has a share in proportion to `2^(i / SHARDS)`, taken here as
/// the chord of that curve (`SHARDS + i`), which is close and needs no floating point.
fn deal_slots() -> Vec<u16> {
    let total: usize = (0..SHARDS).map(|shard| SHARDS + shard).sum();
    let mut slots = Vec::with_capacity(SLOTS);
    let mut dealt = 0;
    for shard in 0..SHARDS {
        dealt += SHARDS + shard;
        slots.resize(SLOTS * dealt / total, shard as u16);
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::IdHasher;
    use reckoner_domain::id::ProjectId;

    #[test]
    fn shares_rise_from_one_to_two() {
        let slots = deal_slots();
        assert_eq!(slots.len(), SLOTS);
        let share = |shard: u16| slots.iter().filter(|slot| **slot == shard).count();
        assert!((10..12).contains(&share(0)), "{}", share(0));
        assert!((20..23).contains(&share(4095)), "{}", share(4095));
    }

    #[test]
    fn finds_what_was_inserted_and_little_else() {
        let hasher = IdHasher::new(*b"0123456789abcdef");
        let ids = Ids::new();
        let id = |n: u64| hasher.of(ProjectId(1), &n.to_le_bytes());
        ids.insert_all((1..100_000).map(|n| (id(n), n)));
        assert!((1..100_000).all(|n| ids.candidates(id(n)).contains(&n)));
        let in_vain = (100_000..200_000).filter(|n| !ids.candidates(id(*n)).is_empty()).count();
        assert!(in_vain < 20, "{in_vain}");
    }

    #[test]
    fn ids_that_share_their_bits_are_all_named() {
        let ids = Ids::new();
        let id = |low| IdHash { low, high: 7 };
        ids.insert_all((1..4).map(|n| (id(5 << SEQUENCE_BITS | n), SEQUENCE_MAX - n)));
        let mut named = ids.candidates(id(5 << SEQUENCE_BITS));
        named.sort_unstable();
        assert_eq!(named, [SEQUENCE_MAX - 3, SEQUENCE_MAX - 2, SEQUENCE_MAX - 1]);
        assert_eq!(ids.candidates(id(6 << SEQUENCE_BITS)), [0; 0]);
    }
}
