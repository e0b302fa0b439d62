//! Rate limits of the application's callers, kept by a gateway. Buckets are of a minute, and no test waits for one: what
//! is sent in a row is refused at last. That it is the right one is tested with the SDK, by a clock that stands.
use super::limits::limited;
use super::standin::Standin;
use super::*;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

/// Most requests that are sent to be refused.
const TRIES_MAX: usize = 20;

async fn ask(client: &Client, gateway: &Gateway, headers: &[(&str, &str)]) -> Response {
    let request = client.get(gateway.at("/bytes/10"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

/// Asks until it is refused for asking; how many passed before, and the refusal.
async fn refused(client: &Client, gateway: &Gateway, headers: &[(&str, &str)]) -> (u64, Response) {
    for passed in 0..TRIES_MAX {
        let answer = ask(client, gateway, headers).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return (passed as u64, answer);
        }
        assert_eq!(answer.status(), StatusCode::OK, "{headers:?}");
    }
    panic!("{headers:?} is never refused");
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_calls_too_often_is_refused_and_uses_nothing_of_a_quota() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (limited().await, tempfile::tempdir().expect("a directory"));
    let other = server.post("/v1/subscriptions", json!({"customer": "other", "plan": "sixty"})).await;
    assert_eq!(other.status, 201, "{}", other.text);
    let more = ["--customer", "header:x-customer", "--rate-customer", "4/m", "--rate-address", "900/m"];
    let gateway = Gateway::start(&server.url(""), &application.url, spill.path(), &more);
    let (client, acme) = (client(), [("x-customer", "acme")]);
    let first = ask(&client, &gateway, &acme).await;
    assert_eq!(
        header(&first, "ratelimit-policy"),
        "\"month\";q=60, \"address-minute\";q=900;w=60, \"customer-minute\";q=4;w=60"
    );
    assert!(header(&first, "ratelimit").contains(", \"customer-minute\";r=3;t="));
    assert_eq!((header(&first, "x-ratelimit-limit"), header(&first, "x-ratelimit-remaining")), ("60", "59"));
    let (passed, refusal) = refused(&client, &gateway, &acme).await;
    assert!(passed >= 3, "{passed}");
    assert_eq!(
        (header(&refusal, "x-ratelimit-limit"), header(&refusal, "x-ratelimit-remaining")),
        ("4", "0")
    );
    assert!(
        header(&refusal, "x-ratelimit-reset").ends_with('Z') && !refusal.headers()["x-request-id"].is_empty()
    );
    assert!(header(&refusal, "ratelimit").contains("\"customer-minute\";r=0;t="), "{refusal:?}");
    let wait: u64 = header(&refusal, "retry-after").parse().expect("seconds");
    assert!((1..=15).contains(&wait), "{wait}");
    let body: Value = refusal.json().await.expect("JSON");
    assert_eq!(
        body,
        json!({
            "error": "Rate limit exceeded",
            "message": "Rate limit exceeded: at most 4 requests a minute for each customer",
            "limit": 4, "period": "minute", "scope": "customer", "retry_after": wait,
        })
    );
    assert_eq!(ask(&client, &gateway, &[("x-customer", "other")]).await.status(), StatusCode::OK);
    // Nobody has no bucket of a customer.
    for _ in 0..6 {
        assert_eq!(ask(&client, &gateway, &[]).await.status(), StatusCode::OK);
    }
    tokio::task::block_in_place(|| gateway.stop());
    let calls = passed + 1;
    let asked = json!({"customer": "acme", "meter": "api.calls"});
    let left = server.post("/v1/entitlements/check", asked).await.json();
    assert_eq!(
        (&left["used"], &left["remaining"]),
        (&calls.to_string().into(), &(60 - calls).to_string().into())
    );
    assert_eq!(application.count().await.requests, calls + 7, "the application is not asked");
    let of_acme: Vec<Value> =
        traffic(&server).await.into_iter().filter(|event| event["customer"] == "acme").collect();
    assert_eq!(of_acme.len() as u64, calls + 1, "the refusal is traffic");
    let last = &of_acme.last().expect("one")["properties"];
    assert_eq!((&last["statusCode"], last.get("call")), (&429.into(), None), "and no call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_addresses_are_told_apart_and_only_trusted_proxies_name_addresses() {
    let Some(application) = Application::node() else { return };
    let (standin, files) = (Standin::start().await, tempfile::tempdir().expect("a directory"));
    let keys = files.path().join("keys.json");
    std::fs::write(&keys, r#"[{"key":"k-1","customer":"acme"}]"#).expect("written");
    let keys = keys.display().to_string();
    let more = ["--keys", &keys, "--rate-key", "2/m"];
    let gateway = Gateway::start(&standin.url, &application.url, &files.path().join("a"), &more);
    let client = client();
    let (passed, refusal) = refused(&client, &gateway, &[("x-api-key", "k-1")]).await;
    assert!(passed >= 2 && header(&refusal, "ratelimit").contains("\"key-minute\";r=0;"), "{refusal:?}");
    // A key that nobody has beside one that somebody has makes no other caller.
    let both = [("x-api-key", "made-up"), ("authorization", "Bearer k-1")];
    assert_eq!(ask(&client, &gateway, &both).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&client, &gateway, &[("x-api-key", "k-2")]).await.status(), StatusCode::OK);
    assert_eq!(ask(&client, &gateway, &[]).await.status(), StatusCode::OK);
    tokio::task::block_in_place(|| gateway.stop());

    for (trusted, apart) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let more = ["--rate-address", "2/m", "--trusted-proxies", trusted];
        let gateway = Gateway::start(
            &standin.url,
            &application.url,
            &files.path().join(trusted.split('/').next().expect("one")),
            &more,
        );
        refused(&client, &gateway, &[("x-forwarded-for", "203.0.113.1")]).await;
        let other = ask(&client, &gateway, &[("x-forwarded-for", "203.0.113.2")]).await;
        assert_eq!(other.status() == StatusCode::OK, apart, "{trusted}");
        tokio::task::block_in_place(|| gateway.stop());
    }
}
