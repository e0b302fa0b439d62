//! Voids and amendments of events, and what they were before.
use super::ingest::refusal;
use super::list::{in_context, to_api};
use crate::auth::caller::Caller;
use crate::events::{
    CORRECTIONS_MAX, Change, Content, Corrected, Corrections, Cursor, LIST_EVENTS_MAX, ListFilter, Revision,
};
use crate::http::body::{self, Limits};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{BODY_BYTES_MAX, By, Json as JsonBody, Params, is_json};
use crate::http::pagination;
use crate::http::state::App;
use crate::http::v1::{time, usage};
use crate::ingest::draft::{Sent, text_fault};
use crate::ingest::{amend, scan};
use crate::store::Scope;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::event::{BatchVoid, BatchVoided, Event, EventRevision, NewEvent, VoidedMeter};
use reckoner_api::list::{List, PageParams};
use reckoner_domain::event::{
    CUSTOMER_BYTES_MAX, EVENT_TYPE_BYTES_MAX, Event as StoredEvent, SUBJECT_BYTES_MAX,
};
use reckoner_domain::sum::Sum;
use reckoner_domain::time::{SECOND, Timestamp};
use std::collections::BTreeMap;

/// Void an event: it counts nowhere any more.
///
/// Nothing is erased: the event's history shows it, and its id stays taken. Voiding a void event
/// again changes nothing. An event older than new ones may be needs the scope `backfill` too.
#[utoipa::path(
    delete, path = "/v1/events/{id}", operation_id = "void_event", tag = "events",
    params(("id" = String, Path, description = "The event's id, percent-encoded.")),
    responses(
        (status = 200, description = "The event, void", body = Event),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn void(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<Event>, ApiError> {
    let event = find(&app, &caller, id).await?;
    change_one(&app, &caller, event, None).await
}

/// Amend an event: it says something else from now on.
///
/// Value, subject, properties and source context are taken from the body, what it leaves out is
/// gone. Customer, meter and time stay what they are. Nothing is erased: the event's history shows
/// all of it. The same again changes nothing.
#[utoipa::path(
    put, path = "/v1/events/{id}", operation_id = "amend_event", tag = "events",
    params(("id" = String, Path, description = "The event's id, percent-encoded.")),
    request_body(content = NewEvent, description = "Value, and what else it says; id, customer, meter and time may be left out."),
    responses(
        (status = 200, description = "The event as it is now", body = Event),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The event is void", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn amend(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Event>, ApiError> {
    if !is_json(&headers) {
        return Err(ApiError::unsupported_media("Content-Type must be application/json"));
    }
    let event = find(&app, &caller, id).await?;
    let limits = Limits { sent_bytes_max: BODY_BYTES_MAX, inflated_bytes_max: BODY_BYTES_MAX };
    let bytes = body::read(&headers, body, limits, &app.bodies).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::malformed("the body is not UTF-8"))?;
    let text = scan::container(text).map_err(|error| ApiError::malformed(error.to_string()))?;
    if !text.starts_with('{') {
        return Err(ApiError::field("body", "must be an object"));
    }
    let sent = Sent::read(text).map_err(ApiError::malformed)?;
    let catalogue = app.recorder.catalogues.of(caller.project);
    let rules = app.recorder.rules(&catalogue, app.clock.of_project(caller.project), true);
    let content = amend::check(sent, &event, &rules).map_err(refusal)?;
    change_one(&app, &caller, event, Some(content)).await
}

/// List what an event said, from the first on.
#[utoipa::path(
    get, path = "/v1/events/{id}/history", operation_id = "list_event_history", tag = "events",
    params(PageParams, ("id" = String, Path, description = "The event's id, percent-encoded.")),
    responses(
        (status = 200, body = List<EventRevision>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn history(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    Params(params, errors): Params<PageParams>,
) -> Result<Json<List<EventRevision>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), errors)?;
    let revisions = app.events.history(caller.project, id).await?;
    if revisions.is_empty() {
        return Err(ApiError::not_found("event"));
    }
    // Digits of one width are in the order of the log.
    let name = |revision: &Revision| format!("{:020}", revision.sequence);
    Ok(Json(pagination::of_names(revisions, name, page, to_api_revision)))
}

