use super::{invoices, path, shown, subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use serde_json::{Value, json};

fn usd(amount: &str) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

async fn ask(server: &Server, customer: &str, what: &str, body: Value) -> Answer {
    server.post(&format!("/v1/customers/{customer}/wallet/{what}"), body).await
}

async fn available(server: &Server, customer: &str) -> Value {
    server.get(&format!("/v1/customers/{customer}/wallet")).await.json()["available"]["amount"].clone()
}

on_both_servers!(invoices_draw_on_the_wallet_first_and_give_back_to_it);
async fn invoices_draw_on_the_wallet_first_and_give_back_to_it(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let subscription = subscribe(&server, "acme", "enterprise").await;
    assert_eq!(available(&server, "acme").await, Value::Null);
    assert_eq!(ask(&server, "acme", "top-ups", json!({"amount": usd("620.00")})).await.status, 201);
    server.advance("2026-01-10T12:00:01Z").await;
    let first = invoices(&server, "acme").await;
    assert_eq!(
        first.iter().map(shown).collect::<Vec<_>>(),
        ["paid 0.00: base 500.00 Enterprise, wallet -500.00 Paid from the wallet"]
    );
    assert_eq!(available(&server, "acme").await, "120.00");
    // A cheaper plan at once gives more back than it costs.
    let moved = json!({"plan": "free", "when": "now"});
    server.advance("2026-01-20T12:00:00Z").await;
    server.post(&path(&subscription, "/change-plan"), moved).await;
    server.advance("2026-02-10T13:00:00Z").await;
    let second = invoices(&server, "acme").await.pop().expect("an invoice");
    assert_eq!(
        shown(&second),
        "paid 0.00: base -338.71 Enterprise, given back, wallet 338.71 Credited to the wallet"
    );
    assert_eq!(available(&server, "acme").await, "458.71");
    let entries = server.get("/v1/customers/acme/wallet/entries").await.json();
    let told: Vec<(&Value, &Value, &Value)> = entries["data"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|one| (&one["kind"], &one["amount"]["amount"], &one["invoice"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("credit"), &json!("338.71"), &second["id"]),
            (&json!("deduct"), &json!("500.00"), &first[0]["id"]),
            (&json!("top_up"), &json!("620.00"), &Value::Null),
        ]
    );
}

#[tokio::test]
async fn an_invoice_that_is_withdrawn_gives_the_wallet_back_what_it_took() {
    let server = Server::start();
    with_analytics(&server).await;
    ask_new(&server, "acme").await;
    ask(&server, "acme", "top-ups", json!({"amount": usd("10.00")})).await;
    subscribe(&server, "acme", "pro").await;
    server.advance("2026-01-10T12:00:01Z").await;
    let invoice = invoices(&server, "acme").await.pop().expect("an invoice");
    assert_eq!(shown(&invoice), "finalized 39.00: base 49.00 Pro, wallet -10.00 Paid from the wallet");
    let id = invoice["id"].as_str().expect("an id");
    assert_eq!(server.post(&format!("/v1/invoices/{id}/void"), json!({})).await.status, 200);
    assert_eq!(available(&server, "acme").await, "10.00");
}

async fn ask_new(server: &Server, customer: &str) {
    let made = server.post("/v1/customers", json!({"external_id": customer})).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

on_both_servers!(nothing_is_taken_that_is_not_there_whoever_asks_at_once);
async fn nothing_is_taken_that_is_not_there_whoever_asks_at_once(setup: Setup) {
    let server = setup.start();
    server.freeze("2026-01-10T12:00:00Z").await;
    ask_new(&server, "acme").await;
    ask(&server, "acme", "top-ups", json!({"amount": usd("10.00")})).await;
    let server = &server;
    let asked = (0..30).map(|number| async move {
        let body = json!({"amount": usd("1.00"), "hold": format!("h{number}")});
        let what = if number % 2 == 0 { "holds" } else { "deductions" };
        let body = if number % 2 == 0 { body } else { json!({"amount": usd("1.00")}) };
        (what, number, ask(server, "acme", what, body).await)
    });
    let answers = futures_util::future::join_all(asked).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(.., answer)| answer.status == 201);
    assert_eq!((taken.len(), refused.len()), (10, 20));
    assert!(refused.iter().all(|(.., answer)| answer.json()["code"] == "insufficient_credit"));
    for (what, number, _) in taken {
        if *what == "holds" {
            let released = ask(server, "acme", &format!("holds/h{number}/release"), json!({})).await;
            assert_eq!(released.status, 201, "{}", released.text);
        }
    }
    let wallet = server.get("/v1/customers/acme/wallet").await.json();
    assert_eq!(wallet["held"], usd("0.00"));
    let deducted = answers.iter().filter(|(what, _, one)| *what == "deductions" && one.status == 201).count();
    assert_eq!(wallet["available"]["amount"], json!(format!("{}.00", 10 - deducted)));
}

on_both_servers!(credit_expires_at_its_instant_and_a_hold_pays_with_what_it_reserved);
async fn credit_expires_at_its_instant_and_a_hold_pays_with_what_it_reserved(setup: Setup) {
    let server = setup.start();
    server.freeze("2026-01-10T12:00:00Z").await;
    ask_new(&server, "acme").await;
    let soon =
        json!({"amount": usd("10.00"), "expires_at": "2026-01-11T00:00:00Z", "description": "welcome"});
    assert_eq!(ask(&server, "acme", "top-ups", soon).await.status, 201);
    ask(&server, "acme", "holds", json!({"amount": usd("4.00"), "hold": "order 17"})).await;
    server.advance("2026-01-11T00:00:00Z").await;
    assert_eq!(available(&server, "acme").await, "0.00");
    let entries = async || server.get("/v1/customers/acme/wallet/entries").await.json()["data"].clone();
    let expired = entries().await[0].clone();
    assert_eq!(
        (&expired["kind"], &expired["amount"], &expired["created_at"]),
        (&json!("expire"), &usd("6.00"), &json!("2026-01-11T00:00:00.000000Z"))
    );
    let noted = server.get("/v1/audit?action=wallet.changed").await.json();
    assert_eq!(noted["data"][0]["after"]["kind"], "expire");
    // It is written down once.
    server.advance("2026-01-12T00:00:00Z").await;
    assert_eq!(entries().await[0], expired);
    let more = ask(&server, "acme", "holds/order%2017/deduct", json!({"amount": usd("4.01")})).await;
    assert_eq!((more.status.as_u16(), &more.json()["code"]), (409, &json!("insufficient_credit")));
    let paid = ask(&server, "acme", "holds/order%2017/deduct", json!({"amount": usd("3.00")})).await;
    assert_eq!(paid.status, 201, "{}", paid.text);
    assert_eq!(available(&server, "acme").await, "0.00", "what is left of the hold has expired");
    assert_eq!(ask(&server, "acme", "holds/none/release", json!({})).await.status, 404);
    let wrong =
        json!({"amount": {"amount": "1.005", "currency": "USD"}, "expires_at": "2026-01-01T00:00:00Z"});
    let wrong = ask(&server, "acme", "top-ups", wrong).await;
    let fields: Vec<Value> =
        wrong.json()["errors"].as_array().expect("errors").iter().map(|one| one["field"].clone()).collect();
    assert_eq!((wrong.status.as_u16(), fields), (422, vec![json!("amount.amount"), json!("expires_at")]));
    let euro = json!({"amount": {"amount": "1.00", "currency": "EUR"}});
    assert_eq!(ask(&server, "acme", "top-ups", euro).await.json()["code"], "currency_differs");
}

#[tokio::test]
async fn wallet_and_plan_of_a_customer_have_one_currency() {
    let server = Server::start();
    with_analytics(&server).await;
    let euro = json!({"amount": {"amount": "1.00", "currency": "EUR"}});
    subscribe(&server, "dollars", "pro").await;
    assert_eq!(ask(&server, "dollars", "top-ups", euro.clone()).await.json()["code"], "currency_differs");
    assert_eq!(ask(&server, "dollars", "top-ups", json!({"amount": usd("1.00")})).await.status, 201);
    ask_new(&server, "euros").await;
    assert_eq!(ask(&server, "euros", "top-ups", euro).await.status, 201);
    let plan = server.post("/v1/subscriptions", json!({"customer": "euros", "plan": "pro"})).await;
    assert_eq!((plan.status.as_u16(), &plan.json()["code"]), (409, &json!("currency_differs")));
}

#[tokio::test]
async fn a_top_up_that_is_sent_again_is_made_once() {
    let server = Server::start();
    ask_new(&server, "acme").await;
    let path = "/v1/customers/acme/wallet/top-ups";
    let body = json!({"amount": usd("5.00")});
    for replayed in [false, true] {
        let request = server.request(reqwest::Method::POST, path, crate::support::server::TEST_KEY);
        let answer = request.header("idempotency-key", "top-up-1").json(&body).send().await;
        let answer = Answer::of(answer).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.header("idempotent-replayed").is_some(), replayed);
    }
    assert_eq!(available(&server, "acme").await, "5.00");
}
