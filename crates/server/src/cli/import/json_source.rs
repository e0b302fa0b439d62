//! Rows of NDJSON files and of JSON arrays.
use super::row::Fields;
use super::source::{Input, ROW_BYTES_MAX, Raw, SourceError};
use std::io::{self, BufRead};

/// A file of one JSON object a line.
pub struct LineSource {
    input: Input,
    line: u64,
}

impl LineSource {
    /// Reads from the start of a line.
    pub fn new(input: Input, lines_skipped: u64) -> Self {
        Self { input, line: lines_skipped }
    }

    /// The next row; blank lines are none.
    pub fn next_row(&mut self) -> Result<Option<Raw>, SourceError> {
        loop {
            let mut text = Vec::new();
            let read = read_line(&mut self.input, &mut text)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if read > ROW_BYTES_MAX || !text.trim_ascii().is_empty() {
                return Ok(Some(raw(self.line, text.trim_ascii(), read > ROW_BYTES_MAX)));
            }
        }
    }
}

/// Reads up to a line feed and keeps at most [`ROW_BYTES_MAX`] of it; gives the bytes read.
fn read_line(input: &mut Input, line: &mut Vec<u8>) -> io::Result<usize> {
    let mut read = 0;
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = end.map_or(buffer.len(), |end| end + 1);
        let room = ROW_BYTES_MAX.saturating_sub(line.len());
        line.extend(buffer.iter().take(part.min(room)));
        read += part;
        input.consume(part);
        if end.is_some() || part == 0 {
            return Ok(read);
        }
    }
}

/// A file that is one JSON array.
pub struct ArraySource {
    input: Input,
    line: u64,
    /// Whether the array's end was read.
    ended: bool,
}

impl ArraySource {
    /// Reads the array's beginning, which must come next.
    pub fn open(mut input: Input, lines_skipped: u64) -> Result<Self, SourceError> {
        let line = lines_skipped + 1;
        if input.fill_buf()?.first() != Some(&b'[') {
            return Err(SourceError::Array { line, reason: "a JSON array was expected" });
        }
        input.consume(1);
        Ok(Self { input, line, ended: false })
    }

    /// The next element.
    pub fn next_row(&mut self) -> Result<Option<Raw>, SourceError> {
        let Some(first) = self.skip_to_element()? else { return Ok(None) };
        let line = self.line;
        let mut element = Element::default();
        let mut byte = first;
        while !element.ends_before(byte) {
            element.push(byte);
            self.advance(byte);
            if element.ended {
                break;
            }
            byte = self.peek()?.ok_or_else(|| self.cut_short())?;
        }
        Ok(Some(raw(line, element.text.trim_ascii(), element.too_long)))
    }

    /// The first byte of the next element; `None` after the last.
    fn skip_to_element(&mut self) -> Result<Option<u8>, SourceError> {
        loop {
            match (self.peek()?, self.ended) {
                (None, true) => return Ok(None),
                (None, false) => return Err(self.cut_short()),
                (Some(byte), _) if byte.is_ascii_whitespace() => self.advance(byte),
                (Some(_), true) => {
                    return Err(SourceError::Array {
                        line: self.line,
                        reason: "something follows the array",
                    });
                }
                (Some(b','), false) => self.advance(b','),
                (Some(b']'), false) => {
                    self.ended = true;
                    self.advance(b']');
                }
                (Some(byte), false) => return Ok(Some(byte)),
            }
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn advance(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\n');
        self.input.consume(1);
    }

    fn cut_short(&self) -> SourceError {
        SourceError::Array { line: self.line, reason: "the array does not end: the file was cut short" }
    }
}

/// An element as it is read byte by byte.
#[derive(Default)]
struct Element {
    text: Vec<u8>,
    depth: u32,
    place: Place,
    ended: bool,
    too_long: bool,
}

/// Where the next byte of an element stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    InString,
    AfterBackslash,
}

impl Element {
    /// Whether a bare value ends before this byte, which is then not part of it.
    fn ends_before(&self, byte: u8) -> bool {
        self.depth == 0 && self.place == Place::Outside && matches!(byte, b',' | b']')
    }

    fn push(&mut self, byte: u8) {
        if self.text.len() < ROW_BYTES_MAX {
            self.text.push(byte);
        } else {
            self.too_long = true;
        }
        match (self.place, byte) {
            (Place::InString, b'"') => self.place = Place::Outside,
            (Place::InString, b'\\') => self.place = Place::AfterBackslash,
            (Place::AfterBackslash, _) | (Place::Outside, b'"') => self.place = Place::InString,
            (Place::Outside, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
            (Place::Outside, b'}' | b']') => {
                self.depth = self.depth.saturating_sub(1);
                self.ended = self.depth == 0;
            }
            _ => {}
        }
    }
}

fn raw(line: u64, text: &[u8], too_long: bool) -> Raw {
    let fields = if too_long {
        Err(format!("is longer than {ROW_BYTES_MAX} bytes"))
    } else {
        serde_json::from_slice::<Fields>(text).map_err(|error| format!("is no JSON object: {error}"))
    };
    Raw { line, fields, text: String::from_utf8_lossy(text).into_owned() }
}
