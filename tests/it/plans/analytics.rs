//! System C's endpoints, as its clients see them.
use super::{subscribe, with_analytics};
use crate::support::server::{Answer, Server};
use reqwest::Method;
use serde_json::{Value, json};

/// The key of a customer, as `ApiKey id.secret`.
async fn key_of(server: &Server, customer: &str) -> String {
    let made = server.post("/v1/api-keys", json!({"customer": customer})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(made["scopes"], json!([]));
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    format!("ApiKey {}.{}", text("id"), text("key"))
}

async fn ask(server: &Server, key: &str, path: &str) -> Answer {
    Answer::of(server.bare(Method::GET, path).header("authorization", key).send().await).await
}

async fn used(server: &Server, customer: &str, calls: u32) {
    let event =
        json!({"id": format!("bulk-{customer}"), "customer": customer, "meter": "api.calls", "value": calls});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
}

#[tokio::test]
async fn a_free_customers_call_1001_is_refused() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    let key = key_of(&server, "acme").await;
    used(&server, "acme", 999).await;
    let last = ask(&server, &key, "/api/secure/ping").await;
    assert_eq!((last.status.as_u16(), last.header("x-ratelimit-remaining")), (200, Some("0")));
    assert_eq!(
        (last.header("x-ratelimit-limit"), last.header("x-ratelimit-reset")),
        (Some("1000"), Some("2026-02-01T00:00:00.000000Z"))
    );
    let refused = ask(&server, &key, "/api/secure/ping").await;
    let expected = json!({
        "error": "API limit exceeded", "message": "You have exceeded your 1000 API calls/month limit",
        "current_usage": 1000, "limit": 1000, "period_end": "2026-02-01T00:00:00.000Z", "upgrade_url": "/dashboard/billing",
    });
    assert_eq!((refused.status.as_u16(), refused.json()), (429, expected));
    assert!(refused.header("retry-after").is_some());
    let current = ask(&server, &key, "/api/usage/current").await.json();
    let expected = json!({
        "api_calls": 1000, "limit": 1000, "remaining": 0, "overage_calls": 0, "usage_percentage": 100,
        "period_start": "2026-01-01T00:00:00.000Z", "period_end": "2026-02-01T00:00:00.000Z", "plan": "free",
    });
    assert_eq!(current, expected);
    assert_eq!(ask(&server, &key, "/api/usage/overage").await.json()["message"], "No overage this period.");
}

#[tokio::test]
async fn a_pro_customers_call_100001_passes_and_costs_a_tenth_of_a_cent() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "pro").await;
    let key = key_of(&server, "acme").await;
    used(&server, "acme", 100_000).await;
    assert_eq!(ask(&server, &key, "/api/secure/ping").await.status, 200);
    let overage = ask(&server, &key, "/api/usage/overage").await.json();
    let expected = json!({
        "has_overage": true, "overage_calls": 1, "overage_cost_usd": 0.001, "invoiced": false,
        "period_end": "2026-02-10T12:00:00.000Z",
        "message": "You will be charged $0.001 for 1 overage calls at the end of your billing period.",
    });
    assert_eq!(overage, expected);
    let event = json!({"id": "more", "customer": "acme", "meter": "api.calls", "value": 4_999});
    server.post("/v1/events", event).await;
    let overage = ask(&server, &key, "/api/usage/overage").await.json();
    assert_eq!((&overage["overage_calls"], &overage["overage_cost_usd"]), (&json!(5000), &json!(5)));
    assert_eq!(
        overage["message"],
        "You will be charged $5.00 for 5,000 overage calls at the end of your billing period."
    );
    let current = ask(&server, &key, "/api/usage/current").await.json();
    assert_eq!(
        (&current["overage_calls"], &current["usage_percentage"], &current["remaining"]),
        (&json!(5000), &json!(105), &json!(0))
    );
    let path =
        server.get("/v1/subscriptions").await.json()["data"][0]["id"].as_str().expect("an id").to_owned();
    server.post(&format!("/v1/subscriptions/{path}/change-plan"), json!({"plan": "enterprise"})).await;
    let current = ask(&server, &key, "/api/usage/current").await.json();
    assert_eq!(
        (&current["limit"], &current["remaining"], &current["usage_percentage"]),
        (&json!(-1), &json!(-1), &json!(0))
    );
}

