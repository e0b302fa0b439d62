//! Makes one part of several that follow each other.
use super::build::write_block;
use super::cells::{BlockBuilder, BlockCell, CellReader, EventAt, Malformed};
use super::index::{Block, Index, Section};
use super::pages::{PageWriter, Window};
use super::places::Spots;
use super::{NAMES, Part, encode_id};
use crate::check::Sealed;
use crate::columns::convert::{Converted, convert};
use crate::columns::told::Told;
use crate::disk::Disk;
use crate::error::ReadError;
use crate::memory::corrections::{CellKey, Noted};
use crate::memory::ids::SHARDS;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::Rollup;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// Shards whose ids are merged at a time.
const SHARDS_AT_ONCE: usize = 64;

/// Names of several parts, in order, and what each part's numbers have become.
struct Names {
    texts: Vec<Arc<str>>,
    /// The new number by a part's, for each of the parts.
    numbers: Vec<Vec<u32>>,
}

impl Names {
    fn new(of_parts: &[&[Arc<str>]]) -> Self {
        let all: BTreeSet<Arc<str>> = of_parts.iter().flat_map(|names| names.iter().cloned()).collect();
        let texts: Vec<Arc<str>> = all.into_iter().collect();
        let number = |text: &Arc<str>| texts.binary_search(text).unwrap_or_default() as u32;
        let numbers = of_parts.iter().map(|names| names.iter().map(number).collect()).collect();
        Self { texts, numbers }
    }

    fn of(&self, part: usize, number: u32) -> u32 {
        let numbers = self.numbers.get(part);
        numbers.and_then(|numbers| numbers.get(number as usize)).copied().unwrap_or_default()
    }
}

/// What a part has of a project that is not cleared since.
struct Source<'a> {
    part: &'a Part,
    section: &'a Section,
}

/// Writes and opens one part of several, and makes columns of their segments that are in the log;
/// `rest` is called now and then and tells whether to go on. Its names have no numbers in memory yet.
/// `None` where it was told to end.
pub fn merge(
    disk: &dyn Disk,
    shared: &Shared,
    parts: &[Arc<Part>],
    mut rest: impl FnMut() -> bool,
) -> Result<Option<Part>, ReadError> {
    let segments: Vec<_> = parts.iter().flat_map(|part| part.index().segments.iter().copied()).collect();
    let (Some(first), Some(last), Some(newest)) = (segments.first(), segments.last(), parts.last()) else {
        return Ok(None);
    };
    let name = NAMES.of(first.number, last.number);
    let temporary = NAMES.temporary(first.number, last.number);
    let index = Index {
        last_sequence: newest.last_sequence(),
        last_group: newest.index().last_group,
        segments,
        ..Index::default()
    };
    let mut converted = Vec::new();
    for run in parts.chunk_by(|a, b| a.columns().is_empty() == b.columns().is_empty()) {
        let segments: Vec<Sealed> = run.iter().flat_map(|part| part.in_log()).collect();
        if segments.is_empty() {
            continue;
        }
        match convert(disk, &segments, (&told(shared, run), &[]), &mut rest)? {
            Some(columns) => converted.push(columns),
            None => return Ok(None),
        }
    }
    let written = write(disk, shared, parts, (index, &converted), (&temporary, &name), &mut rest);
    if !matches!(written, Ok(Some(_))) {
        // Whatever is left is of no use, and takes space.
        for name in
            [&temporary, &name].into_iter().map(String::as_str).chain(converted.iter().map(Converted::name))
        {
            let _ = disk.remove(name);
        }
    }
    written
}

/// Writes and opens the part, beside columns that are new.
fn write(
    disk: &dyn Disk,
    shared: &Shared,
    parts: &[Arc<Part>],
    (mut index, converted): (Index, &[Converted]),
    (temporary, name): (&str, &str),
    rest: &mut impl FnMut() -> bool,
) -> Result<Option<Part>, ReadError> {
    let mut out = PageWriter::new(disk.create(temporary)?);
    put_places(&mut out, &mut index, parts, converted)?;
    put_ids(&mut out, &mut index, parts)?;
    let projects: BTreeSet<ProjectId> =
        parts.iter().flat_map(|part| part.index().sections.iter().map(|section| section.project)).collect();
    for project in projects {
        match section(&mut out, parts, project, index.first_sequence(), rest)? {
            Some(section) => index.sections.push(section),
            None => return Ok(None),
        }
    }
    out.finish(&index.encode(), shared.store_id)?;
    disk.rename(temporary, name)?;
    disk.sync_names()?;
    Part::open(disk, name, shared.store_id).map(Some)
}

