//! `POST /v1/events`.
use super::judge::{Form, Judge};
use super::ndjson;
use crate::events::BATCH_EVENTS_MAX;
use crate::http::body::{self, Limits};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Params, is_json, media_type};
use crate::http::state::App;
use crate::ingest::cloudevents::{self, BATCHED, STRUCTURED};
use crate::ingest::draft::Rejected;
use crate::ingest::fields::{self, Raw};
use crate::ingest::scan::{self, ScanError};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reckoner_api::error::Problem;
use reckoner_api::event::{IngestAnswer, NewEvent};
use serde::Deserialize;
use std::borrow::Cow;
use utoipa::IntoParams;

/// How ingest answers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IngestParams {
    /// `all`: accepted events are listed among the outcomes too.
    outcomes: Option<String>,
}

/// Record events.
///
/// One event, a list of up to 1,000, NDJSON of any length (answered as it commits), or CloudEvents
/// (structured, batched, binary). Bodies may be compressed with gzip, deflate or zstd. Each event
/// is judged by itself; an event is answered once it is on stable storage. Sending an event again
/// under its id is a duplicate, other content under the same id a conflict.
#[utoipa::path(
    post, path = "/v1/events", operation_id = "record_events", tag = "events",
    params(
        IngestParams,
        ("Idempotency-Key" = Option<String>, Header, description = "The id of a single event that has none."),
    ),
    request_body(content(
        (NewEvent = "application/json"),
        (String = "application/x-ndjson"),
        (Object = "application/cloudevents+json"),
        (Vec<Object> = "application/cloudevents-batch+json"),
    )),
    responses(
        (status = 200, description = "Judged one by one, none rejected (a single event: a duplicate); NDJSON is answered line by line", content((IngestAnswer = "application/json"), (String = "application/x-ndjson"))),
        (status = 201, description = "A single event, newly stored", body = IngestAnswer),
        (status = 207, description = "Some events were rejected", body = IngestAnswer),
        (status = 400, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid credential", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `ingest`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A single event whose id is taken by other content", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "More than 1,000 events, or too many bytes", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "A media type or encoding that is not read", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A single event that is invalid (problem), or all events of a list (answer)", content((Problem = "application/problem+json"), (IngestAnswer = "application/json"))),
        (status = 503, description = "Too many requests wait to be committed", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn ingest(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut errors): Params<IngestParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let all = params.outcomes.is_some();
    if params.outcomes.is_some_and(|outcomes| outcomes != "all") {
        errors.push(field_error("outcomes", "must be all, or absent"));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let kind = headers.get(header::CONTENT_TYPE).map(|value| media_type(value.to_str().unwrap_or_default()));
    let binary = headers.contains_key("ce-specversion") || headers.contains_key("ce-id");
    let form = match kind.as_deref() {
        None | Some("application/json") if binary => Form::CloudEvents,
        Some(ndjson::CONTENT_TYPE | "application/ndjson" | "application/jsonl") if !binary => {
            return ndjson::respond(app, caller, &headers, body, all).await;
        }
        None | Some("application/json") => Form::Native,
        Some(STRUCTURED | BATCHED) if !binary => Form::CloudEvents,
        Some(_) => {
            let allowed = ["application/json", ndjson::CONTENT_TYPE, STRUCTURED, BATCHED].join(", ");
            return Err(ApiError::unsupported_media(format!("Content-Type must be one of {allowed}")));
        }
    };
    let limits = Limits {
        sent_bytes_max: app.config.ingest.body_bytes_max,
        inflated_bytes_max: app.config.ingest.inflated_bytes_max,
    };
    let bytes = body::read(&headers, body, limits, &app.bodies).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::malformed("the body is not UTF-8"))?;
    let text = if binary { Cow::Owned(from_binary(&headers, text)?) } else { Cow::Borrowed(text) };
    let text = scan::container(&text).map_err(scan_error)?;
    let catalogue = app.recorder.catalogues.of(caller.project);
    let judge = Judge::new(&app, &caller, &catalogue, form).all_outcomes(all);
    let key = idempotency_key(&headers)?;
    if text.starts_with('{') {
        return single(&judge, Raw::new(text), key).await;
    }
    many(&judge.several(key.is_some()), text).await
}

/// The text of a body that is one event.
pub async fn read_single(app: &App, headers: &HeaderMap, body: Body) -> Result<String, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::unsupported_media("Content-Type must be application/json"));
    }
    let limits = Limits {
        sent_bytes_max: app.config.ingest.body_bytes_max,
        inflated_bytes_max: app.config.ingest.inflated_bytes_max,
    };
    let bytes = body::read(headers, body, limits, &app.bodies).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::malformed("the body is not UTF-8"))?;
    let text = scan::container(text).map_err(scan_error)?;
    if text.starts_with('{') {
        Ok(text.to_owned())
    } else {
        Err(ApiError::field("body", "must be one event"))
    }
}

/// The body of a binary CloudEvent must be one whole object: nothing of it may become attributes.
fn from_binary(headers: &HeaderMap, body: &str) -> Result<String, ApiError> {
    let body = match scan::container(body) {
        Ok(object) if object.starts_with('{') => object,
        Err(ScanError::Empty) => "",
        Ok(_) | Err(ScanError::Scalar) => return Err(ApiError::field("data", "must be an object")),
        Err(error) => return Err(scan_error(error)),
    };
    let texts = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let broken = |name: String| ApiError::field(&name, "must be UTF-8, percent-encoded");
    cloudevents::to_structured(texts, body).map_err(broken)
}

fn scan_error(error: ScanError) -> ApiError {
    ApiError::malformed(error.to_string())
}

/// The key that names a single event.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty());
    key.map(Some)
        .ok_or_else(|| ApiError::field("Idempotency-Key", "must be a text of visible ASCII characters"))
}

/// One event: its outcome decides the status.
async fn single(judge: &Judge<'_>, event: Raw<'_>, key: Option<&str>) -> Result<Response, ApiError> {
    let checked = judge.check_single(event, key).map_err(refusal)?;
    let answer = judge.record(vec![checked], 0).await?;
    if answer.rejected > 0 {
        return Err(ApiError::conflict("event_conflict", "the id is taken by an event with other content"));
    }
    let status = if answer.accepted > 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(answer)).into_response())
}

/// Why an event is not stored, as a problem.
pub fn refusal(rejected: Rejected) -> ApiError {
    match rejected.faults.as_slice() {
        [fault] if rejected.malformed => ApiError::malformed(fault.reason.clone()),
        _ => ApiError::invalid(rejected.faults.into_iter().map(super::judge::to_api_error).collect()),
    }
}

/// A list of events.
async fn many(judge: &Judge<'_>, list: &str) -> Result<Response, ApiError> {
    let events = fields::elements(list, BATCH_EVENTS_MAX).map_err(ApiError::malformed)?;
    if events.count == 0 {
        return Err(ApiError::field("body", "must have at least one event"));
    }
    if events.count > BATCH_EVENTS_MAX {
        let detail =
            format!("a list must have at most {BATCH_EVENTS_MAX} events; this one has {}", events.count);
        return Err(ApiError::too_large(detail));
    }
    let answer = judge.record(events.first.into_iter().map(|event| judge.check(event)).collect(), 0).await?;
    let status = match (answer.rejected, answer.accepted + answer.duplicate) {
        (0, _) => StatusCode::OK,
        (_, 0) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::MULTI_STATUS,
    };
    Ok((status, Json(answer)).into_response())
}
