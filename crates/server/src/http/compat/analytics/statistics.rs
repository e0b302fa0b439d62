//! What calls were like, from the events that count them: their properties `endpoint`, `method`,
//! `statusCode` and `durationMs`, where they have them.
use crate::events::{Events, EventsError, GroupBy, Row, UsageQuery};
use crate::http::compat::days::days_of;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::json::Path;
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::window::Window;
use std::collections::BTreeMap;

/// Most endpoints that are shown.
const ENDPOINTS_MAX: usize = 50;
/// The least status that is a failure.
const FAILURES_FROM: u32 = 400;

/// Whose calls, and when.
pub struct Asked<'a> {
    /// The project.
    pub project: ProjectId,
    /// The customer's own id.
    pub customer: &'a str,
    /// The type of the events that count calls.
    pub event_type: &'a str,
    /// Whole days of UTC.
    pub window: Window,
}

/// The calls of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Year, month and day.
    pub date: String,
    /// How many there were.
    pub calls: Ratio,
    /// How many of them failed.
    pub failed: Ratio,
    /// How long they took on average.
    pub mean_ms: Option<Ratio>,
}

/// The calls of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// How many there were.
    pub calls: Ratio,
    /// How long they took on average.
    pub mean_ms: Option<Ratio>,
    /// What 95 of 100 took no longer than.
    pub p95_ms: Option<Ratio>,
    /// The share of them that succeeded, 0 to 1.
    pub success_rate: Ratio,
}

/// The calls of each day that has some, in order.
pub async fn by_day(events: &Events, asked: &Asked<'_>) -> Result<Vec<Day>, EventsError> {
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    for row in ask(events, asked, Aggregation::Sum, None, &["$.statusCode"], true).await? {
        let date = date_of(&row);
        let day = days.entry(date.clone()).or_insert_with(|| Day { date, ..Day::default() });
        let calls = value(&row);
        day.calls = day.calls.plus(calls)?;
        if is_failure(row.group.first()) {
            day.failed = day.failed.plus(calls)?;
        }
    }
    for row in ask(events, asked, Aggregation::Avg, Some("$.durationMs"), &[], true).await? {
        let date = date_of(&row);
        if let Some(day) = days.get_mut(&date) {
            day.mean_ms = row.usage.is_some().then(|| value(&row));
        }
    }
    Ok(days.into_values().collect())
}

/// The endpoints that are called most, those first.
pub async fn by_endpoint(events: &Events, asked: &Asked<'_>) -> Result<Vec<Endpoint>, EventsError> {
    const NAMES: [&str; 3] = ["$.endpoint", "$.method", "$.statusCode"];
    let [endpoint, method, _] = NAMES;
    let mut known: BTreeMap<(String, String), (Endpoint, Ratio)> = BTreeMap::new();
    for row in ask(events, asked, Aggregation::Sum, None, &NAMES, false).await? {
        let Some(name) = name_of(&row) else { continue };
        let (one, failed) = known.entry(name).or_default();
        let calls = value(&row);
        one.calls = one.calls.plus(calls)?;
        if is_failure(row.group.get(2)) {
            *failed = failed.plus(calls)?;
        }
    }
    for (aggregation, is_mean) in [(Aggregation::Avg, true), (Aggregation::Percentile(95), false)] {
        for row in ask(events, asked, aggregation, Some("$.durationMs"), &[endpoint, method], false).await? {
            let Some((one, _)) = name_of(&row).and_then(|name| known.get_mut(&name)) else { continue };
            let time = row.usage.is_some().then(|| value(&row));
            if is_mean {
                one.mean_ms = time;
            } else {
                one.p95_ms = time;
            }
        }
    }
    let mut endpoints = Vec::with_capacity(known.len());
    for ((endpoint, method), (one, failed)) in known {
        let good = one.calls.minus(failed)?;
        let success_rate = if one.calls.is_zero() { Ratio::ZERO } else { good.over(one.calls)? };
        endpoints.push(Endpoint { endpoint, method, success_rate, ..one });
    }
    endpoints.sort_by_key(|one| std::cmp::Reverse(one.calls));
    endpoints.truncate(ENDPOINTS_MAX);
    Ok(endpoints)
}

async fn ask(
    events: &Events,
    asked: &Asked<'_>,
    aggregation: Aggregation,
    property: Option<&str>,
    group_by: &[&str],
    daily: bool,
) -> Result<Vec<Row>, EventsError> {
    let Ok(key) = MeterKey::parse(asked.event_type) else { return Ok(Vec::new()) };
    let path = |text: &str| Path::parse(text).ok();
    let mut meter = Meter::plain(MeterId::from_bits(0), key, aggregation);
    meter.value_property = property.and_then(path);
    let windows = if daily { days_of(asked.window) } else { vec![asked.window] };
    let group_by = group_by.iter().filter_map(|text| path(text)).map(GroupBy::Property).collect();
    let customers = vec![asked.customer.to_owned()];
    let query = UsageQuery { customers, group_by, ..UsageQuery::new(asked.project, meter, windows) };
    events.query(query).await
}

/// What a row says was used; zero where nothing was.
pub fn value(row: &Row) -> Ratio {
    row.usage.and_then(|usage| usage.to_ratio().ok()).unwrap_or_default()
}

/// The day of UTC in which a row begins: year, month and day.
pub fn date_of(row: &Row) -> String {
    row.window.start.to_string().chars().take(10).collect()
}

fn name_of(row: &Row) -> Option<(String, String)> {
    let endpoint = row.group.first()?.clone()?;
    Some((endpoint, row.group.get(1)?.clone().unwrap_or_default()))
}

/// Calls without a status were answered as they should be, as far as is known.
fn is_failure(status: Option<&Option<String>>) -> bool {
    let status = status.and_then(Option::as_deref).and_then(|text| text.parse::<u32>().ok());
    status.is_some_and(|status| status >= FAILURES_FROM)
}
