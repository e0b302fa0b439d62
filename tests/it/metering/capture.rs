//! `POST /usage/{eventType}`.
use super::{count, send};
use crate::support::server::{Answer, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/usage/api.calls";

fn captured(customer: &str) -> (u16, Value) {
    (201, json!({"message": "Event captured", "eventType": "api.calls", "customerId": customer}))
}

#[tokio::test]
async fn every_fault_has_its_words() {
    let server = Server::start();
    let unknown = send(&server, "/usage/nope", "{}").await;
    let text = "Invalid event type: nope. Must be one of: api.calls, storage.bytes, response.time.ms";
    assert_eq!(unknown.parts(), (400, json!({"error": text})));
    for body in
        ["", " ", "null", "7", "\"x\"", "[]", r#"[{"customerId":"a","value":1}]"#, "{", "{\"a\":01}", "{}{}"]
    {
        let expected = (400, json!({"error": "Request body must be a JSON object"}));
        assert_eq!(send(&server, PATH, body).await.parts(), expected, "{body}");
    }
    let required = ["customerId is required", "value is required"];
    let wrong = [
        "customerId must be a string",
        "value must be a finite number",
        "metadata must be an object if provided",
    ];
    for (body, details) in [
        ("{}", required.to_vec()),
        (r#"{"customerId":null,"value":null,"metadata":null}"#, required.to_vec()),
        (r#"{"customerId":"","value":"","metadata":""}"#, required.to_vec()),
        (r#"{"metadata":[],"value":"1","customerId":7}"#, wrong.to_vec()),
        (r#"{"metadata":"x","value":true,"customerId":["a"]}"#, wrong.to_vec()),
        (r#"{"metadata":1,"value":{},"customerId":{}}"#, wrong.to_vec()),
        (r#"{"customerId":"a"}"#, required[1..].to_vec()),
        (r#"{"value":0}"#, required[..1].to_vec()),
        (r#"{"customerId":"a","value":1,"timestamp":5}"#, vec!["timestamp must be a string"]),
        (r#"{"customerId":"a","value":1,"id":5}"#, vec!["id must be a string"]),
        (r#"{"customerId":"a","value":1,"sourceContext":"x"}"#, vec!["sourceContext must be an object"]),
    ] {
        let expected = (422, json!({"error": "Validation failed", "details": details}));
        assert_eq!(send(&server, PATH, body).await.parts(), expected, "{body}");
    }
    for body in [
        r#"{"customerId":"a","value":1,"timestamp":"yesterday"}"#,
        r#"{"customerId":"a","value":1,"timestamp":"2026-01-14T09:30:00"}"#,
        r#"{"customerId":"a","value":1,"timestamp":"2999-01-14T09:30:00Z"}"#,
        r#"{"customerId":"a","value":1000000000000000000}"#,
        r#"{"customerId":"a","value":1,"sourceContext":{"type":"planet"}}"#,
    ] {
        let answer = send(&server, PATH, body).await;
        assert_eq!((answer.status.as_u16(), count(&answer.json()["details"])), (422, 1), "{}", answer.text);
    }
    assert_eq!(count(&server.get("/events").await.json()), 0, "nothing was stored");
}

#[tokio::test]
async fn what_is_right_is_captured() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00.123456Z").await;
    let whole = r#"{"customerId":"b","value":-2.50,"metadata":{"a":[1.0,{"b":null}]},"timestamp":"2026-01-12T10:00:00+05:30",
        "subject":"s","sourceContext":{"type":"project","projectName":"P","displayName":"D"},"id":"one","other":[]}"#;
    assert_eq!(send(&server, PATH, whole).await.parts(), captured("b"));
    // Empty fields count as missing, whatever they are.
    let empty = r#"{"customerId":"c","value":1,"metadata":"","timestamp":"","subject":"","sourceContext":"","id":""}"#;
    assert_eq!(send(&server, PATH, empty).await.parts(), captured("c"));
    // Clients send JSON under any name, or none.
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request =
            server.request(Method::POST, PATH, TEST_KEY).body(r#"{"customerId":"d","value":1}"#);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        assert_eq!(Answer::of(request.send().await).await.parts(), captured("d"), "{kind:?}");
    }
    let stored = server.get("/v1/events/one").await.json();
    for (field, value) in [
        ("time", json!("2026-01-12T04:30:00.000000Z")),
        ("received_at", json!("2026-01-14T09:30:00.123456Z")),
        ("subject", json!("s")),
        ("value", json!("-2.5")),
        ("source_context", json!({"type": "project", "project_name": "P", "display_name": "D"})),
    ] {
        assert_eq!(stored[field], value, "{stored}");
    }
}

#[tokio::test]
async fn a_repeat_is_counted_once_and_other_content_conflicts() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    for (name, customer) in [("id", "a"), ("idempotencyKey", "b")] {
        let event = |value: i32| json!({"customerId": customer, "value": value, name: format!("{name}-1"), "metadata": {"x": 1}});
        for _ in 0..3 {
            assert_eq!(server.post(PATH, event(5)).await.parts(), captured(customer));
        }
        let other = server.post(PATH, event(6)).await;
        assert_eq!((other.status.as_u16(), other.json()["error"].is_string()), (409, true));
    }
    // An empty id counts as missing; then the other name is looked at.
    for _ in 0..2 {
        let event = json!({"idempotencyKey": "c-1", "id": "", "customerId": "c", "value": 1});
        assert_eq!(server.post(PATH, event).await.parts(), captured("c"));
    }
    let events = server.get("/events").await.json();
    let stored: Vec<(&Value, &Value)> =
        events.as_array().expect("a list").iter().map(|event| (&event["_id"], &event["value"])).collect();
    let one = |id: &str, value: i32| (json!(id), json!(value));
    let expected = [one("c-1", 1), one("idempotencyKey-1", 5), one("id-1", 5)];
    assert_eq!(stored, expected.iter().map(|(id, value)| (id, value)).collect::<Vec<_>>());
}

#[tokio::test]
async fn unmetered_types_are_taken_where_the_operator_says_so() {
    let server = Setup::default().toml("[ingest]\naccept_unmetered = true\n").start();
    let event = r#"{"customerId":"a","value":1}"#;
    assert_eq!(send(&server, "/usage/anything", event).await.status, 201);
    // That path is for services, and no event type.
    assert_eq!(send(&server, "/usage/record", event).await.status, 403);
    assert_eq!(send(&server, &format!("/usage/{}", "x".repeat(129)), event).await.status, 400);
}
