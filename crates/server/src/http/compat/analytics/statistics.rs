//! What calls were like, from the events that count them: their properties `endpoint`, `method`,
//! `statusCode` and `durationMs`, where they have them, and otherwise from those of the traffic that they made.
use crate::events::{Events, EventsError, GroupBy, Row, UsageQuery};
use crate::http::compat::days::days_of;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::json::Path;
use reckoner_domain::meter::{Aggregation, Filter, Meter, MeterKey};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::sum::Overflow;
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
    let mut days: BTreeMap<String, (Day, Answers)> = BTreeMap::new();
    for row in ask(events, asked, CALLED, Aggregation::Sum, &["$.statusCode"], true).await? {
        let date = date_of(&row);
        let (day, answers) = days.entry(date.clone()).or_default();
        day.date = date;
        day.calls = day.calls.plus(value(&row))?;
        answers.of_call(row.group.first(), value(&row))?;
    }
    for row in ask(events, asked, PASSED, Aggregation::Count, &["$.statusCode"], true).await? {
        if let Some((_, answers)) = days.get_mut(&date_of(&row)) {
            answers.of_traffic(row.group.first(), value(&row))?;
        }
    }
    for source in [PASSED, CALLED] {
        for row in ask(events, asked, source.times(), Aggregation::Avg, &[], true).await? {
            if let (Some((day, _)), Some(_)) = (days.get_mut(&date_of(&row)), row.usage) {
                day.mean_ms = Some(value(&row));
            }
        }
    }
    let finished = |(day, answers): (Day, Answers)| Ok(Day { failed: answers.failed()?, ..day });
    days.into_values().map(finished).collect()
}

/// The endpoints that are called most, those first.
pub async fn by_endpoint(events: &Events, asked: &Asked<'_>) -> Result<Vec<Endpoint>, EventsError> {
    let names = ["$.endpoint", "$.method", "$.statusCode"];
    let mut known: BTreeMap<(String, String), (Endpoint, Answers)> = BTreeMap::new();
    for row in ask(events, asked, CALLED, Aggregation::Sum, &names, false).await? {
        let Some(name) = name_of(&row) else { continue };
        let (one, answers) = known.entry(name).or_default();
        one.calls = one.calls.plus(value(&row))?;
        answers.of_call(row.group.get(2), value(&row))?;
    }
    for row in ask(events, asked, PASSED, Aggregation::Count, &names, false).await? {
        if let Some((_, answers)) = name_of(&row).and_then(|name| known.get_mut(&name)) {
            answers.of_traffic(row.group.get(2), value(&row))?;
        }
    }
    let names = names.get(..2).unwrap_or_default();
    for (aggregation, is_mean) in [(Aggregation::Avg, true), (Aggregation::Percentile(95), false)] {
        for source in [PASSED, CALLED] {
            for row in ask(events, asked, source.times(), aggregation, names, false).await? {
                let known = name_of(&row).and_then(|name| known.get_mut(&name));
                if let (Some((one, _)), Some(_)) = (known, row.usage) {
                    let time = if is_mean { &mut one.mean_ms } else { &mut one.p95_ms };
                    *time = Some(value(&row));
                }
            }
        }
    }
    let mut endpoints = Vec::with_capacity(known.len());
    for ((endpoint, method), (one, answers)) in known {
        let good = one.calls.minus(answers.failed()?)?;
        let success_rate = if one.calls.is_zero() { Ratio::ZERO } else { good.over(one.calls)? };
        endpoints.push(Endpoint { endpoint, method, success_rate, ..one });
    }
    endpoints.sort_by_key(|one| std::cmp::Reverse(one.calls));
    endpoints.truncate(ENDPOINTS_MAX);
    Ok(endpoints)
}

/// Where something is read from: the calls, or the traffic that says how those were answered which were counted before
/// there was an answer.
#[derive(Clone, Copy)]
struct Source {
    /// The type of the events; that of the calls where `None`.
    event_type: Option<&'static str>,
    property: Option<&'static str>,
}

/// The calls.
const CALLED: Source = Source { event_type: None, property: None };
/// What a gateway or a layer says of each request that is a call.
const PASSED: Source = Source { event_type: Some("traffic.bytes"), property: None };

impl Source {
    /// The times that they took.
    fn times(self) -> Self {
        Self { property: Some("$.durationMs"), ..self }
    }
}

/// How calls were answered.
#[derive(Clone, Copy, Default)]
struct Answers {
    failed: Ratio,
    /// Calls that say nothing of it.
    unknown: Ratio,
    failed_in_traffic: Ratio,
}

impl Answers {
    fn of_call(&mut self, status: Option<&Option<String>>, calls: Ratio) -> Result<(), Overflow> {
        let sum = match status_of(status) {
            None => &mut self.unknown,
            Some(status) if status >= FAILURES_FROM => &mut self.failed,
            Some(_) => return Ok(()),
        };
        *sum = sum.plus(calls)?;
        Ok(())
    }

    fn of_traffic(&mut self, status: Option<&Option<String>>, requests: Ratio) -> Result<(), Overflow> {
        if status_of(status).is_some_and(|status| status >= FAILURES_FROM) {
            self.failed_in_traffic = self.failed_in_traffic.plus(requests)?;
        }
        Ok(())
    }

    /// Calls of which nothing is known were answered as they should be.
    fn failed(self) -> Result<Ratio, Overflow> {
        self.failed.plus(self.failed_in_traffic.min(self.unknown))
    }
}

async fn ask(
    events: &Events,
    asked: &Asked<'_>,
    source: Source,
    aggregation: Aggregation,
    group_by: &[&str],
    daily: bool,
) -> Result<Vec<Row>, EventsError> {
    let event_type = source.event_type.unwrap_or(asked.event_type);
    let Ok(key) = MeterKey::parse(event_type) else { return Ok(Vec::new()) };
    let path = |text: &str| Path::parse(text).ok();
    let mut meter = Meter::plain(MeterId::from_bits(0), key, aggregation);
    meter.value_property = source.property.and_then(path);
    if source.event_type.is_some() {
        let any_of = vec![asked.event_type.to_owned()];
        meter.filters.extend(path("$.call").map(|path| Filter { path, any_of }));
    }
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

fn status_of(status: Option<&Option<String>>) -> Option<u32> {
    status?.as_deref()?.parse().ok()
}
