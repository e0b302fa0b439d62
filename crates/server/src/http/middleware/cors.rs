//! Pages elsewhere that may call from browsers: those that the operator lists, and no others. To those,
//! answers say nothing, and their browser keeps what it got from them.
use crate::http::state::App;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What a request may carry beside what any may.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, content-encoding, accept, idempotency-key, if-match, reckoner-project, x-apikey, \
     x-csrf-token, x-request-id",
);
/// What a page may read of an answer beside what any may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "allow, idempotent-replayed, retry-after, x-request-id, ratelimit, ratelimit-policy, x-ratelimit-limit, \
     x-ratelimit-remaining, x-ratelimit-reset",
);
/// For how long a browser need not ask again, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origin of the page that asks, where it may.
pub fn allowed(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let known = |listed: &String| listed.as_bytes() == origin.as_bytes();
    app.config.http.cors_origins.iter().any(known).then(|| origin.clone())
}

/// The answer to a browser that asks before a request, for an origin that is allowed.
pub fn preflight(request: &Request) -> Option<Response> {
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(response)
}

/// Tells the browser that a page of this origin may read the answer.
pub fn tell(app: &App, headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    if !app.config.http.cors_origins.is_empty() {
        // Also to the others: a cache must not give them an answer for one that is allowed.
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
