//! Events that were not stored are kept with their reasons.
use crate::support::server::{Answer, LIVE_KEY, Server, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

/// The rejected events of project `test` that pass a query, the newest first.
async fn rejected(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/v1/rejected-events?limit=1000&{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"].as_array().expect("a list").clone()
}

async fn send(server: &Server, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = server.request(Method::POST, "/v1/events", TEST_KEY).header("content-type", kind);
    Answer::of(request.body(body).send().await).await
}

/// Code, place, id, customer, meter and fields of the reasons.
fn told(one: &Value) -> Value {
    let fields: Vec<&Value> =
        one["errors"].as_array().expect("reasons").iter().map(|error| &error["field"]).collect();
    json!([one["code"], one["index"], one["event_id"], one["customer"], one["meter"], fields])
}

#[tokio::test]
async fn what_is_rejected_in_any_form_is_listed_with_its_reasons() {
    let server = Server::start();
    server.freeze("2026-01-14T12:00:00Z").await;
    let good = json!({"id": "good", "customer": "a", "meter": "api.calls"});
    assert_eq!(server.post("/v1/events", good.clone()).await.status, 201);
    assert_eq!(rejected(&server, "").await, Vec::<Value>::new());

    let list = json!([
        {"id": "x", "customer": "b", "meter": "nothing.reads.it", "extra": 1},
        good,
        {"id": "good", "customer": "a", "meter": "api.calls", "value": 7},
        {"customer": 5},
        "no event",
    ]);
    assert_eq!(send(&server, "application/json", list.to_string()).await.status, 207);
    let all = rejected(&server, "").await;
    let expected = [
        json!(["invalid", 4, null, null, null, ["event"]]),
        json!(["invalid", 3, null, null, null, ["customer", "meter"]]),
        json!(["conflict", 2, "good", "a", "api.calls", ["id"]]),
        json!(["invalid", 0, "x", "b", "nothing.reads.it", ["extra", "meter"]]),
    ];
    let mut by_place: Vec<&Value> = all.iter().collect();
    by_place.sort_by_key(|one| std::cmp::Reverse(one["index"].as_u64()));
    assert_eq!(by_place.iter().map(|one| told(one)).collect::<Vec<_>>(), expected);
    assert_eq!(by_place[2]["event"], r#"{"id":"good","customer":"a","meter":"api.calls","value":7}"#);
    assert_eq!(
        (&by_place[2]["received_at"], &by_place[2]["is_cut"]),
        (&json!("2026-01-14T12:00:00.000000Z"), &json!(false))
    );

    // Single events, NDJSON and CloudEvents; a request that is none as a whole is not among them.
    assert_eq!(
        send(&server, "application/json", r#"{"customer":"single","meter":"api.calls","value":"x"}"#)
            .await
            .status,
        422
    );
    assert_eq!(
        send(&server, "application/json", r#"{"id":"good","customer":"single","meter":"api.calls"}"#)
            .await
            .status,
        409
    );
    assert_eq!(send(&server, "application/json", r#"{"customer":"single""#).await.status, 400);
    assert_eq!(rejected(&server, "customer=single").await.len(), 2);
    let long = "é".repeat(2_000);
    let lines = format!(
        "no JSON\n{{\"id\":\"long\",\"customer\":\"lines\",\"meter\":\"api.calls\",\"subject\":\"{long}\"}}\n\u{0}\n"
    );
    assert_eq!(send(&server, "application/x-ndjson", lines).await.status, 200);
    let malformed = rejected(&server, "code=malformed").await;
    assert_eq!(malformed.iter().map(|one| &one["event"]).collect::<Vec<_>>(), ["\u{fffd}", "no JSON"]);
    let cut = rejected(&server, "customer=lines").await;
    let text = cut[0]["event"].as_str().expect("text");
    assert!(
        text.starts_with("{\"id\":\"long\"") && text.ends_with('é') && text.len() <= 2_048,
        "{}",
        text.len()
    );
    assert_eq!(cut[0]["is_cut"], true);
    let cloud = r#"{"specversion":"1.0","id":"1","source":"/s","type":"api.calls","subject":"cloud","data":{"value":"x"}}"#;
    assert_eq!(send(&server, "application/cloudevents+json", cloud).await.status, 422);
    assert_eq!(
        told(&rejected(&server, "customer=cloud").await[0]),
        json!(["invalid", 0, "/s 1", "cloud", "api.calls", ["data.value"]])
    );
}

#[tokio::test]
async fn the_older_paths_keep_them_too() {
    let server = Server::start();
    let good = json!({"id": "e1", "customerId": "a", "value": 1});
    assert_eq!(server.post("/usage/api.calls", good.clone()).await.status, 201);
    assert_eq!(server.post("/usage/api.calls", good).await.status, 201, "a repeat is fine");
    assert_eq!(
        server.post("/usage/api.calls", json!({"customerId": "single", "id": "e2"})).await.status,
        422
    );
    assert_eq!(
        server.post("/usage/api.calls", json!({"customerId": "single", "id": "e1", "value": 2})).await.status,
        409
    );
    let listed = rejected(&server, "customer=single").await;
    let codes: Vec<_> = listed.iter().map(|one| (&one["code"], &one["event_id"], &one["meter"])).collect();
    let calls = json!("api.calls");
    assert_eq!(
        codes,
        [(&json!("conflict"), &json!("e1"), &calls), (&json!("invalid"), &json!("e2"), &calls)]
    );
    assert_eq!(listed[1]["errors"], json!([{"field": "event", "reason": "value is required"}]));
    let batch = json!([{"eventType": "api.calls", "customerId": "batch", "value": 1}, {"eventType": "x", "customerId": "batch", "value": 1}]);
    assert_eq!(server.post("/usagebatch", batch).await.status, 422);
    let listed = rejected(&server, "customer=batch").await;
    assert_eq!((listed.len(), &listed[0]["index"], &listed[0]["meter"]), (1, &json!(1), &json!("x")));
    let batch = json!([{"eventType": "api.calls", "customerId": "other", "id": "e1", "value": 1}]);
    assert_eq!(server.post("/usagebatch", batch).await.status, 207);
    assert_eq!(rejected(&server, "customer=other&code=conflict&meter=api.calls").await.len(), 1);
}

#[tokio::test]
async fn the_newest_are_kept_for_seven_days_of_the_own_project() {
    const MANY: usize = 12_000;
    let server = Server::start();
    server.freeze("2026-01-01T00:00:00Z").await;
    assert_eq!(server.post("/v1/events", json!({"customer": "first"})).await.status, 422);
    server.advance("2026-01-01T01:00:00Z").await;
    for chunk in (0..MANY).collect::<Vec<_>>().chunks(1_000) {
        let lines: String = chunk.iter().map(|number| format!("{{\"customer\":\"c{number}\"}}\n")).collect();
        send(&server, "application/x-ndjson", lines).await;
        // Whoever looks waits for what was rejected before; in between there is room for all of it.
        server.get("/v1/rejected-events?limit=1").await;
    }
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/v1/rejected-events?limit=1000{cursor}")).await.json();
        pages.extend(page["data"].as_array().expect("a list").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((pages.len(), &pages[0]["customer"]), (10_000, &json!(format!("c{}", MANY - 1))));
    assert_eq!(pages[9_999]["customer"], format!("c{}", MANY - 10_000), "the first ones went");
    // Another project sees none of it, a key that may not read is refused, and bad filters are told.
    let other = Answer::of(server.request(Method::GET, "/v1/rejected-events", LIVE_KEY).send().await).await;
    assert_eq!(other.json(), json!({"data": [], "next_cursor": null}));
    assert_eq!(server.get("/v1/rejected-events?code=bad").await.status, 422);
    assert_eq!(server.get("/v1/rejected-events?from=2026-01-01T00:00:00Z").await.status, 422);
    server.advance("2026-01-08T01:00:00Z").await;
    assert_eq!(rejected(&server, "").await.len(), 1_000, "seven days are not over");
    server.advance("2026-01-08T01:00:00.000001Z").await;
    assert_eq!(rejected(&server, "").await.len(), 0);
    assert_eq!(server.post("/v1/events", json!({"customer": "late"})).await.status, 422);
    assert_eq!(rejected(&server, "").await.len(), 1);
    let cleared = server.post("/v1/clear", json!({"what": "events", "project": "test"})).await;
    assert_eq!(cleared.status, 200);
    assert_eq!(rejected(&server, "").await.len(), 0);
}
