//! Files of past usage, read row by row in memory that does not grow.
use super::csv_source::CsvSource;
use super::json_source::{ArraySource, LineSource};
use super::row::Fields;
use clap::ValueEnum;
use std::io::{self, BufRead};

/// Most bytes of one row.
pub const ROW_BYTES_MAX: usize = 1024 * 1024;
/// The mark that some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where rows are read from.
pub type Input = Box<dyn BufRead + Send>;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values under a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// One JSON array of objects.
    Json,
}

/// A row as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw {
    /// The line where it begins, from 1.
    pub line: u64,
    /// Its fields, or why it has none.
    pub fields: Result<Fields, String>,
    /// The text of the row.
    pub text: String,
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system does not give it.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// The header of a CSV file names what no event has.
    #[error("the header names unknown columns: {} (known: id, customer, meter, value, time, subject, properties, properties.NAME; --ignore-unknown leaves others out)", .0.join(", "))]
    Columns(Vec<String>),
    /// The header of a CSV file lacks a column.
    #[error("the header has no column `{0}`")]
    NoColumn(&'static str),
    /// A quote that is never closed, most likely.
    #[error("the row at line {0} is longer than {ROW_BYTES_MAX} bytes; is a quote not closed?")]
    TooLong(u64),
    /// A JSON array that does not end, or does not end there.
    #[error("line {line}: {reason}")]
    Array {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// A file of one of the formats.
pub enum Source {
    /// CSV.
    Csv(CsvSource),
    /// NDJSON.
    Lines(LineSource),
    /// A JSON array.
    Array(ArraySource),
}

/// How to read a file.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The format; told from the first character when not given.
    pub format: Option<Format>,
    /// What stands between the values of a CSV file.
    pub delimiter: u8,
    /// Whether fields that no event has are left out instead of refused.
    pub ignore_unknown: bool,
}

impl Source {
    /// Begins to read.
    pub fn open(mut input: Input, reading: Reading) -> Result<Self, SourceError> {
        let (first, lines_skipped) = skip_to_first(&mut input)?;
        let format = reading.format.unwrap_or(match first {
            Some(b'[') => Format::Json,
            Some(b'{') => Format::Ndjson,
            _ => Format::Csv,
        });
        Ok(match format {
            Format::Csv => Self::Csv(CsvSource::open(input, reading, lines_skipped)?),
            Format::Ndjson => Self::Lines(LineSource::new(input, lines_skipped)),
            Format::Json => Self::Array(ArraySource::open(input, lines_skipped)?),
        })
    }

    /// The next row; `None` at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<Raw>, SourceError> {
        match self {
            Self::Csv(source) => source.next_row(),
            Self::Lines(source) => source.next_row(),
            Self::Array(source) => source.next_row(),
        }
    }
}

/// Goes past a byte order mark and white space; gives the first byte of the contents and the
/// number of lines skipped.
fn skip_to_first(input: &mut Input) -> io::Result<(Option<u8>, u64)> {
    // A mark that is split over two reads is not seen; buffers are larger than three bytes.
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    let mut lines = 0;
    loop {
        match input.fill_buf()?.first().copied() {
            Some(byte) if byte.is_ascii_whitespace() => {
                lines += u64::from(byte == b'\n');
                input.consume(1);
            }
            first => return Ok((first, lines)),
        }
    }
}
