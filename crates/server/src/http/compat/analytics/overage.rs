//! `GET /api/usage/overage`.
use super::numbers::{dollars, grouped, number};
use super::{CALLS, Own, current};
use crate::entitlements::Current;
use crate::http::compat::Refused;
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use reckoner_domain::money::MoneyError;
use reckoner_domain::plan::Plan;
use reckoner_domain::price::Charges;
use reckoner_domain::quota::Limit;
use reckoner_domain::rate::{self, Usage};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::share::Share;
use serde_json::{Value, json};

/// The customer's calls beyond its limit, and what they cost.
#[utoipa::path(
    get, path = "/api/usage/overage", operation_id = "usage_overage", tag = "system C",
    responses(
        (status = 200, description = "`{has_overage, overage_calls, overage_cost_usd, invoiced, period_end, message}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
    ),
    security(("api_key" = [])),
)]
pub async fn overage(State(app): State<App>, own: Own) -> Result<Json<Value>, Response> {
    let (plan, current) = current(&app, &own).await?;
    let (calls, cost) =
        beyond(&plan, &current).map_err(|error| Refused(ApiError::internal(error)).into_response())?;
    let has_overage = calls > Ratio::ZERO;
    let message = if has_overage {
        format!(
            "You will be charged {} for {} overage calls at the end of your billing period.",
            dollars(cost),
            grouped(calls)
        )
    } else {
        "No overage this period.".to_owned()
    };
    Ok(Json(json!({
        "has_overage": has_overage,
        "overage_calls": number(calls),
        "overage_cost_usd": number(cost),
        // A period that is open is charged at its end.
        "invoiced": false,
        "period_end": current.window.end.to_millis_text(),
        "message": message,
    })))
}

/// The calls beyond a limit that may be exceeded, and what they cost, unrounded.
fn beyond(plan: &Plan, current: &Current) -> Result<(Ratio, Ratio), MoneyError> {
    let Limit::Overage(_) = current.limit else { return Ok((Ratio::ZERO, Ratio::ZERO)) };
    let calls = current.limit.beyond(current.used)?;
    let price = plan.prices.iter().find_map(|price| match &price.charges {
        Charges::Metered { meter, metered } if meter.as_str() == CALLS => Some(metered),
        _ => None,
    });
    let Some(price) = price else { return Ok((calls, Ratio::ZERO)) };
    let usage = Usage { quantity: current.used, events: 0 };
    Ok((calls, rate::rate(price, usage, Share::WHOLE)?.amount))
}
