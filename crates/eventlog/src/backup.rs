//! A copy of a log that may be in use: the events committed when it began, and perhaps some more.
use crate::disk::{Disk, File, RealDisk};
use crate::erase::ledger::{self, Ledger};
use crate::error::OpenError;
use crate::format::frame;
use crate::format::manifest;
use crate::format::segment::{self, HEADER_BYTES, SegmentHeader};
use crate::part::Part;
use crate::part::load::load;
use crate::recover::{corrupt, read_manifest, read_whole, segment_numbers, while_doing};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often the files of a log in use are listed until all of them can be opened.
const SNAPSHOT_TRIES: u32 = 20;
/// How long between two tries.
const SNAPSHOT_WAIT: Duration = Duration::from_millis(20);
/// Bytes of sealed events copied at once.
const COPY_BYTES: usize = 1024 * 1024;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The store's identity.
    pub store_id: u128,
    /// How many segments.
    pub segments: u64,
    /// The sequence of the last record; 0 when there is none.
    pub sequence: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Copies the log of one directory into another, which must have no files yet. Whether another
/// process writes to the log meanwhile does not matter. Every checksum is looked at on the way.
pub fn backup(from: &Path, to: &Path) -> Result<Copied, OpenError> {
    if !from.is_dir() {
        let source = io::Error::new(io::ErrorKind::NotFound, from.display().to_string());
        return Err(while_doing("open the directory")(source));
    }
    let from = RealDisk::new(from).map_err(while_doing("open the directory"))?;
    let to = RealDisk::new(to).map_err(while_doing("make the directory of the copy"))?;
    copy(&from, &to)
}

/// Copies a log from one disk to another.
pub(crate) fn copy(from: &dyn Disk, to: &dyn Disk) -> Result<Copied, OpenError> {
    if !to.names().map_err(while_doing("list the files of the copy"))?.is_empty() {
        let source = io::Error::new(io::ErrorKind::AlreadyExists, to.describe());
        return Err(while_doing("copy into a directory that has files")(source));
    }
    let manifest = read_manifest(from)?;
    let snapshot = Snapshot::take(from, manifest.store_id)?;
    let ledger = snapshot.ledger.encode(manifest.store_id);
    let sequence = snapshot.ledger.dropped_through().1;
    let mut copied = Copied { store_id: manifest.store_id, sequence, ..Copied::default() };
    for part in &snapshot.parts {
        copy_part(to, part, &mut copied).map_err(while_doing("copy sealed events"))?;
    }
    for (number, file) in &snapshot.segments {
        let last = snapshot.segments.last().is_some_and(|(last, _)| last == number);
        copy_segment(file.as_ref(), to, *number, last, &mut copied)?;
    }
    // Last, so that a copy that was not finished does not open.
    let write = || {
        write_file(to, ledger::FILE_NAME, &ledger)?;
        write_file(to, manifest::FILE_NAME, &manifest.encode())?;
        to.sync_names()
    };
    write().map_err(while_doing("write the copy's manifest"))?;
    Ok(copied)
}

/// The files of a log at one moment, open: what is removed meanwhile can still be read.
struct Snapshot {
    /// Those whose segments are columns.
    parts: Vec<Part>,
    /// The segments that are in the log, by number.
    segments: Vec<(u64, Arc<dyn File>)>,
    /// What was, and is being, taken out of the log: it was the same before and afterwards.
    ledger: Ledger,
}

impl Snapshot {
    fn take(from: &dyn Disk, store_id: u128) -> Result<Self, OpenError> {
        let mut tries = 1;
        loop {
            match Self::try_take(from, store_id) {
                // Files that are exchanged meanwhile go while they are listed and opened.
                Err(_) if tries < SNAPSHOT_TRIES => {
                    tries += 1;
                    std::thread::sleep(SNAPSHOT_WAIT);
                }
                taken => return taken,
            }
        }
    }

