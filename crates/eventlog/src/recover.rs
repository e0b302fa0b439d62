//! Opening: every segment is read, its frames are checked and taken in, an unclean tail is cut.
use crate::columns;
use crate::disk::{Disk, File};
use crate::error::OpenError;
use crate::format::frame::{self, ALIGNMENT_BYTES, Frame};
use crate::format::manifest::{self, Manifest, ManifestError};
use crate::format::record::Record;
use crate::format::segment::{self, HEADER_BYTES, HeaderError, SegmentHeader};
use crate::part::build::SealedSegment;
use crate::part::{Part, load};
use crate::shared::Shared;
use crate::status::add;
use crate::write::builder::Builder;
use crate::write::prepare;
use crate::write::segments::Active;
use std::io;
use std::sync::Arc;

/// The manifest's name while it is written.
const MANIFEST_TEMPORARY: &str = "MANIFEST.tmp";

/// Reads the manifest, or makes a store when there is none; files that were never in use go.
pub fn open_store(disk: &dyn Disk, new: Manifest) -> Result<(Manifest, Vec<u64>), OpenError> {
    let names = disk.names().map_err(while_doing("list the files"))?;
    let numbers = segment_numbers(&names);
    let sealed = names.iter().any(|name| columns::NAMES.parse(name).is_some());
    let manifest = if names.iter().any(|name| name == manifest::FILE_NAME) {
        read_manifest(disk)?
    } else if numbers.is_empty() && !sealed {
        write_manifest(disk, &new).map_err(while_doing("write the manifest"))?;
        new
    } else {
        return Err(corrupt(manifest::FILE_NAME, 0, "it is missing, and segments are there"));
    };
    let unused = |name: &&String| name.starts_with(prepare::NAME_PREFIX) || *name == MANIFEST_TEMPORARY;
    for name in names.iter().filter(unused) {
        disk.remove(name).map_err(while_doing("remove a file that was never in use"))?;
    }
    // A crash may have left names that are seen but not yet durable.
    disk.sync_names().map_err(while_doing("sync the directory"))?;
    Ok((manifest, numbers))
}

/// The numbers of the segments among these files, in order.
pub fn segment_numbers(names: &[String]) -> Vec<u64> {
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    numbers
}

/// The manifest of a store.
pub fn read_manifest(disk: &dyn Disk) -> Result<Manifest, OpenError> {
    let file = disk.open(manifest::FILE_NAME).map_err(while_doing("open the manifest"))?;
    let bytes = read_whole(file.as_ref()).map_err(while_doing("read the manifest"))?;
    Manifest::decode(&bytes).map_err(|error| match error {
        ManifestError::Damaged => corrupt(manifest::FILE_NAME, 0, "its checksum does not agree"),
        ManifestError::Version(version) => {
            OpenError::Version { file: manifest::FILE_NAME.to_owned(), version }
        }
    })
}

fn write_manifest(disk: &dyn Disk, manifest: &Manifest) -> io::Result<()> {
    let file = disk.create(MANIFEST_TEMPORARY)?;
    file.write_at(&manifest.encode(), 0)?;
    file.sync()?;
    disk.rename(MANIFEST_TEMPORARY, manifest::FILE_NAME)?;
    disk.sync_names()
}

/// Takes in all segments.
pub struct Recovery<'a> {
    disk: &'a dyn Disk,
    shared: &'a Shared,
    store_id: u128,
    builder: &'a mut Builder,
    /// The last group seen.
    pub group: u64,
}

/// Where frames were found to end.
struct End {
    /// Behind the last good frame.
    offset: usize,
    /// Where the last good group began.
    group_start: usize,
}

impl<'a> Recovery<'a> {
    /// Nothing taken in yet.
    pub fn new(disk: &'a dyn Disk, shared: &'a Shared, store_id: u128, builder: &'a mut Builder) -> Self {
        Self { disk, shared, store_id, builder, group: 0 }
    }

