//! `/v1/revenue`.
use super::invoices::money;
use super::time;
use crate::billing::revenue::{Figure, RevenueError};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Params};
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use reckoner_api::error::Problem;
use reckoner_api::revenue::{
    MeterRevenue, MeterRevenueParams, MeterRevenues, Revenue, RevenueFigure, RevenueParams,
};
use reckoner_domain::mrr::{Customers, Movements};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::{DAY, Timestamp};
use reckoner_domain::window::Window;

/// How far back movements are counted when nothing is said, in days.
const MOVEMENT_DAYS: i64 = 30;
/// The longest time of which revenue is summed, in days.
const RANGE_DAYS_MAX: i64 = 366;

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
    let data = figures.iter().map(to_api);
    Ok(Json(Revenue { from: from.to_string(), to: to.to_string(), data: data.collect() }))
}

/// What the usage of each meter was charged in billing periods that were closed in a time.
///
/// Whoever collects: Reckoner's own invoices and Stripe. Adjustments count where their period was closed.
#[utoipa::path(
    get, path = "/v1/revenue/meters", operation_id = "get_meter_revenue", tag = "invoices", params(MeterRevenueParams),
    responses(
        (status = 200, body = MeterRevenues),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn by_meter(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut errors): Params<MeterRevenueParams>,
) -> Result<Json<MeterRevenues>, ApiError> {
    let (from, to) = time::read_range(params.from.as_deref(), params.to.as_deref(), &mut errors);
    let to = to.unwrap_or_else(|| app.clock.of_project(caller.project));
    let from = from.unwrap_or_else(|| to.plus_micros(-MOVEMENT_DAYS * DAY));
    if to.micros_since(from) > RANGE_DAYS_MAX * DAY {
        errors.push(field_error("from", format!("must be at most {RANGE_DAYS_MAX} days before `to`")));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let found = app.billing.revenues.by_meter(caller.project, Window { start: from, end: to }).await?;
    let data = found.into_iter().map(|((meter, _), of)| MeterRevenue {
        meter,
        charged: money(of.charged),
        periods: of.periods,
    });
    Ok(Json(MeterRevenues { from: from.to_string(), to: to.to_string(), data: data.collect() }))
}

fn to_api(figure: &Figure) -> RevenueFigure {
    let Customers { before, now, lost } = figure.customers;
    let Movements { new, expansion, contraction, churn } = figure.movements;
    let lost_revenue =
        contraction.exact().plus(churn.exact()).and_then(|gone| gone.over(figure.before.exact()));
    RevenueFigure {
        mrr: money(figure.mrr),
        arr: money(figure.arr),
        mrr_before: money(figure.before),
        new: money(new),
        expansion: money(expansion),
        contraction: money(contraction),
        churn: money(churn),
        revenue_churn_rate: lost_revenue.ok().filter(|_| !figure.before.is_zero()).map(Ratio::to_shown),
        customers_before: before,
        customers: now,
        customers_lost: lost,
        customer_churn_rate: Ratio::from_counts(lost, before).map(Ratio::to_shown),
    }
}

impl From<RevenueError> for ApiError {
    fn from(error: RevenueError) -> Self {
        match error {
            RevenueError::Store(error) => error.into(),
            RevenueError::Money(error) => Self::internal(error),
        }
    }
}
