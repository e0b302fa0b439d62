//! Users of system D: they check out, and what Stripe tells of that decides about their tier.
use super::failing::agreeable;
use super::front::Front;
use super::hearing::{Signed, now, signed};
use super::{PREVIOUS_SECRET, WEBHOOK_SECRET, with_stripe};
use crate::accounts::{next_mail, outbox};
use crate::plans::users::{apply, register};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

/// A user of project `test`.
pub struct User {
    pub server: Server,
    pub front: Front,
    pub id: String,
    token: String,
}

impl User {
    pub async fn start(setup: Setup) -> Self {
        let front = Front::start(None).await;
        front.answering(agreeable);
        let server = with_stripe(setup, &front).start();
        server.freeze("2026-01-10T12:00:00Z").await;
        apply(&server).await;
        let (id, token) = register(&server, "ann@example.com").await;
        Self { server, front, id, token }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.server.bare(method, path).header("reckoner-project", "test");
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.bearer_auth(&self.token).send().await).await
    }

    /// The tier, and where the subscription stands.
    pub async fn stands(&self) -> (String, String) {
        let me = self.call(Method::GET, "/auth/me", None).await.json();
        let text = |name: &str| me[name].as_str().unwrap_or("-").to_owned();
        (text("subscription_tier"), text("subscription_status"))
    }

    /// What Stripe calls the user.
    pub fn customer(&self) -> String {
        let made = self.front.asked_of("POST /v1/customers");
        format!("cus_{}", made[0].key.as_deref().expect("a key"))
    }
}

/// Sends an event.
pub async fn send(server: &Server, event: &Signed) -> Answer {
    let request = server.bare(Method::POST, "/billing/webhooks").header("stripe-signature", &event.header);
    Answer::of(request.body(event.body.clone()).send().await).await
}

/// A subscription as Stripe shows it.
pub fn subscription(customer: &str, status: &str, price: &str) -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "customer": customer, "status": status,
        "items": {"data": [{"id": "si_1", "price": {"id": price}}]},
    })
}

/// Events of a subscription, each with the tier and the status that it leaves the user with.
fn life(customer: &str) -> [(&'static str, Value, [&'static str; 2]); 5] {
    let invoice = |id: &str, amount: i64| {
        json!({
            "id": id, "customer": customer, "subscription": "sub_1", "currency": "usd",
            "amount_paid": amount, "amount_due": amount,
        })
    };
    let updated = "customer.subscription.updated";
    let begun = subscription(customer, "incomplete", "price_pro");
    let basic = subscription(customer, "active", "price_basic");
    [
        ("customer.subscription.created", begun, ["free_trial", "trialing"]),
        ("invoice.payment_succeeded", invoice("in_1", 2900), ["pro", "active"]),
        (updated, basic.clone(), ["basic", "active"]),
        ("invoice.payment_failed", invoice("in_2", 900), ["basic", "past_due"]),
        (updated, basic, ["basic", "active"]),
    ]
}

