//! Paths of existing clients: thin adapters with their own error bodies and number forms.
pub mod analytics;
pub mod auth_billing;
pub mod metering;
pub mod workspace;

use crate::http::error::ApiError;
use crate::http::state::App;
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
pub fn in_form_of(path: &str, error: ApiError) -> Response {
    if path == "/v1" || path.starts_with("/v1/") {
        error.into_response()
    } else if path.starts_with("/auth/") {
        auth_billing::Refused::from(error).into_response()
    } else {
        refusal(&error)
    }
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
