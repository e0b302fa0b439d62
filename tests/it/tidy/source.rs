//! A file taken apart: code, comments and texts, and the extent of its functions and modules.
//!
//! This is a scanner and no parser: it knows comments, literals and braces, which is what the checks need.

use std::path::Path;

const CFG_TEST: &str = "#[cfg(test)]";

/// A file of the tree.
pub struct Source {
    /// Relative to the root, with forward slashes.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// The text with comments and the insides of literals blanked; offsets and lines are the same.
    pub code: String,
    /// The text with code and literals blanked.
    pub comments: String,
    /// The string literals, with the offset where each begins.
    pub literals: Vec<(usize, String)>,
}

/// A named block of code.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The keyword, `fn` or `mod`.
    pub keyword: &'static str,
    /// Its name.
    pub name: String,
    /// The offset of the keyword.
    pub start: usize,
    /// The offset of the closing brace.
    pub end: usize,
}

/// What a byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

impl Source {
    /// Takes a file apart; what is not Rust is all code.
    pub fn new(path: &str, text: &str) -> Self {
        let parts = if is_rust(path) { classify(text.as_bytes()) } else { vec![Part::Code; text.len()] };
        Self {
            path: path.replace('\\', "/"),
            text: text.to_owned(),
            code: keep(text, &parts, Part::Code),
            comments: keep(text, &parts, Part::Comment),
            literals: literals(text, &parts),
        }
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        is_rust(&self.path)
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The line of an offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// Functions and inline modules, bodies included; declarations without a body are left out.
    pub fn blocks(&self) -> Vec<Block> {
        let mut found = Vec::new();
        for keyword in ["fn", "mod"] {
            for start in words(&self.code, keyword) {
                let rest = self.code.get(start + keyword.len()..).unwrap_or_default();
                let name = first_word(rest.trim_start());
                let Some(open) = body(&self.code, start).filter(|_| !name.is_empty()) else { continue };
                found.push(Block { keyword, name: name.to_owned(), start, end: closing(&self.code, open) });
            }
        }
        found
    }

    /// Whether an offset lies in code that only tests see.
    pub fn is_test(&self, offset: usize) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        if file == "tests.rs"
            || file == "testing.rs"
            || self.path.contains("/tests/")
            || self.path.starts_with("tests/")
        {
            return true;
        }
        self.code.match_indices(CFG_TEST).any(|(start, _)| {
            let open = body(&self.code, start + CFG_TEST.len());
            open.is_some_and(|open| start <= offset && offset <= closing(&self.code, open))
        })
    }
}

/// The offsets at which `word` stands alone.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The identifier that a text begins with; may be empty.
pub fn first_word(text: &str) -> &str {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The brace that opens the body of the item that begins at `start`; nothing when it has none.
fn body(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The offset of the brace that closes the one at `open`; `open` itself when there is none.
pub fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => return at,
            _ => {}
        }
    }
    open
}

