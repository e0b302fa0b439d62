//! One attempt from claim to record.
use super::dispatcher::Parts;
use super::guard::EndpointUrl;
use super::headers::{Secrets, headers};
use super::moment;
use super::sender::{Answer, Request};
use super::vault::{Purpose, VaultError};
use super::verdict::{Standing, verdict};
use crate::config::shown_url;
use crate::random;
use crate::store::StoreError;
use crate::store::webhook_deliveries::Attempt;
use crate::store::webhook_endpoints::{Endpoint, Source};
use crate::store::webhook_queue::{self, Claimed, Next, Outcome, Verdict};
use reckoner_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How often an outcome is recorded again while the database is unavailable.
const RECORD_RETRIES_MAX: u32 = 5;
/// The wait before each of them, in milliseconds.
const RECORD_RETRY_MILLIS: u64 = 500;

/// Sends a claimed delivery, or only logs it, and records the outcome.
pub(super) async fn fly(parts: Arc<Parts>, endpoint: Arc<Endpoint>, claimed: Claimed, project: Arc<str>) {
    let begun = parts.clock.real();
    let answer = match prepare(&parts, &endpoint, &claimed, &project, begun) {
        Ok(request) if parts.settings.dry_run => only_log(&request),
        Ok(request) => parts.sender.send(request).await,
        // Our own key is at fault, not the endpoint: no attempt was made. The lease runs out, and it
        // is tried again.
        Err(Unprepared::Secret(why)) => {
            tracing::error!(endpoint = %endpoint.id, "a delivery waits: {why}");
            return;
        }
        Err(why) => {
            tracing::error!(endpoint = %endpoint.id, "cannot prepare a delivery: {why}");
            Answer { error: Some(why.to_string()), ..Answer::default() }
        }
    };
    let outcome = conclude(&parts, &endpoint, &claimed, begun, &answer);
    observe(&outcome);
    let jitter = random::jitter().unwrap_or(0);
    // By the endpoint as it is when the attempt is recorded: others may have succeeded meanwhile, and
    // somebody may have changed it.
    let judge = |now: Option<&Endpoint>| {
        let failing_since = now.and_then(|now| now.failing_since);
        let changed = now.is_none_or(|now| now.version != endpoint.version);
        let standing = Standing { failing_since, changed };
        verdict(&answer, outcome.attempt.number, outcome.at, standing, jitter)
    };
    match record(&parts, &outcome, &judge).await {
        Ok(Some(verdict)) => tell(&endpoint, &outcome, verdict),
        Ok(None) => tracing::debug!(delivery = %outcome.delivery, "recorded by another worker before"),
        // The lease runs out, and it is sent again.
        Err(why) => tracing::error!(delivery = %outcome.delivery, "an attempt was not recorded: {why}"),
    }
}

#[derive(Debug, thiserror::Error)]
enum Unprepared {
    #[error("the secret cannot be opened")]
    Secret(#[from] VaultError),
    #[error("the URL {0}")]
    Url(#[from] super::guard::Refused),
}

fn prepare(
    parts: &Parts,
    endpoint: &Endpoint,
    claimed: &Claimed,
    project: &str,
    now: Timestamp,
) -> Result<Request, Unprepared> {
    let open = |sealed: &str| parts.vault.open(Purpose::WebhookSecret, endpoint.id.as_str(), sealed);
    let previous = endpoint.previous.as_ref().filter(|previous| now < previous.expires_at);
    let secrets = Secrets {
        current: open(&endpoint.secret)?,
        previous: previous.map(|previous| open(&previous.secret)).transpose()?,
    };
    Ok(Request {
        url: EndpointUrl::parse(&endpoint.url)?,
        trusted: endpoint.source == Source::File,
        headers: headers(&secrets, &claimed.delivery.message, project, now, &claimed.payload),
        body: claimed.payload.clone(),
    })
}

fn only_log(request: &Request) -> Answer {
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
    tracing::info!(
        url = shown_url(request.url.as_str()),
        headers = headers.join("\n"),
        payload = request.body,
        "dry run: not sent"
    );
    Answer::default()
}

fn conclude(
    parts: &Parts,
    endpoint: &Endpoint,
    claimed: &Claimed,
    begun: Timestamp,
    answer: &Answer,
) -> Outcome {
    Outcome {
        delivery: claimed.delivery.id.clone(),
        endpoint: endpoint.id.clone(),
        attempt: Attempt {
            number: claimed.delivery.attempts.saturating_add(1),
            at: begun,
            status: answer.status.map(u32::from),
            latency_ms: answer.latency_ms,
            error: answer.error.clone(),
            body_head: answer.body_head.clone(),
            dry_run: parts.settings.dry_run,
        },
        at: moment(&parts.clock, endpoint.project),
    }
}

async fn record(
    parts: &Parts,
    outcome: &Outcome,
    judge: &(impl Fn(Option<&Endpoint>) -> Verdict + Sync),
) -> Result<Option<Verdict>, StoreError> {
    let mut retries = 0;
    loop {
        match webhook_queue::record(&parts.db, &parts.clock, outcome, judge).await {
            Err(StoreError::Unavailable(why)) if retries < RECORD_RETRIES_MAX => {
                tracing::warn!(delivery = %outcome.delivery, "recording an attempt again: {why}");
                retries += 1;
                tokio::time::sleep(Duration::from_millis(RECORD_RETRY_MILLIS)).await;
            }
            other => return other,
        }
    }
}

/// Counts the attempt, whatever becomes of its record.
fn observe(outcome: &Outcome) {
    let attempt = &outcome.attempt;
    let class = match attempt.status {
        _ if attempt.dry_run => "dry_run",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
        None => "error",
    };
    metrics::counter!("webhook_attempts_total", "status_class" => class).increment(1);
    let latency = Duration::from_millis(attempt.latency_ms);
    metrics::histogram!("webhook_attempt_seconds").record(latency.as_secs_f64());
}

/// Counts and logs what was recorded.
fn tell(endpoint: &Endpoint, outcome: &Outcome, verdict: Verdict) {
    let attempt = &outcome.attempt;
    let result = match verdict.next {
        Next::Delivered if attempt.dry_run => Some("dry_run"),
        Next::Delivered => Some("delivered"),
        Next::Failed => Some("failed"),
        Next::Retry(_) => None,
    };
    if let Some(result) = result {
        metrics::counter!("webhook_deliveries_total", "result" => result).increment(1);
    }
    if let Some(error) = &attempt.error {
        let (delivery, number) = (&outcome.delivery, attempt.number);
        tracing::info!(%delivery, endpoint = %endpoint.id, attempt = number, error, "a delivery failed");
    }
    if let Some(reason) = verdict.disable {
        let reason = reason.as_str();
        metrics::counter!("webhook_endpoints_disabled_total", "reason" => reason).increment(1);
        tracing::warn!(endpoint = %endpoint.id, url = shown_url(&endpoint.url), reason, "a webhook endpoint was disabled");
    }
}
