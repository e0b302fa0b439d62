//! Writes the part of columns anew, from nothing but them.
use super::build::write_block;
use super::cells::{BlockBuilder, EventAt, HOURS};
use super::index::{Index, Section};
use super::pages::PageWriter;
use super::places::{BLOCK_RECORDS, Spots};
use super::{NAMES, Part, encode_id};
use crate::columns::told::Told;
use crate::columns::{Columns, Fields, Kind, Known, Row};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::memory::corrections::{CellKey, Noted};
use crate::memory::ids::{RecentId, SHARDS};
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::rollup::{Mark, Rollup};
use reckoner_domain::sum::Sum;
use reckoner_domain::time::{HOUR, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// What the rows of a project add up to.
#[derive(Default)]
struct Project {
    customers: Vec<Arc<str>>,
    event_types: Vec<Arc<str>>,
    blocks: BTreeMap<(u32, i64), BlockBuilder>,
    hours: BTreeSet<i64>,
    first_sequence: Option<u64>,
    times: Option<(Timestamp, Timestamp)>,
    corrections: Vec<Noted>,
}

/// Names in order.
type Texts = BTreeSet<Arc<str>>;

/// The hours of one customer and event type, whose rows follow each other.
struct Run {
    project: ProjectId,
    customer: u32,
    event_type: u32,
    hours: BTreeMap<i64, (Rollup, Vec<EventAt>)>,
}

/// What all rows add up to.
struct Rebuild<'a> {
    told: &'a Told,
    shared: &'a Shared,
    projects: BTreeMap<ProjectId, Project>,
    rows: Vec<Option<u32>>,
    ids: Vec<RecentId>,
    run: Option<Run>,
}

/// Writes and opens the part of columns that say this of themselves; its names have no numbers in memory yet.
pub fn rebuild(disk: &dyn Disk, shared: &Shared, columns: &Columns, told: &Told) -> Result<Part, ReadError> {
    let Known { first, last, .. } = *columns.known();
    write(disk, shared, columns, told)?;
    disk.rename(&NAMES.temporary(first, last), &NAMES.of(first, last))?;
    disk.sync_names()?;
    Part::open(disk, &NAMES.of(first, last), told.store_id)
}

/// Writes that part under its temporary name.
pub fn write(disk: &dyn Disk, shared: &Shared, columns: &Columns, told: &Told) -> Result<(), ReadError> {
    let mut rebuild = Rebuild {
        told,
        shared,
        projects: BTreeMap::new(),
        rows: vec![None; (told.last_sequence + 1 - told.first_sequence()) as usize],
        ids: Vec::new(),
        run: None,
    };
    for (project, _) in told.cleared.iter().filter(|(_, at)| told.has(*at)) {
        rebuild.projects.entry(*project).or_default();
    }
    rebuild.names(columns)?;
    let add = |number, row: &Row<'_>| rebuild.add(number, row).ok_or_else(|| columns.damaged());
    columns.read_range(0..columns.known().rows, Fields::ALL, add)?;
    rebuild.end_run().ok_or_else(|| columns.damaged())?;
    rebuild.write(disk, columns)
}

