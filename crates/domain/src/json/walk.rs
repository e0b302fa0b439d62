//! A walk through the text of JSON that notes where the values of some places lie.
use super::extract::Node;
use std::ops::Range;

/// Most objects and lists inside each other.
const DEPTH_MAX: u32 = 64;

/// What is left to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Odd;

/// A walk through one text.
pub(super) struct Walk<'w> {
    text: &'w [u8],
    at: usize,
    depth: u32,
    nodes: &'w [Node],
    found: &'w mut [Option<Range<usize>>],
}

impl<'w> Walk<'w> {
    pub fn new(text: &'w str, nodes: &'w [Node], found: &'w mut [Option<Range<usize>>]) -> Self {
        Self { text: text.as_bytes(), at: 0, depth: 0, nodes, found }
    }

    /// Walks over all of it; an error where it is no JSON, or odd.
    pub fn all(mut self) -> Result<(), Odd> {
        self.space();
        self.value(Some(0))?;
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Odd) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.step();
        }
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Odd> {
        if self.take(byte) { Ok(()) } else { Err(Odd) }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.step();
        }
    }

    /// Walks over a value, which is that of a place or of none.
    fn value(&mut self, place: Option<usize>) -> Result<(), Odd> {
        let start = self.at;
        if let Some(place) = place {
            self.forget(place);
        }
        match self.peek() {
            Some(b'{') => self.nested(|walk| walk.object(place)),
            Some(b'[') => self.nested(|walk| walk.list(place)),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.number(),
        }?;
        if let Some(found) = place.and_then(|place| self.found.get_mut(place)) {
            *found = Some(start..self.at);
        }
        Ok(())
    }

    /// Forgets what an earlier value of the same name had.
    fn forget(&mut self, place: usize) {
        let before = self.found.get_mut(place).and_then(Option::take);
        if let (Some(_), Some(node)) = (before, self.nodes.get(place)) {
            for (_, below) in &node.keys {
                self.forget(*below);
            }
            for (_, below) in &node.indexes {
                self.forget(*below);
            }
        }
    }

    fn nested(&mut self, walk: impl FnOnce(&mut Self) -> Result<(), Odd>) -> Result<(), Odd> {
        if self.depth >= DEPTH_MAX {
            return Err(Odd);
        }
        self.depth = self.depth.saturating_add(1);
        self.step();
        walk(self)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn object(&mut self, place: Option<usize>) -> Result<(), Odd> {
        let node = place.and_then(|place| self.nodes.get(place));
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let (range, escaped) = self.string()?;
            let name = self.text.get(range).unwrap_or_default();
            // Names with a dollar may be those that stand for numbers in trees.
            if escaped || name.first() == Some(&b'$') {
                return Err(Odd);
            }
            let below = node.and_then(|node| node.keys.iter().find(|(key, _)| key.as_bytes() == name));
            let below = below.map(|(_, below)| *below);
            self.space();
            self.expect(b':')?;
            self.space();
            self.value(below)?;
            self.space();
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn list(&mut self, place: Option<usize>) -> Result<(), Odd> {
        let node = place.and_then(|place| self.nodes.get(place));
        self.space();
        if self.take(b']') {
            return Ok(());
        }
        for number in 0_usize.. {
            let below = node.and_then(|node| node.indexes.iter().find(|(index, _)| *index == number));
            self.value(below.map(|(_, below)| *below))?;
            self.space();
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
            self.space();
        }
        Err(Odd)
    }

    /// Walks over a text in quotes; where what is between them lies, and whether it has escapes.
    fn string(&mut self) -> Result<(Range<usize>, bool), Odd> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            self.at = self.at.saturating_add(rest.iter().position(ends).ok_or(Odd)?);
            if self.take(b'"') {
                return Ok((start..self.at.saturating_sub(1), escaped));
            }
            self.expect(b'\\')?;
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), Odd> {
        let kind = self.peek().ok_or(Odd)?;
        self.step();
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let end = self.at.saturating_add(4);
                let digits = self.text.get(self.at..end).ok_or(Odd)?;
                self.at = end;
                let surrogate = matches!(digits, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
                if surrogate || !digits.iter().all(u8::is_ascii_hexdigit) { Err(Odd) } else { Ok(()) }
            }
            _ => Err(Odd),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Odd> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Odd);
        }
        self.at = self.at.saturating_add(word.len());
        Ok(())
    }

    fn number(&mut self) -> Result<(), Odd> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Walks over digits, of which there is one at least.
    fn digits(&mut self) -> Result<(), Odd> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
        if self.at > start { Ok(()) } else { Err(Odd) }
    }
}
