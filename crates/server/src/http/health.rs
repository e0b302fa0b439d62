//! Whether the server is alive, ready, and what it depends on.
use super::state::App;
use crate::clock::Stopwatch;
use crate::events::{Health, SEGMENT_BYTES};
use crate::store::projects;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use reckoner_domain::time::SECOND;
use rustix::fs::statvfs;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Free bytes of the data directory's disk below which it counts as full: databases need room to
/// write, beyond what the event log has set aside.
const DISK_FREE_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// How long what was found of Stripe is taken for true, in microseconds.
const STRIPE_MICROS: i64 = 30 * SECOND;

/// Each dependency: healthy or not, how long it took to answer, and why not.
#[utoipa::path(
    get, path = "/health", operation_id = "get_health", tag = "health",
    responses((status = 200, description = "Healthy", body = Object), (status = 503, description = "Unhealthy", body = Object)),
)]
pub async fn health(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let began = app.clock.real();
    let database = projects::list(&app.db).await;
    let latency_ms = app.clock.real().micros_since(began) / 1_000;
    let database = match database {
        Ok(_) => json!({"status": "healthy", "latencyMs": latency_ms}),
        Err(error) => {
            tracing::warn!(%error, "the database is unhealthy");
            json!({"status": "unhealthy", "latencyMs": latency_ms, "error": "the database does not answer"})
        }
    };
    let events = match app.events.status().health {
        Health::Healthy => json!({"status": "healthy"}),
        Health::Full => json!({"status": "unhealthy", "error": "the disk is full"}),
        Health::Stopped { .. } => json!({"status": "unhealthy", "error": "the event log has stopped"}),
    };
    let disk = match statvfs(&app.config.data_dir) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < DISK_FREE_BYTES_MIN => {
            json!({"status": "unhealthy", "error": "the disk is full"})
        }
        Ok(_) => json!({"status": "healthy"}),
        Err(error) => {
            tracing::warn!(%error, "the data directory cannot be looked at");
            json!({"status": "unhealthy", "error": "the data directory cannot be looked at"})
        }
    };
    let stripe = stripe(&app).await;
    let unhealthy = json!("unhealthy");
    let checks = [&database, &events, &disk, &stripe];
    // What is not configured is unknown, and has no part in the verdict.
    let healthy = checks.iter().all(|check| check.get("status") != Some(&unhealthy));
    let (code, status) =
        if healthy { (StatusCode::OK, "healthy") } else { (StatusCode::SERVICE_UNAVAILABLE, "unhealthy") };
    let body = json!({
        "status": status,
        "service": "reckoner",
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": app.clock.real().to_millis_text(),
        "checks": {"database": database, "events": events, "disk": disk, "stripe": stripe},
    });
    (code, Json(body))
}

fn millis(watch: Stopwatch) -> u64 {
    u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Whether Stripe answers, as it was found a moment ago; unknown where it is not configured.
async fn stripe(app: &App) -> Value {
    let Some(events) = &app.billing.stripe else { return json!({"status": "unknown"}) };
    let watch = Stopwatch::start();
    for account in events.stripe.accounts() {
        if let Err(error) = account.answers(STRIPE_MICROS).await {
            tracing::warn!(%error, "Stripe is unhealthy");
            return json!({"status": "unhealthy", "latencyMs": millis(watch), "error": "Stripe does not answer"});
        }
    }
    json!({"status": "healthy", "latencyMs": millis(watch)})
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/health/live", operation_id = "get_liveness", tag = "health", responses((status = 200, body = Object)))]
pub async fn live() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// Whether it takes requests: the stores work, events can be stored, and it is not shutting down.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "get_readiness", tag = "health",
    responses(
        (status = 200, description = "Ready", body = Object),
        (status = 503, description = "Not ready: `{status, reason}`", body = Object),
    ),
)]
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let reason = if app.stopping.load(Ordering::Relaxed) {
        Some("the server is shutting down")
    } else {
        events_fault(&app)
    };
    let reason = match reason {
        None if projects::list(&app.db).await.is_err() => Some("the database does not answer"),
        reason => reason,
    };
    match reason {
        Some(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready", "reason": reason})))
        }
        None => (StatusCode::OK, Json(json!({"status": "ready"}))),
    }
}

/// Why no event can be stored. A full log notices space that came back only when it is sent an event,
/// which nobody may do before this server is ready again: so the disk is asked.
fn events_fault(app: &App) -> Option<&'static str> {
    let has_room = || {
        statvfs(&app.config.data_dir)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= SEGMENT_BYTES)
    };
    match app.events.status().health {
        Health::Healthy => None,
        Health::Full => (!has_room()).then_some("the disk is full"),
        Health::Stopped { .. } => Some("the event log has stopped"),
    }
}
