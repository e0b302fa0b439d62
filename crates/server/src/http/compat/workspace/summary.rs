//! `GET /api/usage/summary`.
use super::feed::Asked as Events;
use super::figures::{Counts, Figures, Reader};
use super::months::{Month, Months};
use super::numbers::{gigabytes, number};
use super::resources::Meters;
use super::{Owner, Params, data, failed};
use crate::auth::caller::Caller;
use crate::http::compat::Asked as Query;
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use reckoner_domain::ratio::Ratio;
use serde_json::{Value, json};

/// A month's usage of a workspace or an organisation, and what it costs.
///
/// `storageAvgBytes` is the mean of what was held, over time, as far as the month has passed. The breakdown counts
/// events.
#[utoipa::path(
    get, path = "/api/usage/summary", operation_id = "workspace_usage_summary", tag = "system B",
    params(
        ("workspaceId" = Option<String>, Query, description = "The workspace; it or `organizationId` is required."),
        ("organizationId" = Option<String>, Query, description = "The organisation."),
        ("period" = Option<String>, Query, description = "The month, `2026-01`; by default the present one."),
    ),
    responses(
        (status = 200, description = "`{data: {period, trafficTotalBytes, trafficTotalGB, storageAvgBytes, storageAvgGB, computeTotalUnits, estimatedCost, eventCount, breakdown, dailyUsage}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn summary(
    State(app): State<App>,
    By(caller): By,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Response> {
    let owner = Owner::of(&params)?;
    let months = Months::of(&app, caller.project, &owner).await?;
    let month = months.asked(params.period.as_deref(), app.clock.of_project(caller.project))?;
    let meters = Meters::of(&app.recorder.catalogues.of(caller.project))?;
    Ok(data(of_month(&app, &caller, (&owner, &meters), (&months, &month)).await?))
}

/// The summary of a month.
pub async fn of_month(
    app: &App,
    caller: &Caller,
    (owner, meters): (&Owner, &Meters),
    (months, month): (&Months, &Month),
) -> Result<Value, Response> {
    let (project, now) = (caller.project, app.clock.of_project(caller.project));
    let reader = Reader { events: &app.events, project, meters, owner, now, as_of: None };
    let total = reader.of(&[month.window]).await.map_err(failed)?;
    let total = total.first().copied().unwrap_or_default();
    let days = months.days(month.window);
    let windows: Vec<_> = days.iter().map(|(_, window)| *window).collect();
    let by_day = reader.of(&windows).await.map_err(failed)?;
    let counts = reader.counts(&Events::of_window(month.window)).await.map_err(failed)?;
    let begun = |window: reckoner_domain::window::Window, figures: &Figures| {
        window.start <= now || *figures != Figures::default()
    };
    let daily = days.iter().zip(&by_day).filter(|((_, window), figures)| begun(*window, figures));
    let daily: Vec<Value> = daily.map(|((date, _), figures)| day(date, figures)).collect();
    let cost = total.cost(&app.config.workspace).map_err(|error| failed(ApiError::internal(error)))?;
    let mut shown = json!({"period": month.name});
    put_totals(&mut shown, &total);
    if let Some(fields) = shown.as_object_mut() {
        let cost = json!({
            "traffic": number(cost.traffic),
            "storage": number(cost.storage),
            "compute": number(cost.compute),
            "total": number(cost.total),
        });
        fields.insert("estimatedCost".to_owned(), cost);
        fields.insert("eventCount".to_owned(), counts.total.into());
        fields.insert("breakdown".to_owned(), breakdown(&counts));
        fields.insert("dailyUsage".to_owned(), daily.into());
    }
    Ok(shown)
}

fn put_totals(shown: &mut Value, total: &Figures) {
    let Some(fields) = shown.as_object_mut() else { return };
    let mut put = |name: &str, quantity: Ratio| fields.insert(name.to_owned(), number(quantity));
    put("trafficTotalBytes", total.traffic_bytes);
    put("trafficTotalGB", gigabytes(total.traffic_bytes));
    put("storageAvgBytes", total.storage_bytes);
    put("storageAvgGB", gigabytes(total.storage_bytes));
    put("computeTotalUnits", total.compute_units);
}

fn breakdown(counts: &Counts) -> Value {
    json!({
        "bySource": counts.by_source,
        "byResourceType": counts.by_resource,
        "byWorkspace": counts.by_workspace,
    })
}

fn day(date: &str, figures: &Figures) -> Value {
    json!({
        "date": date,
        "traffic": number(figures.traffic_bytes),
        "storage": number(figures.storage_bytes),
        "compute": number(figures.compute_units),
    })
}
