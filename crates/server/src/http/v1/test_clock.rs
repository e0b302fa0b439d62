//! `/v1/test-clock`: the clock of project `test`. Project `live` has no such routes.
use super::time;
use crate::auth::caller::Caller;
use crate::http::error::ApiError;
use crate::http::extract::{By, Json as JsonBody};
use crate::http::state::App;
use crate::jobs::ClockError;
use crate::store::projects::Kind;
use axum::Json;
use axum::extract::State;
use reckoner_api::error::Problem;
use reckoner_api::test_clock::{AdvancedTestClock, SetTestClock, TestClock};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// Read the test clock.
#[utoipa::path(
    get, path = "/v1/test-clock", operation_id = "get_test_clock", tag = "test clock",
    responses(
        (status = 200, body = TestClock),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The project is not a test project", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(State(app): State<App>, By(caller): By) -> Result<Json<TestClock>, ApiError> {
    let project = test_project(&app, &caller)?;
    Ok(Json(to_api(app.clock.frozen_at(project))))
}

/// Freeze the test clock at a time.
///
/// Any time while the project has no events; afterwards not before what the clock shows. Jobs that
/// fall due on the way are not run: use `advance` for that.
#[utoipa::path(
    put, path = "/v1/test-clock", operation_id = "freeze_test_clock", tag = "test clock", request_body = SetTestClock,
    responses(
        (status = 200, body = TestClock),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The project is not a test project", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The clock would move back, and the project has events", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn put(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<SetTestClock>,
) -> Result<Json<TestClock>, ApiError> {
    let project = test_project(&app, &caller)?;
    let to = time::parse("frozen_time", &new.frozen_time).map_err(|error| ApiError::invalid(vec![error]))?;
    app.jobs.freeze(&caller.actor, project, to).await?;
    Ok(Json(to_api(Some(to))))
}

/// Release the test clock: it follows real time again.
#[utoipa::path(
    delete, path = "/v1/test-clock", operation_id = "release_test_clock", tag = "test clock",
    responses(
        (status = 200, body = TestClock),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The project is not a test project", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The clock would move back, and the project has events", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn release(State(app): State<App>, By(caller): By) -> Result<Json<TestClock>, ApiError> {
    let project = test_project(&app, &caller)?;
    app.jobs.release(&caller.actor, project).await?;
    Ok(Json(to_api(None)))
}

/// Advance the frozen clock; answers when every job due until then has run.
#[utoipa::path(
    post, path = "/v1/test-clock/advance", operation_id = "advance_test_clock", tag = "test clock", request_body = SetTestClock,
    responses(
        (status = 200, body = AdvancedTestClock),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The project is not a test project", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The clock is not frozen, or would move back", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn advance(
    State(app): State<App>,
    By(caller): By,
    JsonBody(new): JsonBody<SetTestClock>,
) -> Result<Json<AdvancedTestClock>, ApiError> {
    let project = test_project(&app, &caller)?;
    let to = time::parse("frozen_time", &new.frozen_time).map_err(|error| ApiError::invalid(vec![error]))?;
    let jobs_run = app.jobs.advance(&caller.actor, project, to).await?;
    Ok(Json(AdvancedTestClock { frozen_time: to.to_string(), jobs_run }))
}

fn test_project(app: &App, caller: &Caller) -> Result<ProjectId, ApiError> {
    let test = app.project(caller.project).filter(|project| project.kind == Kind::Test);
    test.map(|project| project.id).ok_or_else(|| ApiError::not_found("route in project live"))
}

fn to_api(frozen: Option<Timestamp>) -> TestClock {
    TestClock { frozen_time: frozen.map(|time| time.to_string()) }
}

impl From<ClockError> for ApiError {
    fn from(error: ClockError) -> Self {
        match error {
            ClockError::NotFrozen => Self::conflict("clock_not_frozen", error.to_string()),
            ClockError::Backwards(_) => Self::conflict("clock_backwards", error.to_string()),
            ClockError::Busy => Self::busy(error.to_string()),
            ClockError::Job(error) => Self::internal(error),
        }
    }
}
