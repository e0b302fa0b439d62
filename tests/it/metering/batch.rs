//! `POST /usagebatch`.
use super::{count, send};
use crate::support::server::{Answer, Server, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/usagebatch";

fn good(number: usize) -> Value {
    json!({"eventType": "api.calls", "customerId": "a", "value": 1, "id": format!("e{number}")})
}

fn many(count: usize) -> String {
    Value::from((0..count).map(good).collect::<Vec<_>>()).to_string()
}

async fn stored(server: &Server) -> usize {
    count(&server.get("/events?limit=10000").await.json())
}

#[tokio::test]
async fn a_body_must_be_a_list_of_events() {
    let server = Server::start();
    let bare = Answer::of(server.request(Method::POST, PATH, TEST_KEY).send().await).await;
    assert_eq!(bare.parts(), (400, json!({"error": "Request body is required"})));
    for (body, text) in [
        ("", "Request body is required"),
        ("null", "Request body is required"),
        ("{}", "Request body must be an array of events"),
        (r#"{"events":[]}"#, "Request body must be an array of events"),
        ("\"x\"", "Request body must be an array of events"),
        ("7", "Request body must be an array of events"),
        ("[", "Request body must be an array of events"),
        ("[1,]", "Request body must be an array of events"),
        ("[]", "Events array cannot be empty"),
        (" [ ] ", "Events array cannot be empty"),
    ] {
        assert_eq!(send(&server, PATH, body).await.parts(), (400, json!({"error": text})), "{body}");
    }
}

#[tokio::test]
async fn a_thousand_pass_and_one_more_does_not() {
    let server = Server::start();
    let over = json!({
        "error": "Batch size exceeds maximum limit of 1000 events", "received": 1001, "maxAllowed": 1000,
    });
    assert_eq!(send(&server, PATH, &many(1_001)).await.parts(), (413, over));
    // Too many are refused before anybody looks at them.
    let wrong = Value::from(vec![json!(7); 1_500]).to_string();
    let over = json!({
        "error": "Batch size exceeds maximum limit of 1000 events", "received": 1500, "maxAllowed": 1000,
    });
    assert_eq!(send(&server, PATH, &wrong).await.parts(), (413, over));
    assert_eq!(stored(&server).await, 0);
    let all = json!({"message": "Events captured", "count": 1000});
    for _ in 0..2 {
        assert_eq!(send(&server, PATH, &many(1_000)).await.parts(), (201, all.clone()));
    }
    assert_eq!(stored(&server).await, 1_000);
}

#[tokio::test]
async fn one_bad_event_in_ten_stores_nothing() {
    let server = Server::start();
    let mut events: Vec<Value> = (0..10).map(good).collect();
    events[0] = json!({"eventType": "api.calls", "value": 1});
    assert_eq!(
        send(&server, PATH, &Value::from(events).to_string()).await.parts(),
        (
            422,
            json!({
                "error": "Validation failed for some events",
                "validationErrors": [{"index": 0, "errors": ["customerId is required"]}],
                "validCount": 9,
                "invalidCount": 1,
            })
        )
    );
    let invalid = "Invalid event type: X. Must be one of: api.calls, storage.bytes, response.time.ms";
    let faults = [
        (json!({}), vec!["eventType is required", "customerId is required", "value is required"]),
        (
            json!({"metadata": [], "value": "1", "customerId": 1, "eventType": 1}),
            vec![
                "eventType must be a string",
                "customerId must be a string",
                "value must be a finite number",
                "metadata must be an object if provided",
            ],
        ),
        (
            json!({"eventType": "X", "customerId": "", "value": null}),
            vec![invalid, "customerId is required", "value is required"],
        ),
        (json!({"eventType": "", "customerId": "a", "value": 1}), vec!["eventType is required"]),
        (json!(null), vec!["Event must be an object"]),
        (json!("x"), vec!["Event must be an object"]),
        (json!([]), vec!["Event must be an object"]),
    ];
    let mut events: Vec<Value> = faults.iter().map(|(event, _)| event.clone()).collect();
    events.insert(3, good(1));
    let expected: Vec<Value> = (0..8)
        .filter(|index| *index != 3)
        .zip(&faults)
        .map(|(index, (_, errors))| json!({"index": index, "errors": errors}))
        .collect();
    assert_eq!(
        send(&server, PATH, &Value::from(events).to_string()).await.parts(),
        (
            422,
            json!({
                "error": "Validation failed for some events",
                "validationErrors": expected,
                "validCount": 1,
                "invalidCount": 7,
            })
        )
    );
    assert_eq!(stored(&server).await, 0);
}

#[tokio::test]
async fn a_conflict_fails_alone() {
    let server = Server::start();
    assert_eq!(send(&server, PATH, &many(3)).await.status, 201);
    let mut other = good(1);
    other["value"] = json!(2);
    // Twice the same within a batch is once.
    let events = json!([good(0), other, good(7), good(7)]).to_string();
    let partly = json!({"message": "Events partially captured", "successCount": 3, "failedCount": 1});
    assert_eq!(send(&server, PATH, &events).await.parts(), (207, partly));
    assert_eq!(stored(&server).await, 4);
    let mut twice = good(9);
    twice["customerId"] = json!("b");
    let events = json!([good(9), twice]).to_string();
    let partly = json!({"message": "Events partially captured", "successCount": 1, "failedCount": 1});
    assert_eq!(send(&server, PATH, &events).await.parts(), (207, partly));
    assert_eq!(count(&server.get("/events?customerId=b").await.json()), 0);
}
