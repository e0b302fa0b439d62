//! `GET /api/secure/ping`: a metered, limited sample endpoint.
use super::numbers::number;
use super::{CALLS, Own};
use crate::entitlements::{Decision, Refusal, Verdict, Wish};
use crate::http::compat::{Refused, failure};
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::http::v1::entitlements::wire;
use crate::ingest::draft::Checked;
use crate::random;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use reckoner_domain::decimal::Decimal;
use reckoner_domain::meter::Readable;
use reckoner_domain::quota::Reset;
use reckoner_domain::ratio::Ratio;
use serde_json::json;
use std::borrow::Cow;
use std::time::Instant;

/// Where plans are changed.
const UPGRADE_URL: &str = "/dashboard/billing";

/// Answer, and count it as a call of the customer.
#[utoipa::path(
    get, path = "/api/secure/ping", operation_id = "secure_ping", tag = "system C",
    responses(
        (status = 200, description = "`{message, timestamp}`, with the headers of limits", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
        (status = 429, description = "`{error, message, current_usage, limit, period_end, upgrade_url}`", body = Object),
        (status = 507, description = "`{error}`", body = Object),
    ),
    security(("api_key" = [])),
)]
pub async fn ping(State(app): State<App>, own: Own) -> Response {
    // To its end, whether or not somebody still waits: what is promised is held until it is committed.
    let done = tokio::spawn(async move { decide_and_answer(&app, &own).await });
    let answered = done.await.unwrap_or_else(|error| Err(ApiError::internal(error)));
    answered.unwrap_or_else(|error| Refused(error).into_response())
}

async fn decide_and_answer(app: &App, own: &Own) -> Result<Response, ApiError> {
    let began = Instant::now();
    let project = own.caller.project;
    let now = app.clock.of_project(project);
    let nothing = serde_json::Value::Null;
    let readable = Readable { time: now, sequence: 0, value: Decimal::ONE, properties: &nothing };
    let wish = Wish { customer: &own.customer, event_type: CALLS, subject: None, readable };
    let permit = match app.entitlements.decide(project, &wish).await? {
        Decision::Allowed(permit) => permit,
        Decision::Refused(denial) => return Ok(refused(&denial.verdict, now)),
    };
    let properties = json!({
        "endpoint": "/api/secure/ping",
        "method": "GET",
        "statusCode": StatusCode::OK.as_u16(),
        "durationMs": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    let event = Checked {
        id: Cow::Owned(random::uuid_text(app.clock.real())?),
        customer: Cow::Borrowed(&own.customer),
        event_type: Cow::Borrowed(CALLS),
        value: Decimal::ONE,
        time: None,
        subject: None,
        properties: Some(Cow::Owned(properties.to_string())),
        source_context: None,
        attributed: false,
    };
    app.recorder.record(project, now, &[event]).await?;
    let verdict = app.entitlements.verdict(project, &permit).await?;
    let body = json!({"message": "pong", "timestamp": now.to_millis_text()});
    let mut response = Json(body).into_response();
    wire::put_headers(response.headers_mut(), &verdict, now);
    Ok(response)
}

/// A refusal as system C's clients know it.
fn refused(verdict: &Verdict, now: reckoner_domain::time::Timestamp) -> Response {
    let mut response = match (verdict.refused, verdict.limit.units(), verdict.resets) {
        (Some(Refusal::Limit), Some(limit), Some((end, reset))) => {
            let period = match reset {
                Reset::Day => "day",
                Reset::Month => "month",
                Reset::BillingPeriod => "billing period",
            };
            let body = json!({
                "error": "API limit exceeded",
                "message": format!("You have exceeded your {limit} API calls/{period} limit"),
                "current_usage": number(verdict.used),
                "limit": number(Ratio::from(limit)),
                "period_end": end.to_millis_text(),
                "upgrade_url": UPGRADE_URL,
            });
            (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
        }
        (Some(Refusal::Suspended), ..) => failure(StatusCode::FORBIDDEN, "The account is suspended", None),
        _ => return failure(StatusCode::NOT_FOUND, "No usage record found", None),
    };
    wire::put_headers(response.headers_mut(), verdict, now);
    response
}
