//! A file written once from front to back: pages, each with a checksum, then an index that says what
//! lies where, the checksums, and a trailer.
use crate::disk::File;
use crate::error::ReadError;
use crate::format::{bytes_at, u32_at, u64_at};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a page.
const PAGE_BYTES: usize = 4096;
/// Bytes written at once.
const WRITE_BYTES: usize = 64 * PAGE_BYTES;
/// Bytes of the trailer.
const TRAILER_BYTES: usize = 64;
/// What the trailer begins with.
const MAGIC: [u8; 8] = *b"RKNRPRT\n";
/// The version of the format of parts.
const VERSION: u32 = 2;

/// Writes a file of pages.
pub struct PageWriter {
    file: Arc<dyn File>,
    /// What is not written yet.
    buffer: Vec<u8>,
    written: u64,
    checksums: Vec<u8>,
}

impl PageWriter {
    /// Writes to an empty file.
    pub fn new(file: Arc<dyn File>) -> Self {
        Self { file, buffer: Vec::new(), written: 0, checksums: Vec::new() }
    }

    /// How many bytes were put.
    pub fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Appends bytes.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush(self.buffer.len() / PAGE_BYTES * PAGE_BYTES)?;
        }
        Ok(())
    }

    fn flush(&mut self, bytes: usize) -> io::Result<()> {
        let rest = self.buffer.split_off(bytes);
        for page in self.buffer.chunks(PAGE_BYTES) {
            self.checksums.extend_from_slice(&crc32c::crc32c(page).to_le_bytes());
        }
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer = rest;
        Ok(())
    }

    /// Ends the file with its index and makes it durable.
    pub fn finish(mut self, index: &[u8], store_id: u128) -> io::Result<()> {
        self.buffer.resize(self.buffer.len().next_multiple_of(PAGE_BYTES), 0);
        self.flush(self.buffer.len())?;
        let mut end = index.to_vec();
        end.extend_from_slice(&self.checksums);
        let start = end.len();
        end.extend_from_slice(&MAGIC);
        end.extend_from_slice(&VERSION.to_le_bytes());
        end.extend_from_slice(&crc32c::crc32c(index).to_le_bytes());
        end.extend_from_slice(&store_id.to_le_bytes());
        end.extend_from_slice(&(index.len() as u64).to_le_bytes());
        end.extend_from_slice(&(self.checksums.len() as u64).to_le_bytes());
        end.extend_from_slice(&crc32c::crc32c(&self.checksums).to_le_bytes());
        end.resize(start + TRAILER_BYTES - 4, 0);
        let checksum = crc32c::crc32c(end.get(start..).unwrap_or_default());
        end.extend_from_slice(&checksum.to_le_bytes());
        self.file.write_at(&end, self.written)?;
        self.file.sync()
    }
}

/// Reads a file of pages.
pub struct Pages {
    name: String,
    file: Arc<dyn File>,
    checksums: Vec<u32>,
}

/// What a trailer says.
struct Trailer {
    index_bytes: u64,
    index_checksum: u32,
    checksums_bytes: u64,
    checksums_checksum: u32,
}

