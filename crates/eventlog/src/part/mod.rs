//! What is told from sealed segments, written down: what their events add up to, where records lie,
//! and which ids are taken. All of it can be told from the segments again.
pub mod build;
pub mod cells;
pub mod coding;
pub mod index;
pub mod load;
pub mod merge;
mod pages;
pub mod places;
pub mod rebuild;

use crate::check::Sealed;
use crate::columns::{self, Columns, Known};
use crate::disk::{Disk, File};
use crate::error::ReadError;
use crate::format::range_names::RangeNames;
use crate::memory::corrections::{CellKey, Noted};
use crate::memory::intern::Interner;
use cells::{BlockCell, CellReader, ENTRY_BYTES, Entry, EventAt, HOURS, Malformed};
use index::{Block, Index, Section};
use pages::Pages;
use places::Spots;
use reckoner_domain::id::ProjectId;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// What parts are called.
pub const NAMES: RangeNames = RangeNames { prefix: "part-", suffix: ".idx" };
/// Bytes of cells or references read at once, unless those of one customer are more.
const READ_BYTES: u64 = 1024 * 1024;
/// Entries of a directory read at once when one customer is looked for.
const ENTRIES_AT_ONCE: u32 = 300;
/// Bytes of an id.
const ID_BYTES: usize = 7;
/// Bits of an id's hash that are kept beside its shard.
const TAG_BITS: u32 = 24;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

/// The numbers that names have in memory, by those that the part gives them.
#[derive(Default)]
struct Numbers {
    customers: Vec<u32>,
    event_types: Vec<u32>,
}

/// A part.
pub struct Part {
    pages: Pages,
    index: Index,
    columns: Vec<Arc<Columns>>,
    numbers: BTreeMap<ProjectId, Numbers>,
}

/// A cell of a part, its names numbered as in memory.
pub struct PartCell {
    /// What it says.
    pub cell: BlockCell,
    /// The customer's number in memory.
    pub customer: u32,
}

