//! Which ids are taken, exactly: a hash table of 128-bit hashes in shards of uneven size.
//!
//! Shards of equal size would fill up, and grow, all at the same moment. Their shares of the ids
//! therefore rise from one to two, so that somewhere in each doubling every shard grows alone.
use crate::hash::IdHash;
use hashbrown::HashTable;
use parking_lot::RwLock;

/// How many shards.
const SHARDS: usize = 64;
/// How finely the ids are dealt out to shards.
const SLOTS: usize = 4096;

type Shard = HashTable<(IdHash, u64)>;

/// The sequence of each id.
pub struct Ids {
    shards: Vec<RwLock<Shard>>,
    shard_of_slot: Vec<u8>,
}

impl Ids {
    /// No ids yet.
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, shard_of_slot: deal_slots() }
    }

    fn shard(&self, id: IdHash) -> Option<&RwLock<Shard>> {
        let slot = id.high as usize % SLOTS;
        self.shards.get(usize::from(*self.shard_of_slot.get(slot)?))
    }

    /// The sequence of the event with this id.
    pub fn get(&self, id: IdHash) -> Option<u64> {
        let shard = self.shard(id)?.read();
        shard.find(id.low, |(known, _)| *known == id).map(|(_, sequence)| *sequence)
    }

    /// Takes an id that was free.
    pub fn insert(&self, id: IdHash, sequence: u64) {
        if let Some(shard) = self.shard(id) {
            shard.write().insert_unique(id.low, (id, sequence), |(known, _)| known.low);
        }
    }
}

/// The shard of each slot: shard `i` has a share in proportion to `2^(i / SHARDS)`, taken here as
/// the chord of that curve (`SHARDS + i`), which is close and needs no floating point.
fn deal_slots() -> Vec<u8> {
    let total: usize = (0..SHARDS).map(|shard| SHARDS + shard).sum();
    let mut slots = Vec::with_capacity(SLOTS);
    let mut dealt = 0;
    for shard in 0..SHARDS {
        dealt += SHARDS + shard;
        slots.resize(SLOTS * dealt / total, shard as u8);
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_rise_from_one_to_two() {
        let slots = deal_slots();
        assert_eq!(slots.len(), SLOTS);
        let share = |shard: u32| slots.iter().filter(|slot| u32::from(**slot) == shard).count();
        assert!((40..45).contains(&share(0)), "{}", share(0));
        assert!((83..90).contains(&share(63)), "{}", share(63));
    }

    #[test]
    fn finds_what_was_inserted() {
        let ids = Ids::new();
        let id = |n: u64| IdHash { low: n % 10, high: n };
        (1..10_000).for_each(|n| ids.insert(id(n), n));
        assert!((1..10_000).all(|n| ids.get(id(n)) == Some(n)));
        assert_eq!(ids.get(id(10_000)), None);
    }
}
