//! Rate limits: who comes too often is told so in the words of the path. Buckets are of a minute, which no
//! test takes: what is sent in a row is refused at last.
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::json;

/// Most requests that are sent to be refused.
const TRIES_MAX: usize = 20;

fn limited(settings: &str) -> Server {
    let toml = format!("[http]\ntrusted_proxies = \"127.0.0.0/8\"\n[rate_limits]\n{settings}\n");
    Setup::default().toml(&toml).start()
}

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.bare(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await).await
}

/// Asks until it is refused for asking; how many answers there were before, and the refusal.
async fn refused(server: &Server, path: &str, headers: &[(&str, &str)]) -> (usize, Answer) {
    for before in 0..TRIES_MAX {
        let answer = ask(server, Method::GET, path, headers).await;
        if answer.status == 429 {
            return (before, answer);
        }
    }
    panic!("{path} is never refused");
}

fn wait(answer: &Answer) -> u64 {
    answer.header("retry-after").expect("a wait").parse().expect("seconds")
}

#[tokio::test]
async fn a_key_that_calls_too_often_is_refused_and_others_are_not() {
    let server = limited("key_per_minute = 3\nkey_per_second = 100\nkey_burst = 200");
    let first = ask(&server, Method::GET, "/v1/meters", &[("x-apikey", TEST_KEY)]).await;
    assert_eq!(first.status, 200);
    let policy = "\"key-second\";q=200;w=2, \"key-minute\";q=3;w=60";
    assert_eq!(first.header("ratelimit-policy"), Some(policy));
    let left = first.header("ratelimit").expect("what is left");
    assert!(left.starts_with("\"key-second\";r=199;t=1, \"key-minute\";r=2;t="), "{left}");
    assert_eq!(
        (first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")),
        (Some("3"), Some("2"))
    );
    let (before, refusal) = refused(&server, "/v1/meters", &[("x-apikey", TEST_KEY)]).await;
    assert!(before >= 2, "{before}");
    let body = refusal.json();
    assert_eq!(refusal.header("content-type"), Some("application/problem+json"));
    assert_eq!((&body["code"], &body["status"]), (&json!("rate_limited"), &json!(429)));
    assert_eq!(body["detail"], "Rate limit exceeded: at most 3 requests a minute for each key");
    assert!((1..=60).contains(&wait(&refusal)), "{}", wait(&refusal));
    assert_eq!(refusal.header("x-ratelimit-remaining"), Some("0"));
    assert!(refusal.header("x-ratelimit-reset").is_some_and(|at| at.ends_with('Z')));
    let event = json!({"customer": "acme", "meter": "api.calls", "value": 1});
    let request = server.request(Method::POST, "/v1/events", TEST_KEY).json(&event);
    assert_eq!(Answer::of(request.send().await).await.status, 429, "whatever it calls");
    let other = ask(&server, Method::GET, "/v1/meters", &[("x-apikey", LIVE_KEY)]).await;
    assert_eq!(other.status, 200);
    let open = ask(&server, Method::GET, "/ping", &[]).await;
    assert_eq!((open.status.as_u16(), open.header("ratelimit-policy")), (200, None));
    let metrics = server.bare(Method::GET, "/metrics").send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("rate_limited_total{dimension=\"key\"}"), "{metrics}");
}

#[tokio::test]
async fn each_path_refuses_in_its_own_words() {
    let server = limited("address_per_minute = 1");
    let text = "Rate limit exceeded: at most 1 request a minute for each address";
    for (number, (path, form)) in [
        ("/events", "a"),
        ("/api/usage/current", "a"),
        ("/usage/tier", "d"),
        ("/auth/me", "d"),
        ("/v1/meters", "v1"),
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("203.0.113.{number}");
        let headers = [("x-forwarded-for", address.as_str())];
        // Whoever has no credential counts too.
        let (before, refusal) = refused(&server, path, &headers).await;
        assert!(before >= 1, "{path}");
        let expected = match form {
            "a" => json!({"error": text}),
            "d" => json!({"statusCode": 429, "message": text, "retryAfter": wait(&refusal)}),
            _ => {
                assert_eq!(refusal.json()["code"], "rate_limited");
                continue;
            }
        };
        assert_eq!(refusal.json(), expected, "{path}");
        assert!(
            refusal.header("ratelimit").is_some_and(|left| left.contains("\"address-minute\";r=0;")),
            "{path}"
        );
    }
    // One network is one client, whatever the rest of its address is.
    refused(&server, "/v1/meters", &[("x-forwarded-for", "2001:db8::1")]).await;
    let same = ask(&server, Method::GET, "/v1/meters", &[("x-forwarded-for", "2001:db8::2")]).await;
    assert_eq!(same.status, 429);
    let other = ask(&server, Method::GET, "/v1/meters", &[("x-forwarded-for", "2001:db8:0:1::1")]).await;
    assert_eq!(other.status, 401);
    for _ in 0..TRIES_MAX {
        assert_eq!(
            ask(&server, Method::GET, "/health", &headers_of_probe()).await.status,
            200,
            "never refused"
        );
    }
}

