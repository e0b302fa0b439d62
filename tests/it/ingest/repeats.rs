//! An event sent again, in whatever form, counts once; another event under its id changes nothing.
use super::*;

const TIME: &str = "2026-01-14T09:30:00Z";

fn full() -> Value {
    json!({
        "id": "e", "customer": "acme", "meter": "api.calls", "value": "1", "time": TIME, "subject": "w",
        "properties": {"a": 1, "b": [1.0, {"c": "x"}]},
    })
}

#[tokio::test]
async fn the_same_by_meaning_is_a_duplicate_in_every_form() {
    let server = Server::start();
    server.freeze(TIME).await;
    assert_eq!(server.post("/v1/events", full()).await.status, 201);
    let without_time = {
        let mut event = full();
        event.as_object_mut().expect("an object").remove("time");
        event
    };
    let with = |field: &str, value: Value| {
        let mut event = full();
        event[field] = value;
        event
    };
    let same = [
        full(),
        without_time,
        with("value", json!(1)),
        with("value", json!("1.000")),
        with("time", json!("2026-01-14T15:00:00+05:30")),
        with("properties", json!({"b": [1, {"c": "x"}], "a": 1.0})),
        with("source_context", json!({"type": "admin"})),
    ];
    for event in &same {
        let answer = server.post("/v1/events", event.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["duplicate"]), (200, &json!(1)), "{event}");
    }
    // Numbers keep their text on the way: 1e0 is no other number than 1.
    let raw = full().to_string().replace("\"value\":\"1\"", "\"value\":1e0");
    assert_eq!(send(&server, JSON, raw).await.status, 200);
    assert_eq!(server.post("/v1/events", json!(same)).await.json()["duplicate"], 7);
    let stream: String = same.iter().map(|event| format!("{event}\n")).collect();
    let said = lines(&send(&server, NDJSON, stream).await);
    assert_eq!(said.last(), Some(&json!({"accepted": 0, "duplicate": 7, "rejected": 0})));
    let usage = json!({
        "idempotencyKey": "e", "customerId": "acme", "value": 1, "timestamp": TIME, "subject": "w",
        "metadata": {"a": 1, "b": [1, {"c": "x"}]},
    });
    assert_eq!(server.post("/usage/api.calls", usage.clone()).await.status, 201);
    let mut typed = usage;
    typed["eventType"] = json!("api.calls");
    let batch = server.post("/usagebatch", json!([typed, typed])).await;
    assert_eq!(batch.parts(), (201, json!({"message": "Events captured", "count": 2})));
    assert_eq!((total(&server).await.as_str(), ids(&server).await.len()), ("1", 1));
}

#[tokio::test]
async fn other_content_under_the_id_changes_nothing() {
    let server = Server::start();
    server.freeze(TIME).await;
    server.post("/v1/events", full()).await;
    let before = server.get("/v1/events/e").await.json();
    let others = [
        ("customer", json!("globex")),
        ("meter", json!("storage.bytes")),
        ("value", json!("1.000000000000000001")),
        ("subject", Value::Null),
        ("time", json!("2026-01-14T09:29:59.999999Z")),
        ("properties", json!({"a": "1", "b": [1, {"c": "x"}]})),
        ("properties", Value::Null),
    ];
    for (field, value) in others {
        let mut event = full();
        event[field] = value;
        assert_eq!(server.post("/v1/events", event.clone()).await.status, 409, "{event}");
        let list = server.post("/v1/events", json!([event, full()])).await;
        assert_eq!(
            (list.status.as_u16(), &list.json()["outcomes"][0]["errors"][0]["field"]),
            (207, &json!("id"))
        );
        let said = lines(&send(&server, NDJSON, event.to_string()).await);
        assert_eq!(said.last(), Some(&json!({"accepted": 0, "duplicate": 0, "rejected": 1})));
    }
    let usage = json!({"id": "e", "eventType": "api.calls", "customerId": "initech", "value": 2});
    assert_eq!(server.post("/usage/api.calls", usage.clone()).await.status, 409);
    let batch = server.post("/usagebatch", json!([usage])).await;
    assert_eq!((batch.status.as_u16(), &batch.json()["failedCount"]), (207, &json!(1)));
    assert_eq!(server.get("/v1/events/e").await.json(), before);
    assert_eq!((total(&server).await.as_str(), ids(&server).await.len()), ("1", 1));
    // Nor does a conflict make a customer.
    let customers = server.get("/v1/customers").await.json();
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(1), "{customers}");
}

