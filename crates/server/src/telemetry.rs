//! Logs and metrics of the process.
use crate::config::Log;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::convert::Infallible;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Upper bounds of the buckets of everything measured in seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Upper bounds of the buckets of sessions, in seconds: minutes to weeks.
const SESSION_SECONDS: [f64; 6] = [900.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0];

/// How often what was measured is put together, in seconds.
const UPKEEP_S: u64 = 5;

/// Starts logging to standard error. `Err` names a filter that cannot be read; a second call in one
/// process keeps the first.
pub fn start_log(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("log.level: {error}"))?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr);
    let started = if log.json { builder.json().finish().try_init() } else { builder.finish().try_init() };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
    Ok(())
}

/// Starts collecting the server's metrics; they are served by `/metrics`.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = recorder()?;
    describe();
    Ok(handle)
}

/// What metrics of this process are collected by.
pub fn recorder() -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Full("session_duration_seconds".to_owned()), &SESSION_SECONDS)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("metrics were started before");
    }
    Ok(handle)
}

/// Puts what is measured together, again and again: it would pile up where nobody reads it.
pub async fn keep_up(handle: PrometheusHandle) -> Infallible {
    let mut rounds = tokio::time::interval(Duration::from_secs(UPKEEP_S));
    loop {
        rounds.tick().await;
        handle.run_upkeep();
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("http_requests_total", "Requests answered, by method, route and status.");
    describe_histogram!("http_request_seconds", "Time until the answer began.");
    describe_counter!("ingest_events_total", "Events judged: accepted, duplicate, conflict, rejected.");
    describe_counter!(
        "rejected_events_dropped_total",
        "Rejected events that could not be kept to be looked at."
    );
    describe_counter!("usage_duplicates_total", "Events that were sent again.");
    describe_counter!(
        "traffic_unattributed_bytes_total",
        "Bytes of traffic that went to the system customer, since no other is known."
    );
    describe_counter!(
        "own_traffic_dropped_total",
        "Requests of this API that could not be metered, by reason."
    );
    describe_counter!("alerts_triggered_total", "Times that alerts fired, by kind and channel.");
    describe_counter!(
        "alerts_failed_total",
        "Times that an alert could not be held against a customer, by kind."
    );
    describe_counter!("billing_lock_errors_total", "Attempts at changing what was finalised.");
    for name in ["usage_duplicates_total", "traffic_unattributed_bytes_total", "billing_lock_errors_total"] {
        // There from the start, so that rises can be told.
        metrics::counter!(name).increment(0);
    }
    describe_gauge!("ingest_queue_batches", "Requests that wait to be committed.");
    describe_gauge!("ingest_queue_bytes", "Bytes that wait to be committed.");
    describe_gauge!("event_log_sequence", "The last committed sequence.");
    describe_gauge!("event_log_segments", "Segments of the event log.");
    describe_gauge!("event_log_parts", "Files that tell what sealed segments add up to.");
    describe_counter!(
        "event_log_part_failures_total",
        "Failures to write such a file; it stays in memory and is tried again."
    );
    describe_gauge!("event_log_bytes", "Bytes of the event log.");
    describe_counter!("auth_login_total", "Logins, by result.");
    describe_counter!("auth_registration_total", "Registrations, by status.");
    describe_counter!("auth_token_validation_total", "Access tokens looked at, by result.");
    describe_counter!("auth_password_reset_total", "Resets of passwords, by status.");
    describe_counter!("service_auth_attempts_total", "Secrets and tokens that services sent, by result.");
    describe_gauge!("active_sessions", "Sessions that are open.");
    describe_histogram!("session_duration_seconds", "How long sessions lasted that were ended.");
    describe_counter!("stripe_webhook_total", "Events of Stripe, by type and by what came of them.");
    describe_histogram!("stripe_webhook_seconds", "How long events of Stripe took.");
    describe_counter!("payment_total", "Payments that Stripe told of, by status and plan.");
    describe_counter!(
        "payment_amount_total",
        "What was paid, in the currency's minor units as Stripe counts, by plan and currency."
    );
    describe_counter!("email_sent_total", "Attempts at sending mails, by type and status.");
    describe_gauge!("email_queue", "Mails that are to be sent.");
    describe_counter!("job_runs_total", "Runs of jobs, by job and result.");
    describe_histogram!("job_seconds", "How long runs of jobs took.");
    describe_gauge!("db_pool_connections", "Connections of the control plane's pool, by state.");
    describe_gauge!("db_connection_pool_utilization", "Used connections of the pool, in percent.");
}
