//! `/v1/webhook-endpoints`.
use super::time;
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Change, Json as JsonBody, JsonOrNothing, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::webhook_endpoints::Endpoint;
use crate::store::{Limit, StoreError};
use crate::webhooks::endpoints::OVERLAP_HOURS_DEFAULT;
use crate::webhooks::service::{self, WebhookError};
use crate::webhooks::{Changes, Draft, Revealed};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::list::{List, PageParams};
use reckoner_api::webhook::{
    Delivery as ApiDelivery, Endpoint as ApiEndpoint, EndpointChange, EndpointWithSecret, NewEndpoint,
    Replay, Replayed, RotateSecret,
};
use reckoner_domain::id::EndpointId;

/// List webhook endpoints, in the order of making.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints", operation_id = "list_webhook_endpoints", tag = "webhooks", params(PageParams),
    responses(
        (status = 200, body = List<ApiEndpoint>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, faults): Params<PageParams>,
) -> Result<Json<List<ApiEndpoint>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = app.webhooks.list(caller.project, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Make a webhook endpoint. Its secret is shown in this answer and never again.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints", operation_id = "create_webhook_endpoint", tag = "webhooks", request_body = NewEndpoint,
    responses(
        (status = 201, body = EndpointWithSecret),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The project has as many as it may have", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn create(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<NewEndpoint>,
) -> Result<(StatusCode, Json<EndpointWithSecret>), ApiError> {
    let draft = Draft {
        url: new.url,
        event_types: new.event_types.unwrap_or_default(),
        description: new.description,
        secret: new.secret,
        disabled: new.enabled == Some(false),
    };
    let made = app.webhooks.by(&caller.actor).create(caller.project, draft).await?;
    Ok((StatusCode::CREATED, Json(to_api_revealed(made))))
}

/// Get a webhook endpoint.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{id}", operation_id = "get_webhook_endpoint", tag = "webhooks",
    params(("id" = String, Path, description = "`whe_...`")),
    responses(
        (status = 200, body = ApiEndpoint),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<ApiEndpoint>, ApiError> {
    Ok(Json(to_api(app.webhooks.get(caller.project, &read_id(&id)?).await?)))
}

/// Change a webhook endpoint; enabling it forgets why it was disabled.
#[utoipa::path(
    patch, path = "/v1/webhook-endpoints/{id}", operation_id = "update_webhook_endpoint", tag = "webhooks", request_body = EndpointChange,
    params(
        ("id" = String, Path, description = "`whe_...`"),
        ("If-Match" = Option<String>, Header, description = "The version that is changed."),
    ),
    responses(
        (status = 200, body = ApiEndpoint),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It changed since it was read, or comes from the operator's file", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn update(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    Change { body: change, version, faults: mut errors }: Change<EndpointChange>,
) -> Result<Json<ApiEndpoint>, ApiError> {
    let id = read_id(&id)?;
    let changes = Changes {
        url: change.url,
        event_types: change.event_types,
        description: change.description.map(Some),
        enabled: change.enabled,
        if_version: version,
    };
    if !errors.is_empty() {
        errors.extend(app.webhooks.check(&changes).into_iter().map(to_field_error));
        return Err(ApiError::invalid(errors));
    }
    let changed = app.webhooks.by(&caller.actor).update(caller.project, &id, changes).await?;
    Ok(Json(to_api(changed)))
}

/// Delete a webhook endpoint; what is pending for it is canceled.
#[utoipa::path(
    delete, path = "/v1/webhook-endpoints/{id}", operation_id = "delete_webhook_endpoint", tag = "webhooks",
    params(("id" = String, Path, description = "`whe_...`")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It comes from the operator's file", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn delete(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.webhooks.by(&caller.actor).delete(caller.project, &read_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook endpoint a new secret. The old one signs too for a while, so that receivers can
/// change over.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/rotate-secret", operation_id = "rotate_webhook_secret", tag = "webhooks", request_body = Option<RotateSecret>,
    params(("id" = String, Path, description = "`whe_...`")),
    responses(
        (status = 200, body = EndpointWithSecret),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It comes from the operator's file", body = Problem, content_type = "application/problem+json"),
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
    JsonOrNothing(new): JsonOrNothing<RotateSecret>,
) -> Result<Json<EndpointWithSecret>, ApiError> {
    let overlap = new.overlap_hours.unwrap_or(OVERLAP_HOURS_DEFAULT);
    let rotated =
        app.webhooks.by(&caller.actor).rotate(caller.project, &read_id(&id)?, new.secret, overlap).await?;
    Ok(Json(to_api_revealed(rotated)))
}

/// Send a test message to a webhook endpoint.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/ping", operation_id = "ping_webhook_endpoint", tag = "webhooks",
    params(("id" = String, Path, description = "`whe_...`")),
    responses(
        (status = 202, description = "Its delivery", body = List<ApiDelivery>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is disabled, or comes from the operator's file", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn ping(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<List<ApiDelivery>>), ApiError> {
    let message = app.webhooks.ping(caller.project, &read_id(&id)?).await?;
    let made = super::webhook_deliveries::of_message(&app, &caller, &message).await?;
    Ok((StatusCode::ACCEPTED, Json(made)))
}

/// Send the messages of a time range again to a webhook endpoint, under their old `webhook-id`.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/replay", operation_id = "replay_webhooks", tag = "webhooks", request_body = Replay,
    params(("id" = String, Path, description = "`whe_...`")),
    responses(
        (status = 202, body = Replayed),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is disabled", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn replay(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
    JsonBody(wanted): JsonBody<Replay>,
) -> Result<(StatusCode, Json<Replayed>), ApiError> {
    let id = read_id(&id)?;
    let mut errors = Vec::new();
    let from = time::optional("from", Some(&wanted.from), &mut errors);
    let to = time::optional("to", Some(&wanted.to), &mut errors);
    if from.is_some_and(|from| to.is_some_and(|to| from >= to)) {
        errors.push(field_error("to", "must be after from"));
    }
    let (_, after) = pagination::read_page(None, wanted.cursor.as_deref(), &mut errors);
    let (Some(from), Some(to), []) = (from, to, errors.as_slice()) else {
        return Err(ApiError::invalid(errors));
    };
    let limit = Limit::new(crate::store::LIMIT_MAX).unwrap_or_default();
    let replayed = app.webhooks.replay(caller.project, &id, (from, to), after.as_ref(), limit).await?;
    let next_cursor = replayed.next.as_ref().map(crate::store::Cursor::to_text);
    Ok((StatusCode::ACCEPTED, Json(Replayed { deliveries: u64::from(replayed.queued), next_cursor })))
}

/// Reads an endpoint's id; a text that is none names nothing.
pub fn read_id(text: &str) -> Result<EndpointId, ApiError> {
    EndpointId::parse(text).map_err(|_| ApiError::not_found("webhook endpoint"))
}

fn to_api(endpoint: Endpoint) -> ApiEndpoint {
    ApiEndpoint {
        id: endpoint.id.to_string(),
        url: endpoint.url,
        event_types: endpoint.event_types,
        description: endpoint.description,
        enabled: endpoint.disabled.is_none(),
        disabled_reason: endpoint.disabled.map(|reason| reason.as_str().to_owned()),
        source: endpoint.source.as_str().to_owned(),
        failing_since: endpoint.failing_since.map(|since| since.real.to_string()),
        created_at: endpoint.created_at.to_string(),
        updated_at: endpoint.updated_at.to_string(),
        version: i64::from(endpoint.version),
    }
}

fn to_api_revealed(revealed: Revealed) -> EndpointWithSecret {
    EndpointWithSecret {
        endpoint: to_api(revealed.endpoint),
        secret: revealed.secret.expose().to_owned(),
        standard_secret: revealed.standard_secret.expose().to_owned(),
    }
}

fn to_field_error(problem: service::Problem) -> FieldError {
    field_error(problem.field, problem.reason)
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Invalid(problems) => {
                Self::invalid(problems.into_iter().map(to_field_error).collect())
            }
            WebhookError::TooMany => Self::conflict("too_many_endpoints", error.to_string()),
            WebhookError::OfFile => Self::conflict("endpoint_of_file", error.to_string()),
            WebhookError::Disabled => Self::conflict("endpoint_disabled", error.to_string()),
            WebhookError::Store(StoreError::NotFound) => Self::not_found("webhook endpoint or delivery"),
            WebhookError::Store(error) => error.into(),
            WebhookError::Vault(error) => Self::internal(error),
            WebhookError::NoRandomness(error) => error.into(),
        }
    }
}
