//! Tokens of services.
use super::wire::{self, Failure, ServiceRequest, ServiceToken, ServiceVerdict};
use super::{Refused, Sent};
use crate::auth::caller::{Actor, Caller};
use crate::auth::error::AuthError;
use crate::http::middleware::authenticate::service_token;
use crate::http::state::App;
use crate::store::audit::{self, Change};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};

/// Carries the secret that a service proves itself with.
const SECRET_HEADER: &str = "x-service-secret";

/// Get a token for a service of the configuration, which proves itself with its secret.
#[utoipa::path(
    post, path = "/auth/service/token", operation_id = "issue_service_token", tag = "services",
    request_body = ServiceRequest,
    params(("X-Service-Secret" = Option<String>, Header, description = "The service's secret.")),
    responses(
        (status = 200, body = ServiceToken),
        (status = 400, body = Failure, description = "No name"),
        (status = 401, body = Failure, description = "No such service, or not its secret"),
        (status = 413, body = Failure),
        (status = 415, body = Failure),
    ),
)]
pub async fn token(
    State(app): State<App>,
    headers: HeaderMap,
    Sent(sent): Sent<ServiceRequest>,
) -> Result<Json<ServiceToken>, Refused> {
    // One that is no text is a wrong one.
    let secret = headers.get(SECRET_HEADER).map(|value| value.to_str().unwrap_or("\0"));
    let token = app.services.issue(&sent.service_name, secret.filter(|secret| !secret.is_empty()))?;
    note(&app, &sent.service_name, "service_token.issued").await?;
    Ok(Json(wire::to_service_token(&token)))
}

/// Get another token for the service that holds this one, which goes on working until it ends.
#[utoipa::path(
    post, path = "/auth/service/refresh", operation_id = "renew_service_token", tag = "services",
    responses(
        (status = 200, body = ServiceToken),
        (status = 401, body = Failure, description = "No token, or one that is unknown or has expired"),
        (status = 403, body = Failure, description = "Another credential than a service's token"),
    ),
)]
pub async fn refresh(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<ServiceToken>, Refused> {
    let Actor::Service(name) = &caller.actor else { return Err(AuthError::Service.into()) };
    let token = app.services.renew(name)?;
    note(&app, name, "service_token.renewed").await?;
    Ok(Json(wire::to_service_token(&token)))
}

/// Nobody gets a token that is not written down.
async fn note(app: &App, name: &str, action: &'static str) -> Result<(), Refused> {
    let service = Actor::Service(name.to_owned());
    let change = Change::new(None, &service, action, &service);
    Ok(audit::write_alone(&app.db, &app.clock, change).await.map_err(AuthError::from)?)
}

/// Say whether a service's token is good, and whose it is.
#[utoipa::path(
    post, path = "/auth/service/verify", operation_id = "verify_service_token", tag = "services",
    params(("X-Service-Token" = Option<String>, Header, description = "The token.")),
    responses((status = 200, body = ServiceVerdict)),
)]
pub async fn verify(State(app): State<App>, headers: HeaderMap) -> Json<ServiceVerdict> {
    let holder = service_token(&headers).and_then(|token| app.services.holder(token));
    Json(ServiceVerdict { valid: holder.is_some(), service_name: holder })
}
