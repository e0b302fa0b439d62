//! How endpoints are named.
use http::request::Parts;

/// Most bytes of an endpoint's name.
const ENDPOINT_BYTES_MAX: usize = 512;
/// A segment of so many characters or more with a digit in it is an id.
const ID_CHARS: usize = 12;

/// The endpoint of a request: its route template, or a likely one.
pub(super) fn of(parts: &Parts) -> String {
    #[cfg(feature = "axum")]
    if let Some(matched) = parts.extensions.get::<axum::extract::MatchedPath>() {
        return matched.as_str().to_owned();
    }
    template(parts.uri.path())
}

/// A path with what looks like an id taken out: numbers, UUIDs, and long segments with digits in them.
///
/// ```
/// use reckoner_client::template;
///
/// assert_eq!(template("/workspaces/42/files/report.pdf"), "/workspaces/{id}/files/report.pdf");
/// assert_eq!(template("/users/0190d5a0-7b1c-7def-8a6b-3f1d2c4b5a69"), "/users/{id}");
/// assert_eq!(template("/v1/status"), "/v1/status");
/// ```
pub fn template(path: &str) -> String {
    let segments: Vec<&str> =
        path.split('/').map(|segment| if is_id(segment) { "{id}" } else { segment }).collect();
    let mut template = segments.join("/");
    if template.len() > ENDPOINT_BYTES_MAX {
        let end = (0..=ENDPOINT_BYTES_MAX).rev().find(|end| template.is_char_boundary(*end)).unwrap_or(0);
        template.truncate(end);
    }
    template
}

fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let made = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    digits > 0 && (digits == segment.len() || (segment.len() >= ID_CHARS && segment.bytes().all(made)))
}
