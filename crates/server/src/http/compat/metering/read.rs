//! `GET /events` and `GET /aggregations`.
use crate::events::{LIST_EVENTS_MAX, ListFilter, Order};
use crate::http::compat::{Asked, Refused, failure};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::aggregations::{self, Aggregation, Filter};
use crate::store::webhook_status::{self, Status};
use crate::store::{LIMIT_COMPATIBLE_MAX, Limit};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use reckoner_domain::calendar::Calendars;
use reckoner_domain::event::Event;
use reckoner_domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::IntoParams;

/// Microseconds of a millisecond.
const MILLISECOND: i64 = 1_000;
/// Rows of a list when nothing is said.
const LIMIT_DEFAULT: usize = 100;

/// Which events are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct EventParams {
    customer_id: Option<String>,
    event_type: Option<String>,
    /// Event time, inclusive.
    from: Option<String>,
    /// Event time, inclusive.
    to: Option<String>,
    /// By default 100; more than 10,000 are cut to that.
    limit: Option<String>,
}

/// Which aggregations are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct AggregationParams {
    customer_id: Option<String>,
    period: Option<String>,
    /// Start of period, inclusive.
    from: Option<String>,
    /// Start of period, inclusive.
    to: Option<String>,
    /// By default 100; more than 10,000 are cut to that.
    limit: Option<String>,
}

