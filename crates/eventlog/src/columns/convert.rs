//! Makes columns of sealed segments.
use super::file::Checked;
use super::told::Told;
use super::write::RowWriter;
use super::{Columns, Correction, Digest, Kind, Known, NAMES, Origin, Row};
use crate::check::{self, Sealed};
use crate::disk::{Disk, File};
use crate::erase::Pending;
use crate::erase::rewrite::{customer_of, of_record};
use crate::error::{OpenError, ReadError};
use crate::format::frame::{Frame, HEADER_BYTES};
use crate::format::record::{self, CorrectionRecord, EventRecord, Record};
use crate::format::segment;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Records after which the thread may rest.
const REST_RECORDS: usize = 1_000;

/// Segments as columns, and the row of each record, by its sequence; cleared ones have none.
pub struct Converted {
    /// The file.
    pub columns: Columns,
    /// The sequence of the first record.
    first_sequence: u64,
    /// The rows.
    rows: Vec<Option<u32>>,
}

impl Converted {
    /// The name of the file.
    pub fn name(&self) -> &str {
        self.columns.name()
    }

    /// The rows of records of a segment from one on, and the first segment whose events the file has;
    /// `None` where it has not that segment's.
    pub fn rows_of(&self, segment: u64, sequence: u64) -> Option<(u64, &[Option<u32>])> {
        let Known { first, last, .. } = *self.columns.known();
        let from = sequence.checked_sub(self.first_sequence)?;
        (first..=last).contains(&segment).then(|| Some((first, self.rows.get(from as usize..)?)))?
    }
}

/// What rows share, numbered as it was first seen.
#[derive(Default)]
struct Groups {
    texts: HashMap<Box<str>, u32, RandomState>,
    numbers: HashMap<Group, u32, RandomState>,
    all: Vec<Group>,
}

/// What rows share: a project's customer, event type and kind of record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Group {
    project: ProjectId,
    kind: Kind,
    customer: u32,
    event_type: u32,
}

/// A record on its way to its row.
struct Spot {
    group: u32,
    time: Timestamp,
    /// Counted from the first of all.
    sequence: u32,
    segment: u32,
    offset: u32,
    bytes: u32,
    /// Of the bytes that its frame's checksum was about.
    checksum: u32,
    /// Which of the frames it came in.
    frame: u32,
}

/// All records of some segments.
struct Survey<'a> {
    told: &'a Told,
    /// What does not become columns.
    erased: &'a [Pending],
    first_sequence: u64,
    first_segment: u64,
    groups: Groups,
    spots: Vec<Spot>,
    /// When frames arrived.
    frames: Vec<Timestamp>,
}

/// Writes the columns of these segments, which follow each other and of which this is true, without
/// what is erased; `rest` is called now and then and tells whether to go on. `None` where it was told
/// to end.
pub fn convert(
    disk: &dyn Disk,
    segments: &[Sealed],
    (told, erased): (&Told, &[Pending]),
    mut rest: impl FnMut() -> bool,
) -> Result<Option<Converted>, ReadError> {
    let (Some((first, _)), Some((last, end_sequence))) = (segments.first(), segments.last()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
    };
    let mut survey = Survey {
        told,
        erased,
        first_sequence: first.first_sequence,
        first_segment: first.number,
        groups: Groups::default(),
        spots: Vec::new(),
        frames: Vec::new(),
    };
    let mut files = Vec::new();
    for (number, sealed) in (0..).zip(segments) {
        if !survey.look_at(disk, (number, *sealed), &mut rest)? {
            return Ok(None);
        }
        files.push(disk.open(&segment::file_name(sealed.0.number))?);
    }
    survey.sort();
    let mut rows = vec![None; (end_sequence - first.first_sequence) as usize];
    for (row, spot) in (0_u32..).zip(&survey.spots) {
        if let Some(of_record) = rows.get_mut(spot.sequence as usize) {
            *of_record = Some(row);
        }
    }
    let temporary = NAMES.temporary(first.number, last.number);
    let name = NAMES.of(first.number, last.number);
    let mut write = || {
        let Some((checked, digest)) = survey.write(disk.create(&temporary)?, &files, &mut rest)? else {
            return Ok(None);
        };
        let known =
            Known { first: first.number, last: last.number, rows: survey.spots.len() as u32, checked };
        let columns = Columns::new(known, disk.open(&temporary)?);
        if !columns.is_as_written(digest, &mut rest)? {
            return Ok(None);
        }
        disk.rename(&temporary, &name)?;
        disk.sync_names()?;
        Ok(Some(columns))
    };
    match write() {
        Ok(Some(columns)) => Ok(Some(Converted { columns, first_sequence: first.first_sequence, rows })),
        other => {
            // Whatever is left is of no use, and takes space.
            let _ = disk.remove(&temporary);
            other.map(|_| None)
        }
    }
}

