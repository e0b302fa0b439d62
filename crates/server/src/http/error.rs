//! Errors at the edge: RFC 9457 problem details with stable codes.
use super::codes;
use super::middleware::request_id;
use crate::events::{AppendError, EventsError, QueryError};
use crate::ingest::record::RecordError;
use crate::random::NoRandomness;
use crate::store::StoreError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reckoner_api::error::{FieldError, Problem};

/// A refusal or failure, as clients of `/v1` see it.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    retry_after_s: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(codes::is_known(code), "{code} is missing among the codes");
        Self { status, code, title, detail: detail.into(), errors: Vec::new(), retry_after_s: None }
    }

    /// 422: fields that are wrong, all of them.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}", one.field, one.reason),
            many => format!("{} fields are wrong", many.len()),
        };
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Invalid request", detail) }
    }

    /// 422: one field that is wrong.
    pub fn field(field: &str, reason: impl Into<String>) -> Self {
        Self::invalid(vec![field_error(field, reason)])
    }

    /// 400: the request cannot be read at all.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail)
    }

    /// 401: no credential, or one that is not known.
    pub fn unauthenticated() -> Self {
        let detail = "send a valid API key as x-apikey, Authorization: Bearer or Authorization: ApiKey, an access token as Authorization: Bearer, or a service's token as X-Service-Token";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Missing or unknown credential", detail)
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 403: a cookie came without what only pages of this server have.
    pub fn not_from_a_page(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "csrf", "Not from a page of this server", detail)
    }

    /// 404: nothing of that name in the project.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", format!("no such {what}"))
    }

    /// 405: the path exists, the method does not.
    pub fn method_not_allowed() -> Self {
        let detail = "this path does not answer this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", detail)
    }

    /// 408: the client did not go on.
    pub fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "Too slow", detail)
    }

    /// 409: at odds with what is there.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Conflict", detail)
    }

    /// The same, with every field that it is about.
    pub fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// 422: an `Idempotency-Key` that another request has used.
    pub fn key_reused() -> Self {
        let (code, title) = ("idempotency_key_reused", "Idempotency-Key used before");
        let detail = "another request was sent under this Idempotency-Key: take a new one";
        let errors = vec![field_error("Idempotency-Key", "was used for another request")];
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, detail) }
    }

    /// The same with further fields that are wrong, where it tells of fields at all.
    pub fn and(self, more: Vec<FieldError>) -> Self {
        if self.errors.is_empty() || more.is_empty() {
            return self;
        }
        Self::invalid(self.errors.into_iter().chain(more).collect())
    }

    /// The same, to be tried again after so many seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// 429: tried too often.
    pub fn too_often() -> Self {
        let detail = "tried too often: try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_often", "Too often", detail)
    }

    /// 429: beyond a rate limit.
    pub fn rate_limited(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests", detail)
    }

    /// 413: larger than a limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Too large", detail)
    }

    /// 415: a type or encoding of body that is not read.
    pub fn unsupported_media(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Unsupported media type",
            detail,
        )
    }

    /// 503: try again soon.
    pub fn busy(detail: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Temporarily unavailable", detail);
        Self { retry_after_s: Some(1), ..error }
    }

    /// 503: Stripe is not there.
    pub fn stripe_unavailable(detail: impl Into<String>) -> Self {
        let (code, title) = ("stripe_unavailable", "Stripe is not available");
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail);
        Self { retry_after_s: Some(60), ..error }
    }

    /// 507: the disk is full; nothing is lost, nothing is accepted.
    pub fn disk_full() -> Self {
        let detail = "the disk is full: send it again when there is space";
        let error = Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", "Disk full", detail);
        Self { retry_after_s: Some(30), ..error }
    }

    /// 500: our fault. `detail` goes to the log with the request id, not to the client.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        let id = request_id::current();
        tracing::error!(request_id = %id, error = %detail, "request failed");
        let shown = "the server failed; its log has the details under this request id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", shown)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The kind of problem for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What happened, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Every field that is wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// When to try again.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    fn to_api_problem(&self) -> Problem {
        Problem {
            kind: format!("/docs#{}", self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            request_id: request_id::current(),
            errors: self.errors.clone(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.to_api_problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found("object"),
            StoreError::Conflict => Self::conflict("already_exists", "an object of that name exists already"),
            StoreError::Stale => {
                Self::conflict("stale", "the object changed since it was read: read it again")
            }
            error if error.is_out_of_space() => {
                tracing::warn!(request_id = %request_id::current(), %error, "the database is full");
                Self::disk_full()
            }
            StoreError::Unavailable(error) => {
                tracing::warn!(request_id = %request_id::current(), %error, "the database is unavailable");
                Self::busy("the database is unavailable")
            }
            error => Self::internal(error),
        }
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Busy => Self::busy(error.to_string()),
            AppendError::Full => Self::disk_full(),
            AppendError::TooLarge => Self::too_large(error.to_string()),
            AppendError::Stopped { .. } => {
                tracing::error!(request_id = %request_id::current(), %error, "ingest is stopped");
                Self::busy("the event log has stopped; an operator must look at the server")
            }
        }
    }
}

impl From<RecordError> for ApiError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Append(error) => error.into(),
            RecordError::Store(error) => error.into(),
            RecordError::Random(error) => error.into(),
            RecordError::Batch(detail) => Self::too_large(detail),
        }
    }
}

impl From<EventsError> for ApiError {
    fn from(error: EventsError) -> Self {
        match error {
            EventsError::Stopping | EventsError::Unsettled => Self::busy(error.to_string()),
            EventsError::Read(error) => Self::internal(error),
            EventsError::Query(error @ (QueryError::TooManyRows | QueryError::TooManyEvents)) => {
                Self::invalid(vec![field_error("query", error.to_string())])
            }
            EventsError::Query(QueryError::Dropped(until)) => {
                let reason = format!(
                    "must not be before {until}: older events were dropped after events.retention_days"
                );
                Self::invalid(vec![field_error("from", reason)])
            }
            EventsError::Query(error) => Self::internal(error),
        }
    }
}

impl From<NoRandomness> for ApiError {
    fn from(error: NoRandomness) -> Self {
        Self::internal(error)
    }
}

/// One field that is wrong.
pub fn field_error(field: &str, reason: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), reason: reason.into(), allowed: None }
}

/// One field whose value is not among those allowed.
pub fn choice_error(field: &str, allowed: &[&str]) -> FieldError {
    let reason = format!("must be one of {}", allowed.join(", "));
    let allowed = allowed.iter().map(|name| (*name).to_owned()).collect();
    FieldError { field: field.to_owned(), reason, allowed: Some(allowed) }
}
