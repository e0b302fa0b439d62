//! Names of requests.
use crate::id;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries them, in and out.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Most characters of a name that a caller may choose.
const CHARS_MAX: usize = 128;

/// A sane name that was sent, if those are taken, or a new one; and whether it was sent.
pub(super) fn of(headers: &HeaderMap, takes: bool) -> (String, bool) {
    let sent = headers.get(&HEADER).filter(|_| takes).and_then(|value| value.to_str().ok());
    match sent.filter(|id| is_sane(id)) {
        Some(id) => (id.to_owned(), true),
        None => (id::unique(), false),
    }
}

/// As a header; what is sane can be one.
pub(super) fn header(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("-"))
}

fn is_sane(id: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '+' | '=');
    (1..=CHARS_MAX).contains(&id.len()) && id.chars().all(good)
}
