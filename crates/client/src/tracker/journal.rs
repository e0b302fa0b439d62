//! Records on disk: append-only files of one JSON object a line, each removed once all of its records are settled.
//!
//! A record is written before it is sent. What files hold at a start is sent again; whatever of it was settled before
//! is a duplicate for the server. A line that was cut off by the end of the process is skipped: its record was never
//! handed over whole.
use bytes::Bytes;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Most bytes of a file before the next one is begun.
pub(super) const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// Most bytes of the records that were refused for good.
const REJECTED_BYTES_MAX: u64 = 64 * 1024 * 1024;
const PREFIX: &str = "usage-";
const SUFFIX: &str = ".ndjson";

/// The files of one directory, which nobody else uses meanwhile.
pub(super) struct Journal {
    directory: PathBuf,
    _lock: File,
    current: Option<Segment>,
    /// Files whose records are not in memory, oldest first.
    cold: VecDeque<u64>,
    /// Sizes of all files but the current one.
    sizes: BTreeMap<u64, u64>,
    /// Records of each file that are not settled; absent while it is cold.
    open: BTreeMap<u64, u64>,
    next: u64,
    bytes: u64,
    bytes_max: u64,
}

struct Segment {
    number: u64,
    file: File,
    bytes: u64,
    /// Whether its records are in memory too.
    hot: bool,
}

/// Where appended records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub segment: u64,
    /// Whether they have to be kept in memory.
    pub hot: bool,
}

impl Journal {
    pub fn open(directory: &Path, bytes_max: u64) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let lock = File::create(directory.join("lock"))?;
        lock.try_lock().map_err(|_| io::Error::other("another tracker uses it"))?;
        let mut sizes = BTreeMap::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
            if let Some(number) = number {
                sizes.insert(number, entry.metadata()?.len());
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            _lock: lock,
            current: None,
            cold: sizes.keys().copied().collect(),
            next: sizes.keys().next_back().map_or(1, |last| last + 1),
            bytes: sizes.values().sum(),
            sizes,
            open: BTreeMap::new(),
            bytes_max,
        })
    }

    /// Records that are there from an earlier time: whole lines.
    pub fn count_cold(&self) -> io::Result<u64> {
        let mut count = 0;
        for number in &self.cold {
            count += lines(&std::fs::read(self.path(*number))?).count() as u64;
        }
        Ok(count)
    }

    /// Bytes of all files, but for those of records that were refused for good.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether records are on disk only.
    pub fn has_cold(&self) -> bool {
        !self.cold.is_empty()
            || self.current.as_ref().is_some_and(|current| !current.hot && current.bytes > 0)
    }

    /// Appends records. They have to be kept in memory if `hot` allows it and none before them is on disk only, so that
    /// order is kept.
    pub fn append(&mut self, entries: &[Bytes], hot: bool) -> io::Result<Place> {
        let text: Vec<u8> = entries.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect();
        let added = text.len() as u64;
        if self.bytes + added > self.bytes_max {
            return Err(io::Error::other("the spill directory is full"));
        }
        let hot = hot && !self.has_cold();
        if self.current.as_ref().is_some_and(|current| current.bytes >= SEGMENT_BYTES || current.hot != hot) {
            self.close_current();
        }
        if self.current.is_none() {
            self.current = Some(self.begin(hot)?);
        }
        let Some(current) = &mut self.current else { return Err(io::Error::other("no file")) };
        if let Err(error) = current.file.write_all(&text) {
            // A part of it may be there.
            let _ = current.file.set_len(current.bytes);
            return Err(error);
        }
        current.bytes += added;
        self.bytes += added;
        let place = Place { segment: current.number, hot };
        if hot {
            *self.open.entry(place.segment).or_default() += entries.len() as u64;
        }
        Ok(place)
    }

    /// The oldest records that are on disk only, with their file.
    pub fn load(&mut self) -> io::Result<Option<(u64, Vec<Bytes>)>> {
        if self.cold.is_empty() {
            if !self.has_cold() {
                return Ok(None);
            }
            self.close_current();
        }
        let Some(number) = self.cold.front().copied() else { return Ok(None) };
        let text = Bytes::from(std::fs::read(self.path(number))?);
        self.cold.pop_front();
        let found: Vec<Bytes> = lines(&text).map(|line| text.slice_ref(line)).collect();
        self.open.insert(number, found.len() as u64);
        if found.is_empty() {
            self.remove(number);
        }
        Ok(Some((number, found)))
    }

    /// So many records of a file are settled.
    pub fn settle(&mut self, number: u64, records: u64) {
        let Some(left) = self.open.get_mut(&number) else { return };
        *left = left.saturating_sub(records);
        if *left > 0 {
            return;
        }
        match &mut self.current {
            Some(current) if current.number == number => {
                if current.file.set_len(0).is_ok() {
                    self.bytes -= current.bytes;
                    current.bytes = 0;
                }
            }
            _ => self.remove(number),
        }
    }

    /// Keeps a record that the server refused for good, as far as there is room.
    pub fn keep_rejected(&self, event: &str, reason: &str) -> io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).append(true).open(self.directory.join("rejected.ndjson"))?;
        if file.metadata()?.len() > REJECTED_BYTES_MAX {
            return Ok(());
        }
        let reason = serde_json::Value::from(reason);
        file.write_all(format!("{{\"event\":{event},\"reason\":{reason}}}\n").as_bytes())
    }

    fn begin(&mut self, hot: bool) -> io::Result<Segment> {
        let number = self.next;
        let file = OpenOptions::new().create_new(true).append(true).open(self.path(number))?;
        self.next += 1;
        Ok(Segment { number, file, bytes: 0, hot })
    }

    fn close_current(&mut self) {
        let Some(current) = self.current.take() else { return };
        self.sizes.insert(current.number, current.bytes);
        if !current.hot && current.bytes > 0 {
            self.cold.push_back(current.number);
        } else if self.open.get(&current.number).copied().unwrap_or(0) == 0 {
            self.remove(current.number);
        }
    }

    fn remove(&mut self, number: u64) {
        self.open.remove(&number);
        let size = self.sizes.remove(&number).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(size);
        if let Err(error) = std::fs::remove_file(self.path(number)) {
            tracing::warn!(%error, number, "a file of usage that is settled stays: it will be sent again");
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{PREFIX}{number:012}{SUFFIX}"))
    }
}

