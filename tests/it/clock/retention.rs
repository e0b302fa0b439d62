//! Old events are dropped, where the operator says so; what was made of them stays.
use crate::support::command::reckoner;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

fn setup(days: &str) -> Setup {
    let system = json!({
        "periods": ["daily", "monthly"], "events": {"api.calls": {"op": "sum"}}, "webhooks": [],
    });
    Setup::default().system(system).env("RECKONER_EVENTS_RETENTION_DAYS", days)
}

async fn send(server: &Server, id: &str, time: &str) {
    let event = json!({"id": id, "customer": "a", "meter": "api.calls", "value": "5", "time": time});
    let sent = server.post("/v1/events", event).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
}

async fn january(server: &Server) -> Value {
    server.get("/v1/aggregations/a_daily_20260112").await.json()
}

#[tokio::test]
async fn old_events_are_dropped_and_their_aggregations_stay() {
    let mut server = setup("62").start();
    server.freeze("2026-01-12T12:00:00Z").await;
    send(&server, "old", "2026-01-12T09:00:00Z").await;
    server.advance("2026-06-20T12:00:00Z").await;
    let before = january(&server).await;
    assert_eq!(before["event_count"], json!(1), "{before}");
    server.crash_and_restart();
    let dropped = |text: &str| text.lines().any(|line| line == "event_log_dropped_events 1");
    for tries in 0.. {
        assert!(tries < 10_000, "nothing is dropped: {}", server.log());
        if dropped(&server.get("/metrics").await.text) {
            break;
        }
    }
    send(&server, "new", "2026-06-20T11:00:00Z").await;
    assert_eq!(server.get("/v1/events/old").await.status, 404);
    assert_eq!(server.get("/v1/events").await.json()["data"].as_array().map(Vec::len), Some(1));
    let query = |from: &str| format!("/v1/meters/api.calls/query?from={from}&to=2026-06-21T00:00:00Z");
    let refused = server.get(&query("2026-01-01T00:00:00Z")).await;
    let error = &refused.json()["errors"][0];
    assert_eq!((refused.status.as_u16(), &error["field"]), (422, &json!("from")), "{}", refused.text);
    assert!(
        error["reason"].as_str().is_some_and(|reason| reason.contains("2026-01-12T09:00:00.000001Z")),
        "{error}"
    );
    let kept = server.get(&query("2026-02-01T00:00:00Z")).await;
    assert_eq!(kept.json()["data"][0]["value"], json!("5"), "{}", kept.text);
    // Its id is free, and what comes late for what is gone changes nothing.
    send(&server, "old", "2026-01-12T10:00:00Z").await;
    server.advance("2026-06-21T12:00:00Z").await;
    assert_eq!(january(&server).await, before);
    assert_eq!(server.get("/v1/aggregations/a_daily_20260620").await.json()["event_count"], json!(1));
    let dir = server.data_dir().display().to_string();
    assert!(server.terminate().success());
    assert_eq!(reckoner(&["verify-store", "--data-dir", &dir], &[]).code, 0);
}

#[tokio::test]
async fn what_is_needed_is_kept() {
    let mut server = setup("62").start();
    server.freeze("2026-01-12T12:00:00Z").await;
    send(&server, "old", "2026-01-12T09:00:00Z").await;
    server.advance("2026-03-01T12:00:00Z").await;
    server.crash_and_restart();
    assert_eq!(server.get("/v1/events/old").await.status, 200, "it is not old enough");
    let level = json!({"key": "level", "event_type": "api.calls", "aggregation": "time_weighted_avg"});
    assert_eq!(server.post("/v1/meters", level).await.status, 201);
    server.advance("2026-06-20T12:00:00Z").await;
    server.crash_and_restart();
    // What is written to takes no more, so that it can go; it does not.
    for tries in 0.. {
        assert!(tries < 10_000, "it was not looked after: {}", server.log());
        if server.get("/metrics").await.text.lines().any(|line| line == "event_log_segments 2") {
            break;
        }
    }
    assert_eq!(server.get("/v1/events/old").await.status, 200, "a level is read from it");
}

#[test]
fn too_few_days_are_refused() {
    let ended = reckoner(&["config", "check"], &[("RECKONER_EVENTS_RETENTION_DAYS", "61")]);
    assert_ne!(ended.code, 0);
    assert!(
        format!("{ended:?}")
            .contains("events.retention_days: must be 0, which keeps all events, or at least 62"),
        "{ended:?}"
    );
}