impl Survey<'_> {
    /// Finds the records of a segment; whether it was not told to end.
    fn look_at(
        &mut self,
        disk: &dyn Disk,
        (number, sealed): (u32, Sealed),
        rest: &mut impl FnMut() -> bool,
    ) -> Result<bool, ReadError> {
        let mut goes_on = true;
        let mut failed = None;
        let looked = check::segment(disk, self.told.store_id, sealed, |at, frame| {
            goes_on = rest();
            failed = self.frame(number, at, frame).err();
            if goes_on && failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Some(offset) = failed {
            return Err(ReadError::Damaged { segment: sealed.0.number, offset });
        }
        looked.map(|()| goes_on).map_err(|error| match error {
            OpenError::Io { source, .. } => source.into(),
            OpenError::Corrupt { offset, .. } => {
                ReadError::Damaged { segment: sealed.0.number, offset: offset as u32 }
            }
            error => io::Error::other(error).into(),
        })
    }

    /// Finds the records of a frame; an error is where one is malformed.
    fn frame(&mut self, segment: u32, at: u64, frame: &Frame<'_>) -> Result<(), u32> {
        let header = &frame.header;
        self.frames.push(header.received_at);
        let cleared_at = self.told.cleared_at(header.project);
        let records = at as u32 + HEADER_BYTES as u32;
        let mut rest = frame.payload;
        for sequence in (header.first_sequence..).take(header.records as usize) {
            let offset = records + (frame.payload.len() - rest.len()) as u32;
            let from_here = rest;
            let record = record::take(&mut rest, header.received_at).map_err(|_| offset)?;
            let bytes = from_here.get(..from_here.len() - rest.len()).unwrap_or_default();
            let Some((kind, event, _)) = parts_of(record).filter(|_| sequence > cleared_at) else { continue };
            let group = self.group(header.project, sequence, kind, &event.draft);
            self.spots.push(Spot {
                group,
                time: event.time,
                sequence: (sequence - self.first_sequence) as u32,
                segment,
                offset,
                bytes: bytes.len() as u32,
                checksum: crc32c::crc32c(bytes),
                frame: self.frames.len() as u32 - 1,
            });
        }
        Ok(())
    }

    fn group(&mut self, project: ProjectId, sequence: u64, kind: Kind, draft: &EventDraft<'_>) -> u32 {
        let customer = customer_of(self.erased, (project, sequence), draft);
        self.groups.number(project, kind, (customer, draft.event_type))
    }

    /// Puts the records in the order of rows.
    fn sort(&mut self) {
        let mut texts: Vec<(&str, u32)> =
            self.groups.texts.iter().map(|(text, number)| (text.as_ref(), *number)).collect();
        texts.sort_unstable();
        let mut ranks = vec![0_u32; texts.len()];
        for (rank, (_, number)) in (0..).zip(&texts) {
            if let Some(of_text) = ranks.get_mut(*number as usize) {
                *of_text = rank;
            }
        }
        let rank = |text: u32| ranks.get(text as usize).copied();
        let key = |group: &Group| (group.project, group.kind, rank(group.customer), rank(group.event_type));
        let mut order: Vec<u32> = (0..self.groups.all.len() as u32).collect();
        order.sort_unstable_by_key(|number| self.groups.all.get(*number as usize).map(key));
        let mut places = vec![0_u32; order.len()];
        for (place, number) in (0..).zip(&order) {
            if let Some(of_group) = places.get_mut(*number as usize) {
                *of_group = place;
            }
        }
        let place = |spot: &Spot| places.get(spot.group as usize).copied();
        self.spots.sort_unstable_by_key(|spot| (place(spot), spot.time, spot.sequence));
    }

    /// Reads the records in the order of rows and writes them; `None` where it was told to end.
    fn write(
        &self,
        to: Arc<dyn File>,
        segments: &[Arc<dyn File>],
        rest: &mut impl FnMut() -> bool,
    ) -> Result<Option<(Checked, Digest)>, ReadError> {
        let mut writer = RowWriter::new(to, self.told)?;
        let mut digest = Digest::default();
        let mut buffer = Vec::new();
        for spots in self.spots.chunks(REST_RECORDS) {
            if !rest() {
                return Ok(None);
            }
            for spot in spots {
                let segment = self.first_segment + u64::from(spot.segment);
                let damaged = || ReadError::Damaged { segment, offset: spot.offset };
                let file = segments.get(spot.segment as usize).ok_or_else(damaged)?;
                buffer.resize(spot.bytes as usize, 0);
                let got = file.read_at(&mut buffer, u64::from(spot.offset))?;
                // The log was read before, and is gone afterwards.
                if got < buffer.len() || crc32c::crc32c(&buffer) != spot.checksum {
                    return Err(damaged());
                }
                let received_at = *self.frames.get(spot.frame as usize).ok_or_else(damaged)?;
                let record = record::take(&mut buffer.as_slice(), received_at)
                    .ok()
                    .and_then(parts_of)
                    .ok_or_else(damaged)?;
                let group = self.groups.all.get(spot.group as usize).ok_or_else(damaged)?;
                let (kind, event, correction) = record;
                let sequence = self.first_sequence + u64::from(spot.sequence);
                let origin = Origin { project: group.project, sequence, received_at };
                digest.add(&origin, &event);
                let mut properties = None;
                let event = of_record(self.erased, (group.project, sequence), event, &mut properties);
                writer.push(&Row { origin, kind, event, correction })?;
            }
        }
        Ok(Some((writer.finish()?, digest)))
    }
}

impl Groups {
    fn number(&mut self, project: ProjectId, kind: Kind, (customer, event_type): (&str, &str)) -> u32 {
        let mut text = |text: &str| {
            if let Some(number) = self.texts.get(text) {
                return *number;
            }
            let number = self.texts.len() as u32;
            self.texts.insert(text.into(), number);
            number
        };
        let (customer, event_type) = (text(customer), text(event_type));
        let group = Group { project, kind, customer, event_type };
        *self.numbers.entry(group).or_insert_with(|| {
            self.all.push(group);
            self.all.len() as u32 - 1
        })
    }
}

/// What a record says as a row; a clearing says nothing.
fn parts_of(record: Record<'_>) -> Option<(Kind, EventRecord<'_>, Option<Correction<'_>>)> {
    match record {
        Record::Event(event) => Some((Kind::Event, event, None)),
        Record::Correction(CorrectionRecord { target, by, before, customer, event_type, time, after }) => {
            let correction = Some(Correction { target, by, before });
            let void = EventRecord {
                draft: EventDraft {
                    id: "",
                    customer,
                    event_type,
                    value: Decimal::ZERO,
                    time: Some(time),
                    subject: None,
                    properties: None,
                    source_context: None,
                },
                time,
            };
            let kind = if after.is_some() { Kind::Amendment } else { Kind::Void };
            Some((kind, after.unwrap_or(void), correction))
        }
        Record::Cleared => None,
    }
}