/// The whole records of a file.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"{") && serde_json::from_slice::<&RawValue>(line).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(range: std::ops::Range<u32>) -> Vec<Bytes> {
        range.map(|n| Bytes::from(format!("{{\"id\":\"{n}\"}}"))).collect()
    }

    fn files(directory: &Path) -> usize {
        let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(PREFIX)).count()
    }

    #[test]
    fn what_is_not_settled_is_there_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path(), 1 << 20).unwrap();
        assert!(Journal::open(directory.path(), 1 << 20).is_err(), "one at a time");
        let place = journal.append(&entries(0..3), true).unwrap();
        assert!(place.hot);
        journal.settle(place.segment, 2);
        drop(journal);
        // The end of the process cut a line off.
        let path = directory.path().join("usage-000000000001.ndjson");
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"id\":\"4\",\"cust");
        std::fs::write(&path, text).unwrap();
        let mut journal = Journal::open(directory.path(), 1 << 20).unwrap();
        assert_eq!(journal.count_cold().unwrap(), 3);
        let (segment, found) = journal.load().unwrap().unwrap();
        assert_eq!(found, entries(0..3));
        let later = journal.append(&entries(3..4), true).unwrap();
        journal.settle(segment, 3);
        assert_eq!((files(directory.path()), journal.load().unwrap()), (1, None));
        journal.settle(later.segment, 1);
        assert_eq!(journal.bytes, 0);
    }

    #[test]
    fn order_is_kept_while_records_are_on_disk_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path(), 1 << 20).unwrap();
        let hot = journal.append(&entries(0..1), true).unwrap();
        assert!(!journal.append(&entries(1..2), false).unwrap().hot);
        assert!(!journal.append(&entries(2..3), true).unwrap().hot, "none overtakes");
        journal.settle(hot.segment, 1);
        let (segment, found) = journal.load().unwrap().unwrap();
        assert_eq!(found, entries(1..3));
        journal.settle(segment, 2);
        assert!(journal.append(&entries(3..4), true).unwrap().hot);
        assert_eq!(files(directory.path()), 1);
    }

    #[test]
    fn the_disk_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path(), 20).unwrap();
        let place = journal.append(&entries(0..1), true).unwrap();
        assert!(journal.append(&entries(1..2), true).is_err());
        journal.settle(place.segment, 1);
        assert!(journal.append(&entries(1..2), true).is_ok(), "room again");
    }
}
