//! `Idempotency-Key`: a write that is repeated is answered as the first one was, and not done again.
//!
//! What an answer says may be a secret (a new key, a webhook's secret), so kept answers are sealed.
use super::request_id;
use crate::auth::caller::Caller;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::extract::BODY_BYTES_MAX;
use crate::http::state::App;
use crate::random::{self, NoRandomness};
use crate::store::idempotency::{self, Answer, Began};
use crate::webhooks::vault::{Purpose, Secret};
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{HOUR, MINUTE, Timestamp};
use sha2::{Digest, Sha256};
use tracing::Instrument;

/// The header of the request.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// What a request that moves money is told by: by its key, which stays the same when it is sent again after a crash,
/// even where its answer was lost; without one each request is another.
pub fn once(app: &App, headers: &HeaderMap) -> Result<String, NoRandomness> {
    match headers.get(HEADER).and_then(|value| value.to_str().ok()) {
        Some(key) => Ok(format!("key:{key}")),
        None => Ok(format!("request:{}", random::uuid_text(app.clock.real())?)),
    }
}

/// The header of an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Most characters of a key.
pub const KEY_CHARS_MAX: usize = 255;
/// For how long answers are kept, in hours of real time.
pub const KEPT_HOURS: i64 = 48;
/// After how long a write without an answer is taken for dead, in minutes.
const RUN_MINUTES_MAX: i64 = 15;
/// Most bytes of an answer that is kept.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// When to ask again while the first request is being done, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// Whether a route takes the header: every write of `/v1` but the ingest of events, whose own ids
/// rule, and queries, which change nothing.
pub fn applies(method: &str, pattern: &str) -> bool {
    let writes = matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
    // Where an event is sent its own id rules; the others change nothing.
    let itself = ["/v1/events", "/v1/entitlements/consume", "/v1/entitlements/check"].contains(&pattern);
    writes && pattern.starts_with("/v1/") && !itself && !pattern.ends_with("/query")
}

/// Answers a repeated write from what was kept, and keeps the answer of a new one.
pub async fn pass(app: App, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if !request.headers().contains_key(&HEADER) || !applies(request.method().as_str(), matched) {
        return next.run(request).await;
    }
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return next.run(request).await };
    answer(app, &caller, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// A request under a key, owned by the task that does it.
#[derive(Clone)]
struct Claim {
    project: ProjectId,
    key: String,
    route: String,
    hash: [u8; 32],
    began_at: Timestamp,
}

impl Claim {
    fn request(&self) -> idempotency::Request<'_> {
        idempotency::Request { project: self.project, key: &self.key, route: &self.route, hash: self.hash }
    }

    /// Binds a sealed answer to its place, so that it opens nowhere else.
    fn owner(&self) -> String {
        format!("{}/{}", self.project.0, self.key)
    }
}

async fn answer(app: App, caller: &Caller, request: Request, next: Next) -> Result<Response, ApiError> {
    let key = read_key(request.headers())?;
    let (parts, sent) = request.into_parts();
    let sent = body::collect(sent, BODY_BYTES_MAX, app.bodies.share()).await?;
    let route = format!("{} {}", parts.method, parts.uri.path());
    let (hash, began_at) = (content_hash(caller, &parts, &sent), app.clock.real());
    let claim = Claim { project: caller.project, key, route, hash, began_at };
    let deadline = began_at.plus_micros(RUN_MINUTES_MAX * MINUTE);
    match idempotency::begin(&app.db, claim.request(), began_at, deadline).await? {
        Began::New => {}
        Began::Answered(kept) => return replay(&app, &claim, kept),
        Began::Mismatch => return Err(ApiError::key_reused()),
        Began::Running => {
            let detail = "a request under this Idempotency-Key is being done: ask again";
            return Err(ApiError::conflict("idempotency_key_in_use", detail).retry_after(RETRY_AFTER_S));
        }
    }
    // A task of its own: what was begun is done even if the client goes away, which is when keys
    // are needed most.
    let (doing, kept) = (app.clone(), claim.clone());
    let done = async move {
        let response = next.run(Request::from_parts(parts, Body::from(sent))).await;
        keep(&doing, &kept, response).await
    };
    let task = request_id::carry(done).instrument(tracing::Span::current());
    match tokio::spawn(task).await {
        Ok(response) => response,
        Err(failure) => {
            abandon(&app, &claim).await;
            Err(ApiError::internal(failure))
        }
    }
}