impl Rebuild<'_> {
    /// Finds all names, which a part numbers in their order.
    fn names(&mut self, columns: &Columns) -> Result<(), ReadError> {
        let mut names: BTreeMap<ProjectId, (Texts, Texts)> = BTreeMap::new();
        columns.read_range(0..columns.known().rows, Fields::ALL, |_, row| {
            let (customers, event_types) = names.entry(row.origin.project).or_default();
            for (names, name) in
                [(customers, row.event.draft.customer), (event_types, row.event.draft.event_type)]
            {
                if !names.contains(name) {
                    names.insert(name.into());
                }
            }
            Ok::<(), ReadError>(())
        })?;
        for (project, (customers, event_types)) in names {
            let project = self.projects.entry(project).or_default();
            project.customers = customers.into_iter().collect();
            project.event_types = event_types.into_iter().collect();
        }
        Ok(())
    }

    fn add(&mut self, number: u32, row: &Row<'_>) -> Option<()> {
        let (origin, draft) = (row.origin, &row.event.draft);
        let at = usize::try_from(origin.sequence.checked_sub(self.told.first_sequence())?).ok()?;
        *self.rows.get_mut(at)? = Some(number);
        let project = self.projects.get_mut(&origin.project)?;
        let customer = super::position(&project.customers, draft.customer)?;
        let event_type = super::position(&project.event_types, draft.event_type)?;
        if let Some(correction) = row.correction {
            let void = row.kind == Kind::Void;
            let after = if void { Sum::ZERO } else { Sum::ZERO.plus(draft.value).ok()? };
            project.corrections.push(Noted {
                target: correction.target,
                sequence: origin.sequence,
                received_at: origin.received_at,
                void,
                cell: CellKey { hour: row.event.time.hour_index(), event_type, customer },
                sum: after.minus_sum(Sum::ZERO.plus(correction.before).ok()?).ok()?,
            });
            return Some(());
        }
        let hash = self.shared.hasher.of(origin.project, draft.id.as_bytes());
        let hash = hash.after_clear(self.told.cleared_at(origin.project));
        self.ids.push(self.shared.ids.entry(hash, origin.sequence));
        let same =
            |run: &Run| (run.project, run.customer, run.event_type) == (origin.project, customer, event_type);
        if !self.run.as_ref().is_some_and(same) {
            self.end_run()?;
        }
        let new = || Run { project: origin.project, customer, event_type, hours: BTreeMap::new() };
        let run = self.run.get_or_insert_with(new);
        let mark = Mark { time: row.event.time, sequence: origin.sequence, value: draft.value };
        let event =
            EventAt { sequence: origin.sequence, micros: row.event.time.as_micros().rem_euclid(HOUR) as u32 };
        match run.hours.get_mut(&row.event.time.hour_index()) {
            Some((rollup, events)) => {
                rollup.add(mark).ok()?;
                events.push(event);
            }
            None => {
                let hour = (Rollup::of(mark).ok()?, vec![event]);
                run.hours.insert(row.event.time.hour_index(), hour);
            }
        }
        Some(())
    }

    /// Puts the hours of a customer and event type into their blocks.
    fn end_run(&mut self) -> Option<()> {
        let Some(run) = self.run.take() else { return Some(()) };
        let project = self.projects.get_mut(&run.project)?;
        for (hour, (rollup, mut events)) in run.hours {
            events.sort_unstable_by_key(|event| event.sequence);
            let first = events.first()?.sequence;
            project.first_sequence = Some(project.first_sequence.map_or(first, |known| known.min(first)));
            let (from, to) = (rollup.first.time, rollup.last.time);
            let wider = |(first, last): (Timestamp, Timestamp)| (first.min(from), last.max(to));
            project.times = Some(project.times.map_or((from, to), wider));
            project.hours.insert(hour);
            let key = (run.event_type, hour.div_euclid(HOURS));
            let new = || BlockBuilder::new(self.told.first_sequence());
            let block = project.blocks.entry(key).or_insert_with(new);
            block.add(hour, run.customer, &rollup, &events).ok()?;
        }
        Some(())
    }

    fn write(mut self, disk: &dyn Disk, columns: &Columns) -> Result<(), ReadError> {
        let known = columns.known();
        let temporary = NAMES.temporary(known.first, known.last);
        let mut out = PageWriter::new(disk.create(&temporary)?);
        let mut index = Index {
            segments: self.told.segments.clone(),
            columns: vec![known.clone()],
            last_sequence: self.told.last_sequence,
            last_group: self.told.last_group,
            ..Index::default()
        };
        self.put_places(&mut out, &mut index, known.first)?;
        put_ids(&mut out, &mut index, std::mem::take(&mut self.ids))?;
        for (number, project) in std::mem::take(&mut self.projects) {
            let section = project.write(&mut out, number, self.told)?;
            index.sections.push(section);
        }
        out.finish(&index.encode(), self.told.store_id)?;
        Ok(())
    }

    /// Blocks end where a segment does.
    fn put_places(&self, out: &mut PageWriter, index: &mut Index, first_segment: u64) -> io::Result<()> {
        let base = self.told.first_sequence();
        let starts = self.told.segments.iter().map(|segment| segment.first_sequence);
        let ends = starts.clone().skip(1).chain([self.told.last_sequence + 1]);
        for (start, end) in starts.zip(ends) {
            let rows = self.rows.get((start - base) as usize..(end - base) as usize).unwrap_or_default();
            for (number, rows) in (0..).zip(rows.chunks(BLOCK_RECORDS)) {
                index.places.push((start + number * BLOCK_RECORDS as u64, out.position()));
                let mut bytes = Vec::new();
                Spots::Rows { first_segment, rows: rows.to_vec() }.encode(&mut bytes);
                out.put(&bytes)?;
            }
        }
        index.places_end = out.position();
        Ok(())
    }
}

/// Writes ids by shard, those of a shard by sequence.
pub fn put_ids(out: &mut PageWriter, index: &mut Index, mut ids: Vec<RecentId>) -> io::Result<()> {
    ids.sort_unstable_by_key(|id| (id.shard, id.sequence()));
    let base = index.first_sequence();
    index.ids = vec![0; SHARDS];
    for id in &ids {
        if let Some(count) = index.ids.get_mut(usize::from(id.shard)) {
            *count += 1;
        }
        out.put(&encode_id(id.tag(), id.sequence() - base))?;
    }
    Ok(())
}

impl Project {
    fn write(mut self, out: &mut PageWriter, project: ProjectId, told: &Told) -> io::Result<Section> {
        self.corrections.sort_unstable_by_key(|noted| noted.sequence);
        let mut blocks = Vec::new();
        for ((event_type, day), block) in &self.blocks {
            blocks.push(write_block(out, block, *event_type, *day)?);
        }
        let (first_time, last_time) = self.times.unwrap_or_default();
        Ok(Section {
            project,
            cleared_at: Some(told.cleared_at(project)).filter(|at| told.has(*at)).unwrap_or(0),
            first_sequence: self.first_sequence.unwrap_or_default(),
            events: blocks.iter().map(|block| block.events).sum(),
            first_time,
            last_time,
            customers: self.customers,
            event_types: self.event_types,
            hours: self.hours.into_iter().collect(),
            blocks,
            corrections: self.corrections,
        })
    }
}
