//! `GET /trials/stats` and `POST /trials/check`.
use super::Refused;
use super::wire::Failure;
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::subscriptions;
use axum::Json;
use axum::extract::State;
use reckoner_domain::time::{DAY, Timestamp};
use serde_json::{Value, json};

/// Say how many trials go on, end today or tomorrow (days of UTC), or have ended without what follows.
#[utoipa::path(
    get, path = "/trials/stats", operation_id = "trial_stats", tag = "services",
    responses(
        (status = 200, description = "`{success, timestamp, stats: {activeTrials, expiringToday, expiringTomorrow, expiredPendingDowngrade}}`", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
    ),
)]
pub async fn stats(State(app): State<App>, By(caller): By) -> Result<Json<Value>, Refused> {
    let now = app.clock.of_project(caller.project);
    let tonight = (now.as_micros().div_euclid(DAY) + 1) * DAY;
    let midnights = [tonight, tonight + DAY].map(Timestamp::from_micros_clamped);
    let counted = subscriptions::count_trials(&app.db, caller.project, now, midnights).await;
    let counted = counted.map_err(ApiError::from)?;
    let lapsed = subscriptions::count_lapsed(&app.db, caller.project).await.map_err(ApiError::from)?;
    Ok(Json(json!({
        "success": true,
        "timestamp": now.to_millis_text(),
        "stats": {
            "activeTrials": counted.active,
            "expiringToday": counted.ending_today,
            "expiringTomorrow": counted.ending_tomorrow,
            "expiredPendingDowngrade": counted.pending + lapsed,
        },
    })))
}

/// End trials that have ended, begin what follows them without waiting for the night, and remind those whose trials end
/// tomorrow.
#[utoipa::path(
    post, path = "/trials/check", operation_id = "check_trials", tag = "services",
    responses(
        (status = 200, description = "`{success, timestamp, result: {expired, reminded}, message}`", body = Object),
        (status = 401, body = Failure),
        (status = 403, body = Failure),
    ),
)]
pub async fn check(State(app): State<App>, By(caller): By) -> Result<Json<Value>, Refused> {
    let (expired, reminded) = app.jobs.check_trials(caller.project).await.map_err(ApiError::internal)?;
    Ok(Json(json!({
        "success": true,
        "timestamp": app.clock.of_project(caller.project).to_millis_text(),
        "result": {"expired": expired, "reminded": reminded},
        "message": "Trial check completed",
    })))
}
