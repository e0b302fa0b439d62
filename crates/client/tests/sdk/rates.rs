//! Rate limits of the layer: by a clock that stands until a test moves it.
use crate::standin::Standin;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::{Router, http::Request, http::StatusCode};
use http::{HeaderMap, Response};
use reckoner_client::rates::Dimension;
use reckoner_client::{
    Attribution, DecidedBy, Limiter, MeterLayer, Rate, RateLimits, Rates, Refusal, Tracker,
};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tower::ServiceExt;

/// Status, refusal and what decided.
type Outcome = (u16, Option<Refusal>, Option<DecidedBy>);

/// A clock, an application behind limits, and what became of its requests.
struct World {
    standin: Standin,
    tracker: Tracker,
    limiter: Limiter,
    millis: Arc<AtomicU64>,
    finished: Arc<Mutex<Vec<Outcome>>>,
    app: Router,
}

impl World {
    async fn start(limits: RateLimits) -> Self {
        let standin = Standin::start().await;
        standin.with(|inner| inner.limit = Some(100));
        let tracker = Tracker::builder(standin.client()).flush_interval(Duration::from_millis(20)).start();
        let tracker = tracker.expect("starts");
        let limiter = Limiter::builder(standin.client(), tracker.clone());
        let limiter = limiter.decision_timeout(Duration::from_secs(30)).start();
        let (millis, finished) = (Arc::new(AtomicU64::new(1_800_000_000_000)), Arc::default());
        let (clock, heard): (_, Arc<Mutex<Vec<_>>>) = (Arc::clone(&millis), Arc::clone(&finished));
        let layer = MeterLayer::new(tracker.clone())
            .enforce(limiter.clone())
            .rate_limits(limits)
            .clock(move || UNIX_EPOCH + Duration::from_millis(clock.load(Ordering::Relaxed)))
            .on_finished(move |it| heard.lock().unwrap().push((it.status, it.refusal, it.decided_by)))
            .attribute(|request| {
                let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
                let who = header("x-customer").map_or_else(Attribution::none, Attribution::customer);
                let who = header("x-key").into_iter().fold(who, Attribution::key);
                let address = header("x-address").map(|text| text.parse().expect("an address"));
                address.into_iter().fold(who, Attribution::address)
            });
        let app = Router::new().route("/", get(|| async { "0123456789" })).layer(layer);
        Self { standin, tracker, limiter, millis, finished, app }
    }

    async fn ask(&self, headers: &[(&str, &str)]) -> Response<Body> {
        let request = Request::get("/").extension(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 4_711))));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer")
    }

    async fn status(&self, headers: &[(&str, &str)]) -> u16 {
        self.ask(headers).await.status().as_u16()
    }

    fn pass(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::Relaxed);
    }

    async fn stop(&self) {
        self.limiter.shutdown().await;
        self.tracker.flush().await.expect("sent");
    }
}

fn texts(headers: &HeaderMap, names: [&str; 5]) -> [String; 5] {
    names.map(|name| headers[name].to_str().expect("text").to_owned())
}

const NAMES: [&str; 5] =
    ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

