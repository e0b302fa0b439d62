//! System C: a customer's own usage, its overage, and a limited sample endpoint.
pub mod admin;
pub mod cron;
pub mod numbers;
pub mod overage;
pub mod ping;
pub mod statistics;
pub mod usage;
pub mod users;

use super::{Refused, failure, own_customer};
use crate::auth::caller::Caller;
use crate::calls::CALLS;
use crate::entitlements::Current;
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use reckoner_domain::plan::Plan;
use std::sync::Arc;

/// Whoever asks for what is their own.
pub struct Own {
    /// Who asks.
    pub caller: Caller,
    /// The customer's own id.
    pub customer: String,
}

impl FromRequestParts<App> for Own {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let refused = |error: ApiError| Refused(error).into_response();
        let (caller, customer) = own_customer(parts, app).await.map_err(refused)?;
        Ok(Self { caller, customer: customer.ok_or_else(no_record)? })
    }
}

/// What a customer's plan says of its calls; 404 for a customer without a plan.
async fn current(app: &App, own: &Own) -> Result<(Arc<Plan>, Current), Response> {
    let found = app.entitlements.current(own.caller.project, &own.customer, CALLS).await;
    let current = found.map_err(|error| Refused(error.into()).into_response())?;
    let plan = current.plan.clone().ok_or_else(no_record)?;
    Ok((plan, current))
}

fn no_record() -> Response {
    failure(StatusCode::NOT_FOUND, "No usage record found", None)
}