/// What is true of the segments of some parts.
pub fn told(shared: &Shared, parts: &[Arc<Part>]) -> Told {
    let memory = shared.memory.read();
    let last = parts.last();
    let last_sequence = last.map_or(0, |part| part.last_sequence());
    let cleared = memory.projects.iter().map(|(project, known)| (*project, known.cleared_at));
    Told {
        store_id: shared.store_id,
        segments: parts.iter().flat_map(|part| part.index().segments.iter().copied()).collect(),
        last_sequence,
        last_group: last.map_or(0, |part| part.index().last_group),
        cleared: cleared.filter(|(_, at)| *at > 0).collect(),
    }
}

/// Blocks of places stay as they are, since nothing in them is counted from a part's beginning, but
/// for those of segments that have become columns.
fn put_places(
    out: &mut PageWriter,
    index: &mut Index,
    parts: &[Arc<Part>],
    converted: &[Converted],
) -> Result<(), ReadError> {
    for part in parts {
        let kept = part.columns().iter().map(|columns| columns.known().clone());
        let new = converted.iter().map(|converted| converted.columns.known());
        let new = new.filter(|known| part.covers(known.first)).cloned();
        index.columns.extend(kept.chain(new));
        let places = &part.index().places;
        let ends = places.iter().skip(1).map(|(_, at)| *at).chain([part.index().places_end]);
        let mut window = Window::new(part.pages());
        for ((first_sequence, at), end) in places.iter().zip(ends) {
            index.places.push((*first_sequence, out.position()));
            let bytes = window.read(*at..end)?;
            let Some(Spots::Log { segment, spots }) = Spots::log(bytes) else {
                out.put(bytes)?;
                continue;
            };
            let rows = converted.iter().find_map(|converted| converted.rows_of(segment, *first_sequence));
            let (first_segment, rows) = rows.ok_or_else(|| part.damaged())?;
            let rows = rows.get(..spots.len()).ok_or_else(|| part.damaged())?.to_vec();
            let mut bytes = Vec::new();
            Spots::Rows { first_segment, rows }.encode(&mut bytes);
            out.put(&bytes)?;
        }
    }
    index.places_end = out.position();
    Ok(())
}

fn put_ids(out: &mut PageWriter, index: &mut Index, parts: &[Arc<Part>]) -> Result<(), ReadError> {
    index.ids = vec![0; SHARDS];
    let base = index.first_sequence();
    for from in (0..SHARDS).step_by(SHARDS_AT_ONCE) {
        let mut ids = Vec::new();
        for part in parts {
            ids.extend(part.ids(from..from + SHARDS_AT_ONCE)?);
        }
        ids.sort_by_key(|(shard, ..)| *shard);
        for (shard, tag, sequence) in ids {
            if let Some(count) = index.ids.get_mut(shard) {
                *count += 1;
            }
            out.put(&encode_id(tag, sequence - base))?;
        }
    }
    Ok(())
}

/// What the parts have of a project since its last clearing among them, and that clearing's sequence.
fn sources(parts: &[Arc<Part>], project: ProjectId) -> (Vec<Source<'_>>, u64) {
    let of_project =
        |part: &'_ Arc<Part>| part.index().sections.iter().position(|section| section.project == project);
    let found = parts.iter().filter_map(|part| Some((part, part.index().sections.get(of_project(part)?)?)));
    let cleared_at = found.clone().map(|(_, section)| section.cleared_at).max().unwrap_or_default();
    // Of what was cleared nothing is kept.
    let kept = |(part, section): &(&Arc<Part>, &Section)| {
        section.cleared_at == cleared_at || part.index().first_sequence() > cleared_at
    };
    (found.filter(kept).map(|(part, section)| Source { part, section }).collect(), cleared_at)
}

/// Merges what the parts have of a project; `None` where it was told to end.
fn section(
    out: &mut PageWriter,
    parts: &[Arc<Part>],
    project: ProjectId,
    base: u64,
    rest: &mut impl FnMut() -> bool,
) -> Result<Option<Section>, ReadError> {
    let (sources, cleared_at) = sources(parts, project);
    let names = |of: fn(&Section) -> &[Arc<str>]| {
        Names::new(&sources.iter().map(|source| of(source.section)).collect::<Vec<_>>())
    };
    let (customers, event_types) =
        (names(|section| &section.customers), names(|section| &section.event_types));
    let mut keys: BTreeMap<(u32, i64), Vec<(usize, Block)>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        for block in &source.section.blocks {
            let key = (event_types.of(number, block.event_type), block.day);
            keys.entry(key).or_default().push((number, *block));
        }
    }
    let mut blocks = Vec::new();
    for ((event_type, day), found) in keys {
        let block = merge_block(&sources, &found, &customers, base)?;
        blocks.push(write_block(out, &block, event_type, day)?);
        if !rest() {
            return Ok(None);
        }
    }
    let with_events = || sources.iter().map(|source| source.section).filter(|section| section.events > 0);
    let hours: BTreeSet<i64> = with_events().flat_map(|section| section.hours.iter().copied()).collect();
    Ok(Some(Section {
        project,
        cleared_at,
        first_sequence: with_events().map(|section| section.first_sequence).min().unwrap_or_default(),
        events: with_events().map(|section| section.events).sum(),
        first_time: with_events().map(|section| section.first_time).min().unwrap_or_default(),
        last_time: with_events().map(|section| section.last_time).max().unwrap_or_default(),
        hours: hours.into_iter().collect(),
        blocks,
        corrections: corrections(&sources, &customers, &event_types),
        customers: customers.texts,
        event_types: event_types.texts,
    }))
}

