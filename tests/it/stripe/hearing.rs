//! Events that come: what is Stripe's is taken, once, and what is not is refused.
use super::users::{User, send, subscription};
use super::{PREVIOUS_SECRET, WEBHOOK_SECRET};
use crate::support::server::Setup;
use reckoner_domain::webhook::signature_v1;
use reckoner_server::clock::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Names the folder of the receivers' npm packages.
const NODE_MODULES: &str = "RECKONER_TEST_NODE_MODULES";

/// An event with its signature.
pub struct Signed {
    pub body: String,
    pub header: String,
}

/// Real time, in seconds.
pub fn now() -> i64 {
    Clock::system().real().as_seconds()
}

/// An event that was made at one second and is signed at another.
pub fn signed(secret: &str, id: &str, event_type: &str, (made, sent): (i64, i64), object: &Value) -> Signed {
    let body = json!({
        "id": id, "object": "event", "type": event_type, "created": made, "data": {"object": object},
    });
    let body = body.to_string();
    let header = format!("t={sent},{}", signature_v1(secret, sent, body.as_bytes()));
    Signed { body, header }
}

#[tokio::test]
async fn what_is_not_stripes_is_refused() {
    let user = User::start(Setup::default()).await;
    user.call(Method::GET, "/billing/portal", None).await;
    let object = subscription(&user.customer(), "active", "price_pro");
    let event = |secret: &str, sent: i64| {
        signed(secret, "evt_1", "customer.subscription.created", (now(), sent), &object)
    };
    let good = event(WEBHOOK_SECRET, now());
    let tampered =
        Signed { body: good.body.replace("price_pro", "price_basic"), header: good.header.clone() };
    let unsigned = Signed { body: good.body.clone(), header: String::new() };
    let no_event = Signed {
        body: "[]".to_owned(),
        header: format!("t={},{}", now(), signature_v1(WEBHOOK_SECRET, now(), b"[]")),
    };
    for (name, bad) in [
        ("a changed body", tampered),
        ("another secret", event("whsec_of_somebody_else", now())),
        ("too old", event(WEBHOOK_SECRET, now() - 400)),
        ("no signature", unsigned),
        ("no event", no_event),
    ] {
        let answer = send(&user.server, &bad).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("Bad Request")), "{name}");
    }
    assert_eq!(user.stands().await.0, "free_trial");
    // Two signatures, as while a secret is replaced.
    let other = event("whsec_of_somebody_else", now()).header;
    let (_, other) = other.split_once(',').expect("a signature");
    let both = Signed { header: format!("{},{other}", good.header), body: good.body };
    assert_eq!(send(&user.server, &both).await.status, 200);
    assert_eq!(user.stands().await, ("pro".to_owned(), "active".to_owned()));
}

#[tokio::test]
async fn an_event_counts_once_and_others_are_answered_alike() {
    let user = User::start(Setup::default()).await;
    user.call(Method::GET, "/billing/portal", None).await;
    let paid = json!({"id": "in_1", "customer": user.customer(), "subscription": "sub_1", "amount_paid": 2900, "currency": "usd"});
    let active = subscription(&user.customer(), "active", "price_pro");
    let at = now();
    let created = signed(WEBHOOK_SECRET, "evt_1", "customer.subscription.created", (at, at), &active);
    assert_eq!(send(&user.server, &created).await.status, 200);
    let event = signed(PREVIOUS_SECRET, "evt_2", "invoice.payment_succeeded", (at, at), &paid);
    let sends = (0..5).map(|_| send(&user.server, &event));
    let answers = futures_util::future::join_all(sends).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let stranger = json!({"id": "in_9", "customer": "cus_of_nobody", "subscription": "sub_9", "amount_paid": 1, "currency": "usd"});
    let unknown = signed(WEBHOOK_SECRET, "evt_3", "invoice.payment_succeeded", (at, at), &stranger);
    assert_eq!(send(&user.server, &unknown).await.status, 200);
    let other = signed(WEBHOOK_SECRET, "evt_4", "charge.refunded", (at, at), &json!({"id": "ch_1"}));
    let answer = send(&user.server, &other).await;
    assert_eq!(answer.parts(), (200, json!({"received": true, "eventType": "charge.refunded"})));
    let metrics = user.server.get("/metrics").await.text;
    for line in [
        r#"payment_total{status="succeeded",tier="pro"} 1"#,
        r#"payment_amount_total{tier="pro",currency="usd"} 2900"#,
        r#"stripe_webhook_total{event_type="invoice.payment_succeeded",status="duplicate"} 4"#,
        r#"stripe_webhook_total{event_type="invoice.payment_succeeded",status="unknown_customer"} 1"#,
        r#"stripe_webhook_total{event_type="other",status="ignored"} 1"#,
        r#"subscription_changes_total{from_tier="none",to_tier="pro"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let audit = user.server.get("/v1/audit?actor=stripe:evt_1").await.json();
    assert_eq!(
        audit["data"].as_array().map(Vec::len),
        Some(2),
        "the trial ended and another plan began: {audit}"
    );
}

#[tokio::test]
async fn what_the_package_of_stripe_signs_is_taken() {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the packages are")]
    let Ok(modules) = std::env::var(NODE_MODULES) else {
        println!("skipped: {NODE_MODULES} is not set; ./test.sh sets it");
        return;
    };
    if !Path::new(&modules).join("stripe").exists() {
        println!("skipped: the npm package stripe is not in {modules}; ./test.sh installs it");
        return;
    }
    let user = User::start(Setup::default()).await;
    user.call(Method::GET, "/billing/portal", None).await;
    let object = subscription(&user.customer(), "active", "price_pro");
    let event = signed("unused", "evt_1", "customer.subscription.created", (now(), now()), &object);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/receivers/sign-stripe.mjs");
    let mut child = Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let input = json!({"payload": event.body, "secret": WEBHOOK_SECRET}).to_string();
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success());
    let header = String::from_utf8(output.stdout).expect("a header").trim().to_owned();
    let signed = Signed { body: event.body, header };
    assert_eq!(send(&user.server, &signed).await.status, 200);
    assert_eq!(user.stands().await, ("pro".to_owned(), "active".to_owned()));
}
