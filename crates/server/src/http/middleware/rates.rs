//! Rate limits of a request: whoever comes too often is told when to come again, and every limited
//! answer says what is left.
use crate::auth::attempts::Who;
use crate::http::error::ApiError;
use crate::http::origin;
use crate::http::state::App;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use parking_lot::Mutex;
use reckoner_client::rates::{self, Dimension, State};
use reckoner_domain::id::{ApiKeyId, ProjectId};
use reckoner_domain::time::Timestamp;
use std::convert::Infallible;
use std::sync::Arc;

/// Routes that whoever watches the server calls, from wherever others call too.
const EXEMPT: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];

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
        let is_limited = app.rates.limits().is_on() && !EXEMPT.contains(&pattern);
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
        let caller = app.rates.caller(dimension, who);
        let states = app.rates.take(&[caller], app.clock.real().as_micros());
        let refusal = State::refusal(&states);
        noted.lock().extend(states);
        let Some(state) = refusal else { return Ok(()) };
        metrics::counter!("rate_limited_total", "dimension" => dimension.as_str()).increment(1);
        Err(ApiError::rate_limited(state.message()).retry_after(state.refused_s.unwrap_or(1)))
    }

    /// Writes how the limits stand into an answer, beside what it says of quotas.
    pub fn tell(&self, headers: &mut HeaderMap, now: Timestamp) {
        if let Some(noted) = &self.0 {
            rates::tell(headers, &noted.lock(), now.as_micros());
        }
    }
}
