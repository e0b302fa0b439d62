//! Aggregations that another system made.
use crate::support::server::{Answer, Server};
use serde_json::{Value, json};

/// A customer's 12th of January.
fn day(customer: &str, value: &str) -> Value {
    json!({
        "customer": customer, "period": "daily", "period_key": "20260112",
        "period_start": "2026-01-12T00:00:00Z", "period_end": "2026-01-13T00:00:00Z",
        "values": {"api.calls": value, "gone.type": 0.5}, "event_counts": {"api.calls": 2, "gone.type": 1},
        "event_count": 3, "created_at": "2026-01-13T00:00:05Z",
        "webhook_status": {"delivered": true, "attempts": 2, "delivered_at": "2026-01-13T00:00:09.25Z"},
    })
}

async fn import(server: &Server, aggregations: Value) -> Answer {
    server.post("/v1/aggregations/import", json!({"aggregations": aggregations})).await
}

fn counts(imported: u64, unchanged: u64) -> (u16, Value) {
    (200, json!({"imported": imported, "unchanged": unchanged}))
}

#[tokio::test]
async fn an_import_is_taken_once_and_whole() {
    let server = Server::start();
    server.freeze("2026-02-01T00:00:00Z").await;
    assert_eq!(import(&server, json!([day("a", "5"), day("b", "0.30")])).await.parts(), counts(2, 0));
    assert_eq!(import(&server, json!([day("b", "0.3"), day("c", "7")])).await.parts(), counts(1, 1));
    let listed = server.get("/v1/aggregations?customer=a").await.json();
    let first = &listed["data"][0];
    assert_eq!((&first["id"], &first["values"]["gone.type"]), (&json!("a_daily_20260112"), &json!("0.5")));
    assert_eq!((&first["complete"], &first["revision"]), (&json!(true), &json!(1)));
    assert_eq!(first["imported_at"], "2026-02-01T00:00:00.000000Z");
    let shown = server.get("/aggregations?customerId=a").await.json();
    assert_eq!(shown[0]["events"], json!({"api.calls": 5, "gone.type": 0.5}));
    assert_eq!(
        shown[0]["webhookStatus"],
        json!({"delivered": true, "attempts": 2, "deliveredAt": "2026-01-13T00:00:09.250Z"})
    );
    assert_eq!(shown[0]["createdAt"], "2026-01-13T00:00:05.000Z");
    let customers = server.get("/v1/customers").await.json();
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(3), "they are customers like any other");

    // One conflict, and nothing of the request is taken.
    let refused = import(&server, json!([day("d", "1"), day("a", "6")])).await;
    let (status, problem) = refused.parts();
    assert_eq!((status, &problem["code"]), (409, &json!("aggregation_conflict")), "{problem}");
    assert_eq!(problem["errors"][0]["field"], "aggregations[1]");
    assert_eq!(server.get("/v1/aggregations").await.json()["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(server.get("/v1/aggregations?customer=a").await.json(), listed);
}

#[tokio::test]
async fn everything_wrong_with_an_import_is_told() {
    let server = Server::start();
    server.freeze("2026-01-20T00:00:00Z").await;
    let with = |changes: Value| {
        let mut one = day("a", "1");
        for (name, value) in changes.as_object().expect("fields") {
            one[name] = value.clone();
        }
        one
    };
    let wrong = json!([
        with(json!({"customer": ""})),
        with(json!({"period": "fortnightly"})),
        with(json!({"period_key": "20260113"})),
        with(json!({"period_start": "2026-01-12T01:00:00Z"})),
        with(
            json!({"period": "monthly", "period_key": "202601", "period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"})
        ),
        with(json!({"values": {"m": "x", "n": 1}, "event_counts": {"m": 1, "o": 1}})),
        with(json!({"event_count": 0})),
        with(json!({"created_at": "soon"})),
        day("b", "1"),
        day("b", "2"),
    ]);
    let (status, problem) = import(&server, wrong).await.parts();
    assert_eq!(status, 422);
    let fields: Vec<&str> = problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|one| one["field"].as_str().expect("a field"))
        .collect();
    assert_eq!(
        fields,
        [
            "aggregations[0].customer",
            "aggregations[1].period",
            "aggregations[2].period_key",
            "aggregations[3].period_key",
            "aggregations[4].period_end",
            "aggregations[5].values.m",
            "aggregations[5].event_counts.n",
            "aggregations[5].values.o",
            "aggregations[6].event_count",
            "aggregations[7].created_at",
            "aggregations[9].period_key",
        ]
    );
    assert_eq!(import(&server, json!([])).await.status, 422);
    let many: Vec<Value> = (0..1_001).map(|n| day(&n.to_string(), "1")).collect();
    assert_eq!(import(&server, json!(many)).await.status, 422);
    assert_eq!(import(&server, json!(many[..1_000])).await.parts(), counts(1_000, 0));
}

#[tokio::test]
async fn later_events_neither_change_nor_announce_what_was_imported() {
    let server = Server::start();
    server.freeze("2026-01-20T00:00:00Z").await;
    let endpoint = json!({"url": "https://example.com/hook", "event_types": ["aggregation.completed", "aggregation.updated"]});
    assert_eq!(server.post("/v1/webhook-endpoints", endpoint).await.status, 201);
    assert_eq!(import(&server, json!([day("a", "5")])).await.parts(), counts(1, 0));
    let before = server.get("/v1/aggregations/a_daily_20260112").await.json();
    for (customer, hour) in [("a", 9), ("b", 10)] {
        let time = format!("2026-01-12T{hour:02}:00:00Z");
        let event = json!({"customer": customer, "meter": "api.calls", "value": 1, "time": time});
        assert_eq!(server.post("/v1/events", event).await.status, 201);
    }
    server.advance("2026-01-20T00:15:00Z").await;
    assert_eq!(server.get("/v1/aggregations/a_daily_20260112").await.json(), before);
    // The customer beside it is aggregated and announced as ever, and so are the other periods.
    assert_eq!(
        server.get("/v1/aggregations/b_daily_20260112").await.json()["values"],
        json!({"api.calls": "1"})
    );
    let deliveries = server.get("/v1/webhook-deliveries?limit=1000").await.json();
    let announced = deliveries["data"].as_array().map(Vec::len);
    assert_eq!(
        announced,
        Some(5),
        "an hour, a day and a week, but for the day that was imported: {deliveries}"
    );
    // The run at the start may have come before the clock was frozen, at a later time.
    let runs = server.get("/v1/jobs/runs?limit=10").await.json();
    let due = |run: &&Value| run["started_at"] == "2026-01-20T00:15:00.000000Z";
    let run = runs["data"].as_array().and_then(|runs| runs.iter().find(due)).expect("a run").clone();
    assert_eq!(run["result"], "succeeded", "{run}");
    let detail = run["detail"].as_str().expect("words");
    assert!(
        detail.contains("1 imported aggregations stay") && detail.contains("a_daily_20260112"),
        "{detail}"
    );
    // What the job made itself is what an import must say.
    let mut own = day("b", "1");
    own["values"] = json!({"api.calls": 1});
    own["event_counts"] = json!({"api.calls": 1});
    assert_eq!(import(&server, json!([own])).await.status, 409, "it had one event, not three");
    own["event_count"] = json!(1);
    assert_eq!(import(&server, json!([own])).await.parts(), counts(0, 1));
}
