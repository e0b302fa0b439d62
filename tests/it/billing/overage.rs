//! The overview of administrators, and overage as system C's clients know it.
use super::{invoices, subscribe, used, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "cron-proof-of-the-tests-0123456789abcdef";

async fn process(server: &Server, secret: &str) -> Answer {
    let request = server.bare(Method::POST, "/api/cron/process-overage");
    let request = request.header("authorization", format!("Bearer {secret}"));
    Answer::of(request.header("reckoner-project", "test").send().await).await
}

async fn own(server: &Server, customer: &str, path: &str) -> Value {
    let made = server.post("/v1/api-keys", json!({"customer": customer})).await.json();
    let key = format!("ApiKey {}.{}", made["id"].as_str().expect("id"), made["key"].as_str().expect("key"));
    Answer::of(server.bare(Method::GET, path).header("authorization", key).send().await).await.json()
}

on_both_servers!(overage_is_charged_once_however_often_it_is_asked_for);
async fn overage_is_charged_once_however_often_it_is_asked_for(setup: Setup) {
    let server = setup.env("CRON_SECRET", SECRET).env("RECKONER_BILLING_GRACE_MINUTES", "0").start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "pro").await;
    subscribe(&server, "other", "free").await;
    used(&server, "a", "acme", 105_000, "2026-01-10T12:00:00Z").await;
    let before = process(&server, SECRET).await;
    assert_eq!(before.status, 200, "{}", before.text);
    assert_eq!(
        before.json()["results"],
        json!({"processed": 0, "charged": 0, "total_usd": "0.00", "errors": []})
    );
    // Ten at once, just before the end and just after it: the periods are closed by one of them or by the job.
    server.advance("2026-02-10T12:00:00Z").await;
    let answers = futures_util::future::join_all((0..10).map(|_| process(&server, SECRET))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.json()["success"] == true));
    let all = invoices(&server, "acme").await;
    let charged: Vec<&str> = all
        .iter()
        .flat_map(|invoice| invoice["lines"].as_array().expect("lines"))
        .filter(|line| line["kind"] == "overage")
        .filter_map(|line| line["amount"]["amount"].as_str())
        .collect();
    assert_eq!(charged, ["5.00"]);
    let told = own(&server, "acme", "/api/usage/overage").await;
    let expected = json!({
        "has_overage": true, "overage_calls": 5000, "overage_cost_usd": 5, "invoiced": true,
        "period_end": "2026-02-10T12:00:00.000Z", "message": "You have been charged $5.00 for 5,000 overage calls.",
    });
    assert_eq!(told, expected);
    used(&server, "b", "acme", 1, "2026-02-10T12:00:00Z").await;
    assert_eq!(own(&server, "acme", "/api/usage/overage").await["message"], "No overage this period.");
}

#[tokio::test]
async fn whoever_starts_the_charging_shows_the_secret() {
    let server = Server::start();
    let refused = process(&server, SECRET).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()),
        (500, json!({"error": "CRON_SECRET not configured"}))
    );
    let server = Setup::default().env("CRON_SECRET", SECRET).start();
    for wrong in ["", "cron-proof", &SECRET[1..]] {
        let refused = process(&server, wrong).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()),
            (401, json!({"error": "Unauthorized"})),
            "{wrong}"
        );
    }
}

