//! The limits of the application's customers, kept by a gateway.
use super::standin::Standin;
use super::*;
use crate::support::server::TEST_KEY;
use reckoner_client::{Client, Limiter, Record, Recorded, Tracker};
use reqwest::StatusCode;
use serde_json::{Value, json};

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

/// Customer `acme` may make sixty calls a month.
pub async fn limited() -> crate::support::server::Server {
    let server = reckoner().await;
    let plan = json!({
        "key": "sixty", "name": "Sixty", "currency": "USD", "base_price": "0.00", "interval": "month",
        "entitlements": [{
            "feature": "calls", "type": "metered", "meter": "api.calls", "behaviour": "block", "limit": "60", "reset": "month",
        }],
    });
    let applied = server.post("/v1/catalog/apply", json!({"plans": [plan]})).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    let subscribed = server.post("/v1/subscriptions", json!({"customer": "acme", "plan": "sixty"})).await;
    assert_eq!(subscribed.status, 201, "{}", subscribed.text);
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_is_the_one_who_counts() {
    let Some(application) = Application::node() else { return };
    let (server, spill) = (limited().await, tempfile::tempdir().expect("a directory"));
    let gateway =
        Gateway::start(&server.url(""), &application.url, spill.path(), &["--customer", "header:x-customer"]);
    let client = client();
    let ask = |customer: &'static str| {
        let request = client.get(gateway.at("/bytes/10")).header("x-customer", customer);
        async move { request.send().await.expect("an answer") }
    };
    let answers = futures_util::future::join_all((0..150).map(|_| ask("acme"))).await;
    let allowed = answers.iter().filter(|answer| answer.status() == StatusCode::OK).count();
    assert_eq!(allowed, 60);
    assert!(answers.iter().all(|answer| answer.headers()["x-ratelimit-limit"] == "60"));
    let refused = ask("acme").await;
    assert_eq!(
        (refused.status(), &refused.headers()["ratelimit-policy"]),
        (StatusCode::TOO_MANY_REQUESTS, &"\"month\";q=60".parse().expect("a value"))
    );
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!((&body["current_usage"], &body["limit"]), (&60.into(), &60.into()));
    assert_eq!(body["message"], "You have exceeded your 60 API calls/month limit");
    tokio::task::block_in_place(|| gateway.stop());
    assert_eq!((application.count().await.requests, world::total(&server, "api.calls").await), (60, 60));
    let left =
        server.post("/v1/entitlements/check", json!({"customer": "acme", "meter": "api.calls"})).await.json();
    assert_eq!((&left["used"], &left["remaining"]), (&"60".into(), &"0".into()), "no lease holds any");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_speaks_as_the_server_does() {
    let server = limited().await;
    let client = Client::new(&server.url(""), TEST_KEY).expect("a client");
    let record = Record::new("other", "api.calls").id("one").value("2.5").subject("s").property("a", 1);
    assert_eq!(client.record(&record).await.expect("recorded"), Recorded::Accepted);
    assert_eq!(client.record(&record).await.expect("recorded"), Recorded::Duplicate);
    let conflict = client.record(&record.clone().value(3)).await.expect_err("another");
    assert_eq!(conflict.code(), Some("event_conflict"), "{conflict}");
    let batch = [
        record.clone(),
        record.value(3),
        Record::new("other", "no.such.meter"),
        Record::new("other", "api.calls"),
    ];
    let told = client.record_all(&batch).await.expect("judged");
    assert_eq!((told.accepted, told.duplicate, told.rejected), (1, 1, 2));
    let call = Record::new("acme", "api.calls").id("two");
    let verdict = client.consume(&call).await.expect("a verdict");
    assert_eq!((verdict.allowed, verdict.remaining.as_deref()), (true, Some("59")));
    assert_eq!(client.consume(&call).await.expect("a verdict").duplicate, Some(true));
    let all = client.check("acme", "api.calls", 60).await.expect("a verdict");
    assert!(!all.allowed && all.reason.is_some(), "{all:?}");
    let reckoner_client::LeaseAnswer::Granted(lease) =
        client.lease("acme", "api.calls", 100).await.expect("a lease")
    else {
        panic!("refused")
    };
    assert_eq!((lease.granted.as_str(), lease.remaining.as_deref()), ("59", Some("0")));
    assert!(matches!(
        client.lease("acme", "api.calls", 1).await,
        Ok(reckoner_client::LeaseAnswer::Refused(_))
    ));
    assert!(client.report_lease(&lease.lease_id, 4, true).await.expect("told").is_some());
    client.return_lease(&lease.lease_id, 4).await.expect("returned");
    client.return_lease(&lease.lease_id, 4).await.expect("it has ended, which is no error");
    assert!(client.report_lease(&lease.lease_id, 4, false).await.expect("told").is_none());
    assert!(!client.consume(&Record::new("acme", "api.calls").value(60)).await.expect("a verdict").allowed);
}

/// What a customer with a key of system C is told.
pub async fn told(server: &crate::support::server::Server, key: &Value, path: &str) -> (u16, Value) {
    let text = |name: &str| key[name].as_str().expect("a text").to_owned();
    let request = server.bare(reqwest::Method::GET, path);
    let request = request.header("authorization", format!("ApiKey {}.{}", text("id"), text("key")));
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Plans of system C, each with a customer of its name, who has a key.
pub async fn of_system_c() -> (crate::support::server::Server, [Value; 2]) {
    let server = reckoner().await;
    let applied = server.post("/v1/catalog/apply", crate::plans::analytics()).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    let mut keys = Vec::new();
    for (plan, before) in [("free", 999), ("pro", 99_998)] {
        crate::plans::subscribe(&server, plan, plan).await;
        keys.push(server.post("/v1/api-keys", json!({"customer": plan})).await.json());
        let event = json!({"id": plan, "customer": plan, "meter": "api.calls", "value": before});
        assert_eq!(server.post("/v1/events", event).await.status, 201);
    }
    (server, keys.try_into().expect("two"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_refused_as_the_sample_endpoint_refuses_it_and_overage_passes() {
    let Some(application) = Application::node() else { return };
    let ((server, [free, pro]), spill) = (of_system_c().await, tempfile::tempdir().expect("a directory"));
    let gateway =
        Gateway::start(&server.url(""), &application.url, spill.path(), &["--customer", "header:x-customer"]);
    let client = client();
    let ask = async |customer: &str, path: &str| {
        client.get(gateway.at(path)).header("x-customer", customer).send().await.expect("an answer")
    };
    assert_eq!(ask("free", "/bytes/10").await.status(), StatusCode::OK, "call 1,000");
    let refused = ask("free", "/bytes/10").await;
    let body: Value = {
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "call 1,001");
        refused.json().await.expect("JSON")
    };
    assert_eq!((429, body), told(&server, &free, "/api/secure/ping").await);
    // Calls beyond the limit of who pays for them pass, and are told as they pass.
    let left = async |path: &str| {
        let answer = ask("pro", path).await;
        let header = answer.headers()["x-ratelimit-remaining"].to_str().expect("a text").to_owned();
        (answer.status().as_u16(), header)
    };
    for expected in ["1", "0", "0"] {
        assert_eq!(left("/bytes/10").await, (200, expected.to_owned()));
    }
    assert_eq!(left("/status/500").await, (500, "0".to_owned()));
    tokio::task::block_in_place(|| gateway.stop());
    let (_, overage) = told(&server, &pro, "/api/usage/overage").await;
    assert_eq!((&overage["overage_calls"], &overage["overage_cost_usd"]), (&json!(2), &json!(0.002)));
    // What became of calls that were counted before they were answered.
    let (_, known) = told(&server, &pro, "/api/usage/endpoints").await;
    let of = |endpoint: &str| {
        let one =
            known["endpoints"].as_array().expect("a list").iter().find(|one| one["endpoint"] == endpoint);
        let one = one.unwrap_or_else(|| panic!("{known}"));
        assert!(one["p95_response_time_ms"].is_number() && one["avg_response_time_ms"].is_number(), "{one}");
        (one["total_calls"].clone(), one["success_rate"].clone())
    };
    assert_eq!(of("/status/{id}"), (json!(1), json!(0)));
    assert_eq!(of("/bytes/{id}"), (json!(3), json!(1)));
    let (_, history) = told(&server, &pro, "/api/usage/history?days=2").await;
    let last = history["history"].as_array().expect("days").last().expect("one").clone();
    assert_eq!((&last["total_calls"], &last["failed_calls"]), (&json!(100_002), &json!(1)));
    let (_, of_free) = told(&server, &free, "/api/usage/endpoints").await;
    assert_eq!(of_free["endpoints"][0]["success_rate"], json!(1), "a refusal is no call");
}

#[tokio::test]
async fn a_subject_is_asked_about_as_it_is_recorded() {
    let (server, _) = of_system_c().await;
    let assigned = json!({"customer": "pro", "effective_from": "2020-01-01T00:00:00Z"});
    let assigned = server.post("/v1/subjects/workspace-1/assignments", assigned).await;
    assert_eq!(assigned.status.as_u16() / 100, 2, "{}", assigned.text);
    let asked =
        json!({"customer": "workspace-1", "subject": "workspace-1", "meter": "api.calls", "value": "1"});
    for path in ["check", "leases"] {
        let answer = server.post(&format!("/v1/entitlements/{path}"), asked.clone()).await;
        assert_eq!(answer.status.as_u16() / 100, 2, "{path}: {}", answer.text);
        assert_eq!(answer.json()["limit"], "100000");
        assert_eq!(answer.header("x-ratelimit-limit"), Some("100000"), "{path}");
    }
    // A customer of the name is another, where nothing says that the subject is meant, as in events.
    let named = json!({"customer": "workspace-1", "meter": "api.calls"});
    let known = server.post("/v1/customers", json!({"external_id": "workspace-1"})).await;
    assert_eq!(known.status, 201, "{}", known.text);
    let limit = async |asked: Value| {
        let answer = server.post("/v1/entitlements/check", asked).await;
        (answer.status.as_u16(), answer.json()["limit"].clone())
    };
    assert_eq!(limit(named).await, (429, json!("0")), "it has no plan");
    for whose in [
        asked,
        json!({"customer": "system", "subject": "workspace-1", "meter": "api.calls"}),
        json!({"subject": "workspace-1", "meter": "api.calls"}),
    ] {
        assert_eq!(limit(whose.clone()).await, (200, json!("100000")), "{whose}");
    }
    let named = json!({"customer": "free", "subject": "workspace-1", "meter": "api.calls"});
    assert_eq!(limit(named).await, (200, json!("1000")), "whoever is named wins");
    let nobody =
        server.post("/v1/entitlements/check", json!({"subject": "nobody", "meter": "api.calls"})).await;
    assert_eq!((nobody.status.as_u16(), &nobody.json()["errors"][0]["field"]), (422, &json!("customer")));
    let record = Record::new("workspace-1", "api.calls").subject("workspace-1");
    let client = Client::new(&server.url(""), TEST_KEY).expect("a client");
    let limiter = Limiter::builder(client.clone(), Tracker::start(client).expect("a tracker")).start();
    let decision = limiter.take(&record, 1).await;
    let limit = decision.verdict.and_then(|verdict| verdict.limit);
    assert_eq!((decision.allowed, limit.as_deref()), (true, Some("100000")), "of a lease of its customer");
}
