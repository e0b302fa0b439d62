//! `POST /aggregations/trigger`.
use crate::http::compat::{Refused, failure};
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Aggregate now, current periods too, without waiting.
#[utoipa::path(
    post, path = "/aggregations/trigger", operation_id = "trigger_aggregation", tag = "system A",
    responses(
        (status = 200, description = "No events to aggregate", body = Object),
        (status = 202, description = "What was found and queued", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 503, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["ingest"])),
)]
pub async fn trigger(State(app): State<App>, By(caller): By) -> Result<Response, Refused> {
    if app.definitions().periods.is_empty() {
        let text = "Service misconfigured: no aggregation periods available";
        return Ok(failure(StatusCode::SERVICE_UNAVAILABLE, text, None));
    }
    let Some(found) = app.trigger.fire(caller.project).await.map_err(ApiError::internal)? else {
        return Ok(Json(json!({"message": "No events to aggregate", "jobsQueued": 0})).into_response());
    };
    let body = json!({
        "message": "Aggregation jobs queued for processing",
        "jobsCreated": found.jobs_created,
        "jobsUpdated": found.jobs_updated,
        "jobsQueued": found.jobs_queued,
        "customersFound": found.customers_found,
        "periodsConfigured": found.periods_configured,
        "eventsScanned": found.events_scanned,
        "aggregationsCreated": found.jobs_created,
    });
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}
