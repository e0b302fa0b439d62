//! System C: a customer's own usage, its overage, and a limited sample endpoint.
pub mod admin;
pub mod cron;
pub mod numbers;
pub mod overage;
pub mod ping;
pub mod statistics;
pub mod usage;
pub mod users;

use super::{Refused, failure};
use crate::auth::caller::Caller;
use crate::entitlements::Current;
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::state::App;
use crate::store::customers;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use reckoner_domain::time::{DAY, Timestamp};
use reckoner_domain::window::Window;

/// The event type that counts calls, and the key of the meter that its plans limit.
pub const CALLS: &str = "api.calls";
/// Most days of a history.
const DAYS_MAX: i64 = 365;

/// Whoever asks for what is their own.
pub struct Own {
    /// Who asks.
    pub caller: Caller,
    /// The customer's own id.
    pub customer: String,
}

impl FromRequestParts<App> for Own {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let refused = |error: ApiError| Refused(error).into_response();
        let By(caller) = By::from_request_parts(parts, app).await.map_err(refused)?;
        let Some(id) = &caller.customer else { return Err(no_record()) };
        let found = customers::get(&app.db, caller.project, id).await;
        let customer = found.map_err(|error| refused(error.into()))?.external_id;
        Ok(Self { caller, customer })
    }
}

/// What a customer's plan says of its calls; 404 for a customer without a plan.
async fn current(app: &App, own: &Own) -> Result<Current, Response> {
    let found = app.entitlements.current(own.caller.project, &own.customer, CALLS).await;
    found.map_err(|error| Refused(error.into()).into_response())?.ok_or_else(no_record)
}

fn no_record() -> Response {
    failure(StatusCode::NOT_FOUND, "No usage record found", None)
}

/// The last days, today included, in UTC; a number that is none or out of range is the nearest there is.
fn last_days(text: Option<&str>, usual: i64, now: Timestamp) -> (i64, Window) {
    let days = text.and_then(|text| text.parse().ok()).unwrap_or(usual).clamp(1, DAYS_MAX);
    let tomorrow = (now.as_micros().div_euclid(DAY) + 1) * DAY;
    let end = Timestamp::from_micros_clamped(tomorrow);
    (days, Window { start: end.plus_micros(-days * DAY), end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc_and_at_most_a_year() {
        let now = Timestamp::parse("2026-01-10T12:00:00Z").expect("a time");
        let shown = |text| {
            let (days, window) = last_days(text, 30, now);
            (days, window.start.to_string(), window.end.to_string())
        };
        let end = "2026-01-11T00:00:00.000000Z".to_owned();
        assert_eq!(shown(Some("1")), (1, "2026-01-10T00:00:00.000000Z".to_owned(), end.clone()));
        assert_eq!(shown(None), (30, "2025-12-12T00:00:00.000000Z".to_owned(), end));
        assert_eq!([Some("0"), Some("9999"), Some("x")].map(|text| shown(text).0), [1, 365, 30]);
    }
}
