//! What is told of calls, and of all customers at once, is what the events say, however it is worked out.
use super::{analytics, subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn key_of(server: &Server, customer: &str) -> String {
    let made = server.post("/v1/api-keys", json!({"customer": customer})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["key"].as_str().expect("a key").to_owned()
}

async fn ask(server: &Server, key: &str, path: &str) -> Value {
    let answer = Answer::of(server.bare(Method::GET, path).header("x-apikey", key).send().await).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

async fn record(server: &Server, events: Vec<Value>) {
    let answer = server.post("/v1/events", json!(events)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// A call; a status of 0 is one that it does not say, and so is a time of 0.
fn call(id: &str, time: &str, (endpoint, status, ms): (&str, u32, u32)) -> Value {
    let mut properties = json!({"endpoint": endpoint, "method": "GET"});
    if status > 0 {
        properties["statusCode"] = json!(status);
    }
    if ms > 0 {
        properties["durationMs"] = json!(ms);
    }
    json!({"id": id, "customer": "acme", "meter": "api.calls", "time": time, "properties": properties})
}

fn traffic(id: &str, time: &str, (endpoint, status, ms): (&str, u32, u32)) -> Value {
    let mut event = call(id, time, (endpoint, status, ms));
    event["meter"] = json!("traffic.bytes");
    event["value"] = json!(512);
    event["properties"]["call"] = json!("api.calls");
    event
}

/// Each day as calls, failed calls and the mean time.
async fn history(server: &Server, key: &str) -> Vec<(String, Value, Value, Value)> {
    let history = ask(server, key, "/api/usage/history").await;
    let days = history["history"].as_array().expect("days");
    let day = |day: &Value| {
        let date = day["date"].as_str().expect("a date").to_owned();
        (date, day["total_calls"].clone(), day["failed_calls"].clone(), day["avg_response_time_ms"].clone())
    };
    days.iter().map(day).collect()
}

fn day(date: &str, calls: u32, failed: u32, mean: f64) -> (String, Value, Value, Value) {
    let mean = if mean.fract() == 0.0 { json!(mean as i64) } else { json!(mean) };
    (format!("2026-01-{date}"), json!(calls), json!(failed), mean)
}

/// Each endpoint as calls, mean and 95th percentile in whole milliseconds, and success rate.
async fn endpoints(server: &Server, key: &str) -> BTreeMap<String, Value> {
    let endpoints = ask(server, key, "/api/usage/endpoints").await;
    let each = endpoints["endpoints"].as_array().expect("endpoints").iter().map(|one| {
        let p95 = one["p95_response_time_ms"].as_f64().expect("a number").round();
        let told = json!([one["total_calls"], one["avg_response_time_ms"], p95, one["success_rate"]]);
        (one["endpoint"].as_str().expect("a name").to_owned(), told)
    });
    each.collect()
}

#[tokio::test]
async fn what_is_told_of_calls_follows_every_event_and_correction() {
    let mut server = Server::start();
    server.freeze("2026-01-10T12:00:00Z").await;
    let mut catalog = analytics();
    catalog["meters"] = json!([
        {"key": "api.calls", "aggregation": "sum"}, {"key": "traffic.bytes", "aggregation": "sum"},
    ]);
    assert_eq!(server.post("/v1/catalog/apply", catalog).await.status, 200);
    subscribe(&server, "acme", "free").await;
    let key = key_of(&server, "acme").await;
    let (old, today) = ("2026-01-05T08:30:00Z", "2026-01-10T11:30:00Z");
    record(&server, vec![call("a", old, ("/a", 200, 10)), call("b", today, ("/a", 0, 0))]).await;
    assert_eq!(history(&server, &key).await, [day("05", 1, 0, 10.0), day("10", 1, 0, 0.0)]);
    let only_a = |told: Value| BTreeMap::from([("/a".to_owned(), told)]);
    assert_eq!(endpoints(&server, &key).await, only_a(json!([2, 10, 10.0, 1])));
    // Late ones, of a day and of an hour that was read before.
    record(&server, vec![call("late", old, ("/a", 500, 30)), call("more", today, ("/b", 404, 5))]).await;
    assert_eq!(history(&server, &key).await, [day("05", 2, 1, 20.0), day("10", 2, 1, 5.0)]);
    let rates = endpoints(&server, &key).await;
    assert_eq!(rates["/a"], json!([3, 20, 30.0, 0.6667]));
    assert_eq!(rates["/b"], json!([1, 5, 5.0, 0]));
    // How a call was answered that was counted before there was an answer.
    let passed =
        [traffic("t1", today, ("/a", 503, 7)), traffic("t2", "2026-01-09T08:00:00Z", ("/a", 500, 9))];
    record(&server, passed.to_vec()).await;
    let expected = [day("05", 2, 1, 20.0), day("10", 2, 2, 5.0)];
    assert_eq!(history(&server, &key).await, expected, "of a day without calls nothing is told");
    assert_eq!(endpoints(&server, &key).await["/a"], json!([3, 20, 30.0, 0.3333]));
    assert_eq!(server.delete("/v1/events/late").await.status, 200);
    assert_eq!(history(&server, &key).await, [day("05", 1, 0, 10.0), day("10", 2, 2, 5.0)]);
    let amended = json!({"value": "3", "properties": {"endpoint": "/c", "method": "PUT", "statusCode": 201}});
    assert_eq!(server.put("/v1/events/more", amended).await.status, 200);
    let told = (history(&server, &key).await, endpoints(&server, &key).await);
    assert_eq!(told.0, [day("05", 1, 0, 10.0), day("10", 4, 1, 7.0)]);
    assert_eq!(told.1["/c"], json!([3, 0, 0.0, 1]));
    // A server that has read nothing before tells the same.
    assert!(server.terminate().success());
    server.restart();
    assert_eq!((history(&server, &key).await, endpoints(&server, &key).await), told);
    // Hours become days as time goes on.
    server.advance("2026-01-13T12:00:00Z").await;
    assert_eq!(history(&server, &key).await, told.0);
    record(&server, vec![call("last", today, ("/a", 200, 7))]).await;
    assert_eq!(history(&server, &key).await, [day("05", 1, 0, 10.0), day("10", 5, 1, 7.0)]);
    let clear = json!({"project": "test", "what": "events"});
    assert_eq!(server.post("/v1/clear", clear).await.status, 200);
    assert_eq!(history(&server, &key).await, []);
}

/// How many counts of quotas are at hand.
async fn counters(server: &Server) -> usize {
    let metrics = server.get("/metrics").await.text;
    let number = metrics.lines().find_map(|line| line.strip_prefix("quota_counters "));
    number.map_or(0, |number| number.parse().expect("a number"))
}

/// The limits of those who used something of them: they are watched, sooner or later, and so counted.
const WATCHED: usize = 7;

const CUSTOMERS: [&str; 9] = ["free", "pro", "kolkata", "both", "idle", "later", "big", "gone", "none"];

/// Customers of all kinds with usage at the edges of their periods, some of it corrected.
async fn with_customers(server: &Server) {
    with_analytics(server).await;
    // Two limits of which one has least left.
    let counted = json!({"key": "calls.count", "event_type": "api.calls", "aggregation": "count"});
    assert_eq!(server.post("/v1/meters", counted).await.status, 201);
    let quota = |meter: &str, limit: &str, reset: &str| json!({"feature": format!("by_{reset}"), "type": "metered", "meter": meter, "behaviour": "block", "limit": limit, "reset": reset});
    let both = json!({"key": "both", "name": "Both", "currency": "USD", "base_price": "5.00", "interval": "week",
        "entitlements": [quota("api.calls", "100", "day"), quota("calls.count", "7", "month")]});
    assert_eq!(server.post("/v1/plans", both).await.status, 201);
    let zoned = json!({"external_id": "kolkata", "time_zone": "Asia/Kolkata"});
    assert_eq!(server.post("/v1/customers", zoned).await.status, 201);
    assert_eq!(server.post("/v1/customers", json!({"external_id": "none"})).await.status, 201);
    let plans = [("free", "free"), ("pro", "pro"), ("kolkata", "free"), ("both", "both"), ("idle", "pro")];
    for (customer, plan) in plans {
        subscribe(server, customer, plan).await;
    }
    // Periods that begin within an hour.
    server.advance("2026-01-20T07:41:13.25Z").await;
    for (customer, plan) in [("later", "pro"), ("big", "enterprise"), ("gone", "pro")] {
        let made = subscribe(server, customer, plan).await;
        if customer == "gone" {
            let path = format!("/v1/subscriptions/{}/cancel", made["id"].as_str().expect("an id"));
            assert_eq!(server.post(&path, json!({"when": "now"})).await.status, 200);
        }
    }
    let times = [
        "2026-01-01T00:00:00Z",
        "2025-12-31T18:40:00Z",
        "2026-01-10T11:59:59Z",
        "2026-01-10T12:00:00Z",
        "2026-01-20T07:41:13Z",
        "2026-01-20T07:41:13.25Z",
        "2026-01-20T07:00:00Z",
        "2026-01-19T23:59:59Z",
    ];
    for (place, customer) in CUSTOMERS.iter().enumerate().filter(|(_, name)| **name != "idle") {
        let events = times.iter().enumerate().map(|(number, time)| {
            let value = if *customer == "later" { 60_000 } else { (place + 1) * (number + 1) };
            json!({"id": format!("{customer}-{number}"), "customer": customer, "meter": "api.calls", "time": time, "value": value})
        });
        record(server, events.collect()).await;
    }
    let more = json!({"id": "pro-more", "customer": "pro", "meter": "api.calls", "value": 250_000, "time": times[5]});
    record(server, vec![more]).await;
    for void in ["free-0", "pro-3", "both-7"] {
        assert_eq!(server.delete(&format!("/v1/events/{void}")).await.status, 200);
    }
    assert_eq!(server.put("/v1/events/later-5", json!({"value": "170000"})).await.status, 200);
}

/// The list of users, by name.
async fn users(server: &Server, query: &str) -> BTreeMap<String, Value> {
    let list = server.get(&format!("/api/admin/analytics/users?{query}")).await.json();
    let users = list["users"].as_array().expect("users").iter();
    users.map(|one| (one["eco_id"].as_str().expect("a name").to_owned(), one.clone())).collect()
}

on_both_servers!(the_list_of_users_says_of_each_what_is_said_to_it);
async fn the_list_of_users_says_of_each_what_is_said_to_it(setup: Setup) {
    let server = setup.start();
    with_customers(&server).await;
    let by_usage = users(&server, "limit=100").await;
    assert_eq!(users(&server, "sort=created&limit=100").await, by_usage);
    assert!(counters(&server).await <= WATCHED, "a list keeps counts of nobody else");
    let users = by_usage;
    assert_eq!(users.len(), CUSTOMERS.len());
    for customer in CUSTOMERS {
        let (user, key) = (&users[customer], key_of(&server, customer).await);
        let path = "/api/usage/current";
        let current = Answer::of(server.bare(Method::GET, path).header("x-apikey", &key).send().await).await;
        if ["none", "gone"].contains(&customer) {
            assert_eq!((current.status.as_u16(), &user["overage_calls"]), (404, &json!(0)), "{customer}");
            continue;
        }
        let current = current.json();
        for field in ["api_calls", "overage_calls", "plan"] {
            assert_eq!(user[field], current[field], "{field} of {customer}: {user} {current}");
        }
        let overage = ask(&server, &key, "/api/usage/overage").await;
        assert_eq!(user["overage_cost_usd"], overage["overage_cost_usd"], "{customer}");
    }
    assert_eq!(self::users(&server, "limit=100").await, users, "by counts that are at hand now");
    let calls = |name: &str| users[name]["api_calls"].clone();
    // By the month, by the month there, in periods that began then, by how many, and with no plan by the month.
    assert_eq!((calls("free"), calls("kolkata")), (json!(33), json!(108)));
    assert_eq!((calls("pro"), calls("later"), calls("big")), (json!(250_052), json!(170_000), json!(42)));
    assert_eq!((calls("both"), calls("none"), calls("idle")), (json!(6), json!(306), json!(0)));
    assert_eq!(users["pro"]["overage_cost_usd"], 150.052);
}
