//! `GET /api/usage/current` and `/history` and `/endpoints`.
use super::numbers::{number, rounded};
use super::statistics;
use super::{Own, current};
use crate::calls::Asked;
use crate::http::compat::days::{HISTORY_DAYS, last_kept_days};
use crate::http::compat::{Asked as Query, Refused};
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use reckoner_domain::quota::Limit;
use reckoner_domain::ratio::Ratio;
use serde::Deserialize;
use serde_json::{Value, json};

/// Days of statistics of endpoints when nothing is said.
const ENDPOINT_DAYS: i64 = 7;

/// How many days are asked about.
#[derive(Debug, Default, Deserialize)]
pub struct Days {
    days: Option<String>,
}

/// The customer's calls of this period.
#[utoipa::path(
    get, path = "/api/usage/current", operation_id = "current_usage", tag = "system C",
    responses(
        (status = 200, description = "`{api_calls, limit, remaining, overage_calls, usage_percentage, period_start, period_end, plan}`; -1 where there is no limit", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
    ),
    security(("api_key" = [])),
)]
pub async fn get_current(State(app): State<App>, own: Own) -> Result<Json<Value>, Response> {
    let (plan, current) = current(&app, &own).await?;
    let (limit, used) = (current.limit, current.used);
    let failed = |_| Refused(crate::http::error::ApiError::internal("a count overflowed")).into_response();
    let remaining = limit.remaining(used).map_err(failed)?;
    let overage = match limit {
        Limit::Overage(_) => limit.beyond(used).map_err(failed)?,
        Limit::Block(_) | Limit::Unlimited => Ratio::ZERO,
    };
    let percentage = limit.percentage(used).map_or(Ratio::ZERO, Ratio::from);
    Ok(Json(json!({
        "api_calls": number(used),
        "limit": limit.units().map_or_else(|| json!(-1), |units| number(units.into())),
        "remaining": remaining.map_or_else(|| json!(-1), number),
        "overage_calls": number(overage),
        "usage_percentage": number(percentage),
        "period_start": current.window.start.to_millis_text(),
        "period_end": current.window.end.to_millis_text(),
        "plan": plan.key.as_str(),
    })))
}

/// The customer's calls day by day.
#[utoipa::path(
    get, path = "/api/usage/history", operation_id = "usage_history", tag = "system C",
    params(("days" = Option<u32>, Query, description = "1 to 365, 30 by default.")),
    responses(
        (status = 200, description = "`{history: [{date, total_calls, successful_calls, failed_calls, avg_response_time_ms}], period_days}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
    ),
    security(("api_key" = [])),
)]
pub async fn history(
    State(app): State<App>,
    own: Own,
    Query(asked): Query<Days>,
) -> Result<Json<Value>, Refused> {
    let now = app.clock.of_project(own.caller.project);
    let asked = (asked.days.as_deref(), HISTORY_DAYS);
    let (days, window) = last_kept_days(&app.events, own.caller.project, asked, now);
    let asked = Asked { project: own.caller.project, customer: &own.customer, window };
    let history = statistics::by_day(&app.calls, &asked, now).await?;
    let history: Vec<Value> = history
        .into_iter()
        .map(|day| {
            json!({
                "date": day.date,
                "total_calls": number(day.calls),
                "successful_calls": number(day.calls.minus(day.failed).unwrap_or_default()),
                "failed_calls": number(day.failed),
                "avg_response_time_ms": day.mean_ms.map_or_else(|| json!(0), |mean| rounded(mean, 2)),
            })
        })
        .collect();
    Ok(Json(json!({"history": history, "period_days": days})))
}

/// Which endpoints the customer calls, and how they answer: the 50 that are called most.
#[utoipa::path(
    get, path = "/api/usage/endpoints", operation_id = "usage_by_endpoint", tag = "system C",
    params(("days" = Option<u32>, Query, description = "1 to 365, 7 by default.")),
    responses(
        (status = 200, description = "`{endpoints: [{endpoint, method, total_calls, avg_response_time_ms, p95_response_time_ms, success_rate}], period_days}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
    ),
    security(("api_key" = [])),
)]
pub async fn endpoints(
    State(app): State<App>,
    own: Own,
    Query(asked): Query<Days>,
) -> Result<Json<Value>, Refused> {
    let now = app.clock.of_project(own.caller.project);
    let asked = (asked.days.as_deref(), ENDPOINT_DAYS);
    let (days, window) = last_kept_days(&app.events, own.caller.project, asked, now);
    let asked = Asked { project: own.caller.project, customer: &own.customer, window };
    let endpoints = statistics::by_endpoint(&app.calls, &asked, now).await?;
    let shown = |time: Option<Ratio>| time.map_or_else(|| json!(0), |time| rounded(time, 2));
    let endpoints: Vec<Value> = endpoints
        .into_iter()
        .map(|one| {
            json!({
                "endpoint": one.endpoint,
                "method": one.method,
                "total_calls": number(one.calls),
                "avg_response_time_ms": shown(one.mean_ms),
                "p95_response_time_ms": shown(one.p95_ms),
                "success_rate": rounded(one.success_rate, 4),
            })
        })
        .collect();
    Ok(Json(json!({"endpoints": endpoints, "period_days": days})))
}
