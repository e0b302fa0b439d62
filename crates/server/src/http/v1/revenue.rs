//! `/v1/revenue`.
use super::invoices::money;
use super::time;
use crate::billing::revenue::RevenueError;
use crate::http::error::ApiError;
use crate::http::extract::{By, Params};
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use reckoner_api::error::Problem;
use reckoner_api::revenue::{Revenue, RevenueFigure, RevenueParams};
use reckoner_domain::time::{DAY, Timestamp};

/// How far back movements are counted when nothing is said, in days.
const MOVEMENT_DAYS: i64 = 30;

/// Monthly recurring revenue at an instant, and how it moved since an earlier one.
///
/// Base prices of active and past-due subscriptions, per month; usage and trials are left out. Movements hold
/// each customer against itself, net.
#[utoipa::path(
    get, path = "/v1/revenue", operation_id = "get_revenue", tag = "invoices", params(RevenueParams),
    responses(
        (status = 200, body = Revenue),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut errors): Params<RevenueParams>,
) -> Result<Json<Revenue>, ApiError> {
    let (from, to) = time::read_range(params.from.as_deref(), params.to.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let to = to.unwrap_or_else(|| app.clock.of_project(caller.project));
    let from: Timestamp = from.unwrap_or_else(|| to.plus_micros(-MOVEMENT_DAYS * DAY));
    let figures = app.billing.revenues.figures(caller.project, from, to).await?;
    let data = figures.iter().map(|figure| RevenueFigure {
        mrr: money(figure.mrr),
        new: money(figure.movements.new),
        expansion: money(figure.movements.expansion),
        contraction: money(figure.movements.contraction),
        churn: money(figure.movements.churn),
    });
    Ok(Json(Revenue { from: from.to_string(), to: to.to_string(), data: data.collect() }))
}

impl From<RevenueError> for ApiError {
    fn from(error: RevenueError) -> Self {
        match error {
            RevenueError::Store(error) => error.into(),
            RevenueError::Money(error) => Self::internal(error),
        }
    }
}
