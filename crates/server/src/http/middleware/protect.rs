//! Headers that keep browsers from doing with an answer what it was not made for.
use axum::http::{HeaderMap, HeaderValue, header};

/// No guessing of types, no copies in caches: answers hold usage and secrets. A handler that knows
/// better has set its own.
pub fn protect(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
