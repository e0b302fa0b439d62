//! The process dies after Stripe has done what was asked and before that is written down.
use super::charging::{CRON_SECRET, list, process, with_overage};
use super::front::Front;
use super::standin::StandIn;
use super::with_stripe;
use crate::plans::with_analytics;
use crate::support::on_both_servers;
use crate::support::server::{Setup, TEST_KEY};
use reqwest::Method;
use serde_json::json;

on_both_servers!(wherever_the_process_dies_it_charges_once);
async fn wherever_the_process_dies_it_charges_once(setup: Setup) {
    let Some(standin) = StandIn::start() else { return };
    let front = Front::start(Some(standin.world())).await;
    let setup = with_stripe(setup, &front).env("CRON_SECRET", CRON_SECRET);
    let mut server = setup.env("RECKONER_BILLING_GRACE_MINUTES", "0").start();
    with_analytics(&server).await;
    with_overage(&server, "acme").await;
    let calls = ["POST /v1/customers", "POST /v1/invoices", "POST /v1/invoiceitems", "POST /v1/invoices/"];
    for (times, call) in (1..).zip(calls) {
        front.hold(Some(call));
        let advance = json!({"frozen_time": "2026-02-10T13:00:00Z"});
        let request = server.request(Method::POST, "/v1/test-clock/advance", TEST_KEY).json(&advance);
        let asking = tokio::spawn(request.send());
        front.held(times).await;
        server.kill();
        front.hold(None);
        assert!(asking.await.expect("ends").is_err(), "it died before it answered");
        server.restart();
    }
    server.advance("2026-02-10T13:00:00Z").await;
    process(&server).await;
    for (path, number) in [("/v1/customers", 1), ("/v1/invoiceitems", 1), ("/v1/invoices", 1)] {
        assert_eq!(list(&front, &format!("{path}?limit=100")).await.len(), number, "{path}");
    }
    let invoice = &list(&front, "/v1/invoices?limit=100").await[0];
    assert_eq!((&invoice["total"], &invoice["status"]), (&json!(500), &json!("open")));
    // What was asked again went by the key that it had.
    for call in ["POST /v1/customers", "POST /v1/invoices", "POST /v1/invoiceitems"] {
        let mut keys: Vec<_> = front.asked_of(call).into_iter().map(|one| one.key).collect();
        assert!(keys.len() >= 2, "{call}");
        keys.dedup();
        assert_eq!(keys.len(), 1, "{call}: {keys:?}");
    }
}