    /// Takes in these segments, those written down by their parts; answers the one to go on with, if
    /// there is one.
    pub fn run(&mut self, numbers: &[u64]) -> Result<Option<Active>, OpenError> {
        let names = self.disk.names().map_err(while_doing("list the files"))?;
        let mut covered = 0;
        let loaded = load::load(self.disk, &names, (self.store_id, numbers), Some(self.shared))?;
        for name in &loaded.unneeded {
            self.disk.remove(name).map_err(while_doing("remove what is not needed"))?;
        }
        for part in loaded.parts {
            covered = part.index().segments.last().map_or(covered, |last| last.number);
            self.part(part, numbers)?;
        }
        load::load_ids(self.shared).map_err(OpenError::Part)?;
        let mut active = None;
        for number in numbers.iter().filter(|number| **number > covered) {
            let last = Some(number) == numbers.last();
            let segment = self.segment(*number, last)?;
            if !last {
                let sealed = SealedSegment::last_of(self.shared, self.group, segment.offset - HEADER_BYTES);
                if let Some(sealed) = sealed {
                    self.builder.write_down(sealed);
                }
            }
            active = Some(segment);
        }
        Ok(active)
    }

    /// Takes in what is written down of segments; those that have become columns go from the log.
    fn part(&mut self, part: Part, numbers: &[u64]) -> Result<(), OpenError> {
        let name = part.name().to_owned();
        let part = self.shared.memory.write().adopt(part);
        let part = part.map_err(|error| corrupt(&name, 0, &error.to_string()))?;
        for covered in &part.index().segments {
            let name = segment::file_name(covered.number);
            if part.columns_of(covered.number).is_some() {
                if numbers.contains(&covered.number) {
                    self.disk.remove(&name).map_err(while_doing("remove a segment"))?;
                }
                let places = &mut self.shared.memory.write().places;
                places.push_covered(covered.number, covered.first_sequence, None, &part);
                continue;
            }
            let file = self.disk.open(&name).map_err(while_doing("open a segment"))?;
            let mut head = vec![0; segment::FIELDS_BYTES];
            file.read_at(&mut head, 0).map_err(while_doing("read a segment"))?;
            let header = Self::decode(&name, &head)?;
            let ours = header.store_id == self.store_id && header.number == covered.number;
            if !ours || header.first_sequence != covered.first_sequence {
                return Err(corrupt(&name, 0, "it is not the segment that was written down"));
            }
            let places = &mut self.shared.memory.write().places;
            places.push_covered(covered.number, covered.first_sequence, Some(file), &part);
        }
        add(&self.shared.counters.bytes, part.bytes());
        self.group = part.index().last_group;
        Ok(())
    }

    fn decode(name: &str, bytes: &[u8]) -> Result<SegmentHeader, OpenError> {
        SegmentHeader::decode(bytes).map_err(|error| match error {
            HeaderError::Damaged => corrupt(name, 0, "the checksum of its header does not agree"),
            HeaderError::Version(version) => OpenError::Version { file: name.to_owned(), version },
        })
    }

    fn segment(&mut self, number: u64, last: bool) -> Result<Active, OpenError> {
        let name = segment::file_name(number);
        let file = self.disk.open(&name).map_err(while_doing("open a segment"))?;
        let bytes = read_whole(file.as_ref()).map_err(while_doing("read a segment"))?;
        let header = self.header(&name, number, &bytes)?;
        self.shared.memory.write().begin_segment(number, Arc::clone(&file));
        let end = self.frames(&name, &bytes, header.salt)?;
        let tail = bytes.get(end.offset..).unwrap_or_default();
        if last {
            self.check_tail(&name, end.offset, tail, header.salt)?;
            clean_tail(file.as_ref(), &bytes, &end).map_err(while_doing("clean a segment's tail"))?;
        } else if tail.iter().any(|byte| *byte != 0) {
            return Err(corrupt(&name, end.offset as u64, "a frame's checksum does not agree"));
        }
        add(&self.shared.counters.bytes, end.offset as u64 - HEADER_BYTES);
        let (offset, length) = (end.offset as u64, bytes.len() as u64);
        Ok(Active { file, salt: header.salt, offset, length })
    }

