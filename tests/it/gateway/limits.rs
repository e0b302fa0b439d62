//! The limits of the application's customers, kept by a gateway.
use super::standin::Standin;
use super::*;
use reqwest::StatusCode;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_is_exact_over_many_callers_and_two_gateways() {
    let Some(application) = Application::node() else { return };
    let (standin, spill) = (Standin::start().await, tempfile::tempdir().expect("a directory"));
    standin.with(|inner| inner.limit = Some(120));
    let gateways = ["a", "b"].map(|name| {
        let more = ["--customer", "header:x-customer", "--upgrade-url", "/pay"];
        Gateway::start(&standin.url, &application.url, &spill.path().join(name), &more)
    });
    let client = client();
    let asks = (0..300).map(|number: usize| {
        let url = gateways[number % 2].at("/bytes/10");
        let request = client.get(url).header("x-customer", "acme");
        async move { request.send().await.expect("an answer").status() }
    });
    let statuses = futures_util::future::join_all(asks).await;
    let allowed = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    let refused = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(allowed + refused, 300);
    assert!((100..=120).contains(&allowed), "{allowed}");
    // What one gateway took ahead and did not use comes back to the other within seconds.
    let [first, second] = gateways;
    tokio::task::block_in_place(|| second.stop());
    let mut left = 120 - allowed;
    while left > 0 {
        let answer =
            client.get(first.at("/bytes/10")).header("x-customer", "acme").send().await.expect("an answer");
        left -= usize::from(answer.status() == StatusCode::OK);
    }
    let answer =
        client.get(first.at("/bytes/10")).header("x-customer", "acme").send().await.expect("an answer");
    assert_eq!(
        (answer.status(), &answer.headers()["x-ratelimit-remaining"]),
        (StatusCode::TOO_MANY_REQUESTS, &"0".parse().expect("a value"))
    );
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(
        (&body["error"], &body["limit"], &body["upgrade_url"]),
        (&"API limit exceeded".into(), &120.into(), &"/pay".into())
    );
    assert_eq!(application.count().await.requests, 120);
    tokio::task::block_in_place(|| first.stop());
    assert_eq!(standin.count("api.calls"), 120);
    assert_eq!(standin.with(|inner| inner.leases.len()), 0);
}
