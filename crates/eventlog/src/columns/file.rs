//! A file that is written from front to back and read by block, each with a checksum.
use crate::disk::File;
use crate::error::ReadError;
use bytes::Bytes;
use parking_lot::Mutex;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 16 * 1024;
/// Bytes written at once.
const WRITE_BYTES: usize = 16 * BLOCK_BYTES;

/// What is known of a file beside what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Its bytes.
    pub bytes: u64,
    /// CRC-32C of each block.
    pub checksums: Arc<[u32]>,
}

impl Checked {
    /// What is to be known of a file as it is.
    pub fn of(file: &dyn File) -> io::Result<Self> {
        let bytes = file.length()?;
        let mut checksums = Vec::new();
        let mut block = vec![0; BLOCK_BYTES];
        for start in (0..bytes).step_by(BLOCK_BYTES) {
            let got = file.read_at(&mut block, start)?;
            checksums.push(crc32c::crc32c(block.get(..got).unwrap_or_default()));
        }
        Ok(Self { bytes, checksums: checksums.into() })
    }
}

/// Writes a file.
pub struct Sink {
    file: Arc<dyn File>,
    /// What is not written yet.
    buffer: Vec<u8>,
    written: u64,
    checksums: Vec<u32>,
    /// CRC-32C of all bytes so far.
    checksum: u32,
}

impl Sink {
    /// Writes to an empty file.
    pub fn new(file: Arc<dyn File>) -> Self {
        Self { file, buffer: Vec::new(), written: 0, checksums: Vec::new(), checksum: 0 }
    }

    /// How many bytes it was given, and their checksum.
    pub fn so_far(&self) -> (u64, u32) {
        (self.written + self.buffer.len() as u64, self.checksum)
    }

    fn put(&mut self, bytes: usize) -> io::Result<()> {
        let rest = self.buffer.split_off(bytes);
        self.checksums.extend(self.buffer.chunks(BLOCK_BYTES).map(crc32c::crc32c));
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer = rest;
        Ok(())
    }

    /// Makes the file durable.
    pub fn finish(mut self) -> io::Result<Checked> {
        self.put(self.buffer.len())?;
        self.file.sync()?;
        Ok(Checked { bytes: self.written, checksums: self.checksums.into() })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.put(self.buffer.len() / BLOCK_BYTES * BLOCK_BYTES)?;
        }
        Ok(bytes.len())
    }

    /// Nothing relies on the file before it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file; every block is checked whenever it is read.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    file: Arc<dyn File>,
    checked: Checked,
    /// Why the last piece could not be read: readers of columns keep only the text of an error.
    failed: Arc<Mutex<Option<ReadError>>>,
}

impl Source {
    /// Reads a file of which this is known.
    pub fn new(name: &str, file: Arc<dyn File>, checked: Checked) -> Self {
        Self { name: name.into(), file, checked, failed: Arc::default() }
    }

    /// The same for one reader of columns.
    pub fn for_reader(&self) -> Self {
        Self { failed: Arc::default(), ..self.clone() }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file itself.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// What lies at an offset is not what was written.
    pub fn damaged(&self, offset: u64) -> ReadError {
        ReadError::DamagedEvents { file: self.name.to_string(), offset }
    }

    /// Reads and checks every block; `rest` is called for each and tells whether to go on.
    pub fn check(&self, mut rest: impl FnMut() -> bool) -> Result<(), ReadError> {
        if self.file.length()? != self.checked.bytes {
            return Err(self.damaged(self.checked.bytes.min(self.file.length()?)));
        }
        for start in (0..self.checked.bytes).step_by(WRITE_BYTES) {
            if !rest() {
                return Ok(());
            }
            self.read(start, WRITE_BYTES.min((self.checked.bytes - start) as usize))?;
        }
        Ok(())
    }

    /// CRC-32C of the first bytes.
    pub fn checksum(&self, bytes: u64) -> Result<u32, ReadError> {
        let mut checksum = 0;
        for start in (0..bytes).step_by(WRITE_BYTES) {
            let piece = self.read(start, WRITE_BYTES.min((bytes - start) as usize))?;
            checksum = crc32c::crc32c_append(checksum, &piece);
        }
        Ok(checksum)
    }

    /// So many bytes from an offset.
    fn read(&self, start: u64, length: usize) -> Result<Bytes, ReadError> {
        let block = BLOCK_BYTES as u64;
        let first = start / block;
        let end = start.saturating_add(length as u64);
        if end > self.checked.bytes {
            return Err(self.damaged(start));
        }
        let last = end.next_multiple_of(block).min(self.checked.bytes);
        let mut buffer = vec![0; (last - first * block) as usize];
        if self.file.read_at(&mut buffer, first * block)? < buffer.len() {
            return Err(self.damaged(first * block));
        }
        let checksums = self.checked.checksums.get(first as usize..).unwrap_or_default();
        for ((number, bytes), checksum) in (first..).zip(buffer.chunks(BLOCK_BYTES)).zip(checksums) {
            if crc32c::crc32c(bytes) != *checksum {
                return Err(self.damaged(number * block));
            }
        }
        let from = (start - first * block) as usize;
        Ok(Bytes::from(buffer).slice(from..from + length))
    }

    /// Why a reader of columns could not go on.
    pub fn failure(&self) -> ReadError {
        self.failed.lock().take().unwrap_or_else(|| self.damaged(0))
    }

    fn read_for_reader(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.read(start, length).map_err(|error| {
            let text = ParquetError::General(error.to_string());
            *self.failed.lock() = Some(error);
            text
        })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.checked.bytes
    }
}

impl ChunkReader for Source {
    type T = Blocks;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Blocks> {
        Ok(Blocks { source: self.clone(), at: start, block: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.read_for_reader(start, length)
    }
}

/// Reads on from an offset.
pub struct Blocks {
    source: Source,
    at: u64,
    /// What was read and not taken yet.
    block: Bytes,
}

impl Read for Blocks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            let rest = self.source.checked.bytes.saturating_sub(self.at);
            let bytes = rest.min(BLOCK_BYTES as u64) as usize;
            self.block = self.source.read_for_reader(self.at, bytes).map_err(io::Error::other)?;
        }
        let bytes = into.len().min(self.block.len());
        let taken = self.block.split_to(bytes);
        self.at += bytes as u64;
        if let Some(into) = into.get_mut(..bytes) {
            into.copy_from_slice(&taken);
        }
        Ok(bytes)
    }
}
