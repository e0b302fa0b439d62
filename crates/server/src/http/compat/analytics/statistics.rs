//! What calls were like, by day and by endpoint.
use crate::calls::{Asked, Calls};
use crate::events::{EventsError, QueryError, Row};
use reckoner_domain::calls::{Figures, Piece};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;

/// Most endpoints that are shown.
const ENDPOINTS_MAX: usize = 50;

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
pub async fn by_day(calls: &Calls, asked: &Asked<'_>, now: Timestamp) -> Result<Vec<Day>, EventsError> {
    let mut days: BTreeMap<String, Figures> = BTreeMap::new();
    for (window, piece) in calls.pieces(asked, now).await? {
        days.entry(date(window.start)).or_default().merge(&piece.total()?)?;
    }
    let called = days.into_iter().filter(|(_, figures)| figures.has_calls());
    let day = |(date, figures): (String, Figures)| {
        Ok(Day { date, calls: figures.calls(), failed: figures.failed()?, mean_ms: figures.mean_ms() })
    };
    called.map(day).collect()
}

/// The endpoints that are called most, those first.
pub async fn by_endpoint(
    calls: &Calls,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Vec<Endpoint>, EventsError> {
    let mut all = Piece::default();
    for (_, piece) in calls.pieces(asked, now).await? {
        all.merge(&piece)?;
    }
    if !all.is_whole() {
        return Err(QueryError::TooManyRows.into());
    }
    let mut endpoints = Vec::new();
    for (endpoint, method, figures) in all.by_endpoint() {
        let calls = figures.calls();
        let good = calls.minus(figures.failed()?)?;
        endpoints.push(Endpoint {
            endpoint: endpoint.to_owned(),
            method: method.to_owned(),
            calls,
            mean_ms: figures.mean_ms(),
            p95_ms: figures.p95_ms(),
            success_rate: if calls.is_zero() { Ratio::ZERO } else { good.over(calls)? },
        });
    }
    endpoints.sort_by_key(|one| std::cmp::Reverse(one.calls));
    endpoints.truncate(ENDPOINTS_MAX);
    Ok(endpoints)
}

/// What a row says was used; zero where nothing was.
pub fn value(row: &Row) -> Ratio {
    row.usage.and_then(|usage| usage.to_ratio().ok()).unwrap_or_default()
}

/// The day of UTC in which a row begins: year, month and day.
pub fn date_of(row: &Row) -> String {
    date(row.window.start)
}

fn date(start: Timestamp) -> String {
    start.to_string().chars().take(10).collect()
}
