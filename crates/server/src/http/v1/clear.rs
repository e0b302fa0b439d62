//! `POST /v1/clear`.
use crate::http::error::{ApiError, choice_error, field_error};
use crate::http::extract::{By, Json as JsonBody};
use crate::http::state::App;
use crate::jobs::ClearError;
use crate::store::invoices;
use crate::store::projects::LIVE;
use axum::Json;
use axum::extract::State;
use reckoner_api::clear::{Clear, Cleared};
use reckoner_api::error::Problem;

/// Clear events (with their aggregations) or aggregations of the key's project.
///
/// Events are gone for queries, with the list of rejected ones, and their ids are free again. Aggregations are made anew by the next
/// run of the job where events are still there.
#[utoipa::path(
    post, path = "/v1/clear", operation_id = "clear_project", tag = "projects", request_body = Clear,
    responses(
        (status = 200, body = Cleared),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The project is live and has final invoices", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn clear(
    State(app): State<App>,
    By(caller): By,
    JsonBody(wanted): JsonBody<Clear>,
) -> Result<Json<Cleared>, ApiError> {
    let name = app.project(caller.project).map(|project| project.name.clone()).unwrap_or_default();
    let mut errors = Vec::new();
    if wanted.project != name {
        errors.push(field_error("project", format!("must be the project of the key, {name}")));
    }
    if !["events", "aggregations"].contains(&wanted.what.as_str()) {
        errors.push(choice_error("what", &["events", "aggregations"]));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    if caller.project == LIVE && invoices::any(&app.db, caller.project).await? {
        let reason = "the project has final invoices, which its events and aggregations explain";
        return Err(ApiError::conflict("project_invoiced", reason));
    }
    // What was rejected before goes with the events.
    app.rejections.flush().await;
    let (events, aggregations) =
        app.jobs.clear(&caller.actor, caller.project, wanted.what == "events").await?;
    Ok(Json(Cleared { cleared: true, events, aggregations }))
}

impl From<ClearError> for ApiError {
    fn from(error: ClearError) -> Self {
        match error {
            ClearError::Clock(error) => error.into(),
            ClearError::Append(error) => error.into(),
            ClearError::Job(error) => Self::internal(error),
        }
    }
}
