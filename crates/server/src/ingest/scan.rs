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
    let mut text = Text::Outside;
    for (at, byte) in bytes.iter().enumerate() {
        if text != Text::Outside {
            text = text.after(*byte).ok_or(ScanError::Text(at))?;
            continue;
        }
        match byte {
            b'"' => text = Text::Inside,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(ScanError::TooDeep);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && at + 1 < bytes.len() {
                    return Err(ScanError::Trailing(at + 1));
                }
            }
            _ => {}
        }
    }
    if depth == 0 && text == Text::Outside { Ok(trimmed) } else { Err(ScanError::Unfinished) }
}

/// Where in a text the scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// Behind a backslash.
    Escape,
    /// Within `\u`, with so many digits to come.
    Digits(u8),
}

impl Text {
    /// The place behind one more byte, from anywhere but outside; `None` where it must not be.
    fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Inside, b'"') => Some(Self::Outside),
            (Self::Inside, b'\\') => Some(Self::Escape),
            (Self::Inside, ..0x20) => None,
            (Self::Escape, b'u') => Some(Self::Digits(4)),
            (Self::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') | (Self::Inside, _) => {
                Some(Self::Inside)
            }
            (Self::Digits(1), _) if byte.is_ascii_hexdigit() => Some(Self::Inside),
            (Self::Digits(left), _) if byte.is_ascii_hexdigit() => Some(Self::Digits(left - 1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(container(&deep(DEPTH_MAX)).is_ok());
        assert_eq!(container(&deep(2_000)), Err(ScanError::TooDeep));
    }
}
