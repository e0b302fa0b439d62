//! Usage and overage become invoice items at Stripe, once.
use super::front::Front;
use super::standin::StandIn;
use super::with_stripe;
use crate::plans::with_analytics;
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

/// Starts what is due.
pub const CRON_SECRET: &str = "cron-proof-of-the-tests-0123456789abcdef";

/// A customer whose plan Stripe collects for, with 5,000 calls beyond its limit in the first month.
pub async fn with_overage(server: &Server, customer: &str) -> Value {
    let wanted = json!({"customer": customer, "plan": "pro", "collection": "stripe"});
    let made = server.post("/v1/subscriptions", wanted).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let event = json!({"id": format!("use-{customer}"), "customer": customer, "meter": "api.calls", "value": 105_000});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
    made.json()
}

/// Has what is due charged.
pub async fn process(server: &Server) -> Value {
    let request = server.bare(Method::POST, "/api/cron/process-overage");
    let request = request.header("authorization", format!("Bearer {CRON_SECRET}"));
    let answer = Answer::of(request.header("reckoner-project", "test").send().await).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["results"].clone()
}

/// The objects of a list at Stripe.
pub async fn list(front: &Front, path: &str) -> Vec<Value> {
    front.behind(path).await["data"].as_array().expect("a list").clone()
}

on_both_servers!(overage_is_one_item_on_one_invoice_however_often_it_is_asked_for);
async fn overage_is_one_item_on_one_invoice_however_often_it_is_asked_for(setup: Setup) {
    let Some(standin) = StandIn::start() else { return };
    let front = Front::start(Some(standin.world())).await;
    let setup = with_stripe(setup, &front).env("CRON_SECRET", CRON_SECRET);
    let server = setup.env("RECKONER_BILLING_GRACE_MINUTES", "0").start();
    with_analytics(&server).await;
    with_overage(&server, "acme").await;
    server.advance("2026-02-10T12:00:00Z").await;
    futures_util::future::join_all((0..10).map(|_| process(&server))).await;
    let items = list(&front, "/v1/invoiceitems?limit=100").await;
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((&item["amount"], &item["currency"]), (&json!(500), &json!("usd")));
    assert!(item["metadata"]["reckoner_charge"].as_str().is_some_and(|id| id.starts_with("chg_")));
    let customers = list(&front, "/v1/customers?limit=100").await;
    assert_eq!(customers.len(), 1);
    // No subscription of Stripe's bills it: an invoice of its own does.
    let invoices = list(&front, "/v1/invoices?limit=100").await;
    let [invoice] = invoices.as_slice() else { panic!("{invoices:?}") };
    assert_eq!((&invoice["total"], &invoice["customer"]), (&json!(500), &item["customer"]));
    assert_eq!((&invoice["status"], &invoice["collection_method"]), (&json!("open"), &json!("send_invoice")));
    // Each call that changes something has a key of its own, and names the version.
    let posts: Vec<_> = front.asked().into_iter().filter(|one| one.method == "POST").collect();
    assert!(posts.iter().all(|one| one.key.is_some() && one.version.is_some()), "{posts:?}");
    let audit = server.get("/v1/audit?action=charge.collected").await.json();
    assert_eq!(audit["data"].as_array().map(Vec::len), Some(1));
    // The next month has no usage, and makes nothing.
    server.advance("2026-03-10T12:00:00Z").await;
    process(&server).await;
    assert_eq!(list(&front, "/v1/invoiceitems?limit=100").await.len(), 1);
}

#[tokio::test]
async fn without_stripe_charges_wait_and_all_else_works() {
    let server = Setup::default().env("CRON_SECRET", CRON_SECRET).start();
    with_analytics(&server).await;
    with_overage(&server, "acme").await;
    server.advance("2026-02-10T14:00:00Z").await;
    assert_eq!(process(&server).await["charged"], 0);
    let health = server.get("/health").await;
    assert_eq!(
        (health.status.as_u16(), &health.json()["checks"]["stripe"]),
        (200, &json!({"status": "unknown"}))
    );
    for (method, path) in [(Method::POST, "/v1/stripe/reconcile"), (Method::POST, "/billing/webhooks")] {
        let key = crate::support::server::TEST_KEY;
        let answer = Answer::of(server.request(method, path, key).body("{}").send().await).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(answer.text.contains("Stripe is not configured"), "{}", answer.text);
    }
}
