//! A first look at JSON text: how deep it nests and where its value ends, before anything that
//! might recurse reads it.

/// Deepest nesting of a request: a list of events, an event, its properties and what they hold.
pub const DEPTH_MAX: usize = 40;

/// Why a text is not worth parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// Lists and objects within each other beyond the limit.
    #[error("JSON may nest at most {DEPTH_MAX} levels")]
    TooDeep,
    /// Brackets or quotes without their counterpart.
    #[error("the JSON ends too early")]
    Unfinished,
    /// A control character or an escape that JSON does not have.
    #[error("a text must not contain control characters or unknown escapes: see byte {0}")]
    Text(usize),
    /// Something follows the value.
    #[error("something follows the JSON value, at byte {0}")]
    Trailing(usize),
    /// Neither an object nor a list.
    #[error("the body must be a JSON object or a list of them")]
    Scalar,
}

/// Checks nesting, the inside of texts (but not whether escapes are whole characters), and that one
/// object or list is all there is; returns it trimmed.
pub fn container(text: &str) -> Result<&str, ScanError> {
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    let bytes = trimmed.as_bytes();
    match bytes.first() {
        None => return Err(ScanError::Empty),
        Some(b'{' | b'[') => {}
        Some(_) => return Err(ScanError::Scalar),
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = end_of_text(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(ScanError::TooDeep);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && at < bytes.len() {
                    return Err(ScanError::Trailing(at));
                }
            }
            _ => {}
        }
    }
    if depth == 0 { Ok(trimmed) } else { Err(ScanError::Unfinished) }
}

/// Behind the quote that ends the text whose first byte is at `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> Result<usize, ScanError> {
    loop {
        at += plain(bytes.get(at..).unwrap_or_default());
        match bytes.get(at) {
            None => return Err(ScanError::Unfinished),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = end_of_escape(bytes, at + 1)?,
            Some(_) => return Err(ScanError::Text(at)),
        }
    }
}

/// Behind the escape whose backslash is before `at`.
fn end_of_escape(bytes: &[u8], at: usize) -> Result<usize, ScanError> {
    const DIGITS: usize = 4;
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => return Ok(at + 1),
        Some(b'u') => {}
        Some(_) => return Err(ScanError::Text(at)),
        None => return Err(ScanError::Unfinished),
    }
    for at in at + 1..=at + DIGITS {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_hexdigit() => {}
            Some(_) => return Err(ScanError::Text(at)),
            None => return Err(ScanError::Unfinished),
        }
    }
    Ok(at + 1 + DIGITS)
}

/// How many bytes from the front mean nothing but themselves within a text, eight at a time: half
/// of the time that parsing took was spent here byte by byte.
fn plain(bytes: &[u8]) -> usize {
    const LOW: u64 = u64::MAX / 255;
    const HIGH: u64 = LOW << 7;
    // The top bit of each zero byte; above the first one others may be set too.
    let zero = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let found = control | zero(word ^ (LOW * u64::from(b'"'))) | zero(word ^ (LOW * u64::from(b'\\')));
        if found != 0 {
            return 8 * index + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    8 * words.len() + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_end_and_the_depth() {
        assert_eq!(container(" {\"a\":\"}\\\"]\"} \n"), Ok("{\"a\":\"}\\\"]\"}"));
        assert_eq!(container("[1] 2"), Err(ScanError::Trailing(3)));
        assert_eq!(container("  "), Err(ScanError::Empty));
        assert_eq!(container("7"), Err(ScanError::Scalar));
        assert_eq!(container("[[1]"), Err(ScanError::Unfinished));
        assert_eq!(container("{\"a"), Err(ScanError::Unfinished));
        for bad in ["{\"a\nb\":1}", "[\"\\q\"]", "[\"\\u12g4\"]", "[\"\u{0}\"]"] {
            assert!(matches!(container(bad), Err(ScanError::Text(_))), "{bad:?}");
        }
        assert!(container("[\"\\u00e9\\n\\/\u{7f}é\"]").is_ok());
        for cut in ["{\"a\\", "{\"a\\u00", "{\"abcdefghijklm"] {
            assert_eq!(container(cut), Err(ScanError::Unfinished), "{cut:?}");
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(container(&deep(DEPTH_MAX)).is_ok());
        assert_eq!(container(&deep(2_000)), Err(ScanError::TooDeep));
    }

    proptest! {
        #[test]
        fn plain_bytes_are_counted_as_one_by_one(bytes in prop::collection::vec(
            prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 20 => 0x20_u8..0x80], 0..70)) {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
            let expected = bytes.iter().position(special).unwrap_or(bytes.len());
            prop_assert_eq!(plain(&bytes), expected);
        }
    }
}
