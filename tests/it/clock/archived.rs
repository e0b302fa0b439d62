//! Meters that are archived after their periods were announced.
use super::{aggregations, event, send};
use crate::support::server::Server;
use serde_json::{Value, json};

async fn archive(server: &Server, key: &str) {
    assert_eq!(server.delete(&format!("/v1/meters/{key}")).await.status, 204);
}

fn shown(aggregation: &Value) -> [&Value; 4] {
    ["values", "event_counts", "event_count", "revision"].map(|name| &aggregation[name])
}

#[tokio::test]
async fn what_was_announced_stays_when_its_meter_is_archived() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    for (key, event_type) in [("seats", "seats"), ("calls.max", "api.calls")] {
        let meter = json!({"key": key, "event_type": event_type, "aggregation": "max"});
        assert_eq!(server.post("/v1/meters", meter).await.status, 201);
    }
    let time = "2026-01-14T09:10:00Z";
    let events = vec![
        event("a", "seats", "7", time),
        event("a", "seats", "5", time),
        event("a", "api.calls", "3", time),
    ];
    send(&server, events).await;
    server.advance("2026-01-14T10:15:00Z").await;
    let id = "a_hourly_2026011409";
    let before = aggregations(&server).await;
    let counts = json!({"api.calls": 1, "calls.max": 1, "seats": 2});
    let expected = json!([{"api.calls": "3", "calls.max": "3", "seats": "7"}, counts, 3, 1]);
    assert_eq!(json!(shown(&before[id])), expected);
    archive(&server, "seats").await;
    archive(&server, "calls.max").await;
    // Late, for the meter that is left.
    send(&server, vec![event("a", "api.calls", "4", time)]).await;
    server.advance("2026-01-14T10:30:00Z").await;
    let after = aggregations(&server).await;
    let counts = json!({"api.calls": 2, "calls.max": 1, "seats": 2});
    let expected = json!([{"api.calls": "7", "calls.max": "3", "seats": "7"}, counts, 4, 2]);
    assert_eq!(json!(shown(&after[id])), expected);
}
