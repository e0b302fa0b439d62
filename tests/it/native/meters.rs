use crate::support::server::{Server, TEST_KEY};
use serde_json::{Value, json};

const MONTH: &str = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z";

async fn total(server: &Server, key: &str) -> Value {
    let answer = server.get(&format!("/v1/meters/{key}/query?{MONTH}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"][0]["value"].clone()
}

async fn make(server: &Server, body: Value) -> (u16, Value) {
    server.post("/v1/meters", body).await.parts()
}

#[tokio::test]
async fn a_new_version_reads_earlier_events() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    let tokens =
        json!({"key": "tokens", "event_type": "llm", "aggregation": "sum", "value_property": "$.tokens"});
    let (status, first) = make(&server, tokens.clone()).await;
    assert_eq!((status, &first["version"], &first["source"]), (201, &json!(1), &json!("api")), "{first}");
    let event = |id: &str, tokens: u32| json!({"id": id, "customer": "a", "meter": "llm", "properties": {"tokens": tokens, "cost": "0.5"}});
    assert_eq!(
        server.post("/v1/events", json!([event("e1", 10), event("e2", 32)])).await.status,
        200,
        "at once"
    );
    assert_eq!(total(&server, "tokens").await, "42");
    // The same again is no change; names shown change without a version.
    assert_eq!(make(&server, tokens.clone()).await, (200, first.clone()));
    let mut named = tokens.clone();
    named["display_name"] = json!("Tokens");
    named["unit"] = json!("token");
    let (status, shown) = make(&server, named).await;
    assert_eq!(
        (status, &shown["version"], &shown["id"], &shown["unit"]),
        (200, &json!(1), &first["id"], &json!("token"))
    );
    // Another meaning is another version, over all events.
    let mut other = tokens;
    other["value_property"] = json!("$.cost");
    let (status, second) = make(&server, other).await;
    assert_eq!((status, &second["version"]), (201, &json!(2)));
    assert_ne!(second["id"], first["id"]);
    assert_eq!(total(&server, "tokens").await, "1");
    let versions = server.get("/v1/meters/tokens/versions").await.json();
    assert_eq!(versions["data"], json!([second, shown]));
    let page = server.get("/v1/meters/tokens/versions?limit=1").await.json();
    assert_eq!(page["data"], json!([second]));
    let next = page["next_cursor"].as_str().expect("more");
    let rest = server.get(&format!("/v1/meters/tokens/versions?limit=1&cursor={next}")).await.json();
    assert_eq!(rest, json!({"data": [shown], "next_cursor": null}));
}

#[tokio::test]
async fn a_meter_made_later_counts_what_came_before_unless_it_starts_later() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    for (id, hour) in [("e1", "08"), ("e2", "09")] {
        let event = json!({"id": id, "customer": "a", "meter": "api.calls", "value": 5, "time": format!("2026-01-14T{hour}:00:00Z")});
        server.post("/v1/events", event).await;
    }
    make(&server, json!({"key": "calls.count", "event_type": "api.calls", "aggregation": "count"})).await;
    let later = json!({"key": "calls.later", "event_type": "api.calls", "aggregation": "sum", "starts_at": "2026-01-14T09:00:00Z"});
    make(&server, later).await;
    assert_eq!(total(&server, "calls.count").await, "2");
    assert_eq!(total(&server, "calls.later").await, "5");
    assert_eq!(total(&server, "api.calls").await, "10");
}

#[tokio::test]
async fn an_event_weighs_what_it_weighed_at_its_time() {
    let server = Server::start();
    server.freeze("2026-01-10T10:00:00Z").await;
    let weighing = |weight: u32| json!({"key": "jobs", "aggregation": "sum", "weight_by": "kind", "weights": {"big": weight}});
    let event = |id: &str, value: u32, time: &str| json!({"id": id, "customer": "a", "meter": "jobs", "value": value, "time": time, "properties": {"kind": "big"}});
    make(&server, weighing(2)).await;
    server.post("/v1/events", event("e1", 1, "2026-01-10T09:00:00Z")).await;
    server.advance("2026-01-11T10:00:00Z").await;
    let (status, second) = make(&server, weighing(5)).await;
    assert_eq!((status, &second["version"]), (201, &json!(2)), "{second}");
    // The later of these two arrives first; the earlier one, though late, weighs what it did then.
    server.post("/v1/events", event("e2", 10, "2026-01-11T10:00:00Z")).await;
    server.post("/v1/events", event("e3", 100, "2026-01-11T09:59:59Z")).await;
    let answer = server.get(&format!("/v1/meters/jobs/query?{MONTH}")).await.json();
    assert_eq!(
        (&answer["data"][0]["value"], &answer["data"][0]["base_value"]),
        (&json!("252"), &json!("111"))
    );
    let request = server.request(reqwest::Method::GET, &format!("/v1/meters/jobs/query?{MONTH}"), TEST_KEY);
    let csv =
        request.header("accept", "text/csv").send().await.expect("an answer").text().await.expect("text");
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",value,base_value") && lines[1].ends_with(",252,111"), "{csv}");
    let plain = server.get(&format!("/v1/meters/api.calls/query?{MONTH}")).await.json();
    assert_eq!(plain["data"][0].get("base_value"), None, "{plain}");
}

