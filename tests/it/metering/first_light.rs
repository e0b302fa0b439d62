//! One event in, one aggregation out.
use crate::support::server::Server;
use serde_json::json;

#[tokio::test]
async fn an_event_becomes_an_aggregation() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    let captured = server.post("/usage/api.calls", json!({"customerId": "a", "value": 0.1})).await;
    assert_eq!(
        captured.parts(),
        (201, json!({"message": "Event captured", "eventType": "api.calls", "customerId": "a"}))
    );
    assert_eq!(server.advance("2026-01-14T10:15:00Z").await, 1);
    let aggregations = server.get("/aggregations").await.json();
    assert_eq!(aggregations[0]["_id"], "a_hourly_2026011409");
    assert_eq!(aggregations[0]["events"], json!({"api.calls": 0.1}));
    assert_eq!(aggregations.as_array().map(Vec::len), Some(1));
}
