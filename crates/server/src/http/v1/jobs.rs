//! `/v1/jobs/runs`.
use crate::http::error::ApiError;
use crate::http::extract::{By, Params};
use crate::http::pagination;
use crate::http::state::App;
use crate::store::job_runs::{self, JobRun};
use axum::Json;
use axum::extract::State;
use reckoner_api::error::Problem;
use reckoner_api::job::JobRun as ApiJobRun;
use reckoner_api::list::{List, PageParams};

/// List runs of jobs, the newest first.
#[utoipa::path(
    get, path = "/v1/jobs/runs", operation_id = "list_job_runs", tag = "jobs", params(PageParams),
    responses(
        (status = 200, body = List<ApiJobRun>),
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
) -> Result<Json<List<ApiJobRun>>, ApiError> {
    let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
    let page = job_runs::list(&app.db, caller.project, None, after.as_ref(), limit).await?;
    Ok(Json(pagination::to_api_list(page, to_api)))
}

fn to_api(run: JobRun) -> ApiJobRun {
    let finished = run.finished;
    ApiJobRun {
        id: run.id.to_string(),
        job: run.job,
        started_at: run.started_at.to_string(),
        finished_at: finished.as_ref().map(|finished| finished.at.to_string()),
        result: finished.as_ref().map(|finished| finished.result.as_str().to_owned()),
        detail: finished.and_then(|finished| finished.detail),
    }
}
