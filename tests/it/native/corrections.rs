//! Voids and amendments, from outside.
use crate::support::server::{LIVE_KEY, Server};
use reqwest::Method;
use serde_json::{Value, json};

const JANUARY: &str = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z";

async fn recorded(server: &Server, events: Value) {
    let answer = server.post("/v1/events", events).await;
    assert_eq!(answer.json()["rejected"], 0, "{}", answer.text);
}

fn event(id: &str, value: &str, region: &str) -> Value {
    let time = format!("2026-01-14T08:0{}:00Z", id.len());
    json!({"id": id, "customer": "a", "meter": "api.calls", "value": value, "time": time, "properties": {"region": region}})
}

async fn total(server: &Server, more: &str) -> Value {
    let answer = server.get(&format!("/v1/meters/api.calls/query?{JANUARY}{more}")).await.json();
    answer["data"][0]["value"].clone()
}

fn fields(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["field"].as_str().expect("a field")).collect()
}

#[tokio::test]
async fn a_void_event_counts_nowhere_and_is_told_in_its_history() {
    let mut server = Server::start();
    server.freeze("2026-01-14T09:00:00Z").await;
    recorded(&server, json!([event("a", "3", "eu"), event("a/b c", "4", "us")])).await;
    server.advance("2026-01-14T09:10:00Z").await;
    let path = "/v1/events/a%2Fb%20c";
    let voided = server.delete(path).await;
    assert_eq!(voided.status, 200, "{}", voided.text);
    assert_eq!(voided.json()["voided_at"], "2026-01-14T09:10:00.000000Z");
    server.advance("2026-01-14T09:20:00Z").await;
    assert_eq!(server.delete(path).await.parts(), voided.parts(), "once more is no change");
    server.crash_and_restart();
    assert_eq!(total(&server, "").await, "3");
    assert_eq!(total(&server, "&as_of=2026-01-14T09:05:00Z").await, "7", "as it was known");
    let listed = server.get("/v1/events?customer=a").await.json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(server.get(path).await.json()["voided_at"], "2026-01-14T09:10:00.000000Z");
    // The id stays taken, by what was sent under it first.
    assert_eq!(server.post("/v1/events", event("a/b c", "4", "us")).await.status, 200);
    assert_eq!(server.post("/v1/events", event("a/b c", "5", "us")).await.status, 409);
    let amended = server.put(path, json!({"value": "5"})).await;
    assert_eq!((amended.status.as_u16(), &amended.json()["code"]), (409, &json!("event_void")));
    let history = server.get(&format!("{path}/history")).await.json();
    let told: Vec<_> = history["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["action"].clone(), one["at"].clone(), one["by"].is_string()))
        .collect();
    let expected = [
        (json!("recorded"), json!("2026-01-14T09:00:00.000000Z"), false),
        (json!("voided"), json!("2026-01-14T09:10:00.000000Z"), true),
    ];
    assert_eq!(told, expected, "{history}");
}

#[tokio::test]
async fn an_amended_event_says_something_else_from_then_on() {
    let server = Server::start();
    server.freeze("2026-01-14T09:00:00Z").await;
    recorded(&server, json!([event("a", "3", "eu"), event("bb", "4", "us")])).await;
    server.advance("2026-01-14T09:10:00Z").await;
    let amended = server.put("/v1/events/bb", json!({"value": "0.5", "properties": {"region": "eu"}})).await;
    assert_eq!(amended.status, 200, "{}", amended.text);
    let amended = amended.json();
    assert_eq!((&amended["value"], &amended["sequence"]), (&json!("0.5"), &json!(2)), "{amended}");
    assert_eq!(amended["received_at"], "2026-01-14T09:00:00.000000Z");
    assert_eq!(amended["amended_at"], "2026-01-14T09:10:00.000000Z");
    assert_eq!(total(&server, "").await, "3.5");
    assert_eq!(total(&server, "&filter%5Bregion%5D=eu").await, "3.5");
    assert_eq!(total(&server, "&as_of=2026-01-14T09:09:59Z").await, "7");
    assert_eq!(total(&server, "&as_of=2026-01-14T09:10:00Z").await, "3.5");
    assert_eq!(server.get("/v1/events?filter%5Bregion%5D=eu").await.json()["data"][0], amended);
    // The same event may be sent again as it was first, and no other.
    assert_eq!(server.post("/v1/events", event("bb", "4", "us")).await.status, 200);
    assert_eq!(server.post("/v1/events", event("bb", "0.5", "eu")).await.status, 409);
    let same = json!({"id": "bb", "customer": "a", "meter": "api.calls", "time": "2026-01-14T09:02:00+01:00", "value": "0.50", "properties": {"region": "eu"}});
    assert_eq!(server.put("/v1/events/bb", same).await.json(), amended, "no change");
    assert_eq!(server.get("/v1/events/bb/history").await.json()["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn every_fault_of_an_amendment_is_told_and_changes_nothing() {
    let server = Server::start();
    server.freeze("2026-01-14T09:00:00Z").await;
    recorded(&server, event("a", "3", "eu")).await;
    let bad = json!({"id": "b", "customer": "b", "meter": "other", "time": "2026-01-14T08:00:00Z", "subject": 7, "properties": [], "more": 1});
    let answer = server.put("/v1/events/a", bad).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let expected = ["id", "customer", "meter", "time", "value", "subject", "properties", "more"];
    assert_eq!(fields(&answer.json()), expected);
    for (body, status) in [(json!([]), 422), (json!(7), 400)] {
        assert_eq!(server.put("/v1/events/a", body).await.status, status);
    }
    assert_eq!(total(&server, "").await, "3");
    for answer in [
        server.put("/v1/events/none", json!({"value": 1})).await,
        server.delete("/v1/events/none").await,
        server.get("/v1/events/none/history").await,
    ] {
        assert_eq!(answer.status, 404, "{}", answer.text);
    }
    // Another project's event is not there.
    let foreign = server.request(Method::DELETE, "/v1/events/a", LIVE_KEY).send().await.expect("an answer");
    assert_eq!(foreign.status(), 404);
    assert_eq!(total(&server, "").await, "3");
}

#[tokio::test]
async fn a_batch_is_voided_after_a_look_at_what_it_would_do() {
    let server = Server::start();
    server.freeze("2026-01-14T09:00:00Z").await;
    let events: Vec<Value> = ["a", "bb", "ccc", "dddd"]
        .iter()
        .zip(["eu", "us", "eu", "eu"])
        .map(|(id, region)| event(id, "1.5", region))
        .collect();
    recorded(&server, json!(events)).await;
    server.delete("/v1/events/a").await;
    let mut wanted =
        json!({"customer": "a", "filter": {"region": "eu"}, "to": "2026-01-14T08:04:00Z", "dry_run": true});
    let look = server.post("/v1/events/batch-void", wanted.clone()).await.json();
    let meters = json!({"api.calls": {"events": 1, "value": "1.5"}});
    assert_eq!(look, json!({"dry_run": true, "matched": 1, "voided": 0, "meters": meters}));
    assert_eq!(total(&server, "").await, "4.5");
    wanted["dry_run"] = json!(false);
    let done = server.post("/v1/events/batch-void", wanted.clone()).await.json();
    assert_eq!(done, json!({"dry_run": false, "matched": 1, "voided": 1, "meters": meters}));
    assert_eq!(total(&server, "").await, "3");
    let again = server.post("/v1/events/batch-void", wanted).await.json();
    assert_eq!((&again["matched"], &again["voided"]), (&json!(0), &json!(0)));
    let all = server.post("/v1/events/batch-void", json!({})).await;
    assert_eq!((all.status.as_u16(), fields(&all.json())), (422, vec!["body"]));
    let bad = server
        .post("/v1/events/batch-void", json!({"customer": "", "from": "soon", "filter": {"$": "x"}}))
        .await;
    assert_eq!(fields(&bad.json()), ["customer", "from", "filter.$"]);
}

#[tokio::test]
async fn old_events_are_corrected_by_those_who_may_send_them() {
    let server = Server::start();
    server.freeze("2026-03-01T00:00:00Z").await;
    recorded(&server, event("a", "3", "eu")).await;
    let key = server.post("/v1/api-keys", json!({"name": "k", "scopes": ["ingest"]})).await.json();
    let key = key["key"].as_str().expect("a key");
    let delete = |key: String| server.request(Method::DELETE, "/v1/events/a", &key).send();
    assert_eq!(delete(key.to_owned()).await.expect("an answer").status(), 403);
    let void = server.request(Method::POST, "/v1/events/batch-void", key).json(&json!({"customer": "a"}));
    assert_eq!(void.send().await.expect("an answer").status(), 403);
    assert_eq!(total(&server, "").await, "3");
    assert_eq!(server.delete("/v1/events/a").await.status, 200);
}

#[tokio::test]
async fn an_open_aggregation_whose_events_are_all_void_is_emptied() {
    let server = Server::start();
    server.freeze("2026-01-14T09:00:00Z").await;
    let other =
        json!({"id": "b", "customer": "b", "meter": "api.calls", "value": 1, "time": "2026-01-14T08:00:00Z"});
    recorded(&server, json!([event("a", "3", "eu"), other])).await;
    assert_eq!(server.post("/aggregations/trigger", json!({})).await.status, 202);
    let day = async |customer: &str| {
        let aggregation = server.get(&format!("/v1/aggregations/{customer}_daily_20260114")).await.json();
        ["values", "event_count", "complete"].map(|field| aggregation[field].clone())
    };
    let made = json!({"api.calls": "3"});
    let mut looks = 0..10_000;
    while day("a").await != [made.clone(), json!(1), json!(false)] {
        assert!(looks.next().is_some(), "the trigger did nothing");
    }
    server.delete("/v1/events/a").await;
    server.advance("2026-01-15T01:00:00Z").await;
    assert_eq!(day("a").await, [json!({}), json!(0), json!(true)]);
    assert_eq!(day("b").await, [json!({"api.calls": "1"}), json!(1), json!(true)]);
}

#[tokio::test]
async fn void_events_hold_the_clock() {
    let server = Server::start();
    server.freeze("2026-01-14T09:00:00Z").await;
    recorded(&server, event("a", "3", "eu")).await;
    server.delete("/v1/events/a").await;
    let back = server.put("/v1/test-clock", json!({"frozen_time": "2025-01-14T09:00:00Z"})).await;
    assert_eq!((back.status.as_u16(), &back.json()["code"]), (409, &json!("clock_backwards")));
}

#[tokio::test]
async fn corrections_revise_completed_aggregations() {
    let server = Server::start();
    server.freeze("2026-01-14T09:00:00Z").await;
    recorded(&server, json!([event("a", "3", "eu"), event("bb", "4", "us")])).await;
    server.advance("2026-01-15T01:00:00Z").await;
    let day = async || {
        let aggregation = server.get("/v1/aggregations/a_daily_20260114").await.json();
        ["values", "event_count", "revision"].map(|field| aggregation[field].clone())
    };
    assert_eq!(day().await, [json!({"api.calls": "7"}), json!(2), json!(1)]);
    server.put("/v1/events/bb", json!({"value": "40"})).await;
    server.advance("2026-01-15T01:15:00Z").await;
    assert_eq!(day().await, [json!({"api.calls": "43"}), json!(2), json!(2)]);
    server.post("/v1/events/batch-void", json!({"customer": "a"})).await;
    server.advance("2026-01-15T01:30:00Z").await;
    assert_eq!(day().await, [json!({}), json!(0), json!(3)]);
}
