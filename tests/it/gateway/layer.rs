//! The tower layer, without a gateway around it, and a real server.
use super::limits::{of_system_c, told};
use crate::support::server::TEST_KEY;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::{Router, routing::get};
use reckoner_client::{Attribution, Client, Limiter, MeterLayer, RateLimits, Tracker};
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// Calls of the free plan in a month.
const LIMIT: usize = 1_000;

fn request(customer: &str) -> Request<Body> {
    Request::get("/files/7").header("x-customer", customer).body(Body::empty()).expect("a request")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_free_plan_ends_at_its_thousandth_call_however_many_come_at_once() {
    let (server, [free, _]) = of_system_c().await;
    crate::plans::subscribe(&server, "fresh", "free").await;
    let client = Client::new(&server.url(""), TEST_KEY).expect("a client");
    let tracker = Tracker::start(client.clone()).expect("starts");
    // A machine that is busy with other tests is no server out of reach.
    let limiter = Limiter::builder(client, tracker.clone()).decision_timeout(Duration::from_mins(1)).start();
    let limits = RateLimits::default().per_customer("1000000/s".parse().expect("limits"));
    let layer =
        MeterLayer::new(tracker.clone()).enforce(limiter.clone()).rate_limits(limits).attribute(|it| {
            let customer = it.headers.get("x-customer").and_then(|value| value.to_str().ok());
            customer.map_or_else(Attribution::none, Attribution::customer)
        });
    let app = Router::new().route("/files/{id}", get(|| async { "a file" })).layer(layer);
    let asks = (0..LIMIT + 60).map(|_| app.clone().oneshot(request("fresh")));
    let answers = futures_util::future::join_all(asks).await;
    let statuses: Vec<StatusCode> = answers.into_iter().map(|it| it.expect("an answer").status()).collect();
    let count = |status: StatusCode| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(StatusCode::OK), count(StatusCode::TOO_MANY_REQUESTS)), (LIMIT, 60));
    // The free customer has one call left.
    let answer = async || app.clone().oneshot(request("free")).await.expect("an answer");
    let last = answer().await;
    let header = |name: &str| last.headers()[name].to_str().expect("text");
    assert_eq!((last.status(), header("x-ratelimit-remaining")), (StatusCode::OK, "0"));
    assert_eq!(header("ratelimit-policy"), "\"month\";q=1000, \"customer-second\";q=1000000;w=1");
    let refused = answer().await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "call 1,001");
    let body = to_bytes(refused.into_body(), 10_000).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((429, body), told(&server, &free, "/api/secure/ping").await, "as the server itself refuses");
    limiter.shutdown().await;
    tracker.shutdown(Duration::from_mins(1)).await.expect("sent");
    let asked = json!({"customer": "fresh", "meter": "api.calls"});
    let left = server.post("/v1/entitlements/check", asked).await.json();
    assert_eq!((&left["used"], &left["remaining"]), (&"1000".into(), &"0".into()), "no lease holds any");
    assert_eq!(tracker.counters().rejected, 0);
}
