//! The eighteen events of three customers, and every operation on ten values.
use super::{count, send};
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

/// Customer, type, two values.
const EIGHTEEN: [(&str, &str, [i32; 2]); 9] = [
    ("a", "api.calls", [20, 30]),
    ("a", "storage.bytes", [1_000, 2_500]),
    ("a", "response.time.ms", [100, 200]),
    ("b", "api.calls", [10, 5]),
    ("b", "storage.bytes", [5_000, 3_000]),
    ("b", "response.time.ms", [350, 250]),
    ("c", "api.calls", [99, 1]),
    ("c", "storage.bytes", [1, 10_000]),
    ("c", "response.time.ms", [25, 75]),
];

#[tokio::test]
async fn eighteen_events_make_three_daily_aggregations() {
    let server = Server::start();
    server.freeze("2026-01-12T09:30:00Z").await;
    let mut batch = Vec::new();
    for (customer, event_type, [first, second]) in EIGHTEEN {
        let single = json!({"customerId": customer, "value": first});
        assert_eq!(server.post(&format!("/usage/{event_type}"), single).await.status, 201);
        batch.push(json!({"eventType": event_type, "customerId": customer, "value": second}));
    }
    let captured = server.post("/usagebatch", Value::from(batch)).await;
    assert_eq!(captured.parts(), (201, json!({"message": "Events captured", "count": 9})));
    server.advance("2026-01-13T00:15:00Z").await;
    let list = server.get("/aggregations?period=daily").await.json();
    assert_eq!(count(&list), 3);
    for (customer, sum, max, avg) in [("a", 50, 2_500, 150), ("b", 15, 5_000, 300), ("c", 100, 10_000, 50)] {
        let id = format!("{customer}_daily_20260112");
        let one =
            list.as_array().and_then(|list| list.iter().find(|one| one["_id"] == json!(id))).expect("it");
        let events = json!({"api.calls": sum, "storage.bytes": max, "response.time.ms": avg});
        assert_eq!(one["events"], events, "{customer}");
        let counts = json!({"api.calls": 2, "storage.bytes": 2, "response.time.ms": 2});
        assert_eq!((&one["eventCounts"], &one["eventCount"]), (&counts, &json!(6)), "{customer}");
    }
}

const OPS: [&str; 7] = ["sum", "avg", "min", "max", "count", "first", "last"];

/// Customer, values in order of time, and what the operations make of them.
const TEN: [(&str, &[&str], [&str; 7]); 6] = [
    (
        "decimals",
        &["20.5", "10.5", "30.5", "40.5", "50.5", "60.5", "70.5", "80.5", "100.5", "90.5"],
        ["555", "55.5", "10.5", "100.5", "10", "20.5", "90.5"],
    ),
    (
        "negatives",
        &["-3", "-1", "-2", "-4", "-5", "-6", "-7", "-10", "-9", "-8"],
        ["-55", "-5.5", "-10", "-1", "10", "-3", "-8"],
    ),
    (
        "mixed",
        &["5", "-5", "0.1", "0.2", "-0.3", "7", "-7", "2", "0", "-1"],
        ["1", "0.1", "-7", "7", "10", "5", "-1"],
    ),
    ("zeros", &["0", "0.0", "-0", "0", "0e5", "0", "0", "0", "0", "0"], ["0", "0", "0", "0", "10", "0", "0"]),
    (
        "thirds",
        &["1", "0", "0", "0", "0", "0", "0", "0", "0"],
        ["1", "0.111111111111111111", "0", "1", "9", "1", "0"],
    ),
    ("single", &["-42.5"], ["-42.5", "-42.5", "-42.5", "-42.5", "1", "-42.5", "-42.5"]),
];

#[tokio::test]
async fn every_operation_is_exact() {
    let events: serde_json::Map<String, Value> =
        OPS.iter().map(|op| ((*op).to_owned(), json!({"op": op}))).collect();
    let server = Setup::default().system(json!({"periods": ["daily"], "events": events})).start();
    server.freeze("2026-01-12T20:00:00Z").await;
    for (customer, values, _) in TEN {
        // Sent from the last to the first: the times decide what is first.
        for (minute, value) in values.iter().enumerate().rev() {
            let event = |op: &&str| {
                format!(
                    r#"{{"eventType":"{op}","customerId":"{customer}","value":{value},"timestamp":"2026-01-12T1{minute}:30:00Z"}}"#
                )
            };
            let body = format!("[{}]", OPS.iter().map(event).collect::<Vec<_>>().join(","));
            assert_eq!(send(&server, "/usagebatch", &body).await.status, 201, "{body}");
        }
    }
    server.advance("2026-01-13T00:15:00Z").await;
    for (customer, values, expected) in TEN {
        let list = server.get(&format!("/aggregations?customerId={customer}")).await.json();
        let figures: serde_json::Map<String, Value> = OPS
            .iter()
            .zip(expected)
            .map(|(op, text)| ((*op).to_owned(), serde_json::from_str(text).expect("a number")))
            .collect();
        assert_eq!(list[0]["events"], Value::Object(figures), "{customer}");
        assert_eq!(list[0]["eventCount"], json!(values.len() * OPS.len()), "{customer}");
    }
}
