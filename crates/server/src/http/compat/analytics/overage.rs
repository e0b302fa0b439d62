//! `GET /api/usage/overage`.
use super::numbers::{dollars, grouped, number};
use super::{CALLS, Own, no_record};
use crate::billing::invoicing::Charged;
use crate::entitlements::Current;
use crate::http::compat::Refused;
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::store::{closings, provider_charges};
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
    let failed = |error: ApiError| Refused(error).into_response();
    let found = app.entitlements.current(own.caller.project, &own.customer, CALLS).await;
    let current = found.map_err(|error| failed(error.into()))?;
    // Until the period has calls of its own, the one before it is what there is to tell of.
    if (current.plan.is_none() || current.used.is_zero())
        && let Some(charged) = charged(&app, &own).await.map_err(failed)?
    {
        return Ok(Json(charged));
    }
    let plan = current.plan.clone().ok_or_else(no_record)?;
    let (calls, cost) = beyond(&plan, &current).map_err(|error| failed(ApiError::internal(error)))?;
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

/// The overage of the customer's last period that is closed; `None` where there was none.
async fn charged(app: &App, own: &Own) -> Result<Option<Value>, ApiError> {
    let Some(customer) = &own.caller.customer else { return Ok(None) };
    let Some(closed) = closings::last_closed(&app.db, own.caller.project, customer).await? else {
        return Ok(None);
    };
    let Some(cost) = closed.overage else { return Ok(None) };
    let charges: Vec<Charged> = serde_json::from_str(&closed.charges).map_err(ApiError::internal)?;
    let mut calls = charges.iter().filter(|one| one.is_overage).map(|one| one.billed_units);
    let calls = calls.try_fold(Ratio::ZERO, Ratio::plus).map_err(ApiError::internal)?;
    let cost = cost.exact();
    // What a provider collects is charged once it has.
    let waits = provider_charges::waits(&app.db, &closed.subscription, closed.ordinal).await?;
    let (cost_text, calls_text) = (dollars(cost), grouped(calls));
    let message = if waits {
        format!(
            "You will be charged {cost_text} for {calls_text} overage calls at the end of your billing period."
        )
    } else {
        format!("You have been charged {cost_text} for {calls_text} overage calls.")
    };
    Ok(Some(json!({
        "has_overage": true,
        "overage_calls": number(calls),
        "overage_cost_usd": number(cost),
        "invoiced": !waits,
        "period_end": closed.window.end.to_millis_text(),
        "message": message,
    })))
}

/// The calls beyond a limit that may be exceeded, and what they cost, unrounded.
pub fn beyond(plan: &Plan, current: &Current) -> Result<(Ratio, Ratio), MoneyError> {
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