    fn header(&self, name: &str, number: u64, bytes: &[u8]) -> Result<SegmentHeader, OpenError> {
        let header = Self::decode(name, bytes)?;
        if header.store_id != self.store_id || header.number != number {
            return Err(corrupt(name, 0, "it belongs to another store or place"));
        }
        if header.first_sequence != self.next_sequence() {
            return Err(corrupt(name, 0, "the events before it are not those it follows"));
        }
        if bytes.len() < HEADER_BYTES as usize {
            return Err(corrupt(name, bytes.len() as u64, "it is cut within its header"));
        }
        Ok(header)
    }

    fn next_sequence(&self) -> u64 {
        self.shared.memory.read().sequence + 1
    }

    /// Takes in frames from the front, up to the first bytes that are none.
    fn frames(&mut self, name: &str, bytes: &[u8], salt: u32) -> Result<End, OpenError> {
        let start = HEADER_BYTES as usize;
        let mut end = End { offset: start, group_start: start };
        while let Some(frame) = bytes.get(end.offset..).and_then(|rest| frame::read(rest, salt)) {
            let at = end.offset as u64;
            let header = &frame.header;
            let group_start = header.group_start as usize;
            let begins_group = group_start == end.offset && header.group > self.group;
            let goes_on = group_start == end.group_start && header.group == self.group && end.offset > start;
            if header.first_sequence != self.next_sequence() || !(begins_group || goes_on) {
                return Err(corrupt(name, at, "a frame does not follow the one before it"));
            }
            self.apply(&frame, at).map_err(|what| corrupt(name, at, &what))?;
            self.group = header.group;
            end = End { offset: end.offset + header.length as usize, group_start };
        }
        Ok(end)
    }

    fn apply(&self, frame: &Frame<'_>, offset: u64) -> Result<(), String> {
        let Shared { memory, ids, hasher, .. } = self.shared;
        let project = frame.header.project;
        memory
            .write()
            .apply(frame, offset, |record, cleared_at, sequence| {
                let Record::Event(event) = record else { return };
                let hash = hasher.of(project, event.draft.id.as_bytes()).after_clear(cleared_at);
                ids.insert_all([(hash, sequence)]);
            })
            .map_err(|error| error.to_string())
    }

    /// Tells a torn last group, which is cut, from damage to a group that was committed: behind the
    /// latter a whole frame follows whose group begins later. Frames of the torn group count as
    /// seen, so that its number is never used again.
    fn check_tail(&mut self, name: &str, offset: usize, tail: &[u8], salt: u32) -> Result<(), OpenError> {
        for at in (0..tail.len()).step_by(ALIGNMENT_BYTES) {
            let rest = tail.get(at..).unwrap_or_default();
            if !rest.starts_with(&frame::MAGIC.to_le_bytes()) {
                continue;
            }
            if let Some(frame) = frame::read(rest, salt) {
                if frame.header.group_start as usize > offset {
                    let what = "a frame's checksum does not agree, and later groups follow";
                    return Err(corrupt(name, offset as u64, what));
                }
                self.group = self.group.max(frame.header.group);
            }
        }
        Ok(())
    }
}

/// Makes the end of the log what it seems to be: the last group is written once more, since a page
/// whose write failed may look clean; the bytes behind it become zero; both are synced before any
/// event in them is called a duplicate.
fn clean_tail(file: &dyn File, bytes: &[u8], end: &End) -> io::Result<()> {
    let group = bytes.get(end.group_start..end.offset).unwrap_or_default();
    if !group.is_empty() {
        file.write_at(group, end.group_start as u64)?;
    }
    let tail = bytes.get(end.offset..).unwrap_or_default();
    if let Some(last) = tail.iter().rposition(|byte| *byte != 0) {
        file.write_at(&vec![0; last + 1], end.offset as u64)?;
    }
    file.sync()
}

/// All bytes of a file.
pub fn read_whole(file: &dyn File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let got = file.read_at(&mut bytes, 0)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// A file that is not what was written.
pub fn corrupt(file: &str, offset: u64, what: &str) -> OpenError {
    OpenError::Corrupt { file: file.to_owned(), offset, what: what.to_owned() }
}

/// Puts what was being done before an error of the disk.
pub fn while_doing(what: &'static str) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io { what: format!("cannot {what}"), source }
}