/// All corrections, with the new numbers of their names.
fn corrections(sources: &[Source<'_>], customers: &Names, event_types: &Names) -> Vec<Noted> {
    let of_source = |(number, source): (usize, &Source<'_>)| {
        let renumbered = |noted: &Noted| {
            let cell = CellKey {
                event_type: event_types.of(number, noted.cell.event_type),
                customer: customers.of(number, noted.cell.customer),
                ..noted.cell
            };
            Noted { cell, ..*noted }
        };
        source.section.corrections.iter().map(renumbered).collect::<Vec<_>>()
    };
    sources.iter().enumerate().flat_map(of_source).collect()
}

/// A block of one source, customer by customer.
struct Cursor<'a> {
    part: &'a Part,
    block: Block,
    /// The source's number.
    source: usize,
    entries: Vec<super::cells::Entry>,
    at: usize,
    cells: Window<'a>,
    refs: Window<'a>,
}

impl<'a> Cursor<'a> {
    fn new(part: &'a Part, block: Block, source: usize) -> Result<Self, ReadError> {
        let entries = part.entries(&block, 0, block.customers)?;
        let (cells, refs) = (Window::new(part.pages()), Window::new(part.pages()));
        Ok(Self { part, block, source, entries, at: 0, cells, refs })
    }

    /// The next customer's new number.
    fn customer(&self, names: &Names) -> Option<u32> {
        // The last entry only says where the one before it ends.
        let last = self.entries.len().saturating_sub(1);
        let entry = self.entries.get(self.at).filter(|_| self.at < last)?;
        Some(names.of(self.source, entry.customer))
    }

    /// Shows the next customer's cells with their events, and moves on.
    fn take(
        &mut self,
        mut each: impl FnMut(&BlockCell, &[EventAt]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let damaged = || self.part.damaged();
        let Some([own, next]) = self.entries.get(self.at..self.at + 2) else { return Ok(()) };
        self.at += 1;
        let base = self.part.index().first_sequence();
        let (cells_at, refs_at) = (self.block.at, self.block.refs().start);
        let cells = self.cells.read(cells_at + u64::from(own.cells)..cells_at + u64::from(next.cells))?;
        let refs = self.refs.read(refs_at + u64::from(own.refs)..refs_at + u64::from(next.refs))?;
        let mut reader = CellReader {
            base,
            day: self.block.day,
            customer: own.customer,
            cells,
            refs_at: u64::from(own.refs),
        };
        let mut events = Vec::new();
        while let Some(cell) = reader.next().map_err(|Malformed| damaged())? {
            let from = (cell.refs_at - u64::from(own.refs)) as usize;
            let bytes = refs.get(from..from + cell.refs_bytes as usize).ok_or_else(damaged)?;
            cell.events(base, bytes, &mut events).map_err(|Malformed| damaged())?;
            each(&cell, &events)?;
        }
        Ok(())
    }
}

fn merge_block(
    sources: &[Source<'_>],
    found: &[(usize, Block)],
    customers: &Names,
    base: u64,
) -> Result<BlockBuilder, ReadError> {
    let mut cursors = Vec::new();
    for (number, block) in found {
        if let Some(source) = sources.get(*number) {
            cursors.push(Cursor::new(source.part, *block, *number)?);
        }
    }
    let mut merged = BlockBuilder::new(base);
    while let Some(customer) = cursors.iter().filter_map(|cursor| cursor.customer(customers)).min() {
        let mut hours: Vec<(i64, Rollup, Vec<EventAt>)> = Vec::new();
        for cursor in cursors.iter_mut().filter(|cursor| cursor.customer(customers) == Some(customer)) {
            let part = cursor.part;
            cursor.take(|cell, events| {
                match hours.iter_mut().find(|(hour, ..)| *hour == cell.hour) {
                    Some((_, rollup, all)) => {
                        rollup.merge(&cell.rollup).map_err(|_| part.damaged())?;
                        all.extend_from_slice(events);
                    }
                    None => hours.push((cell.hour, cell.rollup, events.to_vec())),
                }
                Ok(())
            })?;
        }
        hours.sort_unstable_by_key(|(hour, ..)| *hour);
        for (hour, rollup, events) in &hours {
            merged.add(*hour, customer, rollup, events).map_err(io::Error::other)?;
        }
    }
    Ok(merged)
}
