//! Without event types or without periods.
use super::send;
use crate::support::server::Setup;
use serde_json::json;

#[tokio::test]
async fn without_event_types_nothing_is_captured() {
    let server = Setup::default().system(json!({"periods": ["daily"], "events": {}, "webhooks": []})).start();
    let error = json!({"error": "Service misconfigured: no event types available"});
    let event = r#"{"customerId":"a","value":1}"#;
    assert_eq!(send(&server, "/usage/api.calls", event).await.parts(), (503, error.clone()));
    assert_eq!(send(&server, "/usagebatch", "[]").await.parts(), (503, error));
    assert_eq!(server.get("/events").await.parts(), (200, json!([])));
    assert_eq!(server.get("/config").await.json()["events"], json!({}));
    assert!(server.log().contains("no meters are configured"), "{}", server.log());
}

#[tokio::test]
async fn without_periods_nothing_is_aggregated() {
    let server = Setup::default()
        .system(json!({"periods": [], "events": {"x": {"op": "sum"}}, "webhooks": []}))
        .start();
    assert_eq!(send(&server, "/usage/x", r#"{"customerId":"a","value":1}"#).await.status, 201);
    let error = json!({"error": "Service misconfigured: no aggregation periods available"});
    assert_eq!(send(&server, "/aggregations/trigger", "").await.parts(), (503, error));
    assert_eq!(server.get("/aggregations").await.parts(), (200, json!([])));
    assert!(server.log().contains("no periods are configured"), "{}", server.log());
}

#[tokio::test]
async fn without_periods_it_stays_when_another_file_has_meters() {
    let server = Setup::default()
        .system(json!({"periods": [], "events": {"x": {"op": "sum"}}, "webhooks": []}))
        .toml("[[meters]]\nkey = \"y\"\naggregation = \"sum\"\n")
        .start();
    assert_eq!(send(&server, "/usage/y", r#"{"customerId":"a","value":1}"#).await.status, 201);
    assert_eq!(send(&server, "/aggregations/trigger", "").await.status, 503);
    assert_eq!(server.get("/config").await.json()["periods"], json!([]));
}
