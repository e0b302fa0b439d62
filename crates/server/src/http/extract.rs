//! Extractors whose refusals are problem details.
mod shape;

use super::body::{self, Limits};
use super::error::{ApiError, field_error};
use crate::auth::keys::Caller;
use crate::http::state::App;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use reckoner_api::error::FieldError;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

/// Most bytes of a JSON body other than events.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Most unknown parameters that are told.
const UNKNOWN_SHOWN_MAX: usize = 10;
/// Most characters shown of an unknown parameter's name.
const NAME_CHARS_SHOWN_MAX: usize = 64;

/// Who is calling; present on every route that is not public.
pub struct By(pub Caller);

impl FromRequestParts<App> for By {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(ApiError::unauthenticated)
    }
}

/// Query parameters.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + IntoParams> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        // No value is listed under a NUL, and the databases do not look for one alike.
        if percent_decode_str(query).any(|byte| byte == 0) {
            return Err(ApiError::field("query", "must not contain NUL"));
        }
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => {
                let known: Vec<String> = T::into_params(|| None).into_iter().map(|one| one.name).collect();
                let query = parts.uri.query().unwrap_or_default();
                let mut errors = parameter_faults(query, &known);
                if errors.is_empty() {
                    errors.push(field_error("query", rejection.body_text()));
                }
                Err(ApiError::invalid(errors))
            }
        }
    }
}

/// Parameters that are unknown or given more than once.
fn parameter_faults(query: &str, known: &[String]) -> Vec<FieldError> {
    let mut seen: Vec<String> = Vec::new();
    let mut errors = Vec::new();
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        let again = seen.iter().any(|seen| *seen == name);
        if !known.iter().any(|known| *known == name) && !again {
            let reason = "is no parameter of this route".to_owned();
            errors.push(FieldError { field: name.to_string(), reason, allowed: Some(known.to_vec()) });
        } else if again {
            errors.push(field_error(&name, "is given more than once"));
        }
        seen.push(name.into_owned());
    }
    errors
}

/// Refuses parameters that a route does not have: a name written wrong would be left out silently.
/// `filter[...]` is one name.
pub fn only_known(query: &str, names: &[&str]) -> Result<(), ApiError> {
    let unknown = |name: &str| {
        let family = if name.starts_with("filter[") { "filter" } else { name };
        !names.contains(&family)
    };
    let errors: Vec<FieldError> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| unknown(name))
        .take(UNKNOWN_SHOWN_MAX)
        .map(|(name, _)| FieldError {
            field: name.chars().take(NAME_CHARS_SHOWN_MAX).collect(),
            reason: "is no parameter of this path".to_owned(),
            allowed: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + ToSchema> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(ApiError::unsupported_media("Content-Type must be application/json"));
        }
        let limits = Limits { sent_bytes_max: BODY_BYTES_MAX, inflated_bytes_max: BODY_BYTES_MAX };
        let bytes = body::read(&parts.headers, body, limits, &app.bodies).await?;
        read_json(&bytes).map(Self)
    }
}

/// Reads a JSON text; every wrong type, missing and unknown field is told with its place.
pub fn read_json<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::malformed("the body is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            let mut errors = shape::faults(&T::name(), text);
            if errors.is_empty() {
                errors.push(field_error("body", error.to_string()));
            }
            ApiError::invalid(errors)
        }
        _ => ApiError::malformed(format!("the body is no JSON: {error}")),
    })
}

/// Whether a body says it is JSON; one that says nothing is taken for it.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    media_type(value.to_str().unwrap_or_default()) == "application/json"
}

/// A media type without its parameters, in lower case.
pub fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_told_apart() {
        let known = ["limit".to_owned(), "cursor".to_owned()];
        let faults = parameter_faults("limit=1&x%5By%5D=2&limit=3&cursor=", &known);
        let told: Vec<_> = faults.iter().map(|one| (one.field.as_str(), one.allowed.is_some())).collect();
        assert_eq!(told, [("x[y]", true), ("limit", false)]);
    }
}