/// By the ending that cargo asks for.
pub fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "rs")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn keep(text: &str, parts: &[Part], wanted: Part) -> String {
    let kept = |(byte, part): (u8, &Part)| if *part == wanted || byte == b'\n' { byte } else { b' ' };
    let bytes: Vec<u8> = text.bytes().zip(parts).map(kept).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn literals(text: &str, parts: &[Part]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    for run in parts.chunk_by(|a, b| a == b) {
        if run.first() == Some(&Part::Literal) {
            found.push((at, text.get(at..at + run.len()).unwrap_or_default().to_owned()));
        }
        at += run.len();
    }
    found
}

/// Says of each byte what it belongs to; quotes count as code, so that literals never touch.
fn classify(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::with_capacity(text.len());
    while parts.len() < text.len() {
        let rest = text.get(parts.len()..).unwrap_or_default();
        let previous = parts.len().checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(b' ');
        let (open, inside, close, part) = token(rest, previous);
        parts.extend(std::iter::repeat_n(Part::Code, open));
        parts.extend(std::iter::repeat_n(part, inside));
        parts.extend(std::iter::repeat_n(Part::Code, close));
    }
    parts.truncate(text.len());
    parts
}

/// The next piece: bytes of code, bytes of what follows, bytes of code that close it.
fn token(rest: &[u8], previous: u8) -> (usize, usize, usize, Part) {
    if rest.starts_with(b"//") {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        return (0, end, 0, Part::Comment);
    }
    if rest.starts_with(b"/*") {
        return (0, block_comment(rest), 0, Part::Comment);
    }
    if rest.first() == Some(&b'"') {
        return (1, quoted(rest.get(1..).unwrap_or_default(), b'"'), 1, Part::Literal);
    }
    let in_a_name = previous.is_ascii_alphanumeric() && previous != b'b' && previous != b'c';
    if !in_a_name && let Some((hashes, inside)) = raw(rest) {
        return (2 + hashes, inside, 1 + hashes, Part::Literal);
    }
    if let Some(inside) = character(rest) {
        return (1, inside, 1, Part::Literal);
    }
    (1, 0, 0, Part::Code)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Bytes up to the closing quote, escapes skipped.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match *byte {
            b'\\' => at += 2,
            byte if byte == quote => break,
            _ => at += 1,
        }
    }
    at.min(rest.len())
}

/// The hashes and the length of a raw string that begins with `r`.
fn raw(rest: &[u8]) -> Option<(usize, usize)> {
    let hashes = rest.strip_prefix(b"r")?.iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = rest.get(2 + hashes..)?;
    let inside = body.windows(close.len()).position(|window| window == close).unwrap_or(body.len());
    Some((hashes, inside))
}

/// The length of a character literal, or nothing for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    let rest = rest.strip_prefix(b"'")?;
    if rest.first() == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let text = std::str::from_utf8(rest.get(..rest.len().min(5))?)
        .or_else(|error| std::str::from_utf8(rest.get(..error.valid_up_to()).unwrap_or_default()));
    let first = text.ok()?.chars().next()?;
    (rest.get(first.len_utf8()) == Some(&b'\'')).then(|| first.len_utf8())
}

#[test]
fn comments_and_literals_are_told_from_code() {
    let file = Source::new(
        "a.rs",
        "let a = \"fn x {\"; // fn y {\nlet b = r#\"a\"b\"#; /* /* */ fn */ let c = '{'; fn f<'a>() {}",
    );
    assert_eq!(
        file.code,
        "let a = \"      \";          \nlet b = r#\"   \"#;                let c = ' '; fn f<'a>() {}"
    );
    let texts: Vec<&str> = file.literals.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["fn x {", "a\"b", "{"]);
    assert!(file.comments.contains("fn y {") && !file.comments.contains("let"));
    assert_eq!(Source::new("a.rs", "'\\'' \"\\\"{\" b'\"' {").code.matches('{').count(), 1);
}

#[test]
fn blocks_end_at_their_brace() {
    let file = Source::new(
        "a.rs",
        "fn a();\nfn b(x: [u8; 2]) -> [u8; 2] { if x { \"}\" } }\nmod c {\n  fn d() {}\n}\nmod e;",
    );
    let blocks: Vec<_> =
        file.blocks().into_iter().map(|b| (b.name, file.line(b.start), file.line(b.end))).collect();
    assert_eq!(blocks, [("b".into(), 2, 2), ("d".into(), 4, 4), ("c".into(), 3, 5)]);
}

#[test]
fn test_code_is_known() {
    let file = Source::new("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}");
    let at = |text: &str| file.text.find(text).unwrap();
    assert!(!file.is_test(at("fn a")) && file.is_test(at("fn b")) && !file.is_test(at("fn c")));
    assert!(Source::new("src/a/tests.rs", "fn a() {}").is_test(0));
}