impl Pages {
    /// Opens a file that was finished, of this store; answers its index too.
    pub fn open(name: &str, file: Arc<dyn File>, store_id: u128) -> Result<(Self, Vec<u8>), ReadError> {
        let damaged = || ReadError::DamagedPart { file: name.to_owned(), offset: 0 };
        let length = file.length()?;
        let end = length.checked_sub(TRAILER_BYTES as u64).ok_or_else(damaged)?;
        let trailer = read_exactly(file.as_ref(), end, TRAILER_BYTES as u64)?.ok_or_else(damaged)?;
        let trailer = Trailer::decode(&trailer, store_id).ok_or_else(damaged)?;
        let checksums_at = end.checked_sub(trailer.checksums_bytes).ok_or_else(damaged)?;
        let index_at = checksums_at.checked_sub(trailer.index_bytes).ok_or_else(damaged)?;
        let read = |at, bytes| read_exactly(file.as_ref(), at, bytes);
        let checksums = read(checksums_at, trailer.checksums_bytes)?.ok_or_else(damaged)?;
        let index = read(index_at, trailer.index_bytes)?.ok_or_else(damaged)?;
        let good = crc32c::crc32c(&checksums) == trailer.checksums_checksum
            && crc32c::crc32c(&index) == trailer.index_checksum
            && checksums.len() as u64 * PAGE_BYTES as u64 == index_at * size_of::<u32>() as u64;
        if !good {
            return Err(damaged());
        }
        let (words, _) = checksums.as_chunks::<4>();
        let checksums = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        Ok((Self { name: name.to_owned(), file, checksums }, index))
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Bytes of all pages.
    pub fn length(&self) -> u64 {
        self.checksums.len() as u64 * PAGE_BYTES as u64
    }

    /// The bytes of a range; every page that they lie in is checked.
    pub fn read(&self, at: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        let start = self.read_into(&mut bytes, at.clone())?;
        bytes.truncate(start + (at.end - at.start) as usize);
        bytes.drain(..start);
        Ok(bytes)
    }

    /// Reads the pages of a range; answers where in the buffer the range begins.
    pub fn read_into(&self, buffer: &mut Vec<u8>, at: Range<u64>) -> Result<usize, ReadError> {
        let page = PAGE_BYTES as u64;
        let first = at.start / page;
        let bytes = at.end.next_multiple_of(page).saturating_sub(first * page);
        if at.start > at.end || at.end > self.length() {
            return Err(self.damaged(at.start));
        }
        buffer.resize(bytes as usize, 0);
        if self.file.read_at(buffer, first * page)? < buffer.len() {
            return Err(self.damaged(first * page));
        }
        let checksums = self.checksums.get(first as usize..).unwrap_or_default();
        for ((number, bytes), checksum) in (first..).zip(buffer.chunks(PAGE_BYTES)).zip(checksums) {
            if crc32c::crc32c(bytes) != *checksum {
                return Err(self.damaged(number * page));
            }
        }
        Ok((at.start - first * page) as usize)
    }

    /// What lies at an offset is not what was written.
    pub fn damaged(&self, offset: u64) -> ReadError {
        ReadError::DamagedPart { file: self.name.clone(), offset }
    }
}

/// Bytes that a window reads at once, unless more are asked for.
const WINDOW_BYTES: u64 = 256 * 1024;

/// Reads ranges that come one after the other, many of them at a time.
pub struct Window<'a> {
    pages: &'a Pages,
    /// Where the bytes begin.
    at: u64,
    /// Where in the buffer they begin.
    start: usize,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    /// Nothing read yet.
    pub fn new(pages: &'a Pages) -> Self {
        Self { pages, at: 0, start: 0, buffer: Vec::new() }
    }

    /// The bytes of a range.
    pub fn read(&mut self, range: Range<u64>) -> Result<&[u8], ReadError> {
        let end = self.at + (self.buffer.len() - self.start) as u64;
        if range.start < self.at || range.end > end {
            let last = range.end.max(range.start + WINDOW_BYTES).min(self.pages.length());
            self.start = self.pages.read_into(&mut self.buffer, range.start..last.max(range.end))?;
            self.at = range.start;
        }
        let from = self.start + (range.start - self.at) as usize;
        let bytes = self.buffer.get(from..from + (range.end - range.start) as usize);
        bytes.ok_or_else(|| self.pages.damaged(range.start))
    }
}

impl Trailer {
    fn decode(bytes: &[u8], store_id: u128) -> Option<Self> {
        let checksum = u32_at(bytes, TRAILER_BYTES - 4)?;
        let good = bytes_at(bytes, 0) == Some(MAGIC)
            && u32_at(bytes, 8) == Some(VERSION)
            && bytes_at(bytes, 16).map(u128::from_le_bytes) == Some(store_id)
            && crc32c::crc32c(bytes.get(..TRAILER_BYTES - 4)?) == checksum;
        let trailer = Self {
            index_checksum: u32_at(bytes, 12)?,
            index_bytes: u64_at(bytes, 32)?,
            checksums_bytes: u64_at(bytes, 40)?,
            checksums_checksum: u32_at(bytes, 48)?,
        };
        good.then_some(trailer)
    }
}

/// So many bytes at an offset; `None` where there are fewer.
fn read_exactly(file: &dyn File, at: u64, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    if at.checked_add(bytes).is_none_or(|end| end > file.length().unwrap_or_default()) {
        return Ok(None);
    }
    let mut buffer = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    let got = file.read_at(&mut buffer, at)?;
    Ok((got == buffer.len()).then_some(buffer))
}
