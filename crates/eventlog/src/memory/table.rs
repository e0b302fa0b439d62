//! Numbers of 64 bits, found by their upper 24: a sorted array with room in between.
//!
//! A number lies at the place that its upper bits have among all there could be, or as near behind it
//! as there is room, and in order. So a look ends at the first greater one, and growing is one copy from
//! front to back. Large arrays are mapped: when one is replaced its memory goes back, instead of
//! staying as a hole that the next, larger one does not fit into.
use memmap2::MmapMut;

/// Lower bits of a number, which do not matter to its place.
pub const LOW_BITS: u32 = 40;
const HIGH_BITS: u32 = u64::BITS - LOW_BITS;
/// Bytes of a number.
const BYTES: usize = size_of::<u64>();
/// Slots of the smallest array.
const SLOTS_MIN: usize = 16;
/// Slots behind the last place that is taken, for numbers that find no room at theirs.
const SLOTS_BEHIND: usize = 64;
/// Slots from which on an array is mapped.
const MAPPED_MIN: usize = if cfg!(test) { 256 } else { 4_096 };
/// Numbers in 64 slots at which an array grows.
const FULL: usize = 55;

/// The array. Zero is no number and means room.
enum Slots {
    Few(Vec<[u8; BYTES]>),
    Many(MmapMut),
}

/// A set of numbers that are not zero; one may be there several times.
pub struct Table {
    slots: Slots,
    /// Slots but for those behind the last place.
    places: usize,
    count: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { slots: Slots::Few(Vec::new()), places: 0, count: 0 }
    }
}

/// A place for a number: where it goes, and where the room is that it takes.
struct Room {
    at: usize,
    free: usize,
}

fn high(number: u64) -> u64 {
    number >> LOW_BITS
}

/// The place that upper bits have among so many.
fn place(high: u64, places: usize) -> usize {
    ((high * places as u64) >> HIGH_BITS) as usize
}

impl Table {
    /// Numbers, in order, with so many places.
    fn of(numbers: &[u64], places: usize) -> Self {
        let taken = |next: usize, number: &u64| place(high(*number), places).max(next) + 1;
        let end = numbers.iter().fold(0, taken);
        let mut table = Self::with(places, places.max(end) + SLOTS_BEHIND);
        let mut next = 0;
        for number in numbers {
            next = taken(next, number);
            if let Some(slot) = table.slots_mut().get_mut(next - 1) {
                *slot = number.to_le_bytes();
            }
        }
        table.count = numbers.len();
        table
    }

    fn with(places: usize, slots: usize) -> Self {
        let few = || Slots::Few(vec![[0; BYTES]; slots]);
        let slots = match slots {
            MAPPED_MIN.. => MmapMut::map_anon(slots * BYTES).map_or_else(|_| few(), Slots::Many),
            _ => few(),
        };
        Self { slots, places, count: 0 }
    }

    fn slots(&self) -> &[[u8; BYTES]] {
        match &self.slots {
            Slots::Few(slots) => slots,
            Slots::Many(map) => map.as_chunks().0,
        }
    }

    fn slots_mut(&mut self) -> &mut [[u8; BYTES]] {
        match &mut self.slots {
            Slots::Few(slots) => slots,
            Slots::Many(map) => map.as_chunks_mut().0,
        }
    }

    /// The numbers with these upper bits.
    pub fn find(&self, high_bits: u64) -> impl Iterator<Item = u64> {
        let slots = self.slots().get(place(high_bits, self.places)..).unwrap_or_default();
        let numbers = slots.iter().map(|slot| u64::from_le_bytes(*slot));
        let near = numbers.take_while(move |number| *number != 0 && high(*number) <= high_bits);
        near.filter(move |number| high(*number) == high_bits)
    }

    /// Adds a number.
    pub fn insert(&mut self, number: u64) {
        if self.count * 64 >= self.places * FULL {
            self.grow();
        }
        let room = loop {
            match self.room(number) {
                Some(room) => break room,
                None => self.grow(),
            }
        };
        let slots = self.slots_mut();
        slots.copy_within(room.at..room.free, room.at + 1);
        if let Some(slot) = slots.get_mut(room.at) {
            *slot = number.to_le_bytes();
        }
        self.count += 1;
    }

    fn room(&self, number: u64) -> Option<Room> {
        let slots = self.slots();
        let from = place(high(number), self.places);
        let mut at = None;
        for (index, slot) in slots.iter().enumerate().skip(from) {
            let known = u64::from_le_bytes(*slot);
            if known == 0 {
                return Some(Room { at: at.unwrap_or(index), free: index });
            }
            if at.is_none() && high(known) > high(number) {
                at = Some(index);
            }
        }
        None
    }

    /// A quarter more places.
    fn grow(&mut self) {
        let places = (self.places + self.places / 4).max(SLOTS_MIN);
        *self = Self::of(&self.numbers(), places);
    }

    fn numbers(&self) -> Vec<u64> {
        let numbers = self.slots().iter().map(|slot| u64::from_le_bytes(*slot));
        numbers.filter(|number| *number != 0).collect()
    }

    /// Keeps only some numbers.
    pub fn retain(&mut self, keeps: impl Fn(u64) -> bool) {
        let mut kept = self.numbers();
        let before = kept.len();
        kept.retain(|number| keeps(*number));
        if kept.len() < before {
            let places = (kept.len() * 5 / 4).max(SLOTS_MIN);
            *self = Self::of(&kept, places);
        }
    }

    /// Adds many numbers.
    pub fn extend(&mut self, more: impl IntoIterator<Item = u64>) {
        let mut all = self.numbers();
        all.extend(more);
        if all.len() == self.count {
            return;
        }
        all.sort_unstable();
        let places = (all.len() * 5 / 4).max(SLOTS_MIN);
        *self = Self::of(&all, places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_was_added_and_nothing_else(
            // Few upper bits, so that many are alike, at both ends too.
            added in prop::collection::vec((prop_oneof![0_u64..4, 0xff_fff0_u64..0x100_0000, any::<u64>().prop_map(high)], 1_u64..1 << LOW_BITS), 0..1500),
            cut in 0_usize..1500,
        ) {
            let numbers: Vec<u64> = added.iter().map(|(high, low)| high << LOW_BITS | low).collect();
            let (first, rest) = numbers.split_at(cut.min(numbers.len()));
            let mut table = Table::default();
            table.extend(first.iter().copied());
            for number in rest {
                table.insert(*number);
            }
            prop_assert_eq!(table.count, numbers.len());
            for (bits, _) in added.iter().take(50) {
                let mut found: Vec<u64> = table.find(*bits).collect();
                let mut expected: Vec<u64> = numbers.iter().copied().filter(|number| high(*number) == *bits).collect();
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(table.find(0x7f_ffff).count(), numbers.iter().filter(|number| high(**number) == 0x7f_ffff).count());
        }
    }
}