#[tokio::test]
async fn a_burst_passes_and_the_next_one_is_refused_without_being_a_call() {
    let rates = Rates::default().per_second(Rate::new(2).at_once(3)).per_minute(Rate::new(50));
    let world = World::start(RateLimits::default().per_key(rates)).await;
    let acme = [("x-customer", "acme"), ("x-key", "k-1"), ("x-request-id", "same")];
    let [first, second, third] =
        [world.ask(&acme[..2]).await, world.ask(&acme[..2]).await, world.ask(&acme[..2]).await];
    assert!([&first, &second, &third].iter().all(|answer| answer.status() == StatusCode::OK));
    let [policy, left, limit, remaining, _] = texts(third.headers(), NAMES);
    assert_eq!(policy, "\"month\";q=100, \"key-second\";q=3;w=2, \"key-minute\";q=50;w=60");
    assert!(left.starts_with("\"month\";r=97;t=") && left.contains(", \"key-second\";r=0;t=2, "), "{left}");
    assert_eq!((limit.as_str(), remaining.as_str()), ("100", "97"), "of the quota");
    drop((first, second, third));

    let refused = world.ask(&acme).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    let told = texts(refused.headers(), NAMES);
    let expected = [
        "\"key-second\";q=3;w=2, \"key-minute\";q=50;w=60",
        "\"key-second\";r=0;t=2, \"key-minute\";r=47;t=4",
        "3",
        "0",
        "2027-01-15T08:00:01.500000Z",
    ];
    assert_eq!(told, expected);
    let body = to_bytes(refused.into_body(), 10_000).await.expect("a body");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&body).expect("JSON"),
        serde_json::json!({
            "error": "Rate limit exceeded",
            "message": "Rate limit exceeded: at most 2 requests a second for each key",
            "limit": 2, "period": "second", "scope": "key", "retry_after": 1,
        })
    );
    world.pass(499);
    assert_eq!(world.status(&acme).await, 429);
    world.pass(1);
    // What was refused is no attempt: the same request passes now, and counts, with all its bytes.
    assert_eq!(world.status(&acme).await, 200);
    assert_eq!(world.status(&acme).await, 429);
    world.stop().await;
    assert_eq!((world.standin.count("api.calls"), world.standin.count("traffic.bytes")), (4, 7));
    assert_eq!(world.tracker.counters().conflicting, 0);
    let passed = world.standin.with(|inner| inner.events["traffic:acme:/:GET:same"].clone());
    assert_eq!(
        (&passed["properties"]["statusCode"], &passed["properties"]["call"]),
        (&200.into(), &"api.calls".into())
    );
    let refusals = world.standin.with(|inner| {
        let is = |event: &&serde_json::Value| event["properties"]["statusCode"] == 429;
        inner.events.values().filter(is).cloned().collect::<Vec<_>>()
    });
    assert_eq!(refusals.len(), 3);
    assert!(
        refusals.iter().all(|event| event["customer"] == "acme" && event["properties"]["call"].is_null())
    );
    let finished = world.finished.lock().unwrap().clone();
    let refusal = (429, Some(Refusal::RateLimit(Dimension::Key)), None);
    assert_eq!(finished.iter().filter(|one| **one == refusal).count(), 3, "{finished:?}");
    assert!(finished.contains(&(200, None, Some(DecidedBy::Local))), "{finished:?}");
}

#[tokio::test]
async fn customers_have_their_own_buckets_and_nobody_has_that_of_an_address() {
    let limits =
        RateLimits::default().per_customer("2/m".parse().unwrap()).per_address("5/m".parse().unwrap());
    let world = World::start(limits).await;
    let mut statuses = Vec::new();
    for customer in ["a", "a", "a", "a", "b"] {
        statuses.push(world.status(&[("x-customer", customer)]).await);
    }
    assert_eq!(statuses, [200, 200, 429, 429, 200]);
    // The refused ones took nothing of the address, which is that of the connection.
    assert_eq!([world.status(&[]).await, world.status(&[]).await, world.status(&[]).await], [200, 200, 429]);
    let of_address = world.ask(&[("x-customer", "c")]).await;
    assert!(of_address.headers()["ratelimit"].to_str().unwrap().starts_with("\"address-minute\";r=0;t=60"));
    assert_eq!(world.status(&[("x-customer", "c"), ("x-address", "10.0.0.2")]).await, 200);
    // One network of IPv6 is one client.
    for (number, status) in [200, 200, 200, 200, 200, 429].into_iter().enumerate() {
        let address = format!("2001:db8::{number}");
        assert_eq!(world.status(&[("x-address", &address)]).await, status, "{number}");
    }
    world.pass(12_000);
    assert_eq!(world.status(&[]).await, 200, "a fifth of a minute later");
    assert_eq!(world.status(&[]).await, 429);
    world.stop().await;
    assert_eq!(world.standin.count("api.calls"), 4);
}

#[tokio::test]
async fn without_limits_nothing_is_told_of_them() {
    let world = World::start(RateLimits::default()).await;
    for _ in 0..200 {
        assert!(!world.ask(&[("x-key", "k")]).await.headers().contains_key("ratelimit"));
    }
    let shown = format!("{:?}", Attribution::none().key("k-secret"));
    assert!(shown.contains("***") && !shown.contains("secret"), "{shown}");
}