/// Void every event that a filter finds, or say what that would do.
///
/// All or none. At least one condition is needed, and at most 10,000 events may be found: more are
/// voided range by range.
#[utoipa::path(
    post, path = "/v1/events/batch-void", operation_id = "void_events", tag = "events",
    request_body = BatchVoid,
    responses(
        (status = 200, body = BatchVoided),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn void_many(
    State(app): State<App>,
    By(caller): By,
    JsonBody(wanted): JsonBody<BatchVoid>,
) -> Result<Json<BatchVoided>, ApiError> {
    let dry_run = wanted.dry_run.unwrap_or_default();
    let found = matching(&app, read_filter(&caller, wanted)?).await?;
    let oldest = found.iter().map(|event| event.time).min();
    if let Some(oldest) = oldest {
        check_age(&app, &caller, oldest)?;
    }
    let mut answer = BatchVoided { dry_run, matched: found.len() as u64, voided: 0, meters: summed(&found)? };
    if !dry_run && !found.is_empty() {
        let changes = found.iter().map(|event| Change { target: event.sequence, after: None }).collect();
        let outcomes = correct(&app, &caller, changes).await?;
        answer.voided = outcomes.iter().filter(|outcome| **outcome == Corrected::Done).count() as u64;
    }
    Ok(Json(answer))
}

async fn find(app: &App, caller: &Caller, id: String) -> Result<StoredEvent, ApiError> {
    let event = app.events.get(caller.project, id).await?;
    event.ok_or_else(|| ApiError::not_found("event"))
}

async fn change_one(
    app: &App,
    caller: &Caller,
    event: StoredEvent,
    after: Option<Content>,
) -> Result<Json<Event>, ApiError> {
    check_age(app, caller, event.time)?;
    let change = Change { target: event.sequence, after };
    match correct(app, caller, vec![change]).await?.first() {
        Some(Corrected::Done | Corrected::Unchanged) => {
            app.recorder.used.note(caller.project, std::iter::once(event.customer.as_str()));
            app.recorder.watched.note(caller.project, std::iter::once(event.customer.as_str()));
            let event = find(app, caller, event.id).await?;
            in_context(app, caller.project, event).await.map(Json)
        }
        Some(Corrected::Void) => Err(ApiError::conflict("event_void", "the event is void, for good")),
        Some(Corrected::Unknown) | None => Err(ApiError::not_found("event")),
    }
}

async fn correct(app: &App, caller: &Caller, changes: Vec<Change>) -> Result<Vec<Corrected>, ApiError> {
    let (project, received_at) = (caller.project, app.clock.of_project(caller.project));
    let corrections = Corrections { project, received_at, by: caller.actor.to_string(), changes };
    Ok(app.events.correct(corrections).await?)
}

/// Who may not send events of a time may not correct them either.
fn check_age(app: &App, caller: &Caller, time: Timestamp) -> Result<(), ApiError> {
    let past_s_max = app.config.ingest.past_s_max;
    let reach = i64::try_from(past_s_max).unwrap_or(i64::MAX).saturating_mul(SECOND);
    let now = app.clock.of_project(caller.project);
    if caller.scopes.has(Scope::Backfill) || now.micros_since(time) <= reach {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "events more than {past_s_max} seconds in the past are corrected with the scope backfill"
    )))
}

fn read_filter(caller: &Caller, wanted: BatchVoid) -> Result<ListFilter, ApiError> {
    let mut errors: Vec<FieldError> = Vec::new();
    let texts = [
        ("customer", &wanted.customer, CUSTOMER_BYTES_MAX),
        ("meter", &wanted.meter, EVENT_TYPE_BYTES_MAX),
        ("subject", &wanted.subject, SUBJECT_BYTES_MAX),
    ];
    for (field, text, bytes_max) in texts {
        if let Some(reason) = text.as_deref().and_then(|text| text_fault(text, bytes_max)) {
            errors.push(field_error(field, reason));
        }
    }
    let (from, to) = time::read_range(wanted.from.as_deref(), wanted.to.as_deref(), &mut errors);
    let filters = usage::read_filters(wanted.filter.unwrap_or_default(), &mut errors);
    let filter = ListFilter {
        customer: wanted.customer,
        event_type: wanted.meter,
        subject: wanted.subject,
        from,
        to,
        filters,
        limit: LIST_EVENTS_MAX,
        ..ListFilter::new(caller.project)
    };
    let ListFilter { customer, event_type, subject, .. } = &filter;
    let texts = [customer, event_type, subject].into_iter().any(Option::is_some);
    if !texts && filter.filters.is_empty() && from.is_none() && to.is_none() && errors.is_empty() {
        let reason = "must name at least one of customer, meter, subject, from, to, filter";
        errors.push(field_error("body", reason));
    }
    if errors.is_empty() { Ok(filter) } else { Err(ApiError::invalid(errors)) }
}

/// The events that a filter finds, if they are not too many.
async fn matching(app: &App, filter: ListFilter) -> Result<Vec<StoredEvent>, ApiError> {
    let found = app.events.list(filter.clone()).await?;
    if let Some(last) = found.last().filter(|_| found.len() >= CORRECTIONS_MAX) {
        let after = Some(Cursor { time: last.time, sequence: last.sequence });
        if !app.events.list(ListFilter { after, limit: 1, ..filter }).await?.is_empty() {
            let reason = format!("finds more than {CORRECTIONS_MAX} events: void them range by range");
            return Err(ApiError::field("body", reason));
        }
    }
    Ok(found)
}

/// How many events of each type there are, and what they add up to.
fn summed(events: &[StoredEvent]) -> Result<BTreeMap<String, VoidedMeter>, ApiError> {
    let mut sums: BTreeMap<&str, (u64, Sum)> = BTreeMap::new();
    for event in events {
        let (count, sum) = sums.entry(&event.event_type).or_default();
        *count += 1;
        *sum = sum.plus(event.value).map_err(ApiError::internal)?;
    }
    let shown = |(name, (events, sum)): (&str, (u64, Sum))| {
        (name.to_owned(), VoidedMeter { events, value: sum.to_string() })
    };
    Ok(sums.into_iter().map(shown).collect())
}

fn to_api_revision(revision: Revision) -> EventRevision {
    let action = match (&revision.by, revision.event.voided_at) {
        (None, _) => "recorded",
        (Some(_), None) => "amended",
        (Some(_), Some(_)) => "voided",
    };
    EventRevision {
        action: action.to_owned(),
        at: revision.at.to_string(),
        by: revision.by,
        event: to_api(revision.event),
    }
}
