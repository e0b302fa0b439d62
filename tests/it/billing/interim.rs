//! Changes that are invoiced before their period ends.
use super::{invoices, path, shown, subscribe, used, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

async fn change(server: &Server, subscription: &Value, change: Value) {
    let changed = server.post(&path(subscription, "/change-plan"), change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

async fn all(server: &Server, customer: &str) -> Vec<String> {
    invoices(server, customer).await.iter().map(shown).collect()
}

on_both_servers!(a_change_is_invoiced_at_once_and_left_out_at_the_end_of_the_period);
async fn a_change_is_invoiced_at_once_and_left_out_at_the_end_of_the_period(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    server.advance("2026-04-01T00:00:00Z").await;
    let subscription = subscribe(&server, "acme", "pro").await;
    server.advance("2026-04-11T00:00:00Z").await;
    used(&server, "a", "acme", 50_000, "2026-04-05T00:00:00Z").await;
    change(&server, &subscription, json!({"plan": "enterprise", "invoice_now": true})).await;
    server.advance("2026-04-11T00:00:01Z").await;
    let two = invoices(&server, "acme").await;
    assert_eq!(
        two.iter().map(shown).collect::<Vec<_>>(),
        [
            "finalized 49.00: base 49.00 Pro",
            "finalized 300.66: base -32.67 Pro, given back, base 333.33 Enterprise",
        ]
    );
    let at = json!("2026-04-11T00:00:00.000000Z");
    let now = &two[1];
    assert_eq!((&now["number"], &now["period_start"], &now["period_end"]), (&json!(2), &at, &at));
    // What was used waits for the end of the period, and so does a change of which nothing is said. What was scheduled
    // and is taken back changes no fees.
    server.advance("2026-04-21T00:00:00Z").await;
    change(&server, &subscription, json!({"plan": "pro", "when": "now"})).await;
    change(&server, &subscription, json!({"plan": "free"})).await;
    change(&server, &subscription, json!({"plan": "pro", "when": "now", "invoice_now": true})).await;
    server.advance("2026-04-30T00:00:00Z").await;
    assert_eq!(invoices(&server, "acme").await, two);
    let upcoming = server.get(&path(&subscription, "/upcoming-invoice")).await.json();
    let of_period = "0.00: base -166.67 Enterprise, given back, base 16.33 Pro, base 49.00 Pro, \
                     overage 16.67 api.calls, overage 0.00 api.calls, wallet 84.67 Credited to the wallet";
    assert_eq!(shown(&upcoming), format!("draft {of_period}"));
    server.advance("2026-05-01T01:00:00Z").await;
    assert_eq!(all(&server, "acme").await[2..], [format!("paid {of_period}")]);
    // Rated anew, it differs by nothing but what came late.
    used(&server, "b", "acme", 1_000, "2026-04-05T00:00:00Z").await;
    server.advance("2026-06-01T01:00:00Z").await;
    let next = "paid 0.00: base 49.00 Pro, overage 0.00 api.calls, adjustment 1.00 api.calls, 2026-04-01 to 2026-04-11, \
                wallet -50.00 Paid from the wallet";
    assert_eq!(all(&server, "acme").await[3..], [next]);
}

on_both_servers!(another_interval_is_paid_for_at_once);
async fn another_interval_is_paid_for_at_once(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let yearly = json!({"plans": [{"key": "yearly", "name": "Yearly", "currency": "USD", "base_price": "490.00", "interval": "year"}]});
    assert_eq!(server.post("/v1/catalog/apply", yearly).await.status, 200);
    server.advance("2026-04-01T00:00:00Z").await;
    let subscription = subscribe(&server, "acme", "pro").await;
    server.advance("2026-04-16T00:00:00Z").await;
    used(&server, "a", "acme", 50_100, "2026-04-16T00:00:00Z").await;
    used(&server, "b", "acme", 50_100, "2026-04-15T23:59:59Z").await;
    change(&server, &subscription, json!({"plan": "yearly", "when": "now", "invoice_now": true})).await;
    server.advance("2026-04-16T00:00:01Z").await;
    let at_once = "finalized 465.50: base -24.50 Pro, given back, base 490.00 Yearly";
    assert_eq!(all(&server, "acme").await, ["finalized 49.00: base 49.00 Pro", at_once]);
    // The period that it cut has an invoice of its usage alone.
    server.advance("2026-04-16T01:00:00Z").await;
    assert_eq!(all(&server, "acme").await[2..], ["finalized 0.10: overage 0.10 api.calls"]);
    server.advance("2027-04-16T01:00:00Z").await;
    assert_eq!(all(&server, "acme").await[3..], ["finalized 490.00: base 490.00 Yearly"]);
}

#[tokio::test]
async fn what_is_given_back_at_once_is_put_into_the_wallet() {
    let server = Server::start();
    with_analytics(&server).await;
    server.advance("2026-04-01T00:00:00Z").await;
    let subscription = subscribe(&server, "acme", "enterprise").await;
    server.advance("2026-04-16T00:00:00Z").await;
    let down = json!({"plan": "pro", "when": "now", "invoice_now": true});
    change(&server, &subscription, down).await;
    server.advance("2026-04-16T00:00:01Z").await;
    let two = invoices(&server, "acme").await;
    assert_eq!(
        shown(&two[1]),
        "paid 0.00: base -250.00 Enterprise, given back, base 24.50 Pro, wallet 225.50 Credited to the wallet"
    );
    let wallet = server.get("/v1/customers/acme/wallet").await.json();
    assert_eq!(wallet["available"]["amount"], "225.50");
}

#[tokio::test]
async fn shares_are_taken_off_at_once_and_amounts_from_the_invoice_of_the_period() {
    let server = Server::start();
    with_analytics(&server).await;
    for coupon in [
        json!({"key": "half", "percent": "50"}),
        json!({"key": "ten", "amount": "10.00", "currency": "USD", "periods": 1}),
    ] {
        assert_eq!(server.post("/v1/coupons", coupon).await.status, 201);
    }
    server.advance("2026-04-01T00:00:00Z").await;
    let subscription = subscribe(&server, "acme", "pro").await;
    server.advance("2026-04-16T00:00:00Z").await;
    for coupon in ["half", "ten"] {
        let given = server.post(&path(&subscription, "/coupons"), json!({"coupon": coupon})).await;
        assert_eq!(given.status, 201, "{}", given.text);
    }
    change(&server, &subscription, json!({"plan": "enterprise", "invoice_now": true})).await;
    server.advance("2026-05-01T01:00:00Z").await;
    assert_eq!(
        all(&server, "acme").await[1..],
        [
            "finalized 112.75: base -24.50 Pro, given back, base 250.00 Enterprise, discount -112.75 half: 50 % off",
            "finalized 240.00: base 500.00 Enterprise, overage 0.00 api.calls, discount -250.00 half: 50 % off, discount -10.00 ten: 10.00 off",
        ]
    );
}

#[tokio::test]
async fn what_changes_at_the_instant_that_was_billed_is_given_back_and_due() {
    let server = Server::start();
    with_analytics(&server).await;
    let subscription = subscribe(&server, "acme", "pro").await;
    // Billing begins, and the test's clock stands.
    server.advance("2026-01-10T12:00:00Z").await;
    assert_eq!(all(&server, "acme").await, ["finalized 49.00: base 49.00 Pro"]);
    change(&server, &subscription, json!({"plan": "enterprise"})).await;
    server.advance("2026-02-10T13:00:00Z").await;
    let due = "finalized 951.00: base -49.00 Pro, given back, base 500.00 Enterprise, base 500.00 Enterprise";
    assert_eq!(all(&server, "acme").await[1..], [due]);
}

#[tokio::test]
async fn what_cannot_be_invoiced_at_once_is_refused_and_changes_nothing() {
    let server = Server::start();
    with_analytics(&server).await;
    let subscription = subscribe(&server, "acme", "enterprise").await;
    let refused = |answer: &crate::support::server::Answer| {
        assert_eq!(answer.status, 422, "{}", answer.text);
        let error = &answer.json()["errors"][0];
        format!(
            "{} {}",
            error["field"].as_str().expect("a field"),
            error["reason"].as_str().expect("a reason")
        )
    };
    for change in [
        json!({"plan": "pro", "invoice_now": true}),
        json!({"plan": "pro", "when": "period_end", "invoice_now": true}),
    ] {
        let answer = server.post(&path(&subscription, "/change-plan"), change).await;
        let reason = "invoice_now is for what changes at once: this takes effect at the end of the period";
        assert_eq!(refused(&answer), reason);
    }
    let collected = json!({"customer": "other", "plan": "pro", "collection": "stripe"});
    let collected = server.post("/v1/subscriptions", collected).await.json();
    let change = json!({"plan": "enterprise", "invoice_now": true});
    let answer = server.post(&path(&collected, "/change-plan"), change).await;
    let reason =
        "invoice_now is for what changes at once: this is collected by Stripe at the end of the period";
    assert_eq!(refused(&answer), reason);
    for one in [&subscription, &collected] {
        assert_eq!(server.get(&path(one, "")).await.json(), *one);
    }
}