#[tokio::test]
async fn an_id_taken_without_a_time_agrees_with_any_time() {
    let server = Server::start();
    server.freeze(TIME).await;
    assert_eq!(server.post("/v1/events", event("t")).await.status, 201);
    let mut timed = event("t");
    timed["time"] = json!("2026-01-10T00:00:00Z");
    assert_eq!(server.post("/v1/events", timed).await.status, 200);
    assert_eq!(server.get("/v1/events/t").await.json()["time"], "2026-01-14T09:30:00.000000Z");
}

#[tokio::test]
async fn a_key_in_the_header_names_a_single_event() {
    let server = Server::start();
    let plain = json!({"customer": "acme", "meter": "api.calls"}).to_string();
    let send = async |key: &str, body: &str| {
        send_with(&server, "/v1/events", JSON, &[("idempotency-key", key)], body.to_owned()).await
    };
    assert_eq!(send("k/1", &plain).await.status, 201);
    assert_eq!(send("k/1", &plain).await.status, 200);
    assert_eq!(send("k/1", &event("k/1").to_string()).await.status, 200);
    assert_eq!(send("k/1", "{\"customer\":\"other\",\"meter\":\"api.calls\"}").await.status, 409);
    let both = send(&"k".repeat(256), "{\"id\":\"other\",\"customer\":1,\"meter\":\"api.calls\"}").await;
    let fields: Vec<_> =
        both.json()["errors"].as_array().expect("errors").iter().map(|e| e["field"].clone()).collect();
    assert_eq!(
        (both.status.as_u16(), fields),
        (422, vec![json!("Idempotency-Key"), json!("id"), json!("customer")])
    );
    assert_eq!(send("", &plain).await.status, 422);
    assert_eq!(server.get("/v1/events/k%2F1").await.status, 200);
    // Several events cannot share it, and without ids they would count again when sent again.
    let list = send("k2", &format!("[{plain},{}]", event("own"))).await;
    assert_eq!(
        (list.status.as_u16(), &list.json()["outcomes"][0]["errors"][0]["field"]),
        (207, &json!("id"))
    );
    assert_eq!(total(&server).await, "2");
}

#[tokio::test]
async fn a_cloud_event_is_its_source_and_id_together() {
    let server = Server::start();
    let from = |source: &str, id: &str| {
        json!({"specversion": "1.0", "id": id, "source": source, "type": "api.calls", "subject": "acme"})
            .to_string()
    };
    assert_eq!(send(&server, STRUCTURED, from("/a", "1")).await.status, 201);
    assert_eq!(send(&server, STRUCTURED, from("/b", "1")).await.status, 201);
    assert_eq!(send(&server, BATCHED, format!("[{}]", from("/a", "1"))).await.json()["duplicate"], 1);
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/b"),
        ("ce-type", "api.calls"),
        ("ce-subject", "acme"),
    ];
    assert_eq!(send_with(&server, "/v1/events", JSON, &headers, "").await.status, 200);
    assert_eq!(server.post("/v1/events", event("/a 1")).await.status, 200);
    assert_eq!(ids(&server).await.len(), 2);
}

#[tokio::test]
async fn one_id_sent_by_many_at_once_counts_once() {
    let server = Server::start();
    let sends = (0..40).map(|n| {
        let body = if n % 2 == 0 { event("same") } else { json!([event("same"), event("same")]) };
        server.post("/v1/events", body)
    });
    let answers = futures_util::future::join_all(sends).await;
    let accepted: u64 = answers.iter().filter_map(|answer| answer.json()["accepted"].as_u64()).sum();
    assert_eq!((accepted, total(&server).await.as_str()), (1, "1"));
}