#[tokio::test]
async fn the_shipped_weights_may_have_another_default() {
    let server = Server::start();
    let compute = json!({"key": "compute", "aggregation": "sum", "weight_by": "jobType", "weights": "compute", "default_weight": "7"});
    let (status, made) = make(&server, compute).await;
    assert_eq!((status, &made["default_weight"]), (201, &json!("7")), "{made}");
    assert_eq!(made["weights"]["ai_code_review"], "20");
    assert_eq!(made["weights"].as_object().map(serde_json::Map::len), Some(58));
}

#[tokio::test]
async fn an_archived_meter_takes_and_answers_nothing() {
    let server = Server::start();
    make(&server, json!({"key": "m", "aggregation": "sum"})).await;
    let event = json!({"id": "e1", "customer": "a", "meter": "m", "value": 1});
    assert_eq!(server.post("/v1/events", event.clone()).await.status, 201);
    assert_eq!(server.delete("/v1/meters/m").await.status, 204);
    for path in ["/v1/meters/m".to_owned(), format!("/v1/meters/m/query?{MONTH}")] {
        assert_eq!(server.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(server.delete("/v1/meters/m").await.status, 404);
    let other = json!({"id": "e2", "customer": "a", "meter": "m", "value": 1});
    let refused = server.post("/v1/events", other).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(server.get("/v1/events/e1").await.status, 200, "its events stay");
    assert_eq!(server.get("/v1/meters/m/versions").await.json()["data"].as_array().map(Vec::len), Some(1));
    // Made again, it goes on with the next version.
    let (status, again) = make(&server, json!({"key": "m", "aggregation": "sum"})).await;
    assert_eq!((status, &again["version"]), (201, &json!(2)));
}

#[tokio::test]
async fn every_fault_of_a_definition_is_told() {
    let server = Server::start();
    let (status, told) = make(
        &server,
        json!({"key": "a b", "event_type": "", "aggregation": "median", "unit": "", "group_by": ["$."], "input": "x", "starts_at": "soon"}),
    )
    .await;
    let fields: Vec<&str> =
        told["errors"].as_array().expect("errors").iter().filter_map(|one| one["field"].as_str()).collect();
    assert_eq!(
        (status, fields),
        (422, vec!["key", "event_type", "unit", "aggregation", "group_by[0]", "input", "starts_at"])
    );
    assert_eq!(told["errors"][3]["allowed"].as_array().map(Vec::len), Some(13));
    let keys = ["", "a/b", "a?b", "a#b", "a\tb", &"k".repeat(129)];
    for key in keys {
        assert_eq!(make(&server, json!({"key": key, "aggregation": "sum"})).await.0, 422, "{key:?}");
    }
    for key in ["ü", "a.b-c_d:e", "%41", &"k".repeat(128)] {
        assert_eq!(make(&server, json!({"key": key, "aggregation": "sum"})).await.0, 201, "{key:?}");
    }
    assert_eq!(server.get("/v1/meters/%2541").await.json()["key"], "%41");
}

#[tokio::test]
async fn meters_made_at_once_are_all_in_force() {
    let server = Server::start();
    let made = (0..32)
        .map(|number| make_owned(&server, json!({"key": format!("at.once.{number}"), "aggregation": "sum"})));
    let statuses = futures_util::future::join_all(made).await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    let events: Vec<Value> =
        (0..32).map(|number| json!({"customer": "a", "meter": format!("at.once.{number}")})).collect();
    let answer = server.post("/v1/events", json!(events)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["accepted"]), (200, &json!(32)), "{}", answer.text);
    // Of one key at once, each definition is a version or the one before it; none is lost or doubled.
    let same = (0..8).map(|number| {
        make_owned(
            &server,
            json!({"key": "contended", "event_type": format!("t{}", number % 2), "aggregation": "sum"}),
        )
    });
    futures_util::future::join_all(same).await;
    let versions = server.get("/v1/meters/contended/versions").await.json();
    let numbers: Vec<u64> = versions["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["version"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).rev().collect::<Vec<_>>());
}

async fn make_owned(server: &Server, body: Value) -> u16 {
    make(server, body).await.0
}