fn headers_of_probe() -> [(&'static str, &'static str); 1] {
    [("x-forwarded-for", "203.0.113.0")]
}

#[tokio::test]
async fn whoever_is_no_trusted_proxy_cannot_name_another_address() {
    let server = Setup::default().toml("[rate_limits]\naddress_per_minute = 2\n").start();
    let mut statuses = Vec::new();
    for number in 0..TRIES_MAX {
        let address = format!("203.0.113.{number}");
        let answer = ask(&server, Method::GET, "/ping", &[("x-forwarded-for", &address)]).await;
        statuses.push(answer.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn a_customer_is_limited_whoever_asks_for_it() {
    let server = limited("customer_per_minute = 4");
    server.post("/v1/meters", json!({"key": "calls", "aggregation": "sum"})).await;
    let mut keys: Vec<String> = Vec::new();
    for customer in ["acme", "acme", "other"] {
        server.post("/v1/customers", json!({"external_id": customer})).await;
        let made = server.post("/v1/api-keys", json!({"customer": customer})).await.json();
        keys.push(made["key"].as_str().expect("a key").to_owned());
    }
    let path = "/v1/me/entitlements";
    let (before, refusal) = refused(&server, path, &[("x-apikey", &keys[0])]).await;
    assert!(before >= 4, "{before}");
    let text = "Rate limit exceeded: at most 4 requests a minute for each customer";
    assert_eq!(refusal.json()["detail"], text);
    assert_eq!(
        ask(&server, Method::GET, path, &[("x-apikey", &keys[1])]).await.status,
        429,
        "another key of it"
    );
    assert_eq!(ask(&server, Method::GET, path, &[("x-apikey", &keys[2])]).await.status, 200);
    let consume = |customer: &str| json!({"id": customer, "customer": customer, "meter": "calls"});
    let behalf = server.post("/v1/entitlements/consume", consume("acme")).await;
    assert_eq!((behalf.status.as_u16(), &behalf.json()["code"]), (429, &json!("rate_limited")));
    assert_eq!(server.get("/v1/events/acme").await.status, 404, "nothing is recorded");
    let other = server.post("/v1/entitlements/consume", consume("other")).await;
    assert_eq!(other.status, 200, "{}", other.text);
    // What was used is recorded, however often.
    let event = json!({"customer": "acme", "meter": "calls", "value": 1});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
}

#[tokio::test]
async fn an_answer_tells_of_quotas_and_rates_together() {
    let server = limited("key_per_minute = 100");
    server.post("/v1/meters", json!({"key": "calls", "aggregation": "sum"})).await;
    let plan = json!({"key": "small", "currency": "USD", "interval": "month", "entitlements": [
        {"feature": "calls", "type": "metered", "meter": "calls", "behaviour": "block", "limit": "10", "reset": "month"}]});
    assert_eq!(server.post("/v1/plans", plan).await.status, 201);
    server.post("/v1/subscriptions", json!({"customer": "acme", "plan": "small"})).await;
    let answer = server
        .post("/v1/entitlements/consume", json!({"id": "a", "customer": "acme", "meter": "calls"}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let policy = "\"month\";q=10, \"key-minute\";q=100;w=60";
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    let left = answer.header("ratelimit").expect("what is left");
    assert!(left.starts_with("\"month\";r=9;t=") && left.contains(", \"key-minute\";r="), "{left}");
    assert_eq!(
        (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")),
        (Some("10"), Some("9"))
    );
}

#[tokio::test]
async fn without_settings_nothing_is_limited() {
    let server = Server::start();
    let answer = server.get("/v1/meters").await;
    assert_eq!((answer.header("ratelimit-policy"), answer.header("x-ratelimit-limit")), (None, None));
}