fn read_key(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut all = headers.get_all(&HEADER).iter();
    let key = all.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let sane = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.chars().all(|c| c.is_ascii_graphic());
    if sane && all.next().is_none() {
        return Ok(key.to_owned());
    }
    let reason = format!("must be one text of 1 to {KEY_CHARS_MAX} visible ASCII characters");
    Err(ApiError::field("Idempotency-Key", reason))
}

/// What makes a request the same: who sends it, where to, under which conditions, and each byte.
fn content_hash(caller: &Caller, parts: &Parts, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(caller.actor.to_string().as_bytes());
    add(parts.uri.query().unwrap_or_default().as_bytes());
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::IF_MATCH] {
        add(parts.headers.get(name).map_or(b"", HeaderValue::as_bytes));
    }
    add(body);
    hash.finalize().into()
}

/// Keeps an answer, unless asking again may cure it: a failure of ours, or a limit that passes.
async fn keep(app: &App, claim: &Claim, response: Response) -> Result<Response, ApiError> {
    let (parts, body) = response.into_parts();
    let passes = parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS;
    let bytes = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await.map_err(ApiError::internal);
    let kept = bytes.as_ref().ok().and_then(|bytes| std::str::from_utf8(bytes).ok()).filter(|_| !passes);
    match kept {
        None => abandon(app, claim).await,
        Some(text) => {
            if let Err(error) = finish(app, claim, &parts, text).await {
                // It was done; only a repeat will not know it.
                tracing::error!(%error, "an answer could not be kept for its Idempotency-Key");
            }
        }
    }
    Ok(Response::from_parts(parts, Body::from(bytes?)))
}

#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Vault(#[from] crate::webhooks::vault::VaultError),
    #[error(transparent)]
    Random(#[from] random::NoRandomness),
}

async fn finish(
    app: &App,
    claim: &Claim,
    parts: &axum::http::response::Parts,
    text: &str,
) -> Result<(), KeepError> {
    let sealed = app.vault.seal(Purpose::KeptAnswer, &claim.owner(), &Secret::new(text), random::bytes()?)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let answer = Answer {
        status: parts.status.as_u16(),
        content_type: content_type.unwrap_or_default().to_owned(),
        body: sealed.into_bytes(),
    };
    let until = app.clock.real().plus_micros(KEPT_HOURS * HOUR);
    if !idempotency::finish(&app.db, claim.request(), claim.began_at, &answer, until).await? {
        tracing::warn!("a write took longer than its Idempotency-Key was held");
    }
    Ok(())
}

async fn abandon(app: &App, claim: &Claim) {
    if let Err(error) = idempotency::abandon(&app.db, claim.request(), claim.began_at).await {
        tracing::warn!(%error, "an Idempotency-Key stays held for a while");
    }
}

fn replay(app: &App, claim: &Claim, kept: Answer) -> Result<Response, ApiError> {
    let sealed = String::from_utf8(kept.body).map_err(ApiError::internal)?;
    let opened = app.vault.open(Purpose::KeptAnswer, &claim.owner(), &sealed).map_err(ApiError::internal)?;
    let status = StatusCode::from_u16(kept.status).map_err(ApiError::internal)?;
    let mut response = (status, Bytes::from(opened.expose().to_owned())).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Ok(value) = HeaderValue::from_str(&kept.content_type)
        && !kept.content_type.is_empty()
    {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_other_than_events_take_keys() {
        for (method, pattern) in
            [("POST", "/v1/meters"), ("PATCH", "/v1/customers/{customer}"), ("DELETE", "/v1/api-keys/{id}")]
        {
            assert!(applies(method, pattern), "{method} {pattern}");
        }
        for (method, pattern) in [
            ("GET", "/v1/meters"),
            ("POST", "/v1/events"),
            ("POST", "/v1/entitlements/consume"),
            ("POST", "/v1/meters/{key}/query"),
            ("POST", "/usagebatch"),
        ] {
            assert!(!applies(method, pattern), "{method} {pattern}");
        }
    }

    #[test]
    fn keys_are_one_visible_text() {
        let read = |keys: &[&str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(HEADER, key.parse().expect("a header value"));
            }
            read_key(&headers).ok()
        };
        let longest = "k".repeat(KEY_CHARS_MAX);
        assert_eq!(read(&[&longest]).as_deref(), Some(longest.as_str()));
        for bad in [&["a", "b"][..], &[""], &["a b"], &[&(longest.clone() + "k")]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
