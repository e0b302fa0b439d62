//! Rows of a CSV file.
use super::row::{self, Fields, PROPERTIES};
use super::source::{Input, ROW_BYTES_MAX, Raw, Reading, SourceError};
use csv::{ByteRecord, ErrorKind, ReaderBuilder, Trim};
use serde_json::Value;
use std::io::{self, Read};

/// A CSV file under its header.
pub struct CsvSource {
    reader: csv::Reader<Budget>,
    columns: Vec<Column>,
    lines_skipped: u64,
    record: ByteRecord,
}

/// What a column holds.
enum Column {
    /// A field of the event.
    Field(String),
    /// A field whose cells are JSON objects.
    Object(String),
    /// One property.
    Property(String),
    /// Nothing that is wanted.
    Ignored,
}

impl CsvSource {
    /// Reads the header.
    pub fn open(input: Input, reading: Reading, lines_skipped: u64) -> Result<Self, SourceError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(reading.delimiter)
            .flexible(true)
            .trim(Trim::Headers)
            .from_reader(Budget { input, left: ROW_BYTES_MAX, last: 0, line_end: None });
        let header = reader.byte_headers().map_err(|error| broken(error, 1 + lines_skipped))?.clone();
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let columns = names.iter().map(|name| column(name, reading.ignore_unknown)).collect::<Vec<_>>();
        let unknown: Vec<String> = names
            .iter()
            .zip(&columns)
            .filter(|(_, column)| column.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        if !unknown.is_empty() {
            return Err(SourceError::Columns(unknown));
        }
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
        for (shown, wanted) in [("customer", row::CUSTOMER), ("meter", row::METER)] {
            if !has(wanted) && !has(&["periodKey"]) {
                return Err(SourceError::NoColumn(shown));
            }
        }
        Ok(Self {
            reader,
            columns: columns.into_iter().flatten().collect(),
            lines_skipped,
            record: ByteRecord::new(),
        })
    }

    /// The next row; `None` at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<Raw>, SourceError> {
        self.reader.get_mut().left = ROW_BYTES_MAX;
        let line = self.reader.position().line() + self.lines_skipped;
        if !self.reader.read_byte_record(&mut self.record).map_err(|error| broken(error, line))? {
            return Ok(None);
        }
        // The reader ends a row at a carriage return and counts the line feed with the next one.
        let late = u64::from(self.reader.get_ref().line_end == Some(LineEnd::CrLf));
        let line = self.record.position().map_or(line, |at| at.line() + self.lines_skipped + late);
        let text = self.record.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
        Ok(Some(Raw { line, fields: self.fields(), text }))
    }

    fn fields(&self) -> Result<Fields, String> {
        if self.record.len() != self.columns.len() {
            let (has, needs) = (self.record.len(), self.columns.len());
            return Err(format!("has {has} values where the header has {needs} columns"));
        }
        let (mut fields, mut properties) = (Fields::new(), Fields::new());
        for (column, cell) in self.columns.iter().zip(&self.record) {
            let cell = std::str::from_utf8(cell).map_err(|_| "is not UTF-8".to_owned())?;
            match column {
                _ if cell.is_empty() => {}
                Column::Ignored => {}
                Column::Field(name) => {
                    fields.insert(name.clone(), Value::String(cell.to_owned()));
                }
                Column::Object(name) => {
                    let value =
                        serde_json::from_str(cell).map_err(|_| format!("{name} must be a JSON object"))?;
                    fields.insert(name.clone(), value);
                }
                Column::Property(name) => {
                    properties.insert(name.clone(), scalar(cell));
                }
            }
        }
        merge(&mut fields, properties)?;
        Ok(fields)
    }
}

/// What a column of this name holds; `None` when no event has such a field.
fn column(name: &str, ignore_unknown: bool) -> Option<Column> {
    let owned = || name.to_owned();
    let property = PROPERTIES
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('.'))
        .filter(|name| !name.is_empty());
    match property {
        Some(property) => Some(Column::Property(property.to_owned())),
        None if PROPERTIES.contains(&name) || row::SOURCE_CONTEXT.contains(&name) => {
            Some(Column::Object(owned()))
        }
        None if row::is_known(name) || row::AGGREGATION.contains(&name) => Some(Column::Field(owned())),
        None if ignore_unknown => Some(Column::Ignored),
        None => None,
    }
}

/// A cell of a property column: JSON's numbers, `true` and `false` as such, all else as text.
fn scalar(cell: &str) -> Value {
    match serde_json::from_str::<Value>(cell) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) if cell.trim() == cell => value,
        _ => Value::String(cell.to_owned()),
    }
}

/// Puts the properties of single columns beside those of a column of objects.
fn merge(fields: &mut Fields, single: Fields) -> Result<(), String> {
    if single.is_empty() {
        return Ok(());
    }
    let name = PROPERTIES.iter().copied().find(|name| fields.contains_key(*name)).unwrap_or("properties");
    match fields.entry(name).or_insert_with(|| Value::Object(Fields::new())) {
        Value::Object(properties) => {
            properties.extend(single);
            Ok(())
        }
        _ => Err(format!("{name} must be a JSON object")),
    }
}

fn broken(error: csv::Error, line: u64) -> SourceError {
    match error.into_kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => SourceError::TooLong(line),
        ErrorKind::Io(error) => SourceError::Io(error),
        other => SourceError::Io(io::Error::other(format!("{other:?}"))),
    }
}

/// Input that gives no more than is left, so that one endless row does not fill the memory.
struct Budget {
    input: Input,
    left: usize,
    /// The last byte given.
    last: u8,
    /// How the first line ended, once it has.
    line_end: Option<LineEnd>,
}

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Lf,
    CrLf,
}

impl Budget {
    fn note_line_end(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.line_end = Some(if self.last == b'\r' { LineEnd::CrLf } else { LineEnd::Lf });
                return;
            }
            self.last = *byte;
        }
    }
}

impl Read for Budget {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.input.read(buffer)?;
        self.left = self.left.saturating_sub(read);
        if self.line_end.is_none() {
            self.note_line_end(buffer.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}
