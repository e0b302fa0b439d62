//! What answers say of rate limits.
use super::State;
use crate::clock;
use http::{HeaderMap, HeaderName, HeaderValue};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Writes how rate limits stand into an answer, beside what it says of quotas: `RateLimit-Policy` and `RateLimit` get an
/// item for each; `X-RateLimit-*` is of the one that refused, or else of the quota, or else of the one with least left.
/// `now` is in microseconds since 1970.
pub fn tell(headers: &mut HeaderMap, states: &[State], now: i64) {
    for state in states {
        let name = format!("{}-{}", state.dimension.as_str(), state.span.as_str());
        let burst = u64::from(state.rate.burst);
        let refill = (burst * state.span.seconds().unsigned_abs()).div_ceil(state.rate.count.max(1).into());
        let full_s = (state.full_at.saturating_sub(now).max(0) + MICROS_PER_SECOND - 1) / MICROS_PER_SECOND;
        add(headers, POLICY, &format!("\"{name}\";q={burst};w={refill}"));
        add(headers, LEFT, &format!("\"{name}\";r={};t={full_s}", state.remaining));
    }
    let tightest = states.iter().min_by_key(|state| (state.refused_s.is_none(), state.remaining));
    let Some(state) = tightest else { return };
    // Of several the one that refused; what a quota says of itself stays otherwise.
    if state.refused_s.is_none() && headers.contains_key(LIMIT) {
        return;
    }
    let full_at = jiff::Timestamp::from_microsecond(state.full_at).unwrap_or(jiff::Timestamp::MAX);
    for (name, text) in [
        (LIMIT, state.rate.burst.to_string()),
        (REMAINING, state.remaining.to_string()),
        (RESET, clock::text(full_at)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

/// Adds an item to a list in one header field.
fn add(headers: &mut HeaderMap, name: HeaderName, item: &str) {
    let before = headers.get(&name).and_then(|value| value.to_str().ok());
    let list = before.map_or_else(|| item.to_owned(), |before| format!("{before}, {item}"));
    if let Ok(value) = HeaderValue::from_str(&list) {
        headers.insert(name, value);
    }
}