on_both_servers!(administrators_see_all_customers_at_once);
async fn administrators_see_all_customers_at_once(setup: Setup) {
    let server = setup.env("RECKONER_BILLING_GRACE_MINUTES", "0").start();
    with_analytics(&server).await;
    for (customer, plan) in [("a", "free"), ("b", "pro"), ("c", "pro"), ("d", "enterprise")] {
        subscribe(&server, customer, plan).await;
    }
    used(&server, "a", "a", 10, "2026-01-10T12:00:00Z").await;
    used(&server, "b", "b", 115_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-02-10T12:00:00Z").await;
    used(&server, "c", "c", 101_000, "2026-02-10T12:00:00Z").await;
    used(&server, "d", "d", 7, "2026-02-10T12:00:00Z").await;
    let overview = server.get("/api/admin/analytics/overview").await.json();
    let expected = json!({
        "total_users": 4, "users_by_plan": {"free": 1, "pro": 2, "enterprise": 1},
        "total_api_calls_this_month": 101_007, "mrr": 598, "mrr_usd": "$598",
        "overage_revenue_this_month": 15, "overage_revenue_usd": "$15.00",
        "total_revenue_this_month": 613, "total_revenue_usd": "$613.00",
        "top_users_by_usage": [
            {"eco_id": "c", "api_calls": 101_000, "plan": "pro"}, {"eco_id": "d", "api_calls": 7, "plan": "enterprise"},
        ],
        "timestamp": "2026-02-10T12:00:00.000Z",
    });
    assert_eq!(overview, expected);
    let users = server.get("/api/admin/analytics/users?sort=overage&limit=2").await.json();
    assert_eq!(users["pagination"], json!({"page": 1, "limit": 2, "total": 4, "total_pages": 2}));
    let first = &users["users"][0];
    let expected = json!({
        "eco_id": "c", "email": null, "plan": "pro", "status": "active", "api_calls": 101_000, "overage_calls": 1_000,
        "overage_cost_usd": 1, "subscription_revenue": 49, "total_revenue": 50,
        "created_at": "2026-01-10T12:00:00.000Z", "last_api_call": "2026-02-10T12:00:00.000Z",
    });
    assert_eq!(*first, expected);
    let names = |answer: Value| {
        let users = answer["users"].as_array().expect("users").clone();
        users.iter().map(|one| one["eco_id"].as_str().expect("a name").to_owned()).collect::<String>()
    };
    for (query, expected) in [
        ("sort=usage", "cdba"),
        ("sort=revenue", "dcba"),
        ("sort=created", "dcba"),
        ("sort=created&plan=pro", "cb"),
        ("sort=created&limit=3&page=2", "a"),
        ("limit=0", "c"),
        ("page=9", ""),
    ] {
        let answer = server.get(&format!("/api/admin/analytics/users?{query}")).await;
        assert_eq!((answer.status.as_u16(), names(answer.json()).as_str()), (200, expected), "{query}");
    }
    let wrong = server.get("/api/admin/analytics/users?sort=name").await;
    assert_eq!(wrong.status, 400);
    let made = server.post("/v1/api-keys", json!({"customer": "a"})).await.json();
    let key = made["key"].as_str().expect("a key").to_owned();
    for path in ["/api/admin/analytics/overview", "/api/admin/analytics/users"] {
        let refused = server.bare(Method::GET, path).header("x-apikey", &key).send().await;
        let refused = Answer::of(refused).await;
        assert_eq!((refused.status.as_u16(), refused.json()), (403, json!({"error": "Forbidden"})));
    }
}

#[tokio::test]
async fn revenue_moves_as_customers_come_and_go() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "stays", "pro").await;
    let grows = subscribe(&server, "grows", "pro").await;
    let leaves = subscribe(&server, "leaves", "enterprise").await;
    subscribe(&server, "free", "free").await;
    server.advance("2026-01-20T00:00:00Z").await;
    let path =
        |one: &Value, what: &str| format!("/v1/subscriptions/{}/{what}", one["id"].as_str().expect("an id"));
    server.post(&path(&grows, "change-plan"), json!({"plan": "enterprise"})).await;
    server.post(&path(&leaves, "cancel"), json!({"when": "now"})).await;
    subscribe(&server, "comes", "pro").await;
    let revenue = server.get("/v1/revenue?from=2026-01-19T00:00:00Z").await.json();
    let usd = |amount: &str| json!({"amount": amount, "currency": "USD"});
    let expected = json!({
        "mrr": usd("598.00"), "arr": usd("7176.00"), "mrr_before": usd("598.00"), "revenue_churn_rate": "0.836120401337792642",
        "customers_before": 3, "customers": 3, "customers_lost": 1, "customer_churn_rate": "0.333333333333333333",
        "new": usd("49.00"), "expansion": usd("451.00"), "contraction": usd("0.00"), "churn": usd("500.00"),
    });
    assert_eq!((&revenue["data"][0], &revenue["to"]), (&expected, &json!("2026-01-20T00:00:00.000000Z")));
    for path in ["/v1/revenue", "/v1/revenue/meters"] {
        let wrong = server.get(&format!("{path}?from=x&to=y")).await.json();
        assert_eq!(wrong["errors"].as_array().map(Vec::len), Some(2), "{path}");
    }
    // What usage brought, by meter: of periods that were closed in the time.
    let event = json!({"customer": "stays", "meter": "api.calls", "value": 105_000, "id": "of-stays"});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
    server.advance("2026-02-11T00:00:00Z").await;
    let by_meter =
        async |query: &str| server.get(&format!("/v1/revenue/meters{query}")).await.json()["data"].take();
    let charged = json!([{"meter": "api.calls", "charged": usd("5.00"), "periods": 2}]);
    assert_eq!(by_meter("?from=2026-02-10T13:00:00Z").await, charged);
    assert_eq!(by_meter("?to=2026-02-10T13:00:00Z").await, json!([]));
    assert_eq!(server.get("/v1/revenue/meters?from=2020-01-01T00:00:00Z").await.status, 422);
}

#[tokio::test]
async fn a_live_project_with_final_invoices_is_not_cleared() {
    let server = Setup::default().env("CRON_SECRET", SECRET).start();
    let live = |path: &str| server.request(Method::POST, path, crate::support::server::LIVE_KEY);
    let plan = json!({"key": "p", "currency": "USD", "interval": "month", "base_price": "5.00"});
    assert_eq!(Answer::of(live("/v1/plans").json(&plan).send().await).await.status, 201);
    let clear = json!({"project": "live", "what": "events"});
    assert_eq!(Answer::of(live("/v1/clear").json(&clear).send().await).await.status, 200);
    let subscription = json!({"customer": "acme", "plan": "p"});
    assert_eq!(Answer::of(live("/v1/subscriptions").json(&subscription).send().await).await.status, 201);
    let request = server.bare(Method::POST, "/api/cron/process-overage");
    let begun = request.header("authorization", format!("Bearer {SECRET}")).send().await;
    assert_eq!(Answer::of(begun).await.status, 200);
    for what in ["events", "aggregations"] {
        let clear = json!({"project": "live", "what": what});
        let refused = Answer::of(live("/v1/clear").json(&clear).send().await).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (409, &json!("project_invoiced")));
    }
}
