//! Writes the part of a sealed segment.
use super::cells::{BlockBuilder, EventAt, HOURS};
use super::index::{Block, Covered, Index, Section};
use super::pages::PageWriter;
use super::places::{BLOCK_RECORDS, Spot, Spots};
use super::rebuild::put_ids;
use super::{NAMES, Part};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::memory::Memory;
use crate::memory::corrections::{CellKey, Noted};
use crate::memory::delta::{Cell, Delta, DeltaSection};
use crate::memory::ids::RecentId;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{HOUR, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

/// A segment that takes no more records, and what is known of them.
pub struct SealedSegment {
    /// The segment's number.
    pub number: u64,
    /// The sequence of its first record.
    pub first_sequence: u64,
    /// The sequence of its last record.
    pub last_sequence: u64,
    /// The number of the last commit group.
    pub last_group: u64,
    /// Bytes of its frames.
    pub bytes: u64,
    /// What its events add up to.
    pub delta: Arc<Delta>,
    /// Their ids.
    pub ids: Vec<RecentId>,
}

impl SealedSegment {
    /// The last segment, which takes no more records; `None` where there is none.
    pub fn last_of(shared: &Shared, last_group: u64, bytes: u64) -> Option<Self> {
        let memory = shared.memory.read();
        let delta = Arc::clone(memory.deltas.last()?);
        Some(Self {
            number: delta.number,
            first_sequence: delta.first_sequence,
            last_sequence: memory.sequence,
            last_group,
            bytes,
            delta,
            ids: shared.ids.take_recent(),
        })
    }
}

/// Names of a project in the order in which a part numbers them.
struct Names {
    texts: Vec<Arc<str>>,
    /// By the numbers they have in memory.
    local: HashMap<u32, u32>,
    /// The numbers they have in memory, in the part's order.
    global: Vec<u32>,
}

impl Names {
    fn new(numbers: BTreeSet<u32>, text: impl Fn(u32) -> Arc<str>) -> Self {
        let mut named: Vec<(Arc<str>, u32)> =
            numbers.into_iter().map(|number| (text(number), number)).collect();
        named.sort_unstable();
        let local = (0..).zip(&named).map(|(local, (_, number))| (*number, local)).collect();
        let (texts, global) = named.into_iter().unzip();
        Self { texts, local, global }
    }

    fn of(&self, number: u32) -> u32 {
        self.local.get(&number).copied().unwrap_or_default()
    }
}

/// A project's names, its customers' and its event types'.
struct Both {
    customers: Names,
    event_types: Names,
}

/// Writes and opens the part of a sealed segment.
pub fn build(disk: &dyn Disk, shared: &Shared, sealed: &SealedSegment) -> Result<Part, ReadError> {
    let name = NAMES.of(sealed.number, sealed.number);
    let temporary = NAMES.temporary(sealed.number, sealed.number);
    let file = disk.create(&temporary)?;
    let mut out = PageWriter::new(Arc::clone(&file));
    let covered =
        Covered { number: sealed.number, first_sequence: sealed.first_sequence, bytes: sealed.bytes };
    let mut index = Index {
        segments: vec![covered],
        last_sequence: sealed.last_sequence,
        last_group: sealed.last_group,
        ..Index::default()
    };
    let spots = shared.memory.read().places.spots(sealed.number);
    put_places(&mut out, &mut index, sealed.number, &spots)?;
    put_ids(&mut out, &mut index, sealed.ids.clone())?;
    let mut names = Vec::new();
    let look = sealed.delta.look();
    for (project, section) in look.sections() {
        let both = names_of(&shared.memory.read(), *project, section);
        index.sections.push(put_section(&mut out, (*project, section), &both, sealed.first_sequence)?);
        names.push((*project, both));
    }
    drop(look);
    out.finish(&index.encode(), shared.store_id)?;
    disk.rename(&temporary, &name)?;
    disk.sync_names()?;
    let mut part = Part::open(disk, &name, shared.store_id)?;
    for (project, both) in names {
        let (mut customers, mut event_types) =
            (both.customers.global.into_iter(), both.event_types.global.into_iter());
        part.number(
            project,
            |_| customers.next().unwrap_or_default(),
            |_| event_types.next().unwrap_or_default(),
        );
    }
    Ok(part)
}

fn put_places(out: &mut PageWriter, index: &mut Index, segment: u64, spots: &[Spot]) -> io::Result<()> {
    let mut bytes = Vec::new();
    let first = index.first_sequence();
    for (number, spots) in (0..).zip(spots.chunks(BLOCK_RECORDS)) {
        index.places.push((first + number * BLOCK_RECORDS as u64, out.position()));
        bytes.clear();
        Spots::Log { segment, spots: spots.to_vec() }.encode(&mut bytes);
        out.put(&bytes)?;
    }
    index.places_end = out.position();
    Ok(())
}

/// The names that a section uses.
fn names_of(memory: &Memory, project: ProjectId, section: &DeltaSection) -> Both {
    let (mut customers, mut event_types) = (BTreeSet::new(), BTreeSet::new());
    for hour in section.hours.values() {
        event_types.extend(hour.types.keys().copied());
        customers.extend(hour.types.values().flat_map(|cells| cells.keys().copied()));
    }
    for noted in &section.corrections {
        event_types.insert(noted.cell.event_type);
        customers.insert(noted.cell.customer);
    }
    let known = memory.projects.get(&project);
    let customer = |number| known.map_or_else(|| "".into(), |known| known.customers.text(number));
    let event_type = |number| known.map_or_else(|| "".into(), |known| known.event_types.text(number));
    Both { customers: Names::new(customers, customer), event_types: Names::new(event_types, event_type) }
}

/// Where a cell of a block comes from.
type Keyed<'a> = ((u32, i64, u32, i64), &'a Cell);

