//! Queries of usage: whom they name, and what they say where there is nothing.
use crate::support::server::Server;
use serde_json::{Value, json};

const RANGE: &str = "from=2026-01-14T00:00:00Z&to=2026-01-15T00:00:00Z";

/// A server with some meters of one event type, and with these events.
async fn world(aggregations: &[&str], events: Value) -> Server {
    let server = Server::start();
    server.freeze("2026-01-20T00:00:00Z").await;
    for aggregation in aggregations {
        let meter = json!({"key": aggregation, "event_type": "use", "aggregation": aggregation});
        assert_eq!(server.post("/v1/meters", meter).await.status, 201);
    }
    let sent = server.post("/v1/events", events).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    server
}

fn event(customer: &str, subject: &str, value: &str, time: &str) -> Value {
    json!({"customer": customer, "subject": subject, "meter": "use", "value": value, "time": time,
           "properties": {"region": "eu"}})
}

async fn rows(server: &Server, meter: &str, parameters: &str) -> Vec<Value> {
    let path = format!("/v1/meters/{meter}/query?{RANGE}&{parameters}");
    let answer = server.get(&path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()["data"].as_array().expect("rows").clone()
}

/// Rows as customer, subject and value.
fn told(rows: &[Value]) -> Vec<Value> {
    rows.iter().map(|row| json!([row["customer"], row["subject"], row["value"]])).collect()
}

#[tokio::test]
async fn a_level_below_zero_is_flagged() {
    let events = json!([
        event("a", "s", "5", "2026-01-14T00:00:00Z"),
        event("a", "s", "-8", "2026-01-14T06:00:00Z"),
        event("a", "s", "3", "2026-01-14T12:00:00Z"),
    ]);
    let server = world(&["time_weighted_avg", "sum"], events).await;
    let shown = rows(&server, "time_weighted_avg", "window=hour&fill=zero").await;
    let flagged: Vec<_> =
        shown.iter().filter_map(|row| Some((row.get("was_negative")?, &row["value"]))).collect();
    assert_eq!(flagged, vec![(&json!(true), &json!("0")); 6], "{shown:?}");
    assert_eq!(shown[6]["was_negative"], true);
    assert!(shown[5].get("was_negative").is_none() && shown[12].get("was_negative").is_none());
    assert_eq!(rows(&server, "time_weighted_avg", "").await[0]["was_negative"], true);
    assert!(rows(&server, "sum", "").await[0].get("was_negative").is_none());
}

#[tokio::test]
async fn customers_are_found_by_either_id() {
    let events = json!([
        event("acme", "s", "5", "2026-01-14T01:00:00Z"),
        event("globex", "s", "7", "2026-01-14T02:00:00Z"),
    ]);
    let server = world(&["sum"], events).await;
    let id = server.get("/v1/customers/acme").await.json()["id"].as_str().expect("an id").to_owned();
    let unknown = format!("{}0000", &id[..id.len() - 4]);
    assert_ne!(id, unknown);
    let listed = async |path: &str| {
        let list = server.get(path).await;
        assert_eq!(list.status, 200, "{path}: {}", list.text);
        let customers = list.json()["data"].as_array().expect("a list").clone();
        customers.iter().map(|row| row["customer"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    server.advance("2026-01-20T00:15:00Z").await;
    let path = "/v1/aggregations?period=daily&customer";
    assert_eq!(listed(&format!("{path}={id}")).await, ["acme"]);
    assert_eq!(listed(&format!("{path}={unknown}")).await, Vec::<String>::new());
    assert_eq!(listed(&format!("/v1/events?customer={id}")).await, ["acme"]);
    assert_eq!(listed(&format!("/v1/events?customer={unknown}")).await, Vec::<String>::new());
    for (parameters, expected) in [
        (format!("customer={id}"), json!([["acme", null, "5"]])),
        (format!("customer={id}&customer=acme"), json!([["acme", null, "5"]])),
        (format!("customer={id}&customer=globex"), json!([["acme", null, "5"], ["globex", null, "7"]])),
        (format!("customer={unknown}&window=day"), json!([])),
    ] {
        assert_eq!(json!(told(&rows(&server, "sum", &parameters).await)), expected, "{parameters}");
    }
    let body = json!({"from": "2026-01-14T00:00:00Z", "to": "2026-01-15T00:00:00Z", "customer": [id]});
    let posted = server.post("/v1/meters/sum/query", body).await.json();
    assert_eq!(told(posted["data"].as_array().expect("rows")), [json!(["acme", null, "5"])]);
}

#[tokio::test]
async fn whoever_is_named_has_a_row() {
    let events = json!([
        event("acme", "s1", "5", "2026-01-14T01:00:00Z"),
        event("acme", "s2", "7", "2026-01-14T02:00:00Z"),
        event("early", "s1", "9", "2026-01-13T00:00:00Z"),
    ]);
    let server = world(&["sum", "max", "time_weighted_avg"], events).await;
    for (meter, parameters, expected) in [
        ("sum", "customer=acme&customer=no", json!([["acme", null, "12"], ["no", null, "0"]])),
        ("sum", "customer=no&customer=nobody", json!([["no", null, "0"], ["nobody", null, "0"]])),
        ("sum", "customer=no&group_by=customer", json!([["no", null, "0"]])),
        ("max", "customer=no&group_by=customer", json!([["no", null, null]])),
        ("max", "subject=s2&subject=s3", json!([[null, "s2", "7"], [null, "s3", null]])),
        ("sum", "customer=acme&subject=s2&subject=s3", json!([["acme", "s2", "7"], ["acme", "s3", "0"]])),
        (
            "sum",
            "customer=acme&customer=no&subject=s1&subject=s3",
            json!([["acme", "s1", "5"], ["acme", "s3", "0"], ["no", "s1", "0"], ["no", "s3", "0"]]),
        ),
        ("time_weighted_avg", "customer=early&customer=no", json!([["early", null, "9"], ["no", null, "0"]])),
        // Groups that are not named are those that there are.
        ("sum", "group_by=customer", json!([["acme", null, "12"]])),
        ("sum", "customer=no&group_by=subject", json!([])),
        ("sum", "customer=no&group_by=region", json!([])),
        ("sum", "filter[region]=us&group_by=customer", json!([])),
        (
            "sum",
            "filter[region]=us&customer=acme&customer=no",
            json!([["acme", null, "0"], ["no", null, "0"]]),
        ),
        // Windows without events are left out, unless they are asked for.
        ("sum", "window=day&customer=acme&customer=no", json!([["acme", null, "12"]])),
        (
            "sum",
            "window=day&fill=zero&customer=acme&customer=no",
            json!([["acme", null, "12"], ["no", null, "0"]]),
        ),
    ] {
        assert_eq!(json!(told(&rows(&server, meter, parameters).await)), expected, "{meter} {parameters}");
    }
    let many: String = (0..600).map(|number| format!("&customer=c{number}")).collect();
    let path = format!("/v1/meters/sum/query?{RANGE}&window=minute&fill=zero{many}");
    assert_eq!(server.get(&path).await.status, 422, "more rows than an answer has");
}

#[tokio::test]
async fn a_dimension_shows_ten_thousand_values_a_day() {
    const VALUES: usize = 10_000;
    let server = Server::start();
    server.freeze("2026-01-20T00:00:00Z").await;
    for (key, dimensions) in [("bounded", json!(["subject", "$.region"])), ("free", json!(["$.zone"]))] {
        let meter = json!({"key": key, "event_type": "use", "aggregation": "sum", "dimensions": dimensions});
        let made = server.post("/v1/meters", meter).await;
        assert_eq!((made.status.as_u16(), &made.json()["dimensions"]), (201, &dimensions), "{}", made.text);
    }
    // 20 values more than are shown, each by two customers.
    let event = |n: usize| {
        let customer = if n.is_multiple_of(2) { "a" } else { "b" };
        json!({"customer": customer, "subject": format!("s{}", n / 2), "meter": "use", "value": "0.5",
               "time": "2026-01-14T12:00:00Z", "properties": {"region": format!("r{}", n / 2)}})
    };
    let events: Vec<Value> = (0..2 * (VALUES + 20)).map(event).collect();
    for part in events.chunks(1_000) {
        assert_eq!(server.post("/v1/events", json!(part)).await.status, 200);
    }
    for group in ["subject", "region", "$['region']"] {
        let shown = rows(&server, "bounded", &format!("group_by={group}")).await;
        assert_eq!(shown.len(), VALUES + 1, "{group}");
        let text = |row: &Value| row["subject"].as_str().or(row["group"][group].as_str()).map(str::to_owned);
        let others: Vec<_> = shown.iter().filter(|row| row.get("is_other").is_some()).collect();
        assert_eq!((others.len(), &others[0]["value"]), (1, &json!("20")), "{group}");
        assert_eq!(text(others[0]).as_deref(), Some("_other"));
        assert!(shown.iter().filter_map(text).any(|text| text[1..] == *"9999"), "{group}");
        // The same for one customer: what a day shows does not depend on who asks.
        let own = rows(&server, "bounded", &format!("group_by={group}&customer=a")).await;
        assert_eq!((own.len(), own.iter().filter(|row| row["is_other"] == true).count()), (VALUES + 1, 1));
        assert_eq!(rows(&server, "free", &format!("group_by={group}")).await.len(), VALUES + 20, "{group}");
    }
    let named = rows(&server, "bounded", "group_by=subject&subject=s10019&subject=s3").await;
    assert_eq!(told(&named), [json!([null, "s10019", "1"]), json!([null, "s3", "1"])]);
}
