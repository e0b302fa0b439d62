//! `POST /usage/{eventType}`.
use super::check::{Sent, Types};
use super::{BodyFault, CONFLICT, as_container, keep_rejected, no_event_types, read_body};
use crate::events::Outcome;
use crate::http::compat::{Named, READ_BY_D, Refused, failure};
use crate::http::extract::By;
use crate::http::state::App;
use crate::random;
use crate::store::rejected_events::Code;
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The event type that a path names, whether or not its name is also one of a fixed path.
pub struct EventType(String);

impl FromRequestParts<App> for EventType {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let fixed = parts.uri.path().strip_prefix("/usage/").filter(|name| READ_BY_D.contains(name));
        match fixed {
            Some(name) => Ok(Self(name.to_owned())),
            None => Named::from_request_parts(parts, app).await.map(|Named(name)| Self(name)),
        }
    }
}

/// Capture one event.
#[utoipa::path(
    post, path = "/usage/{event_type}", operation_id = "capture_event", tag = "system A",
    params(("event_type" = String, Path, description = "A configured event type.")),
    request_body(content = Object, description = "`{customerId, value, metadata?}`; optional: `id` or `idempotencyKey`, `timestamp`, `subject`, `sourceContext`", content_type = "application/json"),
    responses(
        (status = 201, description = "`{message, eventType, customerId}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 409, description = "`{error}`", body = Object),
        (status = 413, description = "`{error}`", body = Object),
        (status = 415, description = "`{error}`", body = Object),
        (status = 422, description = "`{error, details}`", body = Object),
        (status = 503, description = "`{error}`", body = Object),
        (status = 507, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn capture(
    State(app): State<App>,
    By(caller): By,
    EventType(event_type): EventType,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let catalogue = app.recorder.catalogues.of(caller.project);
    let now = app.clock.of_project(caller.project);
    let rules = super::rules(&app, &catalogue, now, &caller);
    let types = Types { rules, definitions: &app.definitions() };
    if types.none() {
        return Ok(no_event_types());
    }
    if let Some(reason) = types.fault(&event_type) {
        return Ok(failure(StatusCode::BAD_REQUEST, &reason, None));
    }
    let no_object = || failure(StatusCode::BAD_REQUEST, "Request body must be a JSON object", None);
    let bytes = match read_body(&app, &headers, body).await {
        Ok(bytes) => bytes,
        Err(BodyFault::Missing) => return Ok(no_object()),
        Err(BodyFault::Unreadable(error)) => return Err(Refused(error)),
    };
    let Ok(text) = as_container(&bytes) else { return Ok(no_object()) };
    let Ok(sent) = Sent::read(text) else { return Ok(no_object()) };
    let keep = |code, reasons: &[String]| {
        keep_rejected(&app, (caller.project, now), (0, code), text, Some(&event_type), reasons);
    };
    let make_id = || random::uuid_text(app.clock.real()).map_err(|error| error.to_string());
    let checked = match sent.of_type(&event_type).check(&types, make_id) {
        Ok(checked) => checked,
        Err(details) => {
            keep(Code::Invalid, &details);
            let body = json!({"error": "Validation failed", "details": details});
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response());
        }
    };
    let customer = checked.customer.to_string();
    let outcomes = app.recorder.record(caller.project, now, &[checked]).await?;
    if matches!(outcomes.first(), Some(Outcome::Conflict { .. })) {
        keep(Code::Conflict, &[CONFLICT.to_owned()]);
        return Ok(failure(StatusCode::CONFLICT, CONFLICT, None));
    }
    let body = json!({"message": "Event captured", "eventType": event_type, "customerId": customer});
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