fn put_section(
    out: &mut PageWriter,
    (project, section): (ProjectId, &DeltaSection),
    names: &Both,
    base: u64,
) -> io::Result<Section> {
    let mut cells: Vec<Keyed<'_>> = Vec::new();
    for (hour, types) in &section.hours {
        for (event_type, of_type) in &types.types {
            let event_type = names.event_types.of(*event_type);
            let key = |customer| (event_type, hour.div_euclid(HOURS), names.customers.of(customer), *hour);
            cells.extend(of_type.iter().map(|(customer, cell)| (key(*customer), cell)));
        }
    }
    cells.sort_unstable_by_key(|(key, _)| *key);
    let mut blocks = Vec::new();
    for run in cells.chunk_by(|((a, day, ..), _), ((b, other, ..), _)| (a, day) == (b, other)) {
        blocks.extend(put_block(out, run, base)?);
    }
    let firsts = cells.iter().map(|(_, cell)| &cell.rollup);
    let times = || firsts.clone().flat_map(|rollup| [rollup.first.time, rollup.last.time]);
    let first = |cell: &Cell| cell.events.first().map_or(u64::MAX, |event| event.sequence());
    let noted = |noted: &Noted| {
        let cell = CellKey {
            event_type: names.event_types.of(noted.cell.event_type),
            customer: names.customers.of(noted.cell.customer),
            ..noted.cell
        };
        Noted { cell, ..*noted }
    };
    Ok(Section {
        project,
        cleared_at: section.cleared_at,
        first_sequence: cells.iter().map(|(_, cell)| first(cell)).min().unwrap_or_default(),
        events: blocks.iter().map(|block: &Block| block.events).sum(),
        first_time: times().min().unwrap_or(Timestamp::EPOCH),
        last_time: times().max().unwrap_or(Timestamp::EPOCH),
        customers: names.customers.texts.clone(),
        event_types: names.event_types.texts.clone(),
        hours: section.hours.keys().copied().collect(),
        blocks,
        corrections: section.corrections.iter().map(noted).collect(),
    })
}

fn put_block(out: &mut PageWriter, cells: &[Keyed<'_>], base: u64) -> io::Result<Option<Block>> {
    let Some(((event_type, day, ..), _)) = cells.first() else { return Ok(None) };
    let mut block = BlockBuilder::new(base);
    let mut events = Vec::new();
    for ((_, _, customer, hour), cell) in cells {
        events.clear();
        events.extend(cell.events.iter().map(|event| EventAt {
            sequence: event.sequence(),
            micros: event.time(*hour).as_micros().rem_euclid(HOUR) as u32,
        }));
        block.add(*hour, *customer, &cell.rollup, &events).map_err(io::Error::other)?;
    }
    write_block(out, &block, *event_type, *day).map(Some)
}

/// Writes a block; answers where it lies.
pub fn write_block(
    out: &mut PageWriter,
    block: &BlockBuilder,
    event_type: u32,
    day: i64,
) -> io::Result<Block> {
    let at = out.position();
    for bytes in [&block.cells, &block.refs, &block.directory] {
        out.put(bytes)?;
    }
    Ok(Block {
        event_type,
        day,
        events: block.events,
        last_sequence: block.last_sequence,
        customers: (block.directory.len() / super::cells::ENTRY_BYTES) as u32,
        at,
        cells_bytes: block.cells.len() as u64,
        refs_bytes: block.refs.len() as u64,
    })
}
