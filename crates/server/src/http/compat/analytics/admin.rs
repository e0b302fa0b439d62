//! `GET /api/admin/analytics/overview`.
use super::CALLS;
use super::numbers::{dollars, number, whole_dollars};
use crate::events::{Events, EventsError, GroupBy, UsageQuery};
use crate::http::compat::Refused;
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::{catalog, overview};
use axum::Json;
use axum::extract::State;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Catalogue;
use reckoner_domain::money::Money;
use reckoner_domain::period::Period;
use reckoner_domain::plan::Plan;
use reckoner_domain::ratio::Ratio;
use reckoner_domain::tally::Usage;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// How many customers are shown that called most.
const TOP: usize = 10;
/// The currency of system C.
const USD: &str = "USD";

/// Customers, calls and revenue of the project at a glance.
///
/// Months are those of UTC. Revenue is in US dollars: recurring revenue as it is now, and what usage beyond
/// limits came to in billing periods that were closed this month.
#[utoipa::path(
    get, path = "/api/admin/analytics/overview", operation_id = "analytics_overview", tag = "system C",
    responses(
        (status = 200, description = "`{total_users, users_by_plan, total_api_calls_this_month, mrr, mrr_usd, overage_revenue_this_month, overage_revenue_usd, total_revenue_this_month, total_revenue_usd, top_users_by_usage: [{eco_id, api_calls, plan}], timestamp}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn get(State(app): State<App>, By(caller): By) -> Result<Json<Value>, Refused> {
    let project = caller.project;
    let now = app.clock.of_project(project);
    let month = month_of(now);
    let subscribers = overview::subscribers(&app.db, project).await?;
    let plan_of: HashMap<&str, &str> = subscribers
        .iter()
        .filter_map(|one| Some((one.external_id.as_str(), one.has.as_ref()?.0.as_str())))
        .collect();
    let default_plan = app.config.billing.default_plan.as_ref().map(|plan| plan.as_str());
    let plan = |customer: &str| plan_of.get(customer).copied().or(default_plan);
    let mut by_plan: Map<String, Value> = Map::new();
    for known in catalog::list::<Plan>(&app.db, project).await? {
        if known.archived_at.is_none() {
            by_plan.insert(known.entry.key.to_string(), json!(0));
        }
    }
    for one in &subscribers {
        if let Some(name) = plan(&one.external_id) {
            let count = by_plan.get(name).and_then(Value::as_u64).unwrap_or(0);
            by_plan.insert(name.to_owned(), json!(count + 1));
        }
    }
    let mut calls =
        calls_by_customer(&app.events, project, &app.recorder.catalogues.of(project), month).await?;
    let total = calls.iter().map(|(_, calls)| *calls).try_fold(Ratio::ZERO, Ratio::plus);
    calls.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    let top: Vec<Value> = calls
        .iter()
        .take(TOP)
        .map(|(customer, calls)| {
            json!({"eco_id": customer, "api_calls": number(*calls), "plan": plan(customer)})
        })
        .collect();
    let failed = |error: &dyn std::fmt::Display| Refused(ApiError::internal(error));
    let mrr = app.billing.revenues.now(project).await.map_err(|error| failed(&error))?;
    let mrr = sum_of_dollars(&mrr).map_err(|error| failed(&error))?;
    let overage = overview::overage_closed(&app.db, project, month).await?;
    let overage = sum_of_dollars(&overage).map_err(|error| failed(&error))?;
    let revenue = mrr.plus(overage).map_err(|error| failed(&error))?;
    Ok(Json(json!({
        "total_users": subscribers.len(),
        "users_by_plan": by_plan,
        "total_api_calls_this_month": number(total.map_err(|error| failed(&error))?),
        "mrr": number(mrr),
        "mrr_usd": whole_dollars(mrr),
        "overage_revenue_this_month": number(overage),
        "overage_revenue_usd": dollars(overage),
        "total_revenue_this_month": number(revenue),
        "total_revenue_usd": dollars(revenue),
        "top_users_by_usage": top,
        "timestamp": now.to_millis_text(),
    })))
}

/// The month of UTC that an instant lies in.
fn month_of(now: Timestamp) -> Window {
    let span = Period::Monthly.span_at(now, &jiff::tz::TimeZone::UTC);
    Window { start: span.start, end: span.end }
}

/// What customers called in a window; those who called at all.
async fn calls_by_customer(
    events: &Events,
    project: ProjectId,
    meters: &Catalogue,
    window: Window,
) -> Result<Vec<(String, Ratio)>, EventsError> {
    let Some(meter) = meters.get(CALLS) else { return Ok(Vec::new()) };
    let query = UsageQuery {
        group_by: vec![GroupBy::Customer],
        ..UsageQuery::new(project, meter.clone(), vec![window])
    };
    let mut calls = Vec::new();
    for row in events.query(query).await? {
        if let Some(customer) = row.customer {
            calls.push((customer, row.usage.map_or(Ok(Ratio::ZERO), Usage::to_ratio)?));
        }
    }
    Ok(calls)
}

/// The sum of what is in dollars.
fn sum_of_dollars(amounts: &[Money]) -> Result<Ratio, reckoner_domain::sum::Overflow> {
    let dollars = amounts.iter().filter(|amount| amount.currency().code() == USD);
    dollars.map(|amount| amount.exact()).try_fold(Ratio::ZERO, Ratio::plus)
}
