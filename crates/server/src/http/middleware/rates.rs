//! Rate limits of a request: whoever comes too often is told when to come again, and every limited
//! answer says what is left.
use crate::auth::attempts::Who;
use crate::auth::rates::{Dimension, State};
use crate::http::error::ApiError;
use crate::http::origin;
use crate::http::state::App;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use reckoner_domain::id::{ApiKeyId, ProjectId};
use reckoner_domain::time::{SECOND, Timestamp};
use std::convert::Infallible;
use std::sync::Arc;

/// Routes that whoever watches the server calls, from wherever others call too.
const EXEMPT: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What was taken of rate limits for a request; nothing where none is set. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Rates(Option<Arc<Mutex<Vec<State>>>>);

impl FromRequestParts<App> for Rates {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl Rates {
    /// Of a request on its way in.
    pub fn begin(app: &App, pattern: &str) -> Self {
        let is_limited = app.rates.is_on() && !EXEMPT.contains(&pattern);
        Self(is_limited.then(Arc::default))
    }

    /// Of a request that has begun.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Whether anything may be limited.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes from the limit of the client's address.
    pub fn address(&self, app: &App, parts: &Parts) -> Result<(), ApiError> {
        let address = origin::address(parts, &app.config.http.trusted_proxies);
        self.take(app, Dimension::Address, Who::client(address))
    }

    /// Takes from the limit of an API key.
    pub fn key(&self, app: &App, key: &ApiKeyId) -> Result<(), ApiError> {
        self.take(app, Dimension::Key, key.as_str())
    }

    /// Takes from the limit of a customer, by its own id.
    pub fn customer(&self, app: &App, project: ProjectId, customer: &str) -> Result<(), ApiError> {
        self.take(app, Dimension::Customer, (project, customer))
    }

    fn take(&self, app: &App, dimension: Dimension, who: impl std::hash::Hash) -> Result<(), ApiError> {
        let Some(noted) = &self.0 else { return Ok(()) };
        let states = app.rates.take(dimension, who, app.clock.real());
        let refused = states.iter().filter(|state| state.refused_s.is_some()).max_by_key(|s| s.refused_s);
        let refused = refused.copied();
        noted.lock().extend(states);
        let Some(state) = refused else { return Ok(()) };
        metrics::counter!("rate_limited_total", "dimension" => dimension.as_str()).increment(1);
        let (count, span, of) = (state.rate.count, state.span.as_str(), dimension.as_str());
        let what = if count == 1 { "request" } else { "requests" };
        let detail = format!("Rate limit exceeded: at most {count} {what} a {span} for each {of}");
        Err(ApiError::rate_limited(detail).retry_after(state.refused_s.unwrap_or(1)))
    }

    /// Writes how the limits stand into an answer, beside what it says of quotas.
    pub fn tell(&self, headers: &mut HeaderMap, now: Timestamp) {
        let Some(noted) = &self.0 else { return };
        let states = noted.lock();
        for state in states.iter() {
            let name = format!("{}-{}", state.dimension.as_str(), state.span.as_str());
            let burst = u64::from(state.rate.burst);
            let refill = (burst * state.span.seconds().unsigned_abs()).div_ceil(state.rate.count.into());
            let full_s = (state.full_at.micros_since(now).max(0) + SECOND - 1) / SECOND;
            add(headers, POLICY, &format!("\"{name}\";q={burst};w={refill}"));
            add(headers, LEFT, &format!("\"{name}\";r={};t={full_s}", state.remaining));
        }
        let tightest = states.iter().min_by(|a, b| {
            let left = |one: &State| (one.refused_s.is_none(), one.remaining);
            left(a).cmp(&left(b))
        });
        let Some(state) = tightest else { return };
        // Of several the one that refused; what a quota says of itself stays otherwise.
        if state.refused_s.is_none() && headers.contains_key("x-ratelimit-limit") {
            return;
        }
        for (name, text) in [
            ("x-ratelimit-limit", state.rate.burst.to_string()),
            ("x-ratelimit-remaining", state.remaining.to_string()),
            ("x-ratelimit-reset", state.full_at.to_string()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
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
