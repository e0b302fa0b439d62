//! Sealed segments are not read at the start; whether they are what was written is checked here.
use crate::disk::{Disk, File};
use crate::error::{OpenError, ReadError};
use crate::format::frame::{self, Frame};
use crate::format::segment::{self, HEADER_BYTES, SegmentHeader};
use crate::part::index::Covered;
use crate::recover::{corrupt, while_doing};
use crate::shared::Shared;
use crate::status::Health;
use crate::thread::Thread;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Bytes read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// The checking thread rests this many times as long as it worked.
const REST_SHARE: u32 = 3;
/// Longest rest at once, so that closing does not wait for it.
const REST_MAX: Duration = Duration::from_millis(50);

/// A sealed segment with the sequence behind its last record.
pub type Sealed = (Covered, u64);

/// Checks every frame of a sealed segment, and shows each with its offset, which may tell to end.
pub fn segment(
    disk: &dyn Disk,
    store_id: u128,
    (covered, end_sequence): Sealed,
    mut each: impl FnMut(u64, &Frame<'_>) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let name = segment::file_name(covered.number);
    let file = disk.open(&name).map_err(while_doing("open a segment"))?;
    let reading = while_doing("read a segment");
    let length = file.length().map_err(&reading)?;
    let mut window = Window { file: file.as_ref(), at: 0, bytes: Vec::new() };
    let head = window.from(0, HEADER_BYTES as usize).map_err(&reading)?;
    let header = SegmentHeader::decode(head).map_err(|_| corrupt(&name, 0, "its header is damaged"))?;
    let ours = (store_id, covered.number, covered.first_sequence);
    if (header.store_id, header.number, header.first_sequence) != ours {
        return Err(corrupt(&name, 0, "it is not the segment that was written down"));
    }
    let (mut at, mut sequence) = (HEADER_BYTES, covered.first_sequence);
    let end = HEADER_BYTES + covered.bytes;
    while at < end {
        let frame = window.frame(at, end, header.salt).map_err(&reading)?;
        let frame = frame.ok_or_else(|| corrupt(&name, at, "a frame's checksum does not agree"))?;
        if each(at, &frame).is_break() {
            return Ok(());
        }
        at += u64::from(frame.header.length);
        sequence += u64::from(frame.header.records);
    }
    if sequence != end_sequence || at != end {
        return Err(corrupt(&name, at, "it has not the events that were written down"));
    }
    while at < length {
        let bytes = window.from(at, READ_BYTES.min((length - at) as usize)).map_err(&reading)?;
        if bytes.is_empty() || bytes.iter().any(|byte| *byte != 0) {
            return Err(corrupt(&name, at, "there are bytes behind its last frame"));
        }
        at += bytes.len() as u64;
    }
    Ok(())
}

/// A piece of a file.
struct Window<'a> {
    file: &'a dyn File,
    at: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// At least so many bytes from an offset on, fewer only at the end of the file.
    fn from(&mut self, at: u64, bytes: usize) -> io::Result<&[u8]> {
        let end = self.at + self.bytes.len() as u64;
        if at < self.at || at + bytes as u64 > end {
            self.bytes.resize(bytes.max(READ_BYTES), 0);
            let got = self.file.read_at(&mut self.bytes, at)?;
            self.bytes.truncate(got);
            self.at = at;
        }
        Ok(self.bytes.get((at - self.at) as usize..).unwrap_or_default())
    }

    /// The frame there; `None` where there is no good one.
    fn frame(&mut self, at: u64, end: u64, salt: u32) -> io::Result<Option<Frame<'_>>> {
        let head = self.from(at, frame::HEADER_BYTES)?;
        let header = frame::read_header(head, salt).filter(|header| u64::from(header.length) <= end - at);
        let Some(header) = header else { return Ok(None) };
        Ok(frame::read(self.from(at, header.length as usize)?, salt))
    }
}

/// Checks everything that parts tell of, their segments and their columns; `rest` is called now and
/// then and tells whether to go on.
pub fn run(disk: &dyn Disk, shared: &Shared, mut rest: impl FnMut() -> bool) -> Result<(), OpenError> {
    let parts = shared.memory.read().parts.clone();
    for part in &parts {
        for columns in part.columns() {
            columns.check(&mut rest).map_err(|error| match error {
                ReadError::Io(source) => while_doing("read sealed events")(source),
                ReadError::DamagedEvents { offset, file } => {
                    corrupt(&file, offset, "the checksum of a block does not agree")
                }
                error => corrupt(columns.name(), 0, &error.to_string()),
            })?;
        }
        for sealed in part.in_log() {
            let checked = segment(disk, shared.store_id, sealed, |_, _| {
                if rest() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            // One that has become columns meanwhile was checked for that.
            let is_there = || shared.memory.read().parts.iter().any(|known| Arc::ptr_eq(known, part));
            match checked {
                Err(OpenError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && !is_there() => {}
                checked => checked?,
            }
        }
        if !rest() {
            return Ok(());
        }
    }
    Ok(())
}

/// Checks what parts tell of on a thread of its own. Damage stops the log, as it keeps one from opening.
pub fn start(disk: Arc<dyn Disk>, shared: Arc<Shared>) -> io::Result<Thread> {
    Thread::start("eventlog-check", move |end| {
        let mut worked_from = Instant::now();
        let rest = || {
            if worked_from.elapsed() > REST_MAX / REST_SHARE {
                std::thread::sleep(REST_MAX);
                worked_from = Instant::now();
            }
            !end.load(Ordering::Relaxed)
        };
        if let Err(error) = run(disk.as_ref(), &shared, rest) {
            *shared.health.lock() = Health::Stopped { reason: error.to_string().into() };
        }
    })
}
