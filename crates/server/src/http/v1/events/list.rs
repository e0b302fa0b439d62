//! `GET /v1/events` and one event.
use super::export;
use crate::events::{Cursor, ListFilter, Order};
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::export::asked;
use crate::http::extract::{By, read_params};
use crate::http::pagination;
use crate::http::state::App;
use crate::http::v1::time;
use crate::store::customers;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::event::{Event, EventParams};
use reckoner_api::list::List;
use reckoner_domain::event::Event as StoredEvent;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json;
use reckoner_domain::meter::Filter;
use reckoner_domain::source;
use reckoner_domain::time::Timestamp;
use serde_json::value::RawValue;

/// What a cursor in the order of commit begins with.
const SEQUENCE_CURSOR: &str = "sequence.";

/// List or export events, the newest event time or the last commit first.
///
/// JSON comes in pages. `format`, or `Accept: application/x-ndjson` (an event a line), `text/csv` or
/// `application/vnd.apache.parquet`, gets all events that pass the filters, streamed, in no order
/// unless one is asked for, which takes longer. Exports take neither `limit` nor `cursor`; one that
/// fails on its way breaks off before its end.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "list_events", tag = "events",
    params(EventParams, ("filter" = Option<Object>, Query, style = DeepObject, explode, description = "Properties and the values they must have: `filter[region]=eu`.")),
    responses(
        (status = 200, content((List<Event> = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"), (String = "application/vnd.apache.parquet"))),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let (mut params, mut errors) = read_params::<EventParams>(&query, &["filter"])?;
    let paging = (&mut params.limit, &mut params.cursor);
    let form = asked(&headers, params.format.as_deref(), paging, &mut errors);
    let limit = pagination::read_limit(params.limit.as_deref(), &mut errors).rows() as usize;
    let in_order = params.order.is_some();
    let mut filter = read_filter(caller.project, params, &query, &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    filter.customer = customers::own_id(&app.db, caller.project, filter.customer).await?;
    if let Some(form) = form {
        let what = if in_order || filter.id.is_some() {
            export::What::InOrder(filter)
        } else {
            export::What::All(filter)
        };
        return export::respond(&app.events, what, form).await;
    }
    filter.limit = limit + 1;
    let order = filter.order;
    let mut events = app.events.list(filter).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next_cursor = events.last().filter(|_| more).map(|event| to_cursor(event, order));
    let data = with_contexts(&app, caller.project, events).await?;
    Ok(Json(List { data, next_cursor }).into_response())
}

/// What is asked for; what is wrong is noted.
fn read_filter(
    project: ProjectId,
    params: EventParams,
    query: &str,
    errors: &mut Vec<FieldError>,
) -> ListFilter {
    let order = read_order(params.order.as_deref(), errors);
    let after = params.cursor.as_deref().and_then(|text| read_cursor(text, order));
    if params.cursor.is_some() && after.is_none() {
        let reason = "must be the next_cursor of an earlier answer in the same order";
        errors.push(field_error("cursor", reason));
    }
    let (from, to) = time::read_range(params.from.as_deref(), params.to.as_deref(), errors);
    ListFilter {
        customer: params.customer,
        event_type: params.meter,
        subject: params.subject,
        id: params.id,
        from,
        to,
        filters: property_filters(query, errors),
        after,
        order,
        ..ListFilter::new(project)
    }
}

/// Get an event by its id (percent-encoded).
#[utoipa::path(
    get, path = "/v1/events/{id}", operation_id = "get_event", tag = "events",
    params(("id" = String, Path, description = "The event's id, percent-encoded.")),
    responses(
        (status = 200, body = Event),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<Event>, ApiError> {
    let event = app.events.get(caller.project, id).await?.ok_or_else(|| ApiError::not_found("event"))?;
    in_context(&app, caller.project, event).await.map(Json)
}

/// An event as the API shows it, with where it arose in words.
pub async fn in_context(app: &App, project: ProjectId, event: StoredEvent) -> Result<Event, ApiError> {
    let shown = with_contexts(app, project, vec![event]).await?;
    shown.into_iter().next().ok_or_else(|| ApiError::not_found("event"))
}

/// The same of several.
async fn with_contexts(
    app: &App,
    project: ProjectId,
    events: Vec<StoredEvent>,
) -> Result<Vec<Event>, ApiError> {
    let subjects = events.iter().filter_map(|event| event.subject.as_deref()).collect();
    let names = app.recorder.names.of(&app.db, project, subjects).await?;
    let shown = |event: StoredEvent| {
        let name = event.subject.as_ref().and_then(|subject| names.get(subject));
        let context = source::shown(event.source_context.as_deref(), name.map(AsRef::as_ref));
        Event { context: Some(context), ..to_api(event) }
    };
    Ok(events.into_iter().map(shown).collect())
}

/// An event as the API shows it.
pub fn to_api(event: StoredEvent) -> Event {
    let raw = |text: String| RawValue::from_string(text).ok();
    Event {
        id: event.id,
        customer: event.customer,
        meter: event.event_type,
        value: event.value.to_string(),
        time: event.time.to_string(),
        subject: event.subject,
        properties: event.properties.and_then(raw).unwrap_or_else(empty_object),
        source_context: event.source_context.and_then(raw),
        context: None,
        received_at: event.received_at.to_string(),
        amended_at: event.amended_at.map(|time| time.to_string()),
        voided_at: event.voided_at.map(|time| time.to_string()),
        sequence: event.sequence,
    }
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

/// The `filter[NAME]=VALUE` parameters of a query; several values of one name are alternatives.
fn property_filters(query: &str, errors: &mut Vec<FieldError>) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let Some(path) = name.strip_prefix("filter[").and_then(|rest| rest.strip_suffix(']')) else {
            continue;
        };
        match json::Path::parse(path) {
            Ok(path) => match filters.iter_mut().find(|filter| filter.path == path) {
                Some(filter) => filter.any_of.push(value.into_owned()),
                None => filters.push(Filter { path, any_of: vec![value.into_owned()] }),
            },
            Err(error) => errors.push(field_error(&name, error.to_string())),
        }
    }
    filters
}

fn read_order(text: Option<&str>, errors: &mut Vec<FieldError>) -> Order {
    match text {
        None | Some("time") => Order::NewestFirst,
        Some("sequence") => Order::LatestFirst,
        Some(_) => {
            errors.push(choice_error("order", &["time", "sequence"]));
            Order::NewestFirst
        }
    }
}

fn to_cursor(event: &StoredEvent, order: Order) -> String {
    match order {
        Order::LatestFirst => format!("{SEQUENCE_CURSOR}{}", event.sequence),
        Order::NewestFirst | Order::OldestFirst => format!("{}.{}", event.time.as_micros(), event.sequence),
    }
}

fn read_cursor(text: &str, order: Order) -> Option<Cursor> {
    if order == Order::LatestFirst {
        let sequence = text.strip_prefix(SEQUENCE_CURSOR)?.parse().ok()?;
        return Some(Cursor { time: Timestamp::default(), sequence });
    }
    let (time, sequence) = text.split_once('.')?;
    Some(Cursor { time: Timestamp::from_micros(time.parse().ok()?)?, sequence: sequence.parse().ok()? })
}
