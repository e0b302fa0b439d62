//! Clearing a project, and what follows.
use super::{aggregations, event, ids, on_both_servers, send};
use crate::support::hook::Hook;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup};
use reqwest::Method;
use serde_json::json;

async fn clear(server: &Server, what: &str) -> serde_json::Value {
    let answer = server.post("/v1/clear", json!({"project": "test", "what": what})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

on_both_servers!(what_is_cleared_is_made_and_told_anew);
async fn what_is_cleared_is_made_and_told_anew(setup: Setup) {
    let server = setup.env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true").start();
    let hook = Hook::start().await;
    assert_eq!(server.post("/v1/webhook-endpoints", json!({"url": hook.url})).await.status, 201);
    server.freeze("2026-01-31T23:30:00Z").await;
    let first = json!({"id": "e1", "customer": "a", "meter": "api.calls", "value": "1", "time": "2026-01-31T23:00:00Z"});
    send(&server, vec![first.clone()]).await;
    let live = json!({"customer": "a", "meter": "api.calls"});
    let kept = server.request(Method::POST, "/v1/events", LIVE_KEY).json(&live).send().await;
    assert_eq!(Answer::of(kept).await.status, 201);
    let expected = ["a_daily_20260131", "a_hourly_2026013123", "a_monthly_202601"];
    assert_eq!(server.advance("2026-02-01T00:00:00Z").await, 1);
    assert_eq!(ids(&aggregations(&server).await), expected);
    hook.wait_for(3).await;

    // Aggregations only: the next tick makes them anew, under the same ids.
    assert_eq!(
        clear(&server, "aggregations").await,
        json!({"cleared": true, "events": 0, "aggregations": 3})
    );
    assert!(aggregations(&server).await.is_empty());
    assert_eq!(server.advance("2026-02-01T00:15:00Z").await, 1);
    let made = aggregations(&server).await;
    assert_eq!(ids(&made), expected);
    assert_eq!(made["a_monthly_202601"]["created_at"], "2026-02-01T00:15:00.000000Z");
    hook.wait_for(6).await;

    // Everything: the clock is free, ids are free, and the same month can be lived again.
    let gone = clear(&server, "events").await;
    assert_eq!(gone, json!({"cleared": true, "events": 1, "aggregations": 3}));
    assert!(aggregations(&server).await.is_empty());
    let usage =
        server.get("/v1/meters/api.calls/query?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z").await;
    assert_eq!(usage.json()["data"][0]["value"], "0");
    server.freeze("2026-01-31T23:30:00Z").await;
    assert_eq!(server.advance("2026-01-31T23:45:00Z").await, 0);
    send(&server, vec![first]).await;
    assert_eq!(server.advance("2026-02-01T00:00:00Z").await, 1);
    let made = aggregations(&server).await;
    assert_eq!(ids(&made), expected);
    assert_eq!(made["a_monthly_202601"]["created_at"], "2026-02-01T00:00:00.000000Z");
    hook.wait_for(9).await;
    for id in expected {
        let subject = format!("aggregation.completed {id}");
        assert_eq!(hook.subjects().iter().filter(|told| **told == subject).count(), 3);
    }
    let from = "/v1/meters/api.calls/query?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z";
    let usage = Answer::of(server.request(Method::GET, from, LIVE_KEY).send().await).await;
    assert_eq!(usage.json()["data"][0]["value"], "1", "another project keeps its own");
}

#[tokio::test]
async fn clearing_is_asked_for_by_name() {
    let server = Server::start();
    server.freeze("2026-01-31T23:30:00Z").await;
    send(&server, vec![event("a", "api.calls", "1", "2026-01-31T23:00:00Z")]).await;
    for (project, what) in [("live", "events"), ("test", "everything"), ("", "")] {
        let answer = server.post("/v1/clear", json!({"project": project, "what": what})).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
    }
    assert_eq!(server.advance("2026-02-01T00:00:00Z").await, 1);
}
