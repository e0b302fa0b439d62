//! Rows put together into requests.
use super::aggregation;
use super::dump;
use super::identity::{derived_id, fingerprint};
use super::occurrences::Occurrences;
use super::row::{Row, is_aggregation};
use super::source::{Raw, Source, SourceError};
use serde_json::Value;
use std::io;

/// Most rows of a chunk.
pub const CHUNK_ROWS_MAX: usize = 1_000;
/// A chunk of so many bytes takes no further row; well below the server's limit of a body.
const CHUNK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The same for aggregations, whose bodies the server wants smaller.
const AGGREGATION_BYTES_MAX: usize = 512 * 1024;

/// Some rows of a file, in its order.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The events as NDJSON.
    pub body: Vec<u8>,
    /// For each event the line of the file where it stands, and where it ends in the body.
    pub events: Vec<(u64, usize)>,
    /// The aggregations, each with the line of the file where it stands.
    pub aggregations: Vec<(u64, Value)>,
    /// Bytes of the aggregations.
    aggregation_bytes: usize,
    /// The rows that are neither.
    pub bad: Vec<BadRow>,
    /// Bytes of the file read so far.
    pub bytes_read: u64,
}

/// A row that is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line where it begins, from 1.
    pub line: u64,
    /// Everything that is wrong with it.
    pub reasons: Vec<String>,
    /// The row: as it stands in the file, or the event that the server refused.
    pub text: String,
}

/// Why the import cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read on.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The count of equal rows cannot be kept.
    #[error("cannot use a temporary file: {0}")]
    Occurrences(#[source] io::Error),
}

/// Makes chunks of a file.
pub struct Chunker {
    source: Source,
    occurrences: Occurrences,
    ignore_unknown: bool,
}

impl Chunk {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Rows of all kinds.
    pub fn rows(&self) -> usize {
        self.events.len() + self.aggregations.len() + self.bad.len()
    }

    /// The line and the text of the event with this place in the body.
    pub fn event(&self, index: usize) -> Option<(u64, String)> {
        let (line, end) = *self.events.get(index)?;
        let start =
            index.checked_sub(1).and_then(|before| self.events.get(before)).map_or(0, |(_, end)| *end);
        Some((line, String::from_utf8_lossy(self.body.get(start..end)?).trim_end().to_owned()))
    }

    fn is_full(&self) -> bool {
        self.rows() >= CHUNK_ROWS_MAX
            || self.body.len() >= CHUNK_BYTES_MAX
            || self.aggregation_bytes >= AGGREGATION_BYTES_MAX
    }
}

impl Chunker {
    /// Makes chunks of this source.
    pub fn new(source: Source, ignore_unknown: bool) -> Result<Self, ImportError> {
        let occurrences = Occurrences::new().map_err(ImportError::Occurrences)?;
        Ok(Self { source, occurrences, ignore_unknown })
    }

    /// The next rows; an empty chunk at the end of the file. Rows before an error are lost with
    /// it, which costs nothing: the import is run again.
    pub fn next_chunk(&mut self) -> Result<Chunk, ImportError> {
        let mut chunk = Chunk::default();
        while !chunk.is_full() {
            let Some(raw) = self.source.next_row()? else { break };
            self.take(&mut chunk, raw)?;
        }
        Ok(chunk)
    }

    fn take(&mut self, chunk: &mut Chunk, raw: Raw) -> Result<(), ImportError> {
        let Raw { line, fields, text } = raw;
        let fields = if text.contains(dump::MARK) {
            fields.map(|fields| fields.into_iter().map(|(name, value)| (name, dump::plain(value))).collect())
        } else {
            fields
        };
        let row = match &fields {
            Ok(fields) if is_aggregation(fields) => {
                match aggregation::read(fields, self.ignore_unknown) {
                    Ok(aggregation) => {
                        chunk.aggregation_bytes += aggregation.to_string().len();
                        chunk.aggregations.push((line, aggregation));
                    }
                    Err(reasons) => chunk.bad.push(BadRow { line, reasons, text }),
                }
                return Ok(());
            }
            Ok(fields) => Row::read(fields, self.ignore_unknown),
            Err(reason) => Err(vec![reason.clone()]),
        };
        match row {
            Ok(row) => {
                let id = self.id(&row)?;
                chunk.body.extend_from_slice(row.to_event(&id).to_string().as_bytes());
                chunk.body.push(b'\n');
                chunk.events.push((line, chunk.body.len()));
            }
            Err(reasons) => chunk.bad.push(BadRow { line, reasons, text }),
        }
        Ok(())
    }

    fn id(&mut self, row: &Row) -> Result<String, ImportError> {
        if let Some(id) = &row.id {
            return Ok(id.clone());
        }
        let fingerprint = fingerprint(row);
        let occurrence = self.occurrences.count(fingerprint).map_err(ImportError::Occurrences)?;
        Ok(derived_id(fingerprint, occurrence))
    }
}
