//! A Stripe that is busy, down, or says no.
use super::charging::{CRON_SECRET, process, with_overage};
use super::front::{Asked, Front, Instead};
use super::{KEY, with_stripe};
use crate::plans::with_analytics;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

/// What a Stripe would answer that says yes to everything.
pub fn agreeable(asked: &Asked) -> Option<Value> {
    let made = |prefix: &str, more: Value| {
        let mut object = json!({"id": format!("{prefix}_{}", asked.key.as_deref().unwrap_or("1"))});
        object.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        Some(object)
    };
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/v1/customers") => made("cus", json!({"object": "customer"})),
        ("POST", "/v1/invoices") => made("in", json!({"status": "draft"})),
        ("POST", "/v1/invoiceitems") => made("ii", json!({})),
        ("POST", "/v1/checkout/sessions") => made("cs", json!({"url": "https://checkout.stripe.test/c"})),
        ("POST", "/v1/billing_portal/sessions") => {
            made("bps", json!({"url": "https://billing.stripe.test/p"}))
        }
        ("POST", path) if path.ends_with("/finalize") => made("in", json!({"status": "open"})),
        ("GET", "/v1/customers" | "/v1/invoiceitems") => Some(json!({"data": [], "has_more": false})),
        ("GET", path) if path.starts_with("/v1/customers/") => {
            Some(json!({"id": "cus_1", "default_source": null}))
        }
        _ => None,
    }
}

async fn start(front: &Front) -> Server {
    front.answering(agreeable);
    let setup = with_stripe(Setup::default(), front).env("CRON_SECRET", CRON_SECRET);
    let server = setup.env("RECKONER_BILLING_GRACE_MINUTES", "0").env("RECKONER_LOG_LEVEL", "trace").start();
    with_analytics(&server).await;
    with_overage(&server, "acme").await;
    server
}

/// How the last run of billing ended.
async fn billed(server: &Server) -> String {
    let runs = server.get("/v1/jobs/runs?limit=1000").await.json();
    let last = runs["data"].as_array().expect("runs").iter().find(|run| run["job"] == "invoices");
    last.expect("a run")["result"].as_str().expect("it ended").to_owned()
}

pub fn failure(status: u16, kind: &str, message: &str) -> Instead {
    let body = json!({"error": {"type": kind, "message": message}});
    Instead { status, headers: vec![("retry-after", "0")], body }
}

#[tokio::test]
async fn a_busy_stripe_is_asked_again_under_the_same_key() {
    let front = Front::start(None).await;
    let server = start(&front).await;
    let busy = [failure(429, "rate_limit_error", "too fast"), failure(503, "api_error", "down")];
    front.instead("POST /v1/invoiceitems", busy);
    server.advance("2026-02-10T12:00:00Z").await;
    let asked = front.asked_of("POST /v1/invoiceitems");
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.key == asked[0].key && one.params == asked[0].params));
    assert_eq!(billed(&server).await, "succeeded");
}

#[tokio::test]
async fn what_stripe_refuses_is_asked_once_a_day() {
    let front = Front::start(None).await;
    let server = start(&front).await;
    let said = format!("Your card was declined; {KEY} was sent");
    front.instead("POST /v1/invoiceitems", [failure(402, "card_error", &said)]);
    server.advance("2026-02-10T12:00:00Z").await;
    process(&server).await;
    assert_eq!(front.asked_of("POST /v1/invoiceitems").len(), 1, "neither at once nor with the next run");
    assert_eq!(billed(&server).await, "failed");
    server.advance("2026-02-11T12:00:00Z").await;
    let asked = front.asked_of("POST /v1/invoiceitems");
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].key, asked[1].key, "the refusal would be answered again");
    assert!(!server.log().contains(KEY), "the key is in the log");
}

#[tokio::test]
async fn while_stripe_is_down_nothing_else_waits() {
    let front = Front::start(None).await;
    let server = start(&front).await;
    with_overage(&server, "other").await;
    front.instead("POST /v1/customers", std::iter::repeat_n(failure(500, "api_error", "down"), 1_000));
    server.advance("2026-02-10T12:00:00Z").await;
    // Two calls are made at once, three times each, and what comes after them is not tried.
    assert!(front.asked().len() <= 6, "{:?}", front.asked());
    process(&server).await;
    assert!(front.asked().len() <= 6, "{:?}", front.asked());
    let health = server.get("/health").await;
    assert_eq!(
        (health.status.as_u16(), &health.json()["checks"]["stripe"]["status"]),
        (503, &json!("unhealthy"))
    );
    assert_eq!(server.get("/health/ready").await.status, 200);
}