/// Events, the newest first.
#[utoipa::path(
    get, path = "/events", operation_id = "list_captured_events", tag = "system A", params(EventParams),
    responses(
        (status = 200, description = "`[{_id, customerId, eventType, value, metadata, receivedAt, minute, hour, day, week, month, year}]`", body = Vec<Object>),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn events(
    State(app): State<App>,
    By(caller): By,
    Asked(params): Asked<EventParams>,
) -> Result<Response, Refused> {
    let (from, until) = match range(("from", params.from.as_deref()), ("to", params.to.as_deref())) {
        Ok(range) => range,
        Err(wrong) => return Ok(failure(StatusCode::BAD_REQUEST, &wrong, None)),
    };
    let mut filter = ListFilter::new(caller.project);
    filter.customer = given(params.customer_id);
    filter.event_type = given(params.event_type);
    filter.from = from;
    // The engine's end is exclusive.
    filter.to = until.map(|until| until.plus_micros(1));
    filter.order = Order::NewestFirst;
    filter.limit = limit(params.limit.as_deref(), LIST_EVENTS_MAX);
    let events = app.events.list(filter).await?;
    let customers: BTreeSet<&str> = events.iter().map(|event| &*event.customer).collect();
    let customers: Vec<&str> = customers.into_iter().collect();
    let zones = app.jobs.zones_of(caller.project, &customers).await.map_err(ApiError::internal)?;
    let own = zones.by_customer();
    let calendars = |event: &Event| own.get(&*event.customer).copied().unwrap_or(zones.project());
    let rows: Vec<String> = events.iter().map(|event| event_json(event, calendars(event))).collect();
    Ok(([(header::CONTENT_TYPE, "application/json")], format!("[{}]", rows.join(","))).into_response())
}

/// One event. Numbers are exact: a reader that wants doubles gets the nearest ones.
fn event_json(event: &Event, calendars: &Calendars) -> String {
    let keys = calendars.keys_at(event.time);
    let text = |text: &str| Value::String(text.to_owned()).to_string();
    format!(
        "{{\"_id\":{id},\"customerId\":{customer},\"eventType\":{kind},\"value\":{value},\"metadata\":{metadata},\
         \"receivedAt\":{received},\"minute\":\"{}\",\"hour\":\"{}\",\"day\":\"{}\",\"week\":\"{}\",\"month\":\"{}\",\"year\":\"{}\"}}",
        keys.minute,
        keys.hour,
        keys.day,
        keys.week,
        keys.month,
        keys.year,
        id = text(&event.id),
        customer = text(&event.customer),
        kind = text(&event.event_type),
        value = event.value,
        metadata = event.properties.as_deref().unwrap_or("{}"),
        received = text(&event.received_at.to_millis_text()),
    )
}

/// Aggregations, those of the newest period first.
#[utoipa::path(
    get, path = "/aggregations", operation_id = "list_captured_aggregations", tag = "system A", params(AggregationParams),
    responses(
        (status = 200, description = "`[{_id, customerId, period, periodKey, periodStart, periodEnd, timestamp, events, eventCounts, eventCount, webhookStatus, createdAt}]`", body = Vec<Object>),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn aggregations(
    State(app): State<App>,
    By(caller): By,
    Asked(params): Asked<AggregationParams>,
) -> Result<Response, Refused> {
    let (from, to) = match range(("from", params.from.as_deref()), ("to", params.to.as_deref())) {
        Ok(range) => range,
        Err(wrong) => return Ok(failure(StatusCode::BAD_REQUEST, &wrong, None)),
    };
    let rows = limit(params.limit.as_deref(), LIMIT_COMPATIBLE_MAX as usize);
    let limit = Limit::compatible(rows as u32);
    let (customer, period) = (given(params.customer_id), given(params.period));
    let filter = Filter { customer: customer.as_deref(), period: period.as_deref(), from, to };
    let page = aggregations::list(&app.db, caller.project, &filter, None, limit).await?;
    let ids: Vec<&str> = page.items.iter().map(|aggregation| aggregation.id.as_str()).collect();
    let statuses =
        webhook_status::of_subjects(&app.db, caller.project, "aggregation.completed", &ids).await?;
    let rows: Vec<Value> = page.items.iter().map(|aggregation| to_json(aggregation, &statuses)).collect();
    Ok(Json(rows).into_response())
}

fn to_json(aggregation: &Aggregation, statuses: &BTreeMap<String, Status>) -> Value {
    let number = |text: &str| text.parse::<serde_json::Number>().map_or(Value::Null, Value::Number);
    let figures = &aggregation.figures;
    let values: BTreeMap<&String, Value> =
        figures.iter().map(|(key, figure)| (key, number(&figure.value))).collect();
    let counts: BTreeMap<&String, u64> = figures.iter().map(|(key, figure)| (key, figure.count)).collect();
    // One that was imported is announced nowhere else: what is known of its webhook came with it.
    let imported = aggregation.imported.as_ref().map(|imported| &imported.status);
    let status = imported.or_else(|| statuses.get(&aggregation.id)).cloned().unwrap_or_default();
    json!({
        "_id": aggregation.id,
        "customerId": aggregation.customer,
        "period": aggregation.span.period,
        "periodKey": aggregation.span.key,
        "periodStart": aggregation.span.start.to_millis_text(),
        "periodEnd": aggregation.span.end.plus_micros(-1_000).to_millis_text(),
        "timestamp": aggregation.updated_at.to_millis_text(),
        "events": values,
        "eventCounts": counts,
        "eventCount": aggregation.event_count,
        "webhookStatus": status_json(&status),
        "createdAt": aggregation.created_at.to_millis_text(),
    })
}

fn status_json(status: &Status) -> Value {
    let mut shown = json!({"delivered": status.delivered, "attempts": status.attempts});
    let times = [("deliveredAt", status.delivered_at), ("lastAttemptAt", status.last_attempt_at)];
    if let Some(fields) = shown.as_object_mut() {
        for (name, time) in times {
            fields.extend(time.map(|time| (name.to_owned(), Value::String(time.to_millis_text()))));
        }
        fields.extend(status.last_error.clone().map(|error| ("lastError".to_owned(), Value::String(error))));
        fields.extend(status.dry_run.then(|| ("dryRun".to_owned(), Value::Bool(true))));
    }
    shown
}

/// A parameter that says something.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A limit is never refused: what is no number is the default, what is too much is cut.
fn limit(text: Option<&str>, max: usize) -> usize {
    let wanted = text.and_then(|text| text.parse::<f64>().ok()).filter(|number| *number >= 1.0);
    wanted.map_or(LIMIT_DEFAULT, |number| number as usize).min(max)
}

type Range = (Option<Timestamp>, Option<Timestamp>);

/// The ends of a range, both inclusive, by the names of their parameters; or what is wrong with one.
pub fn range(from: (&str, Option<&str>), to: (&str, Option<&str>)) -> Result<Range, String> {
    let read = |(name, text): (&str, Option<&str>)| match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => {
            parse(text).map(Some).ok_or_else(|| format!("Invalid {name}: must be an ISO 8601 date or time"))
        }
    };
    Ok((read(from)?, read(to)?.map(whole_milli)))
}

/// The end of a time's millisecond where it names no finer one: events have microseconds, of which
/// this path shows the milliseconds only, and the end of a range is in it.
fn whole_milli(time: Timestamp) -> Timestamp {
    let whole = time.as_micros().rem_euclid(MILLISECOND) == 0;
    if whole { time.plus_micros(MILLISECOND - 1) } else { time }
}

/// A time, or a date that stands for its midnight in UTC, as in JavaScript. A `+` that the query
/// string turned into a space is taken for one.
fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace(' ', "+");
    Timestamp::parse(&text).or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_cut_and_never_refused() {
        for (text, expected) in [
            (None, 100),
            (Some("5"), 5),
            (Some("99999"), 10_000),
            (Some("x"), 100),
            (Some("-1"), 100),
            (Some("0"), 100),
        ] {
            assert_eq!(limit(text, 10_000), expected, "{text:?}");
        }
    }

    #[test]
    fn dates_and_times_are_read() {
        let at = |text: &str| parse(text).map(|time| time.to_string());
        assert_eq!(at("2026-01-12").as_deref(), Some("2026-01-12T00:00:00.000000Z"));
        assert_eq!(at("2026-01-12T10:00:00 05:30").as_deref(), Some("2026-01-12T04:30:00.000000Z"));
        assert_eq!(at("yesterday"), None);
    }
}
