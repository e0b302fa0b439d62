//! `/metrics`: Prometheus text.
use super::state::App;
use crate::events::COMMIT_MICROS_BOUNDS;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;

/// Metrics of HTTP, ingest, jobs, webhooks and the stores.
#[utoipa::path(
    get, path = "/metrics", operation_id = "get_metrics", tag = "health",
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain"),
        (status = 401, description = "A read key is needed unless the client is on the same machine", body = Object),
        (status = 403, description = "The key lacks the scope `read`", body = Object),
    ),
)]
pub async fn metrics(State(app): State<App>) -> Response {
    note_stores(&app);
    let text = app.metrics.render() + &commit_histogram(&app);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Gauges that are read where they are, when they are asked for.
fn note_stores(app: &App) {
    let status = app.events.status();
    metrics::gauge!("event_log_sequence").set(status.sequence as f64);
    metrics::gauge!("event_log_segments").set(status.segments as f64);
    metrics::gauge!("event_log_parts").set(status.parts as f64);
    metrics::counter!("event_log_part_failures_total").absolute(status.part_failures);
    metrics::gauge!("event_log_bytes").set(status.bytes as f64);
    metrics::gauge!("event_log_dropped_events").set(status.dropped_events as f64);
    metrics::gauge!("event_log_erasures_pending").set(status.erasures_pending as f64);
    metrics::gauge!("ingest_queue_batches").set(status.queued_batches as f64);
    metrics::gauge!("ingest_queue_bytes").set(status.queued_bytes as f64);
    let pool = app.db.pool_state();
    let (total, idle) = (f64::from(pool.open), f64::from(pool.idle));
    metrics::gauge!("db_pool_connections", "state" => "total").set(total);
    metrics::gauge!("db_pool_connections", "state" => "idle").set(idle);
    if pool.max > 0 {
        let used = (total - idle) / f64::from(pool.max) * 100.0;
        metrics::gauge!("db_connection_pool_utilization").set(used);
    }
}

/// The event log keeps its own histogram of commits.
fn commit_histogram(app: &App) -> String {
    let status = app.events.status();
    let mut text = String::from(
        "# HELP ingest_commit_seconds From the start of a group's write to the end of its sync.\n\
         # TYPE ingest_commit_seconds histogram\n",
    );
    let mut total = 0;
    for (bound, count) in COMMIT_MICROS_BOUNDS.iter().zip(status.commit_micros_buckets) {
        total += count;
        let seconds = *bound as f64 / 1e6;
        // Writing to a text does not fail.
        let _ = writeln!(text, "ingest_commit_seconds_bucket{{le=\"{seconds}\"}} {total}");
    }
    let _ = write!(
        text,
        "ingest_commit_seconds_bucket{{le=\"+Inf\"}} {commits}\ningest_commit_seconds_sum {sum}\n\
         ingest_commit_seconds_count {commits}\n",
        commits = status.commits,
        sum = status.commit_micros_total as f64 / 1e6,
    );
    text
}
