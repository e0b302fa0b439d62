//! Customers that do not pay: reminded, suspended, restored at once.
use super::{invoices, used};
use crate::accounts::{next_mail, outbox};
use crate::plans::users::World;
use crate::plans::{subscribe, with_analytics};
use crate::support::hook::Hook;
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn status(server: &Server, customer: &str) -> Value {
    server.get(&format!("/v1/customers/{customer}/billing-status")).await.json()
}

/// Status code and reason of a wish to use a call.
async fn wish(server: &Server, path: &str, body: Value) -> (u16, Value) {
    let answer = server.post(&format!("/v1/entitlements/{path}"), body).await;
    (answer.status.as_u16(), answer.json()["reason"].clone())
}

async fn wishes(server: &Server, id: &str, customer: &str) -> [(u16, Value); 3] {
    let event = json!({"id": id, "customer": customer, "meter": "api.calls"});
    let asked = json!({"customer": customer, "meter": "api.calls", "value": "1"});
    [
        wish(server, "check", asked.clone()).await,
        wish(server, "consume", event).await,
        wish(server, "leases", asked).await,
    ]
}

async fn pay(server: &Server, invoice: &Value) {
    let id = invoice["id"].as_str().expect("an id");
    let paid = server.post(&format!("/v1/invoices/{id}/pay"), json!({})).await;
    assert_eq!(paid.status, 200, "{}", paid.text);
}

async fn owing(server: &Server, query: &str) -> Vec<(String, String)> {
    let list = server.get(&format!("/v1/owing-customers{query}")).await.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let each = list["data"].as_array().expect("customers").iter();
    each.map(|one| (text(&one["customer"]), text(&one["status"]))).collect()
}

on_both_servers!(who_does_not_pay_is_suspended_after_fourteen_days_and_restored_at_once);
async fn who_does_not_pay_is_suspended_after_fourteen_days_and_restored_at_once(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "pro").await;
    subscribe(&server, "payer", "pro").await;
    server.advance("2026-01-10T12:00:01Z").await;
    pay(&server, &invoices(&server, "payer").await[0]).await;
    let before = status(&server, "acme").await;
    assert_eq!(
        (&before["status"], &before["due_since"], &before["overdue"]),
        (&json!("active"), &json!("2026-01-24T12:00:00.000000Z"), &Value::Null)
    );
    assert_eq!(before["unpaid"][0]["amount_due"], json!({"amount": "49.00", "currency": "USD"}));
    server.advance("2026-01-24T11:59:59Z").await;
    assert_eq!(owing(&server, "").await, []);
    server.advance("2026-01-24T12:00:00Z").await;
    assert_eq!(owing(&server, "").await, [("acme".to_owned(), "due".to_owned())]);
    server.advance("2026-02-07T11:59:59Z").await;
    let due = status(&server, "acme").await;
    assert_eq!(
        (&due["status"], &due["reminders"], &due["overdue"]["amount"]),
        (&json!("due"), &json!(3), &json!("49.00"))
    );
    let allowed = [(200, Value::Null), (200, Value::Null), (201, Value::Null)];
    assert_eq!(wishes(&server, "a", "acme").await, allowed);

    server.advance("2026-02-07T12:00:00Z").await;
    assert_eq!(status(&server, "acme").await["status"], json!("suspended"));
    let refused = (429, json!("suspended"));
    assert_eq!(wishes(&server, "b", "acme").await, [refused.clone(), refused.clone(), refused]);
    assert_eq!(wishes(&server, "c", "payer").await, allowed);
    // What was used is recorded all the same, and reading goes on.
    used(&server, "d", "acme", 3, "2026-02-07T12:00:00Z").await;
    assert_eq!(server.get("/v1/customers/acme/entitlements").await.status, 200);
    assert_eq!(owing(&server, "?status=suspended").await, [("acme".to_owned(), "suspended".to_owned())]);
    assert_eq!(owing(&server, "?status=due").await, []);
    assert_eq!(server.get("/v1/owing-customers?status=active").await.status, 422);

    // A second invoice does not end what is owed, nor does paying it.
    server.advance("2026-02-25T00:00:00Z").await;
    let all = invoices(&server, "acme").await;
    pay(&server, &all[1]).await;
    assert_eq!(status(&server, "acme").await["due_since"], json!("2026-01-24T12:00:00.000000Z"));
    assert_eq!(wishes(&server, "e", "acme").await[1].0, 429);
    pay(&server, &all[0]).await;
    let restored = status(&server, "acme").await;
    assert_eq!(
        (&restored["status"], &restored["due_since"], &restored["reminders"]),
        (&json!("active"), &Value::Null, &json!(0))
    );
    assert_eq!(wishes(&server, "f", "acme").await, allowed);
    let noted = server.get("/v1/audit?limit=1000").await.json();
    let changes: Vec<&Value> = noted["data"]
        .as_array()
        .expect("entries")
        .iter()
        .filter(|one| one["action"] == json!("customer.billing_status_changed"))
        .map(|one| &one["after"]["status"])
        .collect();
    let payers_second = json!("due");
    assert_eq!(changes.iter().filter(|one| **one == &payers_second).count(), 2, "acme, then payer");
    assert_eq!(changes.iter().filter(|one| ***one == json!("suspended")).count(), 1);
    assert_eq!(changes.iter().filter(|one| ***one == json!("active")).count(), 1);
}

