//! What is counted of a gateway, and where Prometheus reads it.
use super::answer::Failure;
use crate::telemetry;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusHandle};
use reckoner_client::rates::Dimension;
use reckoner_client::{DecidedBy, Finished, Refusal, Tracker};
use serde_json::json;
use tokio::net::TcpListener;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const REFUSALS: [Refusal; 5] = [
    Refusal::RateLimit(Dimension::Key),
    Refusal::Quota,
    Refusal::Suspended,
    Refusal::NotEntitled,
    Refusal::Away,
];
const DECIDERS: [DecidedBy; 3] = [DecidedBy::Local, DecidedBy::Server, DecidedBy::WhenAway];
const DIMENSIONS: [Dimension; 3] = [Dimension::Key, Dimension::Customer, Dimension::Address];

/// The metrics of a gateway, from their start on.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Starts collecting; there is one collection in a process.
    pub fn start() -> Result<Self, BuildError> {
        let handle = telemetry::recorder()?;
        describe();
        Ok(Self { handle })
    }

    /// Serves `GET /metrics` and `GET /health/live` for as long as it is polled.
    pub async fn serve(self, listener: TcpListener, tracker: Tracker) {
        let upkeep = telemetry::keep_up(self.handle.clone());
        let app = Router::new()
            .route("/metrics", get(text))
            .route("/health/live", get(|| async { Json(json!({"status": "ok"})) }))
            .with_state((self, tracker));
        tokio::select! {
            served = axum::serve(listener, app) => {
                if let Err(error) = served {
                    tracing::error!(%error, "metrics are served no more");
                }
            }
            never = upkeep => match never {},
        }
    }
}

async fn text(State((metrics, tracker)): State<(Metrics, Tracker)>) -> impl IntoResponse {
    note(&tracker);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.handle.render())
}

/// What the tracker counts itself.
fn note(tracker: &Tracker) {
    let counters = tracker.counters();
    counter!("gateway_usage_recorded_total").absolute(counters.queued);
    for (result, number) in [
        ("sent", counters.sent),
        ("duplicate", counters.duplicate),
        ("conflicting", counters.conflicting),
        ("rejected", counters.rejected),
        ("dropped", counters.dropped),
    ] {
        counter!("gateway_usage_settled_total", "result" => result).absolute(number);
    }
    counter!("gateway_usage_retried_total").absolute(counters.retried);
    gauge!("gateway_usage_waiting").set(counters.waiting as f64);
    gauge!("gateway_spill_bytes").set(counters.spill_bytes as f64);
    gauge!("gateway_reckoner_reachable").set(if tracker.is_away() { 0.0 } else { 1.0 });
}

/// Counts a request that is over.
pub(super) fn finished(it: &Finished<'_>) {
    let class = CLASSES.get(usize::from(it.status / 100).saturating_sub(1)).unwrap_or(&"5xx");
    counter!("gateway_requests_total", "status" => *class).increment(1);
    histogram!("gateway_request_seconds").record(it.duration.as_secs_f64());
    counter!("gateway_bytes_total", "direction" => "request").increment(it.request_bytes);
    counter!("gateway_bytes_total", "direction" => "response").increment(it.response_bytes);
    if it.customer.is_none() {
        let bytes = it.request_bytes.saturating_add(it.response_bytes);
        counter!("gateway_unattributed_bytes_total").increment(bytes);
    }
    if let Some(refusal) = it.refusal {
        counter!("gateway_refusals_total", "reason" => reason(refusal)).increment(1);
        if let Refusal::RateLimit(dimension) = refusal {
            counter!("rate_limited_total", "dimension" => dimension.as_str()).increment(1);
        }
    }
    if let Some(by) = it.decided_by {
        counter!("gateway_decisions_total", "by" => decider(by)).increment(1);
    }
}

/// Counts a request that the application did not answer.
pub(super) fn failed(failure: Failure) {
    if let Some(reason) = failure.of_application() {
        counter!("gateway_upstream_errors_total", "reason" => reason).increment(1);
    }
}

/// A connection of a caller, counted while it is there.
#[derive(Debug)]
pub(super) struct Open(());

impl Open {
    pub fn new() -> Self {
        gauge!("gateway_connections").increment(1.0);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("gateway_connections").decrement(1.0);
    }
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::RateLimit(_) => "rate_limit",
        Refusal::Quota => "quota",
        Refusal::Suspended => "suspended",
        Refusal::NotEntitled => "not_entitled",
        Refusal::Away => "away",
        _ => "other",
    }
}

fn decider(by: DecidedBy) -> &'static str {
    match by {
        DecidedBy::Local => "lease",
        DecidedBy::Server => "server",
        _ => "away",
    }
}

/// Says what each series is, and has those with known labels there from the start, so that rises can be told.
fn describe() {
    describe_counter!("gateway_requests_total", "Requests that are over, by the class of their status.");
    describe_histogram!("gateway_request_seconds", "From a request's first byte to the last of its answer.");
    describe_counter!(
        "gateway_bytes_total",
        "Bytes of bodies, by direction, counted when a request is over."
    );
    describe_counter!("gateway_unattributed_bytes_total", "Those of requests that no rule attributed.");
    describe_counter!("gateway_refusals_total", "Requests that were refused, by reason.");
    describe_counter!("rate_limited_total", "Requests beyond a rate limit, by whose.");
    describe_counter!("gateway_decisions_total", "Decisions whether a request may pass, by what decided.");
    describe_counter!(
        "gateway_upstream_errors_total",
        "Requests that the application did not answer, by reason."
    );
    describe_gauge!("gateway_connections", "Connections of callers that are open.");
    describe_counter!("gateway_usage_recorded_total", "Records of usage that were taken to be sent.");
    describe_counter!("gateway_usage_settled_total", "Records that need no more attempts, by result.");
    describe_counter!("gateway_usage_retried_total", "Records in attempts to send that came to nothing.");
    describe_gauge!("gateway_usage_waiting", "Records that are not settled yet.");
    describe_gauge!("gateway_spill_bytes", "Bytes of records in the spill directory.");
    describe_gauge!("gateway_reckoner_reachable", "0 while the last attempt to send usage came to nothing.");
    for class in CLASSES {
        counter!("gateway_requests_total", "status" => class).increment(0);
    }
    for direction in ["request", "response"] {
        counter!("gateway_bytes_total", "direction" => direction).increment(0);
    }
    counter!("gateway_unattributed_bytes_total").increment(0);
    for refusal in REFUSALS {
        counter!("gateway_refusals_total", "reason" => reason(refusal)).increment(0);
    }
    for dimension in DIMENSIONS {
        counter!("rate_limited_total", "dimension" => dimension.as_str()).increment(0);
    }
    for by in DECIDERS {
        counter!("gateway_decisions_total", "by" => decider(by)).increment(0);
    }
    for reason in Failure::ALL.into_iter().filter_map(Failure::of_application) {
        counter!("gateway_upstream_errors_total", "reason" => reason).increment(0);
    }
    gauge!("gateway_connections").set(0.0);
}
