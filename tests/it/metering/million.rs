//! Many tenths make a whole number, whichever way they come.
use super::{eventually, send};
use crate::support::server::{Answer, Server, TEST_KEY};
use reqwest::Method;
use serde_json::json;
use std::fmt::Write;

/// Events by each of two ways.
const EACH: usize = 50_000;
const BATCH: usize = 1_000;

#[tokio::test]
async fn a_hundred_thousand_tenths_are_ten_thousand() {
    let server = Server::start();
    server.freeze("2026-01-12T09:30:00Z").await;
    let mut lines = String::new();
    for _ in 0..EACH {
        writeln!(lines, r#"{{"customer":"a","meter":"api.calls","value":0.1}}"#).expect("written");
    }
    let request =
        server.request(Method::POST, "/v1/events", TEST_KEY).header("content-type", "application/x-ndjson");
    let answer = Answer::of(request.body(lines).send().await).await;
    let counts: serde_json::Value =
        serde_json::from_str(answer.text.lines().last().unwrap_or_default()).expect("the counts");
    assert_eq!((&counts["accepted"], &counts["rejected"]), (&json!(EACH), &json!(0)), "{counts}");
    let event = r#"{"eventType":"api.calls","customerId":"a","value":0.1}"#;
    let batch = format!("[{}]", vec![event; BATCH].join(","));
    for _ in 0..EACH / BATCH {
        assert_eq!(send(&server, "/usagebatch", &batch).await.status, 201);
    }
    let query = "/v1/meters/api.calls/query?from=2026-01-12T00:00:00Z&to=2026-01-13T00:00:00Z";
    assert_eq!(server.get(query).await.json()["data"][0]["value"], json!("10000"));
    let triggered = send(&server, "/aggregations/trigger", "").await.json();
    assert_eq!(triggered["eventsScanned"], json!(2 * EACH));
    let list = eventually(&server, "/aggregations?period=daily", |list| list[0].is_object()).await;
    assert_eq!(list[0]["events"], json!({"api.calls": 10000}));
    assert_eq!(list[0]["eventCount"], json!(2 * EACH));
}
