//! What is sent is what Stripe's own description of its API has: the one that comes with the stand-in.
use super::charging::{CRON_SECRET, process, with_overage};
use super::failing::agreeable;
use super::front::Front;
use super::standin::python;
use super::users::{User, send, subscription};
use super::{WEBHOOK_SECRET, with_stripe};
use crate::plans::with_analytics;
use crate::stripe::hearing::{now, signed};
use crate::support::server::Setup;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Everything that is ever asked of Stripe.
async fn asked() -> Vec<Value> {
    let user = User::start(Setup::default()).await;
    user.call(Method::POST, "/billing/create-checkout", Some(json!({"tier": "pro"}))).await;
    user.call(Method::GET, "/billing/portal", None).await;
    user.server.post("/v1/stripe/reconcile", json!({})).await;
    let front = Front::start(None).await;
    front.answering(agreeable);
    let setup = with_stripe(Setup::default(), &front).env("CRON_SECRET", CRON_SECRET);
    let server = setup.env("RECKONER_BILLING_GRACE_MINUTES", "0").start();
    with_analytics(&server).await;
    with_overage(&server, "acme").await;
    with_overage(&server, "subscribed").await;
    // The second one has a subscription at Stripe, which bills its items.
    let made = server.post("/v1/api-keys", json!({"customer": "subscribed"})).await.json();
    let key = made["key"].as_str().expect("a key");
    server.request(Method::GET, "/billing/portal", key).send().await.expect("an answer");
    let customer = format!("cus_{}", front.asked_of("POST /v1/customers")[0].key.as_deref().expect("a key"));
    let object = subscription(&customer, "active", "price_pro");
    let event = signed(WEBHOOK_SECRET, "evt_1", "customer.subscription.created", (now(), now()), &object);
    assert_eq!(send(&server, &event).await.status, 200);
    server.advance("2026-02-10T12:00:00Z").await;
    process(&server).await;
    let all = user.front.asked().into_iter().chain(front.asked());
    let items = front.asked_of("POST /v1/invoiceitems");
    assert!(items.iter().any(|one| one.param("subscription") == Some("sub_1")), "{items:?}");
    assert!(items.iter().any(|one| one.param("invoice").is_some()), "{items:?}");
    all.map(|one| json!({"method": one.method, "path": one.path, "params": one.params})).collect()
}

#[tokio::test]
async fn every_request_is_as_stripe_describes_it() {
    let Some(python) = python() else { return };
    let asked = asked().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/standins/stripe_spec.py");
    let check = |requests: &[Value]| {
        let mut child = Command::new(&python)
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let input = json!(requests).to_string();
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "the description cannot be read");
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let checked = check(&asked);
    assert_eq!(checked["problems"], json!([]));
    for path in [
        "/v1/checkout/sessions",
        "/v1/billing_portal/sessions",
        "/v1/invoiceitems",
        "/v1/invoices",
        "/v1/customers",
    ] {
        assert!(asked.iter().any(|one| one["path"] == path), "{path} was not asked");
    }
    // A parameter that Stripe does not have is found, and one that it asks for.
    let wrong =
        json!({"method": "POST", "path": "/v1/billing_portal/sessions", "params": [["customr", "cus_1"]]});
    assert!(check(&[wrong])["problems"].as_array().is_some_and(|all| !all.is_empty()));
}