on_both_servers!(an_invoice_that_is_withdrawn_or_given_up_on_is_not_owed);
async fn an_invoice_that_is_withdrawn_or_given_up_on_is_not_owed(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let ends = [("void", "void"), ("bad-debt", "write-off")];
    for (customer, _) in ends {
        subscribe(&server, customer, "pro").await;
    }
    server.advance("2026-01-10T12:00:01Z").await;
    for (customer, end) in ends {
        let id = invoices(&server, customer).await[0]["id"].as_str().expect("an id").to_owned();
        assert_eq!(status(&server, customer).await["due_since"], json!("2026-01-24T12:00:00.000000Z"));
        let ended = server.post(&format!("/v1/invoices/{id}/{end}"), json!({})).await;
        assert_eq!(ended.status, 200, "{}", ended.text);
        assert_eq!(status(&server, customer).await["due_since"], Value::Null, "{customer}");
    }
    server.advance("2026-02-09T00:00:00Z").await;
    assert_eq!(owing(&server, "").await, []);
}

#[tokio::test]
async fn endpoints_hear_of_every_step_once() {
    let hook = Hook::start().await;
    let server = Setup::default().env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true").start();
    with_analytics(&server).await;
    let types = ["customer.billing_status_changed", "customer.payment_reminder"];
    let made = server.post("/v1/webhook-endpoints", json!({"url": hook.url, "event_types": types})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    subscribe(&server, "acme", "pro").await;
    // Everything at once: a clock that leaps leaves out no step.
    server.advance("2026-02-07T12:00:00Z").await;
    pay(&server, &invoices(&server, "acme").await[0]).await;
    let mut told: Vec<String> = hook
        .wait_for(6)
        .await
        .iter()
        .map(|told| {
            let data = &told.body["data"];
            let at = told.body["created"].as_i64().expect("seconds");
            match data["reminder"].as_u64() {
                Some(number) => format!("{at} reminder {number}: {}", data["amount_due"]),
                None => format!("{at} {} to {}", data["previous_status"], data["status"]),
            }
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            r#"1769256000 "active" to "due""#,
            r#"1769342400 reminder 1: "49.00""#,
            r#"1769860800 reminder 2: "49.00""#,
            r#"1770379200 reminder 3: "49.00""#,
            r#"1770465600 "due" to "suspended""#,
            r#"1770465600 "suspended" to "active""#,
        ]
    );
}

on_both_servers!(people_are_mailed_three_reminders);
async fn people_are_mailed_three_reminders(setup: Setup) {
    let setup = setup.env("RECKONER_BILLING_INVOICE_MAILS", "false");
    let world = World::start(setup).await.on_plan("basic").await;
    let mut seen = BTreeSet::new();
    next_mail(&world.server, &mut seen).await;
    // The trial ends on the 17th, and its plan is paid for from then on.
    world.server.advance("2026-01-17T12:00:01Z").await;
    let invoice = invoices(&world.server, &world.user).await[0].clone();
    assert_eq!(invoice["amount_due"]["amount"], json!("9.00"));
    for what in ["billed from then on", "billed from now on"] {
        let mail = next_mail(&world.server, &mut seen).await;
        assert!(mail.contains(what), "{mail}");
    }
    for (day, number) in
        [("2026-02-01T13:00:00Z", 1), ("2026-02-07T13:00:00Z", 2), ("2026-02-13T13:00:00Z", 3)]
    {
        world.server.advance(day).await;
        let mail = next_mail(&world.server, &mut seen).await;
        assert!(mail.contains("To: ann@example.com") && mail.contains("Your payment is overdue"), "{mail}");
        assert!(mail.contains("9.00 USD is due since 2026-01-31T12:00:0"), "{mail}");
        assert!(mail.contains(&format!("This is reminder {number} of 3.")), "{mail}");
    }
    world.server.advance("2026-02-15T00:00:00Z").await;
    let request = world.server.bare(Method::POST, "/usage/check-quota").header("reckoner-project", "test");
    let asked = json!({"resourceType": "messages", "amount": 1});
    let answer = Answer::of(request.bearer_auth(world.token()).json(&asked).send().await).await.json();
    assert_eq!(
        answer,
        json!({"hasQuota": false, "message": "The account is suspended: please pay what is due"})
    );
    assert_eq!(outbox(&world.server), seen, "no other");
}
