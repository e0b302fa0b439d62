//! How often a row has come before, counted on disk.
//!
//! Rows of the same content must get different ids, and the same ones when the file is imported
//! again, so their occurrences are counted exactly. The counts live in a hash table in a temporary
//! file: memory stays the same however long the import.
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What a row's content comes down to.
pub type Fingerprint = u128;

/// Bytes of a slot: the upper 96 bits of a fingerprint and a count, zero in an empty slot.
const SLOT_BYTES: usize = 16;
/// Slots of a block; a block is read at once.
const BLOCK_SLOTS: usize = 32;
/// Bytes of a block.
const BLOCK_BYTES: usize = BLOCK_SLOTS * SLOT_BYTES;
/// Blocks of a new table; a power of two.
const BLOCKS_FIRST: u64 = 1 << 11;
/// Of four slots so many are used before the table grows to twice its size.
const LOAD_QUARTERS_MAX: u64 = 3;

/// Counts of fingerprints.
pub struct Occurrences {
    file: File,
    blocks: u64,
    used: u64,
}

/// The upper 96 bits of a fingerprint above a count; zero is an empty slot.
#[derive(Clone, Copy)]
struct Slot(u128);

impl Occurrences {
    /// An empty table in a temporary file that goes away by itself.
    pub fn new() -> io::Result<Self> {
        Self::with_blocks(BLOCKS_FIRST)
    }

    fn with_blocks(blocks: u64) -> io::Result<Self> {
        let file = tempfile::tempfile()?;
        file.set_len(blocks * BLOCK_BYTES as u64)?;
        Ok(Self { file, blocks, used: 0 })
    }

    /// Counts a fingerprint and says how often it has come, this time included.
    pub fn count(&mut self, fingerprint: Fingerprint) -> io::Result<u32> {
        if self.used * 4 >= self.blocks * BLOCK_SLOTS as u64 * LOAD_QUARTERS_MAX {
            self.grow()?;
        }
        self.add(Slot::new(fingerprint, 1))
    }

    /// Adds to the slot that keeps the same, or to the first empty one from its block on.
    fn add(&mut self, slot: Slot) -> io::Result<u32> {
        let mut index = slot.home() & (self.blocks - 1);
        loop {
            let at = index * BLOCK_BYTES as u64;
            let mut block = [0; BLOCK_BYTES];
            self.file.read_exact_at(&mut block, at)?;
            for (place, bytes) in (at..).step_by(SLOT_BYTES).zip(block.as_chunks().0) {
                let found = Slot(u128::from_le_bytes(*bytes));
                if found.count() == 0 || found.is_of(slot.0) {
                    self.used += u64::from(found.count() == 0);
                    let count = found.count().saturating_add(slot.count());
                    self.file.write_all_at(&Slot::new(slot.0, count).0.to_le_bytes(), place)?;
                    return Ok(count);
                }
            }
            index = (index + 1) & (self.blocks - 1);
        }
    }

    fn grow(&mut self) -> io::Result<()> {
        let mut larger = Self::with_blocks(self.blocks * 2)?;
        let mut block = [0; BLOCK_BYTES];
        for index in 0..self.blocks {
            self.file.read_exact_at(&mut block, index * BLOCK_BYTES as u64)?;
            for slot in block
                .as_chunks()
                .0
                .iter()
                .map(|bytes| Slot(u128::from_le_bytes(*bytes)))
                .filter(|slot| slot.count() > 0)
            {
                larger.add(slot)?;
            }
        }
        *self = larger;
        Ok(())
    }
}

impl Slot {
    const COUNT_BITS: u128 = u32::MAX as u128;

    fn new(fingerprint: Fingerprint, count: u32) -> Self {
        Self(fingerprint & !Self::COUNT_BITS | u128::from(count))
    }

    fn count(self) -> u32 {
        (self.0 & Self::COUNT_BITS) as u32
    }

    fn is_of(self, fingerprint: Fingerprint) -> bool {
        (self.0 ^ fingerprint) & !Self::COUNT_BITS == 0
    }

    /// The block where it is looked for first, in a table that has enough of them.
    fn home(self) -> u64 {
        (self.0 >> u64::BITS) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn counts_as_a_map_does_also_after_growing() {
        let mut table = Occurrences::with_blocks(1).expect("a file");
        let mut model: HashMap<Fingerprint, u32> = HashMap::new();
        let mut random = crate::cli::random::SplitMix64::new(3);
        for _ in 0..5_000 {
            // Many are at home in the same block, more than it holds.
            let fingerprint = (u128::from(random.below(40)) << 120) | (u128::from(random.below(40)) << 32);
            let expected = model.entry(fingerprint).and_modify(|count| *count += 1).or_insert(1);
            assert_eq!(table.count(fingerprint).expect("counts"), *expected);
        }
        assert_eq!(table.used, model.len() as u64);
        assert!(table.blocks > 1);
    }
}
