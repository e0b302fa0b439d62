//! `GET /events` and `GET /aggregations`.
use super::{count, names, send};
use crate::support::server::Server;
use serde_json::{Value, json};

async fn capture(server: &Server, event_type: &str, customer: &str, id: &str, time: &str) {
    let event =
        json!({"customerId": customer, "value": 1.5, "id": id, "timestamp": time, "metadata": {"n": 1}});
    let answer = server.post(&format!("/usage/{event_type}"), event).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

async fn ids(server: &Server, path: &str) -> Vec<String> {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{path} {}", answer.text);
    let text = |event: &Value| event["_id"].as_str().expect("an id").to_owned();
    answer.json().as_array().expect("a list").iter().map(text).collect()
}

#[tokio::test]
async fn events_are_listed_newest_first_and_filtered() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00.123456Z").await;
    capture(&server, "api.calls", "a", "e1", "2026-01-12T10:00:00Z").await;
    capture(&server, "api.calls", "b", "e2", "2026-01-11T10:00:00.999Z").await;
    capture(&server, "storage.bytes", "a", "e3", "2026-01-13T10:00:00Z").await;
    send(&server, "/usage/api.calls", r#"{"customerId":"a","value":1,"id":"e4"}"#).await;
    for (query, expected) in [
        ("", vec!["e4", "e3", "e1", "e2"]),
        ("?limit=2", vec!["e4", "e3"]),
        ("?customerId=a", vec!["e4", "e3", "e1"]),
        ("?eventType=api.calls", vec!["e4", "e1", "e2"]),
        ("?customerId=a&eventType=api.calls&limit=1", vec!["e4"]),
        ("?customerId=nobody", vec![]),
        ("?eventType=nope", vec![]),
        ("?customerId=&eventType=&from=&to=&limit=", vec!["e4", "e3", "e1", "e2"]),
        ("?from=2026-01-12T10:00:00.000Z", vec!["e4", "e3", "e1"]),
        ("?from=2026-01-12T10:00:00.001Z", vec!["e4", "e3"]),
        ("?to=2026-01-12T10:00:00.000Z", vec!["e1", "e2"]),
        ("?to=2026-01-12T09:59:59.999Z", vec!["e2"]),
        ("?from=2026-01-12T10:00:00Z&to=2026-01-12T10:00:00Z", vec!["e1"]),
        ("?from=2026-01-12T15:30:00%2B05:30&to=2026-01-12T15:30:00%2B05:30", vec!["e1"]),
        ("?from=2026-01-12&to=2026-01-13", vec!["e1"]),
        // What is shown as a time is in a range that ends there.
        ("?from=2026-01-14T09:30:00.123Z&to=2026-01-14T09:30:00.123Z", vec!["e4"]),
        ("?to=2026-01-14T09:30:00.122Z", vec!["e3", "e1", "e2"]),
        ("?to=2026-01-14T09:30:00.123455Z", vec!["e3", "e1", "e2"]),
    ] {
        assert_eq!(ids(&server, &format!("/events{query}")).await, expected, "{query}");
    }
    let event = &server.get("/events?to=2026-01-11T12:00:00Z").await.json()[0];
    assert_eq!(
        *event,
        json!({
            "_id": "e2",
            "customerId": "b",
            "eventType": "api.calls",
            "value": 1.5,
            "metadata": {"n": 1},
            "receivedAt": "2026-01-14T09:30:00.123Z",
            "minute": "202601111000",
            "hour": "2026011110",
            "day": "20260111",
            "week": "202602",
            "month": "202601",
            "year": "2026",
        })
    );
    assert_eq!(server.get("/events?limit=1").await.json()[0]["metadata"], json!({}));
}

#[tokio::test]
async fn a_limit_is_a_hundred_by_default_ten_thousand_at_most_and_never_refused() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    for batch in 0..11 {
        // Events of one request keep their order.
        let event = |n: usize| json!({"eventType": "api.calls", "customerId": format!("c{}", n % 120), "value": 1, "id": format!("e{batch}-{n}")});
        let events = Value::from((0..1_000).map(event).collect::<Vec<_>>());
        assert_eq!(server.post("/usagebatch", events).await.status, 201);
    }
    for (query, expected) in [
        ("", 100),
        ("?limit=7", 7),
        ("?limit=9999", 9_999),
        ("?limit=10000", 10_000),
        ("?limit=10001", 10_000),
        ("?limit=99999999999999999999", 10_000),
        ("?limit=x", 100),
        ("?limit=-3", 100),
        ("?limit=0", 100),
    ] {
        assert_eq!(ids(&server, &format!("/events{query}")).await.len(), expected, "{query}");
    }
    assert_eq!(ids(&server, "/events?limit=3").await, ["e10-999", "e10-998", "e10-997"]);
    server.advance("2026-01-14T10:15:00Z").await;
    for (query, expected) in [("", 100), ("?limit=119", 119), ("?limit=99999", 120), ("?limit=no", 100)] {
        assert_eq!(ids(&server, &format!("/aggregations{query}")).await.len(), expected, "{query}");
    }
}

#[tokio::test]
async fn aggregations_are_listed_newest_first_and_filtered() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    capture(&server, "api.calls", "a", "e1", "2026-01-12T10:00:00Z").await;
    capture(&server, "api.calls", "a", "e2", "2026-01-13T10:00:00Z").await;
    capture(&server, "storage.bytes", "b", "e3", "2026-01-13T10:30:00Z").await;
    server.advance("2026-01-14T09:45:00Z").await;
    for (query, expected) in [
        ("?period=daily&customerId=a", vec!["a_daily_20260113", "a_daily_20260112"]),
        ("?period=daily&customerId=b", vec!["b_daily_20260113"]),
        ("?period=daily&customerId=a&limit=1", vec!["a_daily_20260113"]),
        ("?period=monthly", vec![]),
        ("?period=never", vec![]),
        ("?period=daily&to=2026-01-12T00:00:00.000Z", vec!["a_daily_20260112"]),
        ("?period=daily&to=2026-01-11T23:59:59.999Z", vec![]),
        ("?period=daily&customerId=a&from=2026-01-13T00:00:00.000Z", vec!["a_daily_20260113"]),
        ("?period=daily&customerId=a&from=2026-01-13T00:00:00.001Z", vec![]),
        (
            "?customerId=a&from=2026-01-12&to=2026-01-12T10:00:00Z",
            vec!["a_hourly_2026011210", "a_daily_20260112"],
        ),
    ] {
        assert_eq!(ids(&server, &format!("/aggregations{query}")).await, expected, "{query}");
    }
    let all = server.get("/aggregations").await.json();
    assert_eq!(count(&all), 6);
    let starts: Vec<&str> =
        all.as_array().expect("a list").iter().filter_map(|one| one["periodStart"].as_str()).collect();
    assert!(starts.is_sorted_by(|a, b| a >= b), "{starts:?}");
    assert_eq!(
        server.get("/aggregations?period=daily&to=2026-01-12").await.json()[0],
        json!({
            "_id": "a_daily_20260112",
            "customerId": "a",
            "period": "daily",
            "periodKey": "20260112",
            "periodStart": "2026-01-12T00:00:00.000Z",
            "periodEnd": "2026-01-12T23:59:59.999Z",
            "timestamp": "2026-01-14T09:45:00.000Z",
            "events": {"api.calls": 1.5},
            "eventCounts": {"api.calls": 1},
            "eventCount": 1,
            "webhookStatus": {"delivered": false, "attempts": 0},
            "createdAt": "2026-01-14T09:45:00.000Z",
        })
    );
    assert_eq!(names(&all[0]).len(), 12);
}
