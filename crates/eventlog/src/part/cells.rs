//! The cells of one event type on one day, customer by customer.
//!
//! Cells lie one behind the other; beside them the references to their events, and a directory that
//! tells where each customer's begin.
use super::coding::{
    put_decimal, put_number, put_sum, take_byte, take_decimal, take_number, take_small, take_sum,
};
use crate::format::u32_at;
use reckoner_domain::rollup::{Mark, Rollup};
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::{DAY, HOUR, Timestamp};
use std::num::TryFromIntError;

/// Hours of a day.
pub const HOURS: i64 = DAY / HOUR;
/// Bytes of an entry of the directory.
pub const ENTRY_BYTES: usize = 12;

/// An event of a cell: which, and when in the hour, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventAt {
    /// Its sequence.
    pub sequence: u64,
    /// When in the hour.
    pub micros: u32,
}

/// A cell of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCell {
    /// The hour since 1970.
    pub hour: i64,
    /// The number that the part gives the customer.
    pub customer: u32,
    /// Its exact totals.
    pub rollup: Rollup,
    /// The sequence of the event that came last.
    pub last_sequence: u64,
    /// Where among the block's references those of its events begin; they are told by the rollup
    /// where there is one event only.
    pub refs_at: u64,
    /// How many bytes they take; zero where there is one event only.
    pub refs_bytes: u64,
}

/// Where a customer's cells and references begin, from the front of the block's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number that the part gives the customer.
    pub customer: u32,
    /// Where its cells begin.
    pub cells: u32,
    /// Where its references begin.
    pub refs: u32,
}

impl Entry {
    /// The entry at the front.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self { customer: u32_at(bytes, 0)?, cells: u32_at(bytes, 4)?, refs: u32_at(bytes, 8)? })
    }
}

/// Puts a block together; cells come by customer, then by hour.
#[derive(Default)]
pub struct BlockBuilder {
    /// What sequences are counted from.
    base: u64,
    /// The cells.
    pub cells: Vec<u8>,
    /// The references.
    pub refs: Vec<u8>,
    /// The directory.
    pub directory: Vec<u8>,
    /// How many events.
    pub events: u64,
    /// The greatest sequence.
    pub last_sequence: u64,
    customer: Option<u32>,
}

impl BlockBuilder {
    /// A block without cells, of a part that begins with this sequence.
    pub fn new(base: u64) -> Self {
        Self { base, ..Self::default() }
    }

    /// Adds a cell with its events, which are in the order of their sequences; an error where the
    /// block has more bytes than its directory can tell places of.
    pub fn add(
        &mut self,
        hour: i64,
        customer: u32,
        rollup: &Rollup,
        events: &[EventAt],
    ) -> Result<(), TryFromIntError> {
        if self.customer.replace(customer) != Some(customer) {
            let entry = [customer, u32::try_from(self.cells.len())?, u32::try_from(self.refs.len())?];
            self.directory.extend(entry.iter().flat_map(|field| field.to_le_bytes()));
        }
        let out = &mut self.cells;
        out.push(hour.rem_euclid(HOURS) as u8);
        put_number(out, rollup.count);
        if let [only] = events {
            put_decimal(out, rollup.first.value);
            put_number(out, u64::from(only.micros));
            put_number(out, only.sequence - self.base);
        } else {
            put_sum(out, rollup.sum);
            put_decimal(out, rollup.min);
            put_decimal(out, rollup.max);
            for mark in [rollup.first, rollup.last] {
                put_decimal(out, mark.value);
                put_number(out, mark.time.as_micros().rem_euclid(HOUR) as u64);
                put_number(out, mark.sequence - self.base);
            }
            let start = self.refs.len();
            let mut before = self.base;
            for event in events {
                put_number(&mut self.refs, event.sequence - before);
                put_number(&mut self.refs, u64::from(event.micros));
                before = event.sequence;
            }
            put_number(out, before - self.base);
            put_number(out, (self.refs.len() - start) as u64);
        }
        self.events += events.len() as u64;
        self.last_sequence = self.last_sequence.max(events.last().map_or(0, |event| event.sequence));
        u32::try_from(self.cells.len().max(self.refs.len())).map(drop)
    }
}

/// Reads the cells of one customer.
pub struct CellReader<'a> {
    /// What sequences are counted from.
    pub base: u64,
    /// The day since 1970.
    pub day: i64,
    /// The number that the part gives the customer.
    pub customer: u32,
    /// What is left of the cells.
    pub cells: &'a [u8],
    /// Where the references of the next cell begin.
    pub refs_at: u64,
}

impl CellReader<'_> {
    /// The next cell; `None` behind the last, an error where there is none.
    pub fn next(&mut self) -> Result<Option<BlockCell>, Malformed> {
        if self.cells.is_empty() {
            return Ok(None);
        }
        self.take().map(Some).ok_or(Malformed)
    }

    fn take(&mut self) -> Option<BlockCell> {
        let (base, input) = (self.base, &mut self.cells);
        let hour = self.day * HOURS + i64::from(take_byte(input)?);
        let start = Timestamp::from_hour_index(hour);
        let mark = |value, micros: u32, sequence: u64| Mark {
            time: start.plus_micros(i64::from(micros)),
            sequence: base.wrapping_add(sequence),
            value,
        };
        let count = take_number(input)?;
        let customer = self.customer;
        let refs_at = self.refs_at;
        if count == 1 {
            let value = take_decimal(input)?;
            let (micros, sequence) = (take_small(input)?, take_number(input)?);
            let rollup = Rollup::of(mark(value, micros, sequence)).ok()?;
            let last_sequence = rollup.last.sequence;
            return Some(BlockCell { hour, customer, rollup, last_sequence, refs_at, refs_bytes: 0 });
        }
        let (sum, min, max) = (take_sum(input)?, take_decimal(input)?, take_decimal(input)?);
        let first = mark(take_decimal(input)?, take_small(input)?, take_number(input)?);
        let last = mark(take_decimal(input)?, take_small(input)?, take_number(input)?);
        let last_sequence = base.wrapping_add(take_number(input)?);
        let refs_bytes = take_number(input)?;
        self.refs_at += refs_bytes;
        let rollup = Rollup { count, sum, min, max, first, last };
        Some(BlockCell { hour, customer, rollup, last_sequence, refs_at, refs_bytes })
    }
}

/// Bytes that were checked are not in this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl From<Overflow> for Malformed {
    fn from(_: Overflow) -> Self {
        Self
    }
}

impl BlockCell {
    /// Its events, out of the bytes of its references.
    pub fn events(&self, base: u64, mut refs: &[u8], out: &mut Vec<EventAt>) -> Result<(), Malformed> {
        out.clear();
        if self.refs_bytes == 0 {
            let first = &self.rollup.first;
            let micros = first.time.as_micros().rem_euclid(HOUR) as u32;
            out.push(EventAt { sequence: first.sequence, micros });
            return Ok(());
        }
        let mut sequence = base;
        while !refs.is_empty() {
            let next = take_number(&mut refs).zip(take_small(&mut refs));
            let (step, micros) = next.ok_or(Malformed)?;
            sequence = sequence.wrapping_add(step);
            out.push(EventAt { sequence, micros });
        }
        Ok(())
    }
}
