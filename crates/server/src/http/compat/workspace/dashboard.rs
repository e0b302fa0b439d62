//! `GET /api/usage/dashboard`.
use super::events::Asking;
use super::months::Months;
use super::{Params, alerts, data, page, summary};
use crate::http::compat::Asked as Query;
use crate::http::extract::By;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

/// A month's events, its summary and alerts.
#[utoipa::path(
    get, path = "/api/usage/dashboard", operation_id = "workspace_usage_dashboard", tag = "system B",
    params(
        ("workspaceId" = Option<String>, Query, description = "The workspace; it or `organizationId` is required."),
        ("organizationId" = Option<String>, Query, description = "The organisation."),
        ("period" = Option<String>, Query, description = "The month, `2026-01`; by default the present one."),
        ("limit" = Option<u32>, Query, description = "Most events: 1 to 1,000, 50 by default."),
        ("offset" = Option<u32>, Query, description = "0 to 100,000."),
    ),
    responses(
        (status = 200, description = "`{data: {events: {documents, total}, summary, alerts: {documents, total}}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn dashboard(
    State(app): State<App>,
    By(caller): By,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Response> {
    let mut asking = Asking::of(&app, &caller, &params).await?;
    let months = Months::of(&app, caller.project, &asking.owner).await?;
    let month = months.asked(params.period.as_deref(), app.clock.of_project(caller.project))?;
    asking.asked = asking.asked.within(month.window);
    let events = asking.list(&app, page(&params, &mut Vec::new())).await?;
    let of = (&asking.owner, &asking.meters);
    let summary = summary::of_month(&app, &caller, of, (&months, &month)).await?;
    let alerts = alerts::of_dashboard(&app, &caller, of).await?;
    Ok(data(json!({"events": events, "summary": summary, "alerts": alerts})))
}
