//! `POST /usagebatch`: all events or none.
use super::check::{Sent, Types};
use super::{BodyFault, CONFLICT, as_container, keep_rejected, no_event_types, read_body};
use crate::events::{BATCH_EVENTS_MAX, Outcome};
use crate::http::compat::{Refused, failure};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::ingest::draft::Checked;
use crate::ingest::fields::{self, Raw};
use crate::random;
use crate::store::rejected_events::Code;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reckoner_domain::id::ProjectId;
use serde_json::{Value, json};

/// Capture up to 1,000 events: all of them, or none where one is invalid.
#[utoipa::path(
    post, path = "/usagebatch", operation_id = "capture_events", tag = "system A",
    request_body(content = Vec<Object>, description = "`[{eventType, customerId, value, metadata?}]`", content_type = "application/json"),
    responses(
        (status = 201, description = "`{message, count}`", body = Object),
        (status = 207, description = "`{message, successCount, failedCount}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 413, description = "`{error, received, maxAllowed}`", body = Object),
        (status = 415, description = "`{error}`", body = Object),
        (status = 422, description = "`{error, validationErrors, validCount, invalidCount}`", body = Object),
        (status = 503, description = "`{error}`", body = Object),
        (status = 507, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn capture(
    State(app): State<App>,
    By(caller): By,
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
    let bad = |text: &str| failure(StatusCode::BAD_REQUEST, text, None);
    let bytes = match read_body(&app, &headers, body).await {
        Ok(bytes) => bytes,
        Err(BodyFault::Missing) => return Ok(bad("Request body is required")),
        Err(BodyFault::Unreadable(error)) => return Err(Refused(error)),
    };
    let list = as_container(&bytes).ok().filter(|text| text.starts_with('['));
    let Some(Ok(events)) = list.map(|list| fields::elements(list, BATCH_EVENTS_MAX)) else {
        let null = bytes.trim_ascii() == b"null";
        return Ok(bad(if null {
            "Request body is required"
        } else {
            "Request body must be an array of events"
        }));
    };
    if events.count == 0 {
        return Ok(bad("Events array cannot be empty"));
    }
    if events.count > BATCH_EVENTS_MAX {
        return Ok(too_many(events.count));
    }
    let checked = match check_all(&app, caller.project, &types, &events.first)? {
        Ok(checked) => checked,
        Err(answer) => return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(answer)).into_response()),
    };
    let outcomes = app.recorder.record(caller.project, now, &checked).await?;
    let mut failed = 0;
    for (index, (event, outcome)) in events.first.iter().zip(&outcomes).enumerate() {
        if matches!(outcome, Outcome::Conflict { .. }) {
            failed += 1;
            let reasons = [CONFLICT.to_owned()];
            keep_rejected(
                &app,
                (caller.project, now),
                (index, Code::Conflict),
                event.as_json(),
                None,
                &reasons,
            );
        }
    }
    if failed > 0 {
        let stored = outcomes.len() - failed;
        let body =
            json!({"message": "Events partially captured", "successCount": stored, "failedCount": failed});
        return Ok((StatusCode::MULTI_STATUS, Json(body)).into_response());
    }
    let body = json!({"message": "Events captured", "count": outcomes.len()});
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

fn too_many(received: usize) -> Response {
    let body = json!({
        "error": format!("Batch size exceeds maximum limit of {BATCH_EVENTS_MAX} events"),
        "received": received,
        "maxAllowed": BATCH_EVENTS_MAX,
    });
    (StatusCode::PAYLOAD_TOO_LARGE, Json(body)).into_response()
}

/// Every event checked, or the answer that tells what is wrong with which.
fn check_all<'e>(
    app: &App,
    project: ProjectId,
    types: &Types<'_>,
    events: &[Raw<'e>],
) -> Result<Result<Vec<Checked<'e>>, Value>, ApiError> {
    let mut checked = Vec::with_capacity(events.len());
    let mut errors = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let make_id = || random::uuid_text(app.clock.real()).map_err(|error| error.to_string());
        let verdict = if event.is_object() {
            Sent::read(event.as_json()).map_err(ApiError::malformed)?.check(types, make_id)
        } else {
            Err(vec!["Event must be an object".to_owned()])
        };
        match verdict {
            Ok(event) => checked.push(event),
            Err(reasons) => {
                let (by, place) = ((project, types.rules.now), (index, Code::Invalid));
                keep_rejected(app, by, place, event.as_json(), None, &reasons);
                errors.push(json!({"index": index, "errors": reasons}));
            }
        }
    }
    if errors.is_empty() {
        return Ok(Ok(checked));
    }
    Ok(Err(json!({
        "error": "Validation failed for some events",
        "validationErrors": errors,
        "validCount": checked.len(),
        "invalidCount": events.len() - checked.len(),
    })))
}
