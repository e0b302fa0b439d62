//! `GET /usage/stats`, `/usage/timeseries/{resourceType}` and `/usage/history`.
use super::super::Refused;
use super::super::wire::Failure;
use super::quota::{WARN_FROM_PERCENT, limit, one_digit, percentage, share};
use super::{Own, Resource, human, no_resource};
use crate::events::{Row, UsageQuery};
use crate::http::compat::analytics::numbers::number;
use crate::http::compat::analytics::statistics::{date_of, value};
use crate::http::compat::days::{HISTORY_DAYS, days_of, last_kept_days};
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use reckoner_domain::meter::{Aggregation, Catalogue, Meter};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::window::Window;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many days are asked about.
#[derive(Debug, Default, Deserialize)]
pub struct Days {
    days: Option<String>,
}

impl Days {
    fn read(&self, app: &App, own: &Own) -> (i64, Window) {
        let now = app.clock.of_project(own.project());
        last_kept_days(&app.events, own.project(), (self.days.as_deref(), HISTORY_DAYS), now)
    }
}

fn meter_of(catalogue: &Catalogue, resource: Resource) -> Option<&Meter> {
    let found = catalogue.get(resource.as_str());
    found.or_else(|| catalogue.reading(resource.as_str()).and_then(|mut meters| meters.next()))
}

/// What the user used in a window; of what is held, such as storage, what is held at this moment.
pub(in super::super) async fn amount(
    app: &App,
    own: &Own,
    resource: Resource,
    window: Window,
) -> Result<Ratio, Refused> {
    let catalogue = app.recorder.catalogues.of(own.project());
    if meter_of(&catalogue, resource).is_some_and(is_held) {
        return Ok(app.entitlements.current(own.project(), &own.user, resource.as_str()).await?.used);
    }
    let windows = if window.start < window.end { vec![window] } else { Vec::new() };
    Ok(used(app, own, resource, windows).await?.first().map_or(Ratio::ZERO, value))
}

fn is_held(meter: &Meter) -> bool {
    meter.aggregation == Aggregation::TimeWeightedAvg
}

/// What the user used in these windows; rows only where there is usage, and none where no meter counts it. Of what is
/// held the mean, until now.
async fn used(
    app: &App,
    own: &Own,
    resource: Resource,
    mut windows: Vec<Window>,
) -> Result<Vec<Row>, Refused> {
    let catalogue = app.recorder.catalogues.of(own.project());
    let Some(meter) = meter_of(&catalogue, resource) else { return Ok(Vec::new()) };
    if is_held(meter) {
        let now = app.clock.of_project(own.project());
        for window in &mut windows {
            window.end = window.end.min(now);
        }
        windows.retain(|window| window.start < window.end);
    }
    if windows.is_empty() {
        return Ok(Vec::new());
    }
    let customers = vec![own.user.clone()];
    let query = UsageQuery { customers, ..UsageQuery::new(own.project(), meter.clone(), windows) };
    let mut rows = app.events.query(query).await.map_err(ApiError::from)?;
    rows.retain(|row| row.usage.is_some());
    Ok(rows)
}

/// What the user used in the last days, and how its quotas stand.
#[utoipa::path(
    get, path = "/usage/stats", operation_id = "usage_stats", tag = "usage of users",
    params(("days" = Option<u32>, Query, description = "1 to 365, 30 by default.")),
    responses(
        (status = 200, description = "`{userId, period, breakdown: [{resourceType, amount, humanReadable, percentage}], limits, warnings, timestamp}`; the percentage is that of the quota since its last reset, the amount of what is held is that of this moment", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn stats(
    State(app): State<App>,
    own: Own,
    Query(asked): Query<Days>,
) -> Result<Json<Value>, Refused> {
    let (days, window) = asked.read(&app, &own);
    let (mut breakdown, mut limits, mut warnings) = (Vec::new(), Map::new(), Vec::new());
    for resource in Resource::ALL {
        let name = resource.as_str();
        let amount = amount(&app, &own, resource, window).await?;
        let current = app.entitlements.current(own.project(), &own.user, name).await?;
        breakdown.push(json!({
            "resourceType": name,
            "amount": number(amount),
            "humanReadable": human(resource, amount),
            "percentage": percentage(&current),
        }));
        limits.insert(name.to_owned(), limit(current.limit));
        let used = share(current.limit, current.used);
        if let Some(used) = used.filter(|used| *used >= Ratio::from_count(WARN_FROM_PERCENT)) {
            warnings.push(format!("{name}: {}% of quota used", one_digit(used)));
        }
    }
    Ok(Json(json!({
        "userId": own.user,
        "period": format!("last_{days}_days"),
        "breakdown": breakdown,
        "limits": limits,
        "warnings": warnings,
        "timestamp": app.clock.of_project(own.project()).to_millis_text(),
    })))
}

/// What the user used of one resource, day by day; days without usage are left out.
#[utoipa::path(
    get, path = "/usage/timeseries/{resource_type}", operation_id = "usage_timeseries", tag = "usage of users",
    params(
        ("resource_type" = String, Path, description = "`llm_tokens`, `memory_storage`, `agent_minutes` or `messages`."),
        ("days" = Option<u32>, Query, description = "1 to 365, 30 by default."),
    ),
    responses(
        (status = 200, description = "`[{date, amount}]`", body = Object),
        (status = 400, body = Failure, description = "No such resource"),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn timeseries(
    State(app): State<App>,
    own: Own,
    Path(name): Path<String>,
    Query(asked): Query<Days>,
) -> Result<Json<Value>, Refused> {
    let no_resource = || Refused::new(StatusCode::BAD_REQUEST, no_resource());
    let resource = Resource::parse(&name).ok_or_else(no_resource)?;
    let (_, window) = asked.read(&app, &own);
    let rows = used(&app, &own, resource, days_of(window)).await?;
    let days = rows.iter().map(|row| json!({"date": date_of(row), "amount": number(value(row))}));
    Ok(Json(days.collect()))
}

/// What the user used of each resource, day by day; days without any usage are left out.
#[utoipa::path(
    get, path = "/usage/history", operation_id = "usage_history_of_user", tag = "usage of users",
    params(("days" = Option<u32>, Query, description = "1 to 365, 30 by default.")),
    responses(
        (status = 200, description = "`{userId, days, history: [{date, <resource>: n}]}`", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
        (status = 404, body = Failure, description = "The caller is no customer"),
    ),
)]
pub async fn history(
    State(app): State<App>,
    own: Own,
    Query(asked): Query<Days>,
) -> Result<Json<Value>, Refused> {
    let (days, window) = asked.read(&app, &own);
    let mut known: BTreeMap<String, [Ratio; Resource::ALL.len()]> = BTreeMap::new();
    for (place, resource) in Resource::ALL.into_iter().enumerate() {
        for row in used(&app, &own, resource, days_of(window)).await? {
            if let Some(amount) = known.entry(date_of(&row)).or_default().get_mut(place) {
                *amount = value(&row);
            }
        }
    }
    let history: Vec<Value> = known
        .into_iter()
        .map(|(date, amounts)| {
            let mut day = Map::from_iter([("date".to_owned(), date.into())]);
            for (resource, amount) in Resource::ALL.into_iter().zip(amounts) {
                day.insert(resource.as_str().to_owned(), number(amount));
            }
            day.into()
        })
        .collect();
    Ok(Json(json!({"userId": own.user, "days": days, "history": history})))
}
