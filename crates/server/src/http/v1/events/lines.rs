//! A stream of bytes as lines of bounded length, in groups of bounded size.
use crate::events::BATCH_EVENTS_MAX;

/// Longest line of NDJSON: an event with its properties has room many times over.
pub const LINE_BYTES_MAX: usize = 128 * 1024;
/// Bytes after which a group of lines takes no more.
const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes, without the end of line.
    Whole(Vec<u8>),
    /// Longer than [`LINE_BYTES_MAX`]; its bytes are gone.
    TooLong,
}

/// Cuts pieces of a stream into lines; blank ones are left out.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
    overlong_bytes: u64,
    ready: Vec<Line>,
    ready_bytes: usize,
}

impl Lines {
    /// Takes the next piece, as far as the lines that are complete have room; answers the rest.
    pub fn push<'p>(&mut self, mut piece: &'p [u8]) -> &'p [u8] {
        while !self.is_full() {
            let Some(end) = piece.iter().position(|byte| *byte == b'\n') else {
                self.keep(piece);
                return &[];
            };
            let (line, after) = piece.split_at(end);
            self.keep(line);
            self.complete();
            piece = after.get(1..).unwrap_or_default();
        }
        piece
    }

    /// What follows the last end of line is a line too.
    pub fn finish(&mut self) {
        self.complete();
    }

    /// Whether the complete lines must be taken before more is pushed.
    pub fn is_full(&self) -> bool {
        self.ready.len() >= BATCH_EVENTS_MAX || self.ready_bytes >= GROUP_BYTES_MAX
    }

    /// The lines that are complete.
    pub fn take(&mut self) -> Vec<Line> {
        self.ready_bytes = 0;
        std::mem::take(&mut self.ready)
    }

    /// How many bytes the line has by now that is too long and has not ended.
    pub fn overlong_bytes(&self) -> u64 {
        self.overlong_bytes
    }

    fn keep(&mut self, part: &[u8]) {
        let length = self.rest.len() + part.len();
        if self.overlong_bytes > 0 {
            self.overlong_bytes += part.len() as u64;
        } else if length > LINE_BYTES_MAX {
            self.overlong_bytes = length as u64;
            self.rest = Vec::new();
        } else {
            self.rest.extend_from_slice(part);
        }
    }

    fn complete(&mut self) {
        let line = std::mem::take(&mut self.rest);
        if std::mem::take(&mut self.overlong_bytes) > 0 {
            self.ready.push(Line::TooLong);
        } else if !line.trim_ascii().is_empty() {
            self.ready_bytes += line.len();
            self.ready.push(Line::Whole(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], step: usize) -> Vec<Line> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for mut piece in text.chunks(step) {
            while !piece.is_empty() {
                piece = lines.push(piece);
                if lines.is_full() {
                    out.extend(lines.take());
                }
            }
        }
        lines.finish();
        out.extend(lines.take());
        out
    }

    #[test]
    fn lines_do_not_depend_on_pieces() {
        let whole = |text: &str| Line::Whole(text.into());
        for step in 1..9 {
            assert_eq!(cut(b"ab\n\n  \r\ncd\r\nlast", step), [whole("ab"), whole("cd\r"), whole("last")]);
        }
        assert_eq!(cut(b"", 1), []);
    }

    #[test]
    fn overlong_lines_are_told_and_do_not_grow() {
        let text = [vec![b'x'; LINE_BYTES_MAX + 1], b"\nok\n".to_vec()].concat();
        for step in [1_000, 1 << 20] {
            assert_eq!(cut(&text, step), [Line::TooLong, Line::Whole(b"ok".to_vec())]);
        }
        assert_eq!(cut(&vec![b'x'; LINE_BYTES_MAX], 1_000).len(), 1);
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.push(&vec![b'x'; 1 << 16]).is_empty());
        }
        assert_eq!((lines.overlong_bytes(), lines.rest.capacity()), (100 << 16, 0));
    }

    #[test]
    fn groups_are_bounded_by_number_and_bytes() {
        let mut lines = Lines::default();
        let many = "{}\n".repeat(BATCH_EVENTS_MAX + 5);
        assert_eq!(lines.push(many.as_bytes()).len(), 15);
        assert_eq!(lines.take().len(), BATCH_EVENTS_MAX);
        let long = [vec![b'x'; LINE_BYTES_MAX], vec![b'\n']].concat().repeat(20);
        let rest = lines.push(&long).len();
        assert_eq!(lines.take().len(), (long.len() - rest) / (LINE_BYTES_MAX + 1));
        assert!(rest > 0);
        assert_eq!(lines.push(&long[long.len() - rest..]).len(), rest - 8 * (LINE_BYTES_MAX + 1));
    }
}
