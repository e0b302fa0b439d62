//! System D: accounts, and what their customers use.
pub mod account;
pub mod billing;
pub mod browser;
pub mod factor;
pub mod membership;
pub mod recovery;
pub mod services;
pub mod sessions;
pub mod trials;
pub mod usage;
pub mod wire;

use crate::auth::accounts::Client;
use crate::auth::caller::{Actor, Caller};
use crate::auth::error::AuthError;
use crate::http::body::{self, Limits};
use crate::http::error::ApiError;
use crate::http::extract::{is_json, read_json};
use crate::http::origin;
use crate::http::state::App;
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reckoner_domain::id::{ProjectId, SessionId, UserId};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use utoipa::ToSchema;
use wire::Failure;

/// Names the project that a person's call acts on.
pub const PROJECT_HEADER: &str = "reckoner-project";
/// Most bytes of a body of these paths.
const BODY_BYTES_MAX: usize = 16 * 1_024;

/// A refusal in the form of these paths.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    message: String,
    /// Whether the body names the status in words too, and has no `retryAfter`.
    is_plain: bool,
    retry_after_s: Option<u64>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_plain: true, retry_after_s: None }
    }

    /// 429, with the seconds to wait in the body and in `Retry-After`.
    fn later(message: &str, seconds: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self { is_plain: false, retry_after_s: Some(seconds), ..Self::new(status, message) }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        if let (StatusCode::TOO_MANY_REQUESTS, Some(seconds)) = (error.status(), error.retry_after_s()) {
            return Self::later(error.detail(), seconds);
        }
        let message = match error.status() {
            StatusCode::UNAUTHORIZED => "Unauthorized".to_owned(),
            StatusCode::FORBIDDEN => "Forbidden".to_owned(),
            StatusCode::UNPROCESSABLE_ENTITY => {
                let faults = error.errors().iter().map(|fault| format!("{} {}", fault.field, fault.reason));
                faults.collect::<Vec<_>>().join("; ")
            }
            _ => error.detail().to_owned(),
        };
        // These paths know no other word for what is wrong in a request.
        let status = match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Self { retry_after_s: error.retry_after_s(), ..Self::new(status, message) }
    }
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid(faults) => {
                let faults = faults.iter().map(|fault| format!("{} {}", fault.field, fault.reason));
                Self::new(StatusCode::BAD_REQUEST, faults.collect::<Vec<_>>().join("; "))
            }
            AuthError::Taken => Self::new(StatusCode::CONFLICT, "User with this email already exists"),
            AuthError::Credentials => Self::new(StatusCode::UNAUTHORIZED, "Invalid email or password"),
            AuthError::CurrentPassword => {
                Self::new(StatusCode::UNAUTHORIZED, "The current password is wrong")
            }
            AuthError::CodeRequired => {
                Self::new(StatusCode::UNAUTHORIZED, "A code of the authenticator is required")
            }
            AuthError::Code => Self::new(StatusCode::UNAUTHORIZED, "Invalid code"),
            AuthError::NoFactor => Self::new(StatusCode::CONFLICT, "There is no authenticator for this"),
            AuthError::FactorEnabled => Self::new(StatusCode::CONFLICT, "There is an authenticator already"),
            AuthError::Locked(seconds) => {
                Self::later("Too many failed login attempts: the account is locked", seconds)
            }
            AuthError::TooOften(seconds) => Self::later("Too many requests: try again later", seconds),
            AuthError::Link => Self::new(StatusCode::BAD_REQUEST, "Invalid or expired token"),
            AuthError::Refresh => Self::new(StatusCode::UNAUTHORIZED, "Invalid or expired refresh token"),
            AuthError::Service => Self::new(StatusCode::UNAUTHORIZED, "Invalid service credentials"),
            AuthError::NoSession => Self::new(StatusCode::NOT_FOUND, "No such session"),
            AuthError::NoMember => Self::from(ApiError::forbidden("no member of this project")),
            AuthError::Busy => Self::from(ApiError::busy("too much to do: try again soon")),
            AuthError::Store(error) => Self::from(ApiError::from(error)),
            error => Self::from(ApiError::internal(error)),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = Failure {
            status_code: self.status.as_u16(),
            message: self.message,
            error: self.is_plain.then(|| self.status.canonical_reason().unwrap_or_default().to_owned()),
            retry_after: if self.is_plain { None } else { self.retry_after_s },
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON body; fields that are not known are left alone, as the original did.
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned + ToSchema> FromRequest<App> for Sent<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        const LIMITS: Limits = Limits { sent_bytes_max: BODY_BYTES_MAX, inflated_bytes_max: BODY_BYTES_MAX };
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(ApiError::unsupported_media("Content-Type must be application/json").into());
        }
        let bytes = body::read(&parts.headers, body, LIMITS, &app.bodies).await?;
        Ok(Self(read_json(&bytes)?))
    }
}

/// Where a request comes from.
pub struct Origin(pub Client);

impl FromRequestParts<App> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let address = origin::address(parts, &app.config.http.trusted_proxies);
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self(Client { address, user_agent: user_agent.map(str::to_owned) }))
    }
}

/// The person who calls.
pub struct Me {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The project that the call acts on.
    pub project: ProjectId,
}

impl FromRequestParts<App> for Me {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refused> {
        match parts.extensions.get::<Caller>() {
            Some(Caller { project, actor: Actor::Person { user, session }, .. }) => {
                Ok(Self { user: user.clone(), session: session.clone(), project: *project })
            }
            Some(_) => Err(ApiError::forbidden("a person's access token is needed").into()),
            None => Err(ApiError::unauthenticated().into()),
        }
    }
}

/// The project that a request names.
pub struct Named(pub Option<ProjectId>);

impl FromRequestParts<App> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        match named_project(app, &parts.headers) {
            Ok(named) => Ok(Self(named)),
            Err(NoSuchProject) => Err(ApiError::not_found("project").into()),
        }
    }
}

/// A request names a project that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchProject;

/// The project that a request names.
pub fn named_project(app: &App, headers: &HeaderMap) -> Result<Option<ProjectId>, NoSuchProject> {
    let Some(value) = headers.get(PROJECT_HEADER) else { return Ok(None) };
    let name = value.to_str().map_err(|_| NoSuchProject)?;
    let found = app.projects.iter().find(|project| project.name == name);
    found.map(|project| Some(project.id)).ok_or(NoSuchProject)
}