    fn try_take(from: &dyn Disk, store_id: u128) -> Result<Self, OpenError> {
        let ledger = read_ledger(from, store_id)?;
        let names = from.names().map_err(while_doing("list the files"))?;
        let numbers = segment_numbers(&names);
        let mut parts = load(from, &names, (store_id, &numbers, ledger.dropped_through()), None)?.parts;
        parts.retain(|part| part.in_log().is_empty());
        let covered =
            parts.iter().filter_map(|part| part.index().segments.last()).map(|last| last.number).max();
        let open = |number: u64| {
            let file = from.open(&segment::file_name(number)).map_err(while_doing("open a segment"))?;
            Ok((number, file))
        };
        let in_log = numbers.into_iter().filter(|number| covered.is_none_or(|covered| *number > covered));
        let segments = in_log.map(open).collect::<Result<_, OpenError>>()?;
        if ledger.plan.is_some() || read_ledger(from, store_id)? != ledger {
            let source = io::Error::new(io::ErrorKind::ResourceBusy, "files are being exchanged");
            return Err(while_doing("copy the log now")(source));
        }
        Ok(Self { parts, segments, ledger })
    }
}

fn read_ledger(from: &dyn Disk, store_id: u128) -> Result<Ledger, OpenError> {
    let read = ledger::read(from, store_id).map_err(while_doing("read the ledger"))?;
    read.ok_or_else(|| corrupt(ledger::FILE_NAME, 0, "its checksum does not agree"))
}

/// Copies a part and its columns.
fn copy_part(to: &dyn Disk, part: &Part, copied: &mut Copied) -> io::Result<()> {
    for columns in part.columns() {
        columns.check(|| true).map_err(io::Error::other)?;
        copied.bytes += copy_file(columns.file().as_ref(), to, columns.name())?;
    }
    copied.bytes += copy_file(part.file().as_ref(), to, part.name())?;
    copied.segments += part.index().segments.len() as u64;
    copied.sequence = part.last_sequence();
    Ok(())
}

/// Copies a file; answers its bytes.
fn copy_file(from: &dyn File, to: &dyn Disk, name: &str) -> io::Result<u64> {
    let copy = to.create(name)?;
    let (mut at, length) = (0, from.length()?);
    let mut buffer = vec![0; COPY_BYTES.min(length as usize)];
    while at < length {
        let bytes = from.read_at(&mut buffer, at)?;
        let read = buffer.get(..bytes).filter(|read| !read.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
        copy.write_at(read, at)?;
        at += bytes as u64;
    }
    copy.sync()?;
    Ok(length)
}

fn copy_segment(
    from: &dyn File,
    to: &dyn Disk,
    number: u64,
    last: bool,
    copied: &mut Copied,
) -> Result<(), OpenError> {
    let name = segment::file_name(number);
    let mut bytes = read_whole(from).map_err(while_doing("read a segment"))?;
    let header = SegmentHeader::decode(&bytes).map_err(|_| corrupt(&name, 0, "its header is damaged"))?;
    let follows = header.first_sequence == copied.sequence + 1 && header.number == number;
    if header.store_id != copied.store_id || !follows {
        return Err(corrupt(&name, 0, "it does not follow the segment before it"));
    }
    let mut end = HEADER_BYTES as usize;
    while let Some(frame) = bytes.get(end..).and_then(|rest| frame::read(rest, header.salt)) {
        if frame.header.first_sequence != copied.sequence + 1 {
            return Err(corrupt(&name, end as u64, "a frame does not follow the one before it"));
        }
        copied.sequence += u64::from(frame.header.records);
        end += frame.header.length as usize;
    }
    let tail = bytes.get_mut(end..).unwrap_or_default();
    if last {
        // What is being written there meanwhile is nothing whole yet.
        tail.fill(0);
    } else if tail.iter().any(|byte| *byte != 0) {
        return Err(corrupt(&name, end as u64, "a frame's checksum does not agree"));
    }
    copied.segments += 1;
    copied.bytes += bytes.len() as u64;
    write_file(to, &name, &bytes).map_err(while_doing("write a segment of the copy"))
}

fn write_file(to: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let file = to.create(name)?;
    file.write_at(bytes, 0)?;
    File::sync(file.as_ref())
}