on_both_servers!(a_user_checks_out_and_stripe_decides_about_the_tier);
async fn a_user_checks_out_and_stripe_decides_about_the_tier(setup: Setup) {
    let user = User::start(setup).await;
    assert_eq!(user.stands().await, ("free_trial".to_owned(), "trialing".to_owned()));
    let wrong = user.call(Method::POST, "/billing/create-checkout", Some(json!({"tier": "gold"}))).await;
    let text = "tier must be one of the following values: basic, pro";
    assert_eq!(wrong.json(), json!({"statusCode": 400, "message": text, "error": "Bad Request"}));
    let page = user.call(Method::POST, "/billing/create-checkout", Some(json!({"tier": "pro"}))).await;
    assert_eq!((page.status.as_u16(), &page.json()["url"]), (200, &json!("https://checkout.stripe.test/c")));
    let asked = &user.front.asked_of("POST /v1/checkout/sessions")[0];
    assert_eq!(asked.param("line_items[0][price]"), Some("price_pro"));
    let back = "https://app.example.com/billing/success?session_id={CHECKOUT_SESSION_ID}";
    assert_eq!(asked.param("success_url"), Some(back));
    assert_eq!(user.front.asked_of("POST /v1/customers")[0].param("email"), Some("ann@example.com"));
    let customer = user.customer();
    let at = now();
    for (number, (event_type, object, [tier, status])) in (1..).zip(life(&customer)) {
        let made = (at - 60 + number, at);
        let event = signed(WEBHOOK_SECRET, &format!("evt_{number}"), event_type, made, &object);
        let answer = send(&user.server, &event).await;
        assert_eq!(answer.parts(), (200, json!({"received": true, "eventType": event_type})), "{number}");
        assert_eq!(user.stands().await, (tier.to_owned(), status.to_owned()), "{number}");
    }
    let listed = user.server.get(&format!("/v1/subscriptions?customer={}", user.id)).await.json();
    let shown: Vec<_> = listed["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (&one["plan"], &one["collection"]))
        .collect();
    assert_eq!(shown, [(&json!("free_trial"), &json!("reckoner")), (&json!("basic"), &json!("stripe"))]);
    // There is one: another would be charged beside it.
    let second = user.call(Method::POST, "/billing/create-checkout", Some(json!({"tier": "pro"}))).await;
    assert_eq!(second.status, 409, "{}", second.text);
    let portal = user.call(Method::GET, "/billing/portal", None).await;
    assert_eq!(portal.parts(), (200, json!({"url": "https://billing.stripe.test/p"})));
    let usage = user.call(Method::GET, "/billing/usage", None).await.json();
    let nothing = json!({"llm_tokens": 0, "memory_storage": 0, "agent_minutes": 0, "messages": 0});
    assert_eq!(usage, json!({"userId": user.id, "period": "last_30_days", "usage": nothing}));
    let gone = subscription(&customer, "canceled", "price_basic");
    let event = signed(PREVIOUS_SECRET, "evt_6", "customer.subscription.deleted", (at, at), &gone);
    assert_eq!(send(&user.server, &event).await.status, 200);
    assert_eq!(user.stands().await, ("free_restricted".to_owned(), "active".to_owned()));
    assert_eq!(user.front.asked_of("POST /v1/customers").len(), 1, "there is one customer at Stripe");
}

#[tokio::test]
async fn pages_of_one_user_asked_for_at_once_make_one_customer() {
    let user = User::start(Setup::default()).await;
    let asks = (0..8).map(|_| user.call(Method::GET, "/billing/portal", None));
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let mut keys: Vec<_> = user.front.asked_of("POST /v1/customers").into_iter().map(|one| one.key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 1);
    let named: Vec<_> = user.front.asked_of("POST /v1/billing_portal/sessions");
    assert!(named.iter().all(|one| one.param("customer") == Some(user.customer().as_str())));
}

#[tokio::test]
async fn without_stripe_pages_are_refused_in_the_form_of_the_path() {
    let server = Server::start();
    server.freeze("2026-01-10T12:00:00Z").await;
    apply(&server).await;
    let (_, token) = register(&server, "ann@example.com").await;
    let request = server.bare(Method::GET, "/billing/portal").header("reckoner-project", "test");
    let answer = Answer::of(request.bearer_auth(token).send().await).await;
    let expected =
        json!({"statusCode": 503, "message": "Stripe is not configured", "error": "Service Unavailable"});
    assert_eq!(answer.parts(), (503, expected));
}

on_both_servers!(whose_payment_fails_is_due_suspended_and_restored);
async fn whose_payment_fails_is_due_suspended_and_restored(setup: Setup) {
    let user = User::start(setup).await;
    user.call(Method::POST, "/billing/create-checkout", Some(json!({"tier": "pro"}))).await;
    let (customer, at) = (user.customer(), now());
    let mut number = 0;
    let mut tell = async |event_type: &str, object: Value| {
        number += 1;
        let made = (at - 60 + number, at);
        let event = signed(WEBHOOK_SECRET, &format!("evt_{number}"), event_type, made, &object);
        assert_eq!(send(&user.server, &event).await.status, 200);
    };
    let path = format!("/v1/customers/{}/billing-status", user.id);
    let status = async || user.server.get(&path).await.json();
    let [(created, begun, _), (succeeded, paid, _), _, (failed, unpaid, _), _] = life(&customer);
    tell(created, begun).await;
    tell(succeeded, paid.clone()).await;
    assert_eq!(status().await["status"], "active");
    tell(failed, unpaid.clone()).await;
    let owes = status().await;
    let since = "2026-01-10T12:00:00.000000Z";
    assert_eq!((&owes["status"], &owes["due_since"]), (&json!("due"), &json!(since)));
    assert_eq!((&owes["overdue"], &owes["unpaid"]), (&Value::Null, &json!([])));
    let mut seen = outbox(&user.server);
    user.server.advance("2026-01-11T12:00:00Z").await;
    let reminder = loop {
        let mail = next_mail(&user.server, &mut seen).await;
        if mail.contains("Your payment is overdue") {
            break mail;
        }
    };
    let text = "A payment for your subscription failed, and is due since 2026-01-10T12:00:00.000000Z.";
    assert!(reminder.contains(text), "{reminder}");
    user.server.advance("2026-01-24T11:59:59Z").await;
    assert_eq!(status().await["status"], "due");
    user.server.advance("2026-01-24T12:00:00Z").await;
    assert_eq!(status().await["status"], "suspended");
    tell(succeeded, paid).await;
    assert_eq!(status().await["status"], "active");
    // One that ends is not owed any more, whoever ends it.
    tell(failed, unpaid).await;
    assert_eq!(status().await["status"], "due");
    let listed =
        user.server.get(&format!("/v1/subscriptions?customer={}&status=past_due", user.id)).await.json();
    let id = listed["data"][0]["id"].as_str().expect("an id");
    let ended = user.server.post(&format!("/v1/subscriptions/{id}/cancel"), json!({"when": "now"})).await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    assert_eq!(status().await["status"], "active");
}
