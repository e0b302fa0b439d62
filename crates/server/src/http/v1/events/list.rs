//! `GET /v1/events` and one event.
use crate::events::{Cursor, ListFilter, Order};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Params, only_known};
use crate::http::pagination;
use crate::http::state::App;
use crate::http::v1::time;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::event::{Event, EventParams};
use reckoner_api::list::List;
use reckoner_domain::event::Event as StoredEvent;
use reckoner_domain::json;
use reckoner_domain::meter::Filter;
use reckoner_domain::time::Timestamp;
use serde_json::value::RawValue;

/// The parameters of a list.
const NAMES: [&str; 10] =
    ["customer", "meter", "subject", "id", "from", "to", "order", "limit", "cursor", "filter"];
/// What a cursor in the order of commit begins with.
const SEQUENCE_CURSOR: &str = "sequence.";

/// List events, the newest event time or the last commit first.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "list_events", tag = "events",
    params(EventParams, ("filter" = Option<Object>, Query, style = DeepObject, explode, description = "Properties and the values they must have: `filter[region]=eu`.")),
    responses(
        (status = 200, body = List<Event>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params): Params<EventParams>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Event>>, ApiError> {
    only_known(query.as_deref().unwrap_or_default(), &NAMES)?;
    let limit = pagination::limit(params.limit.as_deref())?.rows() as usize;
    let (from, to) = time::range(params.from.as_deref(), params.to.as_deref())?;
    let order = read_order(params.order.as_deref())?;
    let filter = ListFilter {
        project: caller.project,
        customer: params.customer,
        event_type: params.meter,
        subject: params.subject,
        id: params.id,
        from,
        to,
        filters: property_filters(query.as_deref().unwrap_or_default())?,
        after: params.cursor.as_deref().map(|text| read_cursor(text, order)).transpose()?,
        limit: limit + 1,
        order,
    };
    let mut events = app.events.list(filter).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next_cursor = events.last().filter(|_| more).map(|event| to_cursor(event, order));
    Ok(Json(List { data: events.into_iter().map(to_api).collect(), next_cursor }))
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
    let event = app.events.get(caller.project, id).await?;
    event.map(to_api).map(Json).ok_or_else(|| ApiError::not_found("event"))
}

fn to_api(event: StoredEvent) -> Event {
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
        received_at: event.received_at.to_string(),
        sequence: event.sequence,
    }
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

/// The `filter[NAME]=VALUE` parameters of a query; several values of one name are alternatives.
pub fn property_filters(query: &str) -> Result<Vec<Filter>, ApiError> {
    let mut filters: Vec<Filter> = Vec::new();
    let mut errors: Vec<FieldError> = Vec::new();
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
    if errors.is_empty() { Ok(filters) } else { Err(ApiError::invalid(errors)) }
}

fn read_order(text: Option<&str>) -> Result<Order, ApiError> {
    match text {
        None | Some("time") => Ok(Order::NewestFirst),
        Some("sequence") => Ok(Order::LatestFirst),
        Some(_) => Err(ApiError::field("order", "must be time or sequence")),
    }
}

fn to_cursor(event: &StoredEvent, order: Order) -> String {
    match order {
        Order::LatestFirst => format!("{SEQUENCE_CURSOR}{}", event.sequence),
        Order::NewestFirst | Order::OldestFirst => format!("{}.{}", event.time.as_micros(), event.sequence),
    }
}

fn read_cursor(text: &str, order: Order) -> Result<Cursor, ApiError> {
    let parsed = match order {
        Order::LatestFirst => text.strip_prefix(SEQUENCE_CURSOR).and_then(|sequence| {
            Some(Cursor { time: Timestamp::default(), sequence: sequence.parse().ok()? })
        }),
        Order::NewestFirst | Order::OldestFirst => text.split_once('.').and_then(|(time, sequence)| {
            Some(Cursor {
                time: Timestamp::from_micros(time.parse().ok()?)?,
                sequence: sequence.parse().ok()?,
            })
        }),
    };
    let reason = "must be the next_cursor of an earlier answer in the same order";
    parsed.ok_or_else(|| ApiError::field("cursor", reason))
}
