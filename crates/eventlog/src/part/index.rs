//! What lies where in a part, and what is true of its events as a whole.
use super::cells::{ENTRY_BYTES, HOURS};
use super::coding::{
    put_number, put_signed, put_sum, put_text, take_count, take_number, take_signed, take_small, take_sum,
    take_text,
};
use crate::columns::Known;
use crate::columns::file::Checked;
use crate::memory::corrections::Noted;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::ops::Range;
use std::sync::Arc;

/// A segment that a part is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Its number.
    pub number: u64,
    /// The sequence of its first record.
    pub first_sequence: u64,
    /// Bytes of its frames.
    pub bytes: u64,
}

/// The cells of an event type on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The number that the part gives the event type.
    pub event_type: u32,
    /// The day since 1970.
    pub day: i64,
    /// How many events.
    pub events: u64,
    /// The greatest sequence.
    pub last_sequence: u64,
    /// How many customers.
    pub customers: u32,
    /// Where its cells begin.
    pub at: u64,
    /// Bytes of its cells.
    pub cells_bytes: u64,
    /// Bytes of its references, which follow the cells.
    pub refs_bytes: u64,
}

impl Block {
    /// Where its references lie.
    pub fn refs(&self) -> Range<u64> {
        let start = self.at + self.cells_bytes;
        start..start + self.refs_bytes
    }

    /// Where entries of its directory lie.
    pub fn entries(&self, from: u32, to: u32) -> Range<u64> {
        let at = |entry: u32| self.refs().end + u64::from(entry) * ENTRY_BYTES as u64;
        at(from)..at(to)
    }
}

/// What a part has of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Whose.
    pub project: ProjectId,
    /// The sequence of the last clearing among its records; 0 where there is none. What is told here
    /// came after it.
    pub cleared_at: u64,
    /// The sequence of its first event; 0 where there is none.
    pub first_sequence: u64,
    /// How many events.
    pub events: u64,
    /// The time of its earliest event.
    pub first_time: Timestamp,
    /// The time of its latest event.
    pub last_time: Timestamp,
    /// The customers' names, in order.
    pub customers: Vec<Arc<str>>,
    /// The event types' names, in order.
    pub event_types: Vec<Arc<str>>,
    /// The hours since 1970 with events, in order.
    pub hours: Vec<i64>,
    /// Its cells, by event type, then by day.
    pub blocks: Vec<Block>,
    /// Its corrections, by sequence; customer and event type as the part numbers them.
    pub corrections: Vec<Noted>,
}

/// The index of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The segments, in order.
    pub segments: Vec<Covered>,
    /// The files that have the events of some of them, in order: those segments are not there any more.
    pub columns: Vec<Known>,
    /// The sequence of the last record.
    pub last_sequence: u64,
    /// The number of the last commit group.
    pub last_group: u64,
    /// The first sequence of each block of places, and where it begins.
    pub places: Vec<(u64, u64)>,
    /// Where the blocks of places end.
    pub places_end: u64,
    /// How many ids there are in each shard; they lie behind the places.
    pub ids: Vec<u32>,
    /// What it has of each project.
    pub sections: Vec<Section>,
}

impl Index {
    /// The sequence of the first record.
    pub fn first_sequence(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.first_sequence)
    }

    /// The index as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.segments.len() as u64);
        for segment in &self.segments {
            put_all(&mut out, [segment.number, segment.first_sequence, segment.bytes]);
        }
        put_number(&mut out, self.columns.len() as u64);
        self.columns.iter().for_each(|known| put_known(&mut out, known));
        put_all(&mut out, [self.last_sequence, self.last_group, self.places_end]);
        put_number(&mut out, self.places.len() as u64);
        let (mut sequence, mut at) = (0, 0);
        for place in &self.places {
            put_all(&mut out, [place.0 - sequence, place.1 - at]);
            (sequence, at) = *place;
        }
        put_number(&mut out, self.ids.len() as u64);
        self.ids.iter().for_each(|count| put_number(&mut out, u64::from(*count)));
        put_number(&mut out, self.sections.len() as u64);
        self.sections.iter().for_each(|section| section.encode(&mut out));
        out
    }

    /// Reads an index.
    pub fn decode(mut input: &[u8]) -> Option<Self> {
        let input = &mut input;
        let mut index = Self::default();
        for _ in 0..take_count(input)? {
            let [number, first_sequence, bytes] = take_all(input)?;
            index.segments.push(Covered { number, first_sequence, bytes });
        }
        for _ in 0..take_count(input)? {
            index.columns.push(take_known(input)?);
        }
        [index.last_sequence, index.last_group, index.places_end] = take_all(input)?;
        let (mut sequence, mut at) = (0_u64, 0_u64);
        for _ in 0..take_count(input)? {
            let [sequence_step, step] = take_all(input)?;
            (sequence, at) = (sequence.checked_add(sequence_step)?, at.checked_add(step)?);
            index.places.push((sequence, at));
        }
        for _ in 0..take_count(input)? {
            index.ids.push(take_small(input)?);
        }
        for _ in 0..take_count(input)? {
            index.sections.push(Section::decode(input)?);
        }
        input.is_empty().then_some(index)
    }
}

