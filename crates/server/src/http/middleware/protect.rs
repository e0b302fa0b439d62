//! Headers that keep browsers from doing with an answer what it was not made for.
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Nothing in an answer is run, loaded, framed or sent anywhere; pages set their own.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Tells browsers to come by https only, for a year.
const TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// Keeps other sites from loading answers as images, scripts and the like.
const RESOURCE: (HeaderName, HeaderValue) =
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));

/// No guessing of types, no frames, no referrers, no copies in caches: answers hold usage and secrets. A
/// handler that knows better has set its own.
pub fn protect(headers: &mut HeaderMap, is_https: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE.0, RESOURCE.1);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}
