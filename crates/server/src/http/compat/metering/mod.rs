//! System A: metering with webhooks.
pub mod batch;
pub mod check;
pub mod index;
pub mod read;
pub mod single;
pub mod trigger;

use super::failure;
use crate::auth::caller::Caller;
use crate::config::Definitions;
use crate::http::body::{self, Limits};
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::ingest::draft::Rules;
use crate::ingest::rejections::Rejection;
use crate::ingest::scan;
use crate::store::Scope;
use crate::store::rejected_events::Code;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use reckoner_domain::decimal::Excess;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Catalogue;
use reckoner_domain::time::Timestamp;

/// What a sender is told whose event has the id of another one.
pub const CONFLICT: &str = "The id is taken by an event with other content";

/// What is wrong with a body before it is an event.
pub enum BodyFault {
    /// There is none.
    Missing,
    /// It cannot be read whole.
    Unreadable(ApiError),
}

/// Reads a body of JSON: an object or a list. What it says of its type does not matter: clients send
/// JSON under any name, and no browser adds a credential by itself.
pub async fn read_body(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, BodyFault> {
    let limits = Limits {
        sent_bytes_max: app.config.ingest.body_bytes_max,
        inflated_bytes_max: app.config.ingest.inflated_bytes_max,
    };
    let bytes = body::read(headers, body, limits, &app.bodies).await.map_err(BodyFault::Unreadable)?;
    if bytes.trim_ascii().is_empty() {
        return Err(BodyFault::Missing);
    }
    Ok(bytes)
}

/// A body as text with one object or list.
pub fn as_container(bytes: &[u8]) -> Result<&str, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::malformed("Request body must be UTF-8"))?;
    scan::container(text).map_err(|error| ApiError::malformed(error.to_string()))
}

/// What events are held against. Clients of these paths send any double that JavaScript has.
pub fn rules<'c>(app: &App, catalogue: &'c Catalogue, now: Timestamp, caller: &Caller) -> Rules<'c> {
    let rules = app.recorder.rules(catalogue, now, caller.scopes.has(Scope::Backfill));
    Rules { excess: Excess::Round, ..rules }
}

/// Keeps an event that was not stored among the rejected ones; `reasons` in the words that its sender
/// was told.
pub fn keep_rejected(
    app: &App,
    (project, received_at): (ProjectId, Timestamp),
    (index, code): (usize, Code),
    sent: &str,
    path_type: Option<&str>,
    reasons: &[String],
) {
    let fields = check::Sent::read(sent).unwrap_or_default();
    let [id, customer, event_type] = fields.names();
    app.rejections.note(&Rejection {
        project,
        received_at,
        index: index as u64,
        code,
        event_id: id.as_deref(),
        customer: customer.as_deref(),
        meter: path_type.or(event_type.as_deref()),
        reasons: reasons.iter().map(|reason| ("event", reason.as_str())).collect(),
        sent: sent.as_bytes(),
    });
}

/// The event types of a project: those of the operator's file as it orders them, then the others.
pub fn event_types<'c>(catalogue: &'c Catalogue, definitions: &'c Definitions) -> Vec<&'c str> {
    let named = |name: &str| definitions.events.iter().any(|(event_type, _)| event_type == name);
    let of_file = definitions.events.iter().map(|(name, _)| name.as_str());
    let of_file = of_file.filter(|name| catalogue.reading(name).is_some());
    of_file.chain(catalogue.event_types().filter(|name| !named(name))).collect()
}

/// The answer where no event types are configured.
pub fn no_event_types() -> Response {
    failure(StatusCode::SERVICE_UNAVAILABLE, "Service misconfigured: no event types available", None)
}
