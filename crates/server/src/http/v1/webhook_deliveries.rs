//! `/v1/webhook-deliveries`.
use crate::auth::caller::Caller;
use crate::http::error::{ApiError, choice_error};
use crate::http::extract::{By, Params};
use crate::http::openapi::DELIVERY_STATES;
use crate::http::pagination;
use crate::http::state::App;
use crate::http::v1::webhook_endpoints::read_id;
use crate::store::webhook_deliveries::{self, Attempt, Delivery, Filter, State as DeliveryState};
use crate::store::{Limit, StoreError};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reckoner_api::error::Problem;
use reckoner_api::list::List;
use reckoner_api::webhook::{Attempt as ApiAttempt, Delivery as ApiDelivery, DeliveryParams};
use reckoner_domain::id::{DeliveryId, MessageId};

/// List deliveries, the newest first.
#[utoipa::path(
    get, path = "/v1/webhook-deliveries", operation_id = "list_webhook_deliveries", tag = "webhooks", params(DeliveryParams),
    responses(
        (status = 200, body = List<ApiDelivery>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such endpoint or message", body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Params(params, mut errors): Params<DeliveryParams>,
) -> Result<Json<List<ApiDelivery>>, ApiError> {
    let (limit, after) =
        pagination::read_page(params.limit.as_deref(), params.cursor.as_deref(), &mut errors);
    let state = params.state.as_deref().map(DeliveryState::parse);
    if state == Some(None) {
        errors.push(choice_error("state", &DELIVERY_STATES));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let endpoint = params.endpoint.as_deref().map(read_id).transpose()?;
    let message =
        params.message.as_deref().map(|id| MessageId::parse(id).map_err(|_| ApiError::not_found("message")));
    let message = message.transpose()?;
    let filter = Filter { endpoint: endpoint.as_ref(), message: message.as_ref(), state: state.flatten() };
    let page = webhook_deliveries::list(&app.db, caller.project, filter, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

/// Get a delivery.
#[utoipa::path(
    get, path = "/v1/webhook-deliveries/{id}", operation_id = "get_webhook_delivery", tag = "webhooks",
    params(("id" = String, Path, description = "`dlv_...`")),
    responses(
        (status = 200, body = ApiDelivery),
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
) -> Result<Json<ApiDelivery>, ApiError> {
    Ok(Json(to_api(find(&app, &caller, &id).await?)))
}

/// List the attempts of a delivery, in their order.
#[utoipa::path(
    get, path = "/v1/webhook-deliveries/{id}/attempts", operation_id = "list_webhook_attempts", tag = "webhooks",
    params(("id" = String, Path, description = "`dlv_...`")),
    responses(
        (status = 200, body = List<ApiAttempt>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn attempts(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<Json<List<ApiAttempt>>, ApiError> {
    let delivery = find(&app, &caller, &id).await?;
    let made = webhook_deliveries::attempts(&app.db, caller.project, &delivery.id).await?;
    Ok(Json(List { data: made.into_iter().map(to_api_attempt).collect(), next_cursor: None }))
}

/// Send a delivery again, at once and under the same `webhook-id`.
#[utoipa::path(
    post, path = "/v1/webhook-deliveries/{id}/resend", operation_id = "resend_webhook_delivery", tag = "webhooks",
    params(("id" = String, Path, description = "`dlv_...`")),
    responses(
        (status = 202, description = "The delivery that is now due", body = ApiDelivery),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its endpoint is disabled", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn resend(
    State(app): State<App>,
    By(caller): By,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<ApiDelivery>), ApiError> {
    let delivery = find(&app, &caller, &id).await?;
    let again = app.webhooks.resend(caller.project, &delivery.id).await?;
    Ok((StatusCode::ACCEPTED, Json(to_api(again))))
}

/// The deliveries of a message.
pub async fn of_message(
    app: &App,
    caller: &Caller,
    message: &MessageId,
) -> Result<List<ApiDelivery>, ApiError> {
    let filter = Filter { message: Some(message), ..Filter::default() };
    let page = webhook_deliveries::list(&app.db, caller.project, filter, None, Limit::default()).await?;
    Ok(pagination::to_api_list(page, to_api))
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<Delivery, ApiError> {
    let id = DeliveryId::parse(id).map_err(|_| ApiError::not_found("delivery"))?;
    match webhook_deliveries::get(&app.db, caller.project, &id).await {
        Err(StoreError::NotFound) => Err(ApiError::not_found("delivery")),
        found => Ok(found?),
    }
}

fn to_api(delivery: Delivery) -> ApiDelivery {
    let pending = delivery.state == DeliveryState::Pending;
    ApiDelivery {
        id: delivery.id.to_string(),
        message_id: delivery.message.to_string(),
        endpoint_id: delivery.endpoint.to_string(),
        state: delivery.state.as_str().to_owned(),
        attempts: i64::from(delivery.attempts),
        next_attempt_at: pending.then(|| delivery.due.real.to_string()),
        last_attempt_at: delivery.last_attempt_at.map(|time| time.to_string()),
        last_status: delivery.last_status.map(i64::from),
        last_error: delivery.last_error,
        delivered_at: delivery.delivered_at.map(|time| time.to_string()),
        dry_run: delivery.dry_run,
        created_at: delivery.created_at.to_string(),
    }
}

fn to_api_attempt(attempt: Attempt) -> ApiAttempt {
    ApiAttempt {
        number: i64::from(attempt.number),
        attempted_at: attempt.at.to_string(),
        status: attempt.status.map(i64::from),
        latency_ms: i64::try_from(attempt.latency_ms).unwrap_or(i64::MAX),
        error: attempt.error,
        response_head: attempt.body_head,
        dry_run: attempt.dry_run,
    }
}
