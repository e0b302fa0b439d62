//! What customers have: everything that their plans grant.
use super::wire;
use crate::auth::caller::Caller;
use crate::entitlements::Held;
use crate::http::compat::own_customer;
use crate::http::error::ApiError;
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::customers;
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use reckoner_api::entitlement::CustomerEntitlement;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::{List, PageParams};

/// A caller who is a customer.
pub struct Own {
    caller: Caller,
    customer: String,
}

impl FromRequestParts<App> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (caller, customer) = own_customer(parts, app).await?;
        Ok(Self { caller, customer: customer.ok_or_else(|| ApiError::not_found("customer"))? })
    }
}

/// List what a customer has: features, values, and quotas with what is left of them.
#[utoipa::path(
    get, path = "/v1/customers/{customer}/entitlements", operation_id = "list_customer_entitlements", tag = "entitlements",
    params(PageParams, ("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 200, body = List<CustomerEntitlement>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<CustomerEntitlement>>, ApiError> {
    let customer = customers::find(&app.db, caller.project, &name).await?.external_id;
    page(&app, &caller, &customer, (params, faults)).await
}

/// Get what a customer has of one feature.
#[utoipa::path(
    get, path = "/v1/customers/{customer}/entitlements/{key}", operation_id = "get_customer_entitlement", tag = "entitlements",
    params(
        ("customer" = String, Path, description = "The customer's own id, or `cus_...`"),
        ("key" = String, Path, description = "The feature's key."),
    ),
    responses(
        (status = 200, body = CustomerEntitlement),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such customer, or it does not have the feature", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path((name, key)): Path<(String, String)>,
) -> Result<Json<CustomerEntitlement>, ApiError> {
    let customer = customers::find(&app.db, caller.project, &name).await?.external_id;
    one(&app, &caller, &customer, &key).await
}

/// List what the caller's own customer has.
#[utoipa::path(
    get, path = "/v1/me/entitlements", operation_id = "list_own_entitlements", tag = "entitlements",
    params(PageParams),
    responses(
        (status = 200, body = List<CustomerEntitlement>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The caller is no customer", body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
pub async fn list_own(
    State(app): State<App>,
    own: Own,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<CustomerEntitlement>>, ApiError> {
    page(&app, &own.caller, &own.customer, (params, faults)).await
}

/// Get what the caller's own customer has of one feature.
#[utoipa::path(
    get, path = "/v1/me/entitlements/{key}", operation_id = "get_own_entitlement", tag = "entitlements",
    params(("key" = String, Path, description = "The feature's key.")),
    responses(
        (status = 200, body = CustomerEntitlement),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The caller is no customer, or does not have the feature", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
pub async fn get_own(
    State(app): State<App>,
    own: Own,
    Path(key): Path<String>,
) -> Result<Json<CustomerEntitlement>, ApiError> {
    one(&app, &own.caller, &own.customer, &key).await
}

async fn page(
    app: &App,
    caller: &Caller,
    customer: &str,
    (params, faults): (PageParams, Vec<FieldError>),
) -> Result<Json<List<CustomerEntitlement>>, ApiError> {
    let page = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let mut held = app.entitlements.held(caller.project, customer, None).await?;
    held.sort_by(|a, b| a.feature.as_str().cmp(b.feature.as_str()));
    let name = |one: &Held| one.feature.as_str().to_owned();
    Ok(Json(pagination::of_names(held, name, page, |one| wire::to_api_held(&one))))
}

async fn one(
    app: &App,
    caller: &Caller,
    customer: &str,
    key: &str,
) -> Result<Json<CustomerEntitlement>, ApiError> {
    let held = app.entitlements.held(caller.project, customer, Some(key)).await?;
    let found = held.first().map(|one| Json(wire::to_api_held(one)));
    found.ok_or_else(|| ApiError::not_found("entitlement"))
}
