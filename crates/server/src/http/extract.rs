//! Extractors whose refusals are problem details.
mod shape;

use super::body::{self, Limits};
use super::error::{ApiError, field_error};
use crate::auth::caller::Caller;
use crate::http::state::App;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use reckoner_api::error::FieldError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// Most bytes of a JSON body other than events.
pub const BODY_BYTES_MAX: usize = 1 << 20;
const LIMITS: Limits = Limits { sent_bytes_max: BODY_BYTES_MAX, inflated_bytes_max: BODY_BYTES_MAX };
/// Most wrong names of parameters that are told.
const NAMES_SHOWN_MAX: usize = 10;
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

/// Query parameters, and what is wrong with their names: told beside what is wrong with their values.
pub struct Params<T>(pub T, pub Vec<FieldError>);

impl<T: DeserializeOwned + IntoParams> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let (params, faults) = read_params(parts.uri.query().unwrap_or_default(), &[])?;
        Ok(Self(params, faults))
    }
}

/// Reads query parameters that are all texts, the first of each name, and notes names that are unknown
/// or come again. `families` are names whose members (`filter[...]`) are left to the caller.
pub fn read_params<T: DeserializeOwned + IntoParams>(
    query: &str,
    families: &[&str],
) -> Result<(T, Vec<FieldError>), ApiError> {
    let mut known: Vec<String> = T::into_params(|| None).into_iter().map(|one| one.name).collect();
    let mut values = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if known.iter().any(|known| *known == name) && !value.contains('\0') {
            values.entry(name).or_insert_with(|| value.into_owned().into());
        }
    }
    known.extend(families.iter().map(|family| format!("{family}[...]")));
    let mut faults = name_faults(query, &known);
    // No value is listed under a NUL, and the databases do not look for one alike.
    if percent_decode_str(query).any(|byte| byte == 0) {
        faults.push(field_error("query", "must not contain NUL"));
    }
    match serde_json::from_value(Value::Object(values)) {
        Ok(params) => Ok((params, faults)),
        Err(error) => {
            faults.push(field_error("query", error.to_string()));
            Err(ApiError::invalid(faults))
        }
    }
}

/// Names that are unknown or given more than once, each told once. A name written wrong would be
/// left out silently otherwise.
fn name_faults(query: &str, known: &[String]) -> Vec<FieldError> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut faults = Vec::new();
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        let of_family = |known: &String| {
            known.strip_suffix("...]").is_some_and(|family| name.starts_with(family) && name.ends_with(']'))
        };
        if known.iter().any(of_family) {
            continue;
        }
        let times = seen.entry(name.clone().into_owned()).and_modify(|times| *times += 1).or_insert(1);
        let is_known = known.iter().any(|known| *known == name);
        let (reason, allowed) = match times {
            1 if !is_known => ("is no parameter of this path", Some(known.to_vec())),
            2 if is_known => ("is given more than once", None),
            _ => continue,
        };
        let field = name.chars().take(NAME_CHARS_SHOWN_MAX).collect();
        faults.push(FieldError { field, reason: reason.to_owned(), allowed });
        if faults.len() == NAMES_SHOWN_MAX {
            break;
        }
    }
    faults
}

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + ToSchema> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        read_body(app, &parts.headers, body).await.and_then(|bytes| read_json(&bytes)).map(Self)
    }
}

/// A JSON body that may be left out, or be null, for `{}`.
pub struct JsonOrNothing<T>(pub T);

impl<T: DeserializeOwned + ToSchema> FromRequest<App> for JsonOrNothing<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(&parts.headers, body, LIMITS, &app.bodies).await?;
        // What nothing says it is does not matter.
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            return read_json(b"{}").map(Self);
        }
        check_type(&parts.headers)?;
        read_json(&bytes).map(Self)
    }
}

/// A JSON body that changes an object, and the version that `If-Match` says it has.
pub struct Change<T> {
    /// The body.
    pub body: T,
    /// The version; any when absent.
    pub version: Option<u32>,
    /// What is wrong with the header: told beside what is wrong with the body.
    pub faults: Vec<FieldError>,
}

impl<T: DeserializeOwned + ToSchema> FromRequest<App> for Change<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(app, &parts.headers, body).await?;
        let (version, faults) = match if_match(&parts.headers) {
            Ok(version) => (version, Vec::new()),
            Err(fault) => (None, vec![fault]),
        };
        match read_json(&bytes) {
            Ok(body) => Ok(Self { body, version, faults }),
            Err(error) => Err(error.and(faults)),
        }
    }
}

/// The version that `If-Match` names, bare or quoted.
fn if_match(headers: &HeaderMap) -> Result<Option<u32>, FieldError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
    version.map(Some).ok_or_else(|| field_error("If-Match", "must be the version of the object"))
}

async fn read_body(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    check_type(headers)?;
    body::read(headers, body, LIMITS, &app.bodies).await
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let refused = || ApiError::unsupported_media("Content-Type must be application/json");
    is_json(headers).then_some(()).ok_or_else(refused)
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
    fn names_of_parameters_are_told_apart() {
        let known = ["limit".to_owned(), "cursor".to_owned()];
        let faults = name_faults("limit=1&x%5By%5D=2&limit=3&cursor=&limit=4&x%5By%5D=5", &known);
        let told: Vec<_> = faults.iter().map(|one| (one.field.as_str(), one.allowed.is_some())).collect();
        assert_eq!(told, [("x[y]", true), ("limit", false)]);
        let known = ["limit".to_owned(), "filter[...]".to_owned()];
        let faults = name_faults("filter[a]=1&filter[a]=2&filter=3&filter[b=4", &known);
        let told: Vec<_> = faults.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(told, ["filter", "filter[b"]);
        let many: String = (0..1_000).map(|number| format!("x{number}=&")).collect();
        assert_eq!(name_faults(&many, &known).len(), NAMES_SHOWN_MAX);
    }
}
