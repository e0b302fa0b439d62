//! `/v1/api-keys`.
use super::time;
use crate::auth::key_changes::{
    self, OVERLAP_HOURS_DEFAULT, OVERLAP_HOURS_MAX, RotateError, Rotated, Rotation,
};
use crate::auth::keys::{make_key, to_row};
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Json as JsonBody, JsonOrNothing, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::ingest::draft::text_fault;
use crate::store::api_keys::{self, ApiKey};
use crate::store::{Scope, Scopes, StoreError};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::api_key::{ApiKey as ApiApiKey, CreatedApiKey, NewApiKey, RotateApiKey, RotatedApiKey};
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::{List, PageParams};
use reckoner_domain::id::ApiKeyId;
use reckoner_domain::time::Timestamp;

/// Most bytes of a key's name.
const NAME_BYTES_MAX: usize = 255;

/// List the project's keys, in the order of making.
#[utoipa::path(
    get, path = "/v1/api-keys", operation_id = "list_api_keys", tag = "api keys", params(PageParams),
    responses(
        (status = 200, body = List<ApiApiKey>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiApiKey>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = api_keys::list(&app.db, caller.project, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Make a key. Its value is shown in this answer and never again.
#[utoipa::path(
    post, path = "/v1/api-keys", operation_id = "create_api_key", tag = "api keys", request_body = NewApiKey,
    responses(
        (status = 201, body = CreatedApiKey),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such customer", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), ApiError> {
    let mut errors = Vec::new();
    let now = app.clock.real();
    let name = new.name.unwrap_or_else(|| "key".to_owned());
    let expires_at = time::optional("expires_at", new.expires_at.as_deref(), &mut errors);
    let scopes = match &new.customer {
        None => check(&name, &new.scopes, expires_at, now, &mut errors),
        Some(_) => Some(check_of_customer(&name, &new.scopes, expires_at, now, &mut errors)),
    };
    let (Some(scopes), []) = (scopes, errors.as_slice()) else { return Err(ApiError::invalid(errors)) };
    let project = app.project(caller.project).map_or("key", |project| project.name.as_str());
    let key = make_key(project)?;
    let customer = match &new.customer {
        Some(customer) => Some(super::customers::find(&app, &caller, customer).await?.id),
        None => None,
    };
    let row = ApiKey { customer, expires_at, ..to_row(&key, caller.project, &name, scopes, now)? };
    let stored = key_changes::create(&app.db, &app.clock, &caller.actor, &row).await?;
    Ok((StatusCode::CREATED, Json(CreatedApiKey { api_key: to_api(stored), key })))
}

/// Checks what a new key is to be, and notes what is wrong with it; its scopes where they are good.
pub fn check(
    name: &str,
    scopes: &[String],
    expires_at: Option<Timestamp>,
    now: Timestamp,
    errors: &mut Vec<FieldError>,
) -> Option<Scopes> {
    check_name(name, errors);
    let scopes: Option<Scopes> = scopes.iter().map(|name| name.parse::<Scope>().ok()).collect();
    let scopes = scopes.filter(|scopes| !scopes.is_empty());
    if scopes.is_none() {
        errors.push(choice_error("scopes", &Scope::NAMES));
    }
    check_end(expires_at, now, errors);
    scopes
}

/// The same for a key that a customer is to hold: it may nothing but see and use what is the customer's.
fn check_of_customer(
    name: &str,
    scopes: &[String],
    expires_at: Option<Timestamp>,
    now: Timestamp,
    errors: &mut Vec<FieldError>,
) -> Scopes {
    check_name(name, errors);
    if !scopes.is_empty() {
        errors
            .push(field_error("scopes", "must be absent: a customer's key sees what is the customer's only"));
    }
    check_end(expires_at, now, errors);
    Scopes::default()
}

fn check_name(name: &str, errors: &mut Vec<FieldError>) {
    if let Some(reason) = text_fault(name, NAME_BYTES_MAX) {
        errors.push(field_error("name", reason));
    }
}

fn check_end(expires_at: Option<Timestamp>, now: Timestamp, errors: &mut Vec<FieldError>) {
    if expires_at.is_some_and(|end| end <= now) {
        errors.push(field_error("expires_at", "must lie in the future"));
    }
}

/// Revoke a key: it ceases to work at once here, within two seconds on other nodes.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", operation_id = "revoke_api_key", tag = "api keys",
    params(("id" = String, Path, description = "`key_...`")),
    responses(
        (status = 200, body = ApiApiKey),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn revoke(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiApiKey>, ApiError> {
    let id = ApiKeyId::parse(&id).map_err(|_| ApiError::not_found("API key"))?;
    let which = (caller.project, &id);
    let revoked = key_changes::revoke(&app.db, &app.clock, &caller.actor, which).await;
    app.keys.forget();
    match revoked {
        Ok(key) => Ok(Json(to_api(key))),
        Err(StoreError::NotFound) => Err(ApiError::not_found("API key")),
        Err(error) => Err(error.into()),
    }
}

/// Replace a key: a new one of the same name and scopes, beside which the old one works for a while.
#[utoipa::path(
    post, path = "/v1/api-keys/{id}/rotate", operation_id = "rotate_api_key", tag = "api keys", request_body = Option<RotateApiKey>,
    params(("id" = String, Path, description = "`key_...`")),
    responses(
        (status = 201, body = RotatedApiKey),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is revoked or has expired", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn rotate(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    JsonOrNothing(wanted): JsonOrNothing<RotateApiKey>,
) -> Result<(StatusCode, Json<RotatedApiKey>), ApiError> {
    let mut errors = Vec::new();
    let expires_at = time::optional("expires_at", wanted.expires_at.as_deref(), &mut errors);
    let overlap_hours = wanted.overlap_hours.unwrap_or(OVERLAP_HOURS_DEFAULT);
    let rotation = Rotation { overlap_hours, expires_at };
    check_rotation(rotation, app.clock.real(), &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let id = ApiKeyId::parse(&id).map_err(|_| ApiError::not_found("API key"))?;
    let project = app.project(caller.project).ok_or_else(|| ApiError::not_found("API key"))?;
    let which = (project, &id);
    let rotated = key_changes::rotate(&app.db, &app.clock, &caller.actor, which, rotation).await;
    app.keys.forget();
    match rotated {
        Ok(rotated) => Ok((StatusCode::CREATED, Json(to_api_rotated(rotated)))),
        Err(RotateError::Store(StoreError::NotFound)) => Err(ApiError::not_found("API key")),
        Err(RotateError::Ended) => Err(ApiError::conflict("key_ended", RotateError::Ended.to_string())),
        Err(RotateError::Store(error)) => Err(error.into()),
        Err(RotateError::Random(error)) => Err(error.into()),
    }
}

/// Checks how a key is to be replaced, and notes what is wrong.
pub fn check_rotation(rotation: Rotation, now: Timestamp, errors: &mut Vec<FieldError>) {
    if rotation.overlap_hours > OVERLAP_HOURS_MAX {
        errors.push(field_error("overlap_hours", format!("must be at most {OVERLAP_HOURS_MAX}")));
    }
    if rotation.expires_at.is_some_and(|end| end <= now) {
        errors.push(field_error("expires_at", "must lie in the future"));
    }
}

/// A key that was replaced, and the new one with its value.
pub fn to_api_rotated(rotated: Rotated) -> RotatedApiKey {
    let created = CreatedApiKey { api_key: to_api(rotated.new), key: rotated.value };
    RotatedApiKey { created, replaced: to_api(rotated.replaced) }
}

/// A key as the API shows it.
pub fn to_api(key: ApiKey) -> ApiApiKey {
    ApiApiKey {
        id: key.id.to_string(),
        name: key.name,
        prefix: key.prefix,
        scopes: key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        customer: key.customer.map(|customer| customer.to_string()),
        created_at: key.created_at.to_string(),
        expires_at: key.expires_at.map(|time| time.to_string()),
        revoked_at: key.revoked_at.map(|time| time.to_string()),
        last_used_at: key.last_used_at.map(|time| time.to_string()),
    }
}
