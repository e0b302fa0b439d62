//! A name for each request, in its answer and in every log line about it.
use crate::http::state::App;
use crate::random;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use std::future::Future;
use tracing::Instrument;

/// The header that carries it, in and out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Most characters of an id that a client may choose.
const CHARS_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request being answered; empty outside one.
pub fn current() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Takes the id of this request along into another task.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), work)
}

/// The id of a request: a sane `X-Request-Id` that was sent, or a new one.
pub fn of(app: &App, request: &Request) -> String {
    let sent = request.headers().get(&HEADER).and_then(|value| value.to_str().ok());
    let make = || random::uuid_text(app.clock.real()).unwrap_or_else(|error| error.to_string());
    sent.filter(|id| is_sane(id)).map_or_else(make, str::to_owned)
}

/// The header that tells an id.
pub fn header(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(id).ok()
}

/// Answers the request of this id.
pub fn with<F: Future>(id: String, answer: F) -> impl Future<Output = F::Output> {
    let span = tracing::info_span!("request", id = %id);
    CURRENT.scope(id, answer.instrument(span))
}

fn is_sane(id: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '+' | '=');
    (1..=CHARS_MAX).contains(&id.len()) && id.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken_over() {
        for good in ["a", "0190-abc_DEF.1", &"x".repeat(128)] {
            assert!(is_sane(good), "{good}");
        }
        for bad in ["", "a b", "a\"b", "é", &"x".repeat(129)] {
            assert!(!is_sane(bad), "{bad}");
        }
    }
}
