//! The receiving end of webhooks: verify first, then believe.
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use reckoner_domain::webhook::{StandardHeaders, VerifyError, verify_standard, verify_v1};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;

/// Where deliveries are taken.
pub const PATH: &str = "/webhooks/metering";
/// Most bytes of a delivery.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Deliveries that wait to be shown; more are asked to come later.
pub const WAITING_MAX: usize = 1_024;

/// What a receiver needs to know.
#[derive(Clone)]
pub struct Receiver {
    /// The secrets of which one must have signed; none accepts whatever comes.
    pub secrets: Vec<String>,
    /// Real time in seconds since 1970.
    pub now_s: fn() -> i64,
    /// Deliveries that are still to be answered with 500, to see them come again.
    pub failures: Arc<AtomicU32>,
    /// Who hears of them.
    pub to_shown: mpsc::Sender<Received>,
}

/// What came.
#[derive(Clone, Debug)]
pub enum Received {
    /// A delivery that was taken.
    Taken(Delivery),
    /// One that was not, and why.
    Refused(String),
}

/// A delivery that was taken.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The body.
    pub body: Value,
    /// `X-Reckoner-Project`, when it is there.
    pub project: Option<String>,
    /// `webhook-id`, when it is there.
    pub id: Option<String>,
    /// The signatures that were verified, as sent.
    pub signatures: Signatures,
}

/// The signatures of a delivery that were verified, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// `X-Webhook-Signature`.
    pub v1: Option<String>,
    /// `webhook-signature`.
    pub standard: Option<String>,
}

/// Why a delivery is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("the delivery is not signed: X-Webhook-Signature and webhook-signature are missing")]
    Unsigned,
    #[error("the header {0} is missing")]
    Missing(&'static str),
    #[error("{0}: {1}")]
    Signature(&'static str, VerifyError),
    #[error("the body is no JSON")]
    Body,
    #[error("failed as asked to")]
    Asked,
    #[error("too many deliveries at once")]
    Busy,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unsigned
            | Self::Signature(_, VerifyError::Mismatch | VerifyError::TooOld | VerifyError::TooNew) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Missing(_) | Self::Signature(_, VerifyError::Timestamp) | Self::Body => {
                StatusCode::BAD_REQUEST
            }
            Self::Asked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The routes of a receiver.
pub fn router(receiver: Receiver) -> Router {
    Router::new().route(PATH, post(receive)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(receiver)
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let (event, answer) = match receiver.judge(&headers, &body) {
        Ok(delivery) => (Received::Taken(delivery), Json(json!({"received": true})).into_response()),
        Err(refusal) => (Received::Refused(refusal.to_string()), refused(&refusal)),
    };
    match receiver.to_shown.try_send(event) {
        Ok(()) => answer,
        Err(_) => refused(&Refusal::Busy),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let body = Json(json!({"error": refusal.to_string()}));
    match refusal {
        Refusal::Busy => (refusal.status(), [(header::RETRY_AFTER, "1")], body).into_response(),
        _ => (refusal.status(), body).into_response(),
    }
}

impl Receiver {
    fn judge(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Refusal> {
        let signatures =
            if self.secrets.is_empty() { Signatures::default() } else { self.verify(headers, body)? };
        let parsed = serde_json::from_slice(body).map_err(|_| Refusal::Body)?;
        let fewer = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            return Err(Refusal::Asked);
        }
        let text = |name| find(headers, name).map(str::to_owned);
        Ok(Delivery { body: parsed, project: text("x-reckoner-project"), id: text("webhook-id"), signatures })
    }

    /// Every signature that is there must hold, and one must be there.
    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Signatures, Refusal> {
        let v1 = find(headers, "x-webhook-signature");
        let standard = find(headers, "webhook-signature");
        if v1.is_none() && standard.is_none() {
            return Err(Refusal::Unsigned);
        }
        if let Some(signature) = v1 {
            let timestamp = needed(headers, "x-webhook-timestamp")?;
            self.any(|secret| verify_v1(secret, signature, timestamp, body, (self.now_s)()))
                .map_err(|error| Refusal::Signature("X-Webhook-Signature", error))?;
        }
        if let Some(signature) = standard {
            let (id, timestamp) = (needed(headers, "webhook-id")?, needed(headers, "webhook-timestamp")?);
            let headers = StandardHeaders { id, timestamp, signature };
            self.any(|secret| verify_standard(secret, headers, body, (self.now_s)()))
                .map_err(|error| Refusal::Signature("webhook-signature", error))?;
        }
        Ok(Signatures { v1: v1.map(str::to_owned), standard: standard.map(str::to_owned) })
    }

    fn any(&self, check: impl Fn(&str) -> Result<(), VerifyError>) -> Result<(), VerifyError> {
        let mut result = Err(VerifyError::Mismatch);
        for secret in &self.secrets {
            result = check(secret);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn needed<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Refusal> {
    find(headers, name).ok_or(Refusal::Missing(name))
}
