//! Paths of existing clients: thin adapters with their own error bodies and number forms.
pub mod analytics;
pub mod auth_billing;
pub mod days;
pub mod metering;
pub mod workspace;

use crate::auth::caller::Caller;
use crate::http::error::ApiError;
use crate::http::extract::By;
use crate::http::middleware::rates::Rates;
use crate::http::state::App;
use crate::store::customers;
use axum::Json;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

/// A refusal before any handler ran, as compatible paths show it.
pub fn refusal(error: &ApiError) -> Response {
    let text = match error.status() {
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        _ => error.detail(),
    };
    failure(error.status(), text, error.retry_after_s())
}

/// A refusal in the form of its path: problem details under `/v1`, otherwise what clients of the path know.
pub fn in_form_of(method: &str, path: &str, error: ApiError) -> Response {
    if path == "/v1" || path.starts_with("/v1/") {
        error.into_response()
    } else if is_of_system_d(method, path) {
        auth_billing::Refused::from(error).into_response()
    } else if path.starts_with(SECURE) && error.status() == StatusCode::FORBIDDEN {
        failure(StatusCode::FORBIDDEN, "Insufficient scopes. Required: [customer]", None)
    } else {
        refusal(&error)
    }
}

/// System C's endpoints for what customers hold a key to, whose refusals name what the key lacks.
const SECURE: &str = "/api/secure/";

/// Fixed names under `/usage/` that system D reads. What is posted there is an event of system A.
pub const READ_BY_D: [&str; 6] = ["stats", "tokens", "storage", "tier", "quota", "history"];

/// Whether a path is one of system D's, which has an error body of its own.
pub fn is_of_system_d(method: &str, path: &str) -> bool {
    if ["/auth/", "/trials/", "/billing/"].iter().any(|prefix| path.starts_with(prefix)) {
        return true;
    }
    let Some(name) = path.strip_prefix("/usage/") else { return false };
    let reads = method != "POST" && READ_BY_D.contains(&name);
    reads || matches!(name, "record" | "check-quota") || name.starts_with("timeseries/")
}

/// Who calls, and the own id of the customer that they are, where they are one; refused who calls too
/// often.
pub async fn own_customer(parts: &mut Parts, app: &App) -> Result<(Caller, Option<String>), ApiError> {
    let By(caller) = By::from_request_parts(parts, app).await?;
    let Some(id) = &caller.customer else { return Ok((caller, None)) };
    let customer = customers::get(&app.db, caller.project, id).await?.external_id;
    Rates::of(&parts.extensions).customer(app, caller.project, &customer)?;
    Ok((caller, Some(customer)))
}

/// `{"error": text}`.
pub fn failure(status: StatusCode, text: &str, retry_after_s: Option<u64>) -> Response {
    let mut response = (status, Json(json!({ "error": text }))).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// An error of compatible paths.
pub struct Refused(pub ApiError);

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal(&self.0)
    }
}

/// Query parameters of a compatible path.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Refused(ApiError::malformed(rejection.body_text()))),
        }
    }
}

/// The variable segment of a compatible path.
pub struct Named(pub String);

impl FromRequestParts<App> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        match Path::<String>::from_request_parts(parts, app).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Refused(ApiError::malformed(rejection.body_text()))),
        }
    }
}
