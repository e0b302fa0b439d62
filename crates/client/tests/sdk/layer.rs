//! The layer: every byte, every request, no more.
use crate::standin::Standin;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Router, http::Request, http::StatusCode};
use http_body_util::BodyExt;
use reckoner_client::{Attribution, Limiter, MeterLayer, Tracker};
use std::convert::Infallible;
use std::time::Duration;
use tower::ServiceExt;

fn tracker(standin: &Standin) -> Tracker {
    Tracker::builder(standin.client()).flush_interval(Duration::from_millis(20)).start().expect("starts")
}

fn app(layer: MeterLayer) -> Router {
    let pieces = || (0..1_000).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"0123456789")));
    let stream = move || async move { Body::from_stream(futures_util::stream::iter(pieces())) };
    let echo = |Path(_): Path<String>, body: Bytes| async move { body.slice(..body.len() / 2) };
    let layer = layer.attribute(|request| {
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        let who = header("x-customer").map_or_else(Attribution::none, Attribution::customer);
        header("x-subject").into_iter().fold(who, Attribution::subject)
    });
    Router::new().route("/files/{id}", post(echo)).route("/stream", get(stream)).layer(layer)
}

fn ask(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body.into())
        .expect("a request")
}

#[tokio::test]
async fn a_request_is_recorded_with_all_that_is_known_of_it() {
    let standin = Standin::start().await;
    let tracker = tracker(&standin);
    let app = app(MeterLayer::new(tracker.clone()));
    let headers = [("x-customer", "acme"), ("x-subject", "workspace_7"), ("x-request-id", "r-1")];
    let response =
        app.oneshot(ask("POST", "/files/42", &headers, "x".repeat(1_000))).await.expect("an answer");
    assert_eq!(
        (response.status(), &response.headers()["x-request-id"]),
        (StatusCode::OK, &"r-1".parse().unwrap())
    );
    assert_eq!(to_bytes(response.into_body(), 10_000).await.expect("a body").len(), 500);
    tracker.flush().await.expect("sent");
    let event = standin.only("traffic.bytes");
    assert_eq!(event["id"], "traffic:workspace_7:/files/{id}:POST:r-1");
    assert_eq!(
        (&event["value"], &event["customer"], &event["subject"]),
        (&"1500".into(), &"acme".into(), &"workspace_7".into())
    );
    let properties = &event["properties"];
    let bytes = (properties["requestBytes"].as_u64(), properties["responseBytes"].as_u64());
    assert_eq!((bytes, properties["statusCode"].as_u64()), ((Some(1_000), Some(500)), Some(200)));
    assert_eq!((&properties["endpoint"], &properties["method"]), (&"/files/{id}".into(), &"POST".into()));
    assert!(properties["durationMs"].is_u64());
}

#[tokio::test]
async fn what_was_dropped_half_way_counts_as_far_as_it_came() {
    let standin = Standin::start().await;
    let tracker = tracker(&standin);
    let app = app(MeterLayer::new(tracker.clone()));
    let response = app.oneshot(ask("GET", "/stream", &[], Body::empty())).await.expect("an answer");
    let mut body = response.into_body();
    for _ in 0..7 {
        body.frame().await.expect("a piece").expect("good");
    }
    drop(body);
    tracker.flush().await.expect("sent");
    let event = standin.only("traffic.bytes");
    assert_eq!((&event["value"], &event["customer"]), (&"70".into(), &"system".into()));
}

#[tokio::test]
async fn retries_count_once_unless_callers_may_not_name_requests() {
    let standin = Standin::start().await;
    let tracker = tracker(&standin);
    for (takes, count) in [(true, 1), (false, 4)] {
        let app = app(MeterLayer::new(tracker.clone()).take_request_ids(takes));
        for length in [10, 20, 30] {
            let headers = [("x-customer", "acme"), ("x-request-id", "same")];
            let request = ask("POST", "/files/1", &headers, "x".repeat(length));
            let response = app.clone().oneshot(request).await.expect("an answer");
            to_bytes(response.into_body(), 10_000).await.expect("a body");
        }
        tracker.flush().await.expect("sent");
        assert_eq!(standin.count("traffic.bytes"), count);
    }
    assert_eq!(tracker.counters().conflicting, 2);
}

#[tokio::test]
async fn a_name_is_that_of_five_requests_and_no_more() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.limit = Some(4));
    let tracker = tracker(&standin);
    let limiter =
        Limiter::builder(standin.client(), tracker.clone()).decision_timeout(Duration::from_secs(30)).start();
    let app = app(MeterLayer::new(tracker.clone()).enforce(limiter.clone()));
    let mut statuses = Vec::new();
    for _ in 0..10 {
        let headers = [("x-customer", "acme"), ("x-request-id", "same")];
        let response = app.clone().oneshot(ask("GET", "/stream", &headers, Body::empty())).await;
        statuses.push(response.expect("an answer").status().as_u16());
    }
    // The first five are one call; each further one is another, until the limit is reached.
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 429, 429]);
    tracker.flush().await.expect("sent");
    assert_eq!(standin.count("api.calls"), 4);
}

#[tokio::test]
async fn beyond_the_limit_callers_are_told_how_they_stand() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.limit = Some(5));
    let tracker = tracker(&standin);
    let limiter =
        Limiter::builder(standin.client(), tracker.clone()).decision_timeout(Duration::from_secs(30)).start();
    let app = app(MeterLayer::new(tracker.clone()).enforce(limiter.clone()).upgrade_url("/pay"));
    let mut left = Vec::new();
    for _ in 0..5 {
        let response =
            app.clone().oneshot(ask("GET", "/stream", &[("x-customer", "acme")], Body::empty())).await;
        let response = response.expect("an answer");
        assert_eq!(
            (response.status(), &response.headers()["x-ratelimit-limit"]),
            (StatusCode::OK, &"5".parse().unwrap())
        );
        left.push(response.headers()["x-ratelimit-remaining"].to_str().expect("text").to_owned());
    }
    assert_eq!(left, ["4", "3", "2", "1", "0"]);
    let refused = app.clone().oneshot(ask("GET", "/stream", &[("x-customer", "acme")], Body::empty())).await;
    let refused = refused.expect("an answer");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let header = |name: &str| refused.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("x-ratelimit-remaining"), "0");
    assert_eq!(header("x-ratelimit-reset"), "2096-12-01T00:00:00.000000Z");
    assert_eq!(header("ratelimit-policy"), "\"month\";q=5");
    assert!(
        header("retry-after").parse::<u64>().expect("a number") > 0
            && header("ratelimit").starts_with("\"month\";r=0;t=")
    );
    let body = to_bytes(refused.into_body(), 10_000).await.expect("a body");
    let refusal_bytes = body.len();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        body,
        serde_json::json!({
            "error": "API limit exceeded", "message": "You have exceeded your 5 API calls/month limit",
            "current_usage": 5, "limit": 5, "period_end": "2096-12-01T00:00:00.000Z", "upgrade_url": "/pay",
        })
    );
    // Nobody is not limited, and refusals are traffic too.
    let free = app.oneshot(ask("GET", "/stream", &[], Body::empty())).await.expect("an answer");
    assert_eq!(free.status(), StatusCode::OK);
    drop(free);
    limiter.shutdown().await;
    assert_eq!((standin.count("api.calls"), standin.count("traffic.bytes")), (5, 7));
    let refused = standin.with(|inner| {
        let is = |event: &&serde_json::Value| event["properties"]["statusCode"] == 429;
        inner.events.values().find(is).cloned().expect("an event")
    });
    assert_eq!(refused["value"], refusal_bytes.to_string());
}