impl Part {
    /// Opens a part of this store.
    pub fn open(disk: &dyn Disk, name: &str, store_id: u128) -> Result<Self, ReadError> {
        let (pages, index) = Pages::open(name, disk.open(name)?, store_id)?;
        let index = Index::decode(&index).ok_or_else(|| pages.damaged(pages.length()))?;
        let open = |known: &Known| {
            let name = columns::NAMES.of(known.first, known.last);
            let file = disk.open(&name);
            let file = file.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
            Ok::<_, ReadError>(Arc::new(Columns::new(known.clone(), file)))
        };
        let columns = index.columns.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { pages, index, columns, numbers: BTreeMap::new() })
    }

    /// The files with the events of its segments, where those are not in the log any more.
    pub fn columns(&self) -> &[Arc<Columns>] {
        &self.columns
    }

    /// The file with the events of a segment; `None` where they are in the log.
    pub fn columns_of(&self, segment: u64) -> Option<&Arc<Columns>> {
        self.columns.iter().find(|columns| {
            let Known { first, last, .. } = columns.known();
            (first..=last).contains(&&segment)
        })
    }

    /// The segments that are still in the log, each with the sequence behind its last record.
    pub fn in_log(&self) -> Vec<Sealed> {
        let covered = &self.index.segments;
        let ends = covered.iter().skip(1).map(|next| next.first_sequence).chain([self.last_sequence() + 1]);
        let sealed = covered.iter().copied().zip(ends);
        sealed.filter(|(covered, _)| self.columns_of(covered.number).is_none()).collect()
    }

    /// Gives the names of a project the numbers they have in memory.
    pub fn number(
        &mut self,
        project: ProjectId,
        mut customer: impl FnMut(&Arc<str>) -> u32,
        event_type: impl FnMut(&Arc<str>) -> u32,
    ) {
        let Some(section) = self.index.sections.iter().find(|section| section.project == project) else {
            return;
        };
        let numbers = Numbers {
            customers: section.customers.iter().map(&mut customer).collect(),
            event_types: section.event_types.iter().map(event_type).collect(),
        };
        self.numbers.insert(project, numbers);
    }

    fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Its index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Its file's name.
    pub fn name(&self) -> &str {
        self.pages.name()
    }

    /// The sequence of its last record.
    pub fn last_sequence(&self) -> u64 {
        self.index.last_sequence
    }

    /// Whether it is about just these segments.
    pub fn is_of(&self, first: u64, last: u64) -> bool {
        self.index.segments.iter().map(|covered| covered.number).eq(first..=last)
    }

    /// Whether the segments that are not columns are all there.
    pub fn has(&self, in_log: &[u64]) -> bool {
        self.in_log().into_iter().all(|(segment, _)| in_log.contains(&segment.number))
    }

    /// Bytes of its segments' frames that are in the log, and of its columns.
    pub fn bytes(&self) -> u64 {
        let in_log: u64 = self.in_log().iter().map(|(segment, _)| segment.bytes).sum();
        in_log + self.columns.iter().map(|columns| columns.known().checked.bytes).sum::<u64>()
    }

    /// Its file.
    pub fn file(&self) -> &Arc<dyn File> {
        self.pages.file()
    }

    /// Whether it is about this segment.
    pub fn covers(&self, segment: u64) -> bool {
        self.index.segments.iter().any(|covered| covered.number == segment)
    }

    /// It is not what was written.
    pub fn damaged(&self) -> ReadError {
        self.pages.damaged(0)
    }

    /// What it has of a project that was last cleared at this sequence; `None` where that is nothing.
    pub fn section(&self, project: ProjectId, cleared_at: u64) -> Option<&Section> {
        let section = self.index.sections.iter().find(|section| section.project == project)?;
        (section.events > 0 && section.first_sequence > cleared_at).then_some(section)
    }

    /// What it has of a project since its clearing at this sequence, corrections of earlier parts' events
    /// included.
    fn since(&self, project: ProjectId, cleared_at: u64) -> Option<&Section> {
        let section = self.index.sections.iter().find(|section| section.project == project)?;
        (section.cleared_at == cleared_at || self.index.first_sequence() > cleared_at).then_some(section)
    }

    /// The corrections of a project that was last cleared at this sequence, numbered as in memory.
    pub fn corrections(&self, project: ProjectId, cleared_at: u64) -> impl Iterator<Item = Noted> {
        let section = self.since(project, cleared_at);
        let numbers = self.numbers.get(&project);
        let number = move |of: fn(&Numbers) -> &[u32], local: u32| {
            let number = numbers.and_then(|numbers| of(numbers).get(local as usize));
            number.copied().unwrap_or(Interner::NOBODY)
        };
        section.into_iter().flat_map(|section| &section.corrections).map(move |noted| {
            let cell = CellKey {
                event_type: number(|numbers| &numbers.event_types, noted.cell.event_type),
                customer: number(|numbers| &numbers.customers, noted.cell.customer),
                ..noted.cell
            };
            Noted { cell, ..*noted }
        })
    }

    /// The numbers in memory of what names it has of a project that was last cleared at this sequence.
    pub fn used_numbers(
        &self,
        project: ProjectId,
        cleared_at: u64,
        (customers, event_types): (&mut BTreeSet<u32>, &mut BTreeSet<u32>),
    ) {
        if let (Some(_), Some(numbers)) = (self.since(project, cleared_at), self.numbers.get(&project)) {
            customers.extend(&numbers.customers);
            event_types.extend(&numbers.event_types);
        }
    }

    /// Whether it names a customer of a project that was last cleared at this sequence.
    pub fn names_customer(&self, project: ProjectId, cleared_at: u64, customer: &str) -> bool {
        self.since(project, cleared_at)
            .is_some_and(|section| position(&section.customers, customer).is_some())
    }

    /// The number that the part gives an event type.
    pub fn event_type(section: &Section, name: &str) -> Option<u32> {
        position(&section.event_types, name)
    }

    /// The numbers that the part gives these customers, in order.
    pub fn customers<'n>(section: &Section, names: impl IntoIterator<Item = &'n str>) -> Vec<u32> {
        let mut numbers: Vec<u32> =
            names.into_iter().filter_map(|name| position(&section.customers, name)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The number in memory of a customer.
    pub fn customer_number(&self, project: ProjectId, name: &str) -> u32 {
        let section = self.index.sections.iter().find(|section| section.project == project);
        let local = section.and_then(|section| position(&section.customers, name));
        let numbers = self.numbers.get(&project).map(|numbers| numbers.customers.as_slice());
        let number = local.zip(numbers).and_then(|(local, numbers)| numbers.get(local as usize));
        number.copied().unwrap_or(Interner::NOBODY)
    }

    /// The number in memory of an event type.
    pub fn event_type_number(&self, project: ProjectId, local: u32) -> u32 {
        let number = self.numbers.get(&project).and_then(|numbers| numbers.event_types.get(local as usize));
        number.copied().unwrap_or(Interner::NOBODY)
    }

    /// Shows the cells of a block that lie in these hours, of these customers (by the part's numbers,
    /// in order; all where there is no list).
    pub fn each_cell<E: From<ReadError>>(
        &self,
        section: &Section,
        block: &Block,
        hours: &Range<i64>,
        customers: Option<&[u32]>,
        mut each: impl FnMut(PartCell) -> Result<(), E>,
    ) -> Result<(), E> {
        if block.day.saturating_add(1) * HOURS <= hours.start || block.day * HOURS >= hours.end {
            return Ok(());
        }
        let numbers = self.numbers.get(&section.project);
        let mut show = |cell: BlockCell| {
            if !hours.contains(&cell.hour) {
                return Ok(());
            }
            let customer = numbers.and_then(|numbers| numbers.customers.get(cell.customer as usize));
            let customer = customer.copied().unwrap_or(Interner::NOBODY);
            each(PartCell { cell, customer })
        };
        match customers {
            // Looking each of many up takes longer than looking at all.
            Some(customers) if customers.len() < block.customers as usize / 16 + 2 => {
                for customer in customers {
                    if let Some(entries) = self.find(section, block, *customer)? {
                        self.read_cells(block, &entries, &mut show)?;
                    }
                }
                Ok(())
            }
            customers => {
                let asked =
                    |customer: u32| customers.is_none_or(|asked| asked.binary_search(&customer).is_ok());
                let entries = self.entries(block, 0, block.customers)?;
                self.read_cells(block, &entries, &mut |cell: BlockCell| {
                    if asked(cell.customer) { show(cell) } else { Ok(()) }
                })
            }
        }
    }

    /// Entries of a block's directory, and the one behind them: where the last one ends.
    fn entries(&self, block: &Block, from: u32, to: u32) -> Result<Vec<Entry>, ReadError> {
        let bytes = self.pages.read(block.entries(from, (to + 1).min(block.customers)))?;
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let mut entries: Vec<Entry> = entries.iter().filter_map(|entry| Entry::decode(entry)).collect();
        if to >= block.customers {
            let (cells, refs) = (block.cells_bytes as u32, block.refs_bytes as u32);
            entries.push(Entry { customer: u32::MAX, cells, refs });
        }
        Ok(entries)
    }

    /// The entry of a customer and the one behind it; `None` where the customer has none. Most
    /// customers have entries, so that the number tells nearly where.
    fn find(&self, section: &Section, block: &Block, customer: u32) -> Result<Option<Vec<Entry>>, ReadError> {
        let (mut low, mut high) = (0, block.customers);
        let share = u64::from(customer) * u64::from(block.customers) / section.customers.len().max(1) as u64;
        let mut guess = share as u32;
        while low < high {
            let from = guess.saturating_sub(ENTRIES_AT_ONCE / 2).clamp(low, high - 1);
            let to = from.saturating_add(ENTRIES_AT_ONCE).min(high);
            let entries = self.entries(block, from, to)?;
            let inside = (to - from) as usize;
            let own = entries.get(..inside).unwrap_or_default();
            match own.binary_search_by_key(&customer, |entry| entry.customer) {
                Ok(at) => return Ok(entries.get(at..at + 2).map(<[Entry]>::to_vec)),
                Err(0) => high = from,
                Err(at) if at == inside => low = to,
                Err(_) => return Ok(None),
            }
            guess = low.midpoint(high);
        }
        Ok(None)
    }

    /// Shows the cells between these entries, the last of which only says where they end.
    fn read_cells<E: From<ReadError>>(
        &self,
        block: &Block,
        entries: &[Entry],
        each: &mut impl FnMut(BlockCell) -> Result<(), E>,
    ) -> Result<(), E> {
        let damaged = || self.pages.damaged(block.at);
        let mut buffer = Vec::new();
        let mut rest = entries;
        while let [first, _, ..] = rest {
            let start = u64::from(first.cells);
            let near = |entry: &&Entry| u64::from(entry.cells) - start <= READ_BYTES;
            let run = rest.iter().skip(1).take_while(near).count().max(1);
            let ends = rest.get(..=run).unwrap_or_default();
            let end = ends.last().map_or(start, |end| u64::from(end.cells));
            let at = self.pages.read_into(&mut buffer, block.at + start..block.at + end)?;
            for pair in ends.windows(2) {
                let [own, next] = pair else { continue };
                let range = at + (own.cells - first.cells) as usize..at + (next.cells - first.cells) as usize;
                let mut cells = CellReader {
                    base: self.index.first_sequence(),
                    day: block.day,
                    customer: own.customer,
                    cells: buffer.get(range).ok_or_else(damaged)?,
                    refs_at: u64::from(own.refs),
                };
                while let Some(cell) = cells.next().map_err(|Malformed| damaged())? {
                    each(cell)?;
                }
            }
            rest = rest.get(run..).unwrap_or_default();
        }
        Ok(())
    }

    /// Shows the events of cells of one block, cell by cell in the order of their references.
    pub fn each_event<T, E: From<ReadError>>(
        &self,
        block: &Block,
        cells: &[(BlockCell, T)],
        mut each: impl FnMut(&BlockCell, &T, &[EventAt]) -> Result<(), E>,
    ) -> Result<(), E> {
        let damaged = || self.pages.damaged(block.at);
        let (mut buffer, mut events) = (Vec::new(), Vec::new());
        let mut rest = cells;
        while let Some((first, _)) = rest.first() {
            let start = first.refs_at;
            let end_of = |cell: &BlockCell| cell.refs_at + cell.refs_bytes;
            let near =
                |(cell, _): &&(BlockCell, T)| cell.refs_at >= start && end_of(cell) - start <= READ_BYTES;
            let (run, after) = rest.split_at(rest.iter().take_while(near).count().max(1));
            rest = after;
            let end = run.last().map_or(start, |(cell, _)| end_of(cell)).max(start);
            let refs = block.refs().start;
            let at = self.pages.read_into(&mut buffer, refs + start..refs + end)?;
            for (cell, of) in run {
                let from = at + (cell.refs_at - start) as usize;
                let bytes = buffer.get(from..from + cell.refs_bytes as usize).ok_or_else(damaged)?;
                let read = cell.events(self.index.first_sequence(), bytes, &mut events);
                read.map_err(|Malformed| damaged())?;
                each(cell, of, &events)?;
            }
        }
        Ok(())
    }

    /// The block of places that tells of a sequence, and its first sequence.
    pub fn block_of(&self, sequence: u64) -> Option<(usize, u64)> {
        let after = self.index.places.partition_point(|(first, _)| *first <= sequence);
        let index = after.checked_sub(1)?;
        Some((index, self.index.places.get(index)?.0))
    }

    /// A block of places.
    pub fn spots(&self, index: usize) -> Result<Spots, ReadError> {
        let at = |index: usize| self.index.places.get(index).map(|(_, at)| *at);
        let (start, end) = (at(index).unwrap_or_default(), at(index + 1).unwrap_or(self.index.places_end));
        Spots::decode(&self.pages.read(start..end)?).ok_or_else(|| self.pages.damaged(start))
    }

    /// The ids of some shards: of each the shard, 24 bits of its hash, and its sequence.
    pub fn ids(&self, shards: Range<usize>) -> Result<Vec<(usize, u64, u64)>, ReadError> {
        let count = |shards: &[u32]| shards.iter().map(|count| u64::from(*count)).sum::<u64>();
        let counts = self.index.ids.get(shards.clone()).unwrap_or_default();
        let before = count(self.index.ids.get(..shards.start).unwrap_or_default());
        let at = |ids: u64| self.index.places_end + ids * ID_BYTES as u64;
        let bytes = self.pages.read(at(before)..at(before + count(counts)))?;
        let (ids, _) = bytes.as_chunks::<ID_BYTES>();
        let shard_of =
            shards.zip(counts).flat_map(|(shard, count)| std::iter::repeat_n(shard, *count as usize));
        let read = |(shard, id): (usize, &[u8; ID_BYTES])| {
            let (tag, sequence) = decode_id(*id);
            (shard, tag, self.index.first_sequence() + sequence)
        };
        Ok(shard_of.zip(ids).map(read).collect())
    }
}

/// An id: 24 bits of its hash, then 32 of its event's sequence, counted from the part's first.
fn encode_id(tag: u64, sequence: u64) -> [u8; ID_BYTES] {
    let mut bytes = [0; ID_BYTES];
    let word = tag & TAG_MASK | sequence << TAG_BITS;
    for (to, from) in bytes.iter_mut().zip(word.to_le_bytes()) {
        *to = from;
    }
    bytes
}

/// Bits of the hash and sequence of an id.
fn decode_id(bytes: [u8; ID_BYTES]) -> (u64, u64) {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = from;
    }
    let word = u64::from_le_bytes(word);
    (word & TAG_MASK, word >> TAG_BITS)
}

fn position(names: &[Arc<str>], name: &str) -> Option<u32> {
    names.binary_search_by(|known| known.as_ref().cmp(name)).ok().map(|at| at as u32)
}