#[tokio::test]
async fn history_and_endpoints_tell_what_calls_were_like() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    let key = key_of(&server, "acme").await;
    let call = |number: u32, day: u32, status: u32, ms: u32| {
        json!({"id": format!("c{number}"), "customer": "acme", "meter": "api.calls", "time": format!("2026-01-{day:02}T08:00:00Z"),
            "properties": {"endpoint": "/v1/things", "method": "GET", "statusCode": status, "durationMs": ms}})
    };
    let mut calls: Vec<Value> = (0..19).map(|number| call(number, 9, 200, 10)).collect();
    calls.push(call(19, 9, 500, 1_000));
    calls.push(call(20, 8, 404, 20));
    calls.push(
        json!({"id": "plain", "customer": "acme", "meter": "api.calls", "time": "2026-01-08T09:00:00Z"}),
    );
    calls.push(
        json!({"id": "other", "customer": "other", "meter": "api.calls", "time": "2026-01-08T09:00:00Z"}),
    );
    assert_eq!(server.post("/v1/events", json!(calls)).await.status, 200);
    let history = ask(&server, &key, "/api/usage/history").await.json();
    let expected = json!({"history": [
        {"date": "2026-01-08", "total_calls": 2, "successful_calls": 1, "failed_calls": 1, "avg_response_time_ms": 20},
        {"date": "2026-01-09", "total_calls": 20, "successful_calls": 19, "failed_calls": 1, "avg_response_time_ms": 59.5},
    ], "period_days": 30});
    assert_eq!(history, expected);
    assert_eq!(
        ask(&server, &key, "/api/usage/history?days=2").await.json()["history"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(ask(&server, &key, "/api/usage/history?days=5000").await.json()["period_days"], 365);
    let endpoints = ask(&server, &key, "/api/usage/endpoints").await.json();
    let one = &endpoints["endpoints"][0];
    assert_eq!(
        (&one["endpoint"], &one["method"], &one["total_calls"]),
        (&json!("/v1/things"), &json!("GET"), &json!(21))
    );
    assert_eq!((&one["success_rate"], &endpoints["period_days"]), (&json!(0.9048), &json!(7)));
    let p95 = one["p95_response_time_ms"].as_f64().expect("a number");
    assert!((p95 - 20.0).abs() <= 0.2, "{p95}");
}

#[tokio::test]
async fn a_customers_key_sees_its_own_and_nothing_else() {
    let server = Server::start();
    with_analytics(&server).await;
    let nobody = server.bare(Method::GET, "/api/usage/current").send().await.expect("an answer");
    assert_eq!(nobody.status(), 401);
    assert_eq!(nobody.json::<Value>().await.expect("JSON"), json!({"error": "Unauthorized"}));
    let project = server.get("/api/usage/current").await;
    assert_eq!(
        (project.status.as_u16(), project.json()),
        (403, json!({"error": "Forbidden"})),
        "a project's key"
    );
    let lacks = json!({"error": "Insufficient scopes. Required: [customer]"});
    assert_eq!(server.get("/api/secure/ping").await.parts(), (403, lacks));
    server.post("/v1/customers", json!({"external_id": "acme"})).await;
    let key = key_of(&server, "acme").await;
    let none = ask(&server, &key, "/api/usage/current").await;
    assert_eq!((none.status.as_u16(), none.json()), (404, json!({"error": "No usage record found"})));
    for path in ["/v1/customers", "/v1/events", "/v1/subscriptions", "/v1/api-keys"] {
        assert_eq!(ask(&server, &key, path).await.status, 403, "{path}");
    }
    let both = server.post("/v1/api-keys", json!({"customer": "acme", "scopes": ["read"]})).await;
    assert_eq!((both.status.as_u16(), &both.json()["errors"][0]["field"]), (422, &json!("scopes")));
    assert_eq!(server.post("/v1/api-keys", json!({"customer": "nobody"})).await.status, 404);
    let id = server.get("/v1/api-keys").await.json();
    let id =
        id["data"].as_array().expect("keys").iter().find(|one| one["customer"].is_string()).expect("the key")
            ["id"]
            .clone();
    let rotated =
        server.post(&format!("/v1/api-keys/{}/rotate", id.as_str().expect("an id")), json!({})).await.json();
    assert!(rotated["customer"].is_string(), "a key that is replaced stays its customer's: {rotated}");
}