fn put_known(out: &mut Vec<u8>, known: &Known) {
    put_all(out, [known.first, known.last, u64::from(known.rows), known.checked.bytes]);
    put_number(out, known.checked.checksums.len() as u64);
    known.checked.checksums.iter().for_each(|checksum| out.extend_from_slice(&checksum.to_le_bytes()));
}

fn take_known(input: &mut &[u8]) -> Option<Known> {
    let [first, last, rows, bytes] = take_all(input)?;
    let count = take_count(input)?;
    let (checksums, rest) = input.split_at_checked(count.checked_mul(4)?)?;
    *input = rest;
    let (words, _) = checksums.as_chunks::<4>();
    let checksums = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    Some(Known { first, last, rows: u32::try_from(rows).ok()?, checked: Checked { bytes, checksums } })
}

fn put_all<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    for number in numbers {
        put_number(out, number);
    }
}

fn take_all<const N: usize>(input: &mut &[u8]) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = take_number(input)?;
    }
    Some(numbers)
}

fn put_texts(out: &mut Vec<u8>, texts: &[Arc<str>]) {
    put_number(out, texts.len() as u64);
    for text in texts {
        put_text(out, text);
    }
}

fn take_texts(input: &mut &[u8]) -> Option<Vec<Arc<str>>> {
    (0..take_count(input)?).map(|_| take_text(input).map(Arc::from)).collect()
}

fn take_time(input: &mut &[u8]) -> Option<Timestamp> {
    Timestamp::from_micros(take_signed(input)?)
}

impl Section {
    /// The cells of an event type on a day.
    pub fn block(&self, event_type: u32, day: i64) -> Option<&Block> {
        let at = self.blocks.binary_search_by_key(&(event_type, day), |block| (block.event_type, block.day));
        self.blocks.get(at.ok()?)
    }

    /// The blocks of an event type that have some of these hours.
    pub fn blocks_of(&self, event_type: u32, hours: &Range<i64>) -> &[Block] {
        let place =
            |day| self.blocks.partition_point(|block| (block.event_type, block.day) < (event_type, day));
        let (from, to) = (hours.start.div_euclid(HOURS), (hours.end - 1).div_euclid(HOURS) + 1);
        self.blocks.get(place(from)..place(to.max(from))).unwrap_or_default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_all(out, [u64::from(self.project.0), self.cleared_at, self.first_sequence, self.events]);
        put_signed(out, self.first_time.as_micros());
        put_signed(out, self.last_time.as_micros());
        put_texts(out, &self.customers);
        put_texts(out, &self.event_types);
        put_number(out, self.hours.len() as u64);
        let mut before = 0;
        for hour in &self.hours {
            put_signed(out, hour - before);
            before = *hour;
        }
        put_number(out, self.blocks.len() as u64);
        for block in &self.blocks {
            put_signed(out, block.day);
            put_all(out, [u64::from(block.event_type), block.events, block.last_sequence]);
            put_all(out, [u64::from(block.customers), block.at, block.cells_bytes, block.refs_bytes]);
        }
        put_number(out, self.corrections.len() as u64);
        for noted in &self.corrections {
            put_all(out, [noted.target, noted.sequence, u64::from(noted.void)]);
            put_signed(out, noted.received_at.as_micros());
            put_signed(out, noted.cell.hour);
            put_all(out, [u64::from(noted.cell.event_type), u64::from(noted.cell.customer)]);
            put_sum(out, noted.sum);
        }
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let [project, cleared_at, first_sequence, events] = take_all(input)?;
        let mut section = Self {
            project: ProjectId(u32::try_from(project).ok()?),
            cleared_at,
            first_sequence,
            events,
            first_time: take_time(input)?,
            last_time: take_time(input)?,
            customers: take_texts(input)?,
            event_types: take_texts(input)?,
            hours: Vec::new(),
            blocks: Vec::new(),
            corrections: Vec::new(),
        };
        let mut hour = 0_i64;
        for _ in 0..take_count(input)? {
            hour = hour.checked_add(take_signed(input)?)?;
            section.hours.push(hour);
        }
        for _ in 0..take_count(input)? {
            let day = take_signed(input)?;
            let [event_type, events, last_sequence] = take_all(input)?;
            let [customers, at, cells_bytes, refs_bytes] = take_all(input)?;
            let (event_type, customers) = (u32::try_from(event_type).ok()?, u32::try_from(customers).ok()?);
            let block =
                Block { event_type, day, events, last_sequence, customers, at, cells_bytes, refs_bytes };
            section.blocks.push(block);
        }
        for _ in 0..take_count(input)? {
            section.corrections.push(take_noted(input)?);
        }
        Some(section)
    }
}

fn take_noted(input: &mut &[u8]) -> Option<Noted> {
    use crate::memory::corrections::CellKey;
    let [target, sequence, void] = take_all(input)?;
    let (received_at, hour) = (take_time(input)?, take_signed(input)?);
    let cell = CellKey { hour, event_type: take_small(input)?, customer: take_small(input)? };
    Some(Noted { target, sequence, received_at, void: void != 0, cell, sum: take_sum(input)? })
}
