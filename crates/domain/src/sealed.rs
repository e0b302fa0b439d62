//! Content that never changes: its canonical text and the hash of that.
use crate::json::canonical;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The content as canonical JSON (RFC 8785), and the SHA-256 of that in lower-case hexadecimal.
pub(crate) fn seal(content: &impl Serialize) -> (String, String) {
    let text = canonical(&serde_json::to_value(content).unwrap_or_default());
    let hash = sha256_hex(&text);
    (text, hash)
}

/// The SHA-256 of a text, in lower-case hexadecimal.
pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
