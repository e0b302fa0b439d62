//! Spend and credit.
use super::{alert, notices, notices_now, send, settled, texts};
use crate::plans::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{LIVE_KEY, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

fn usd(amount: &str) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

const SHOWN: [&str; 4] = ["customer", "value", "bound", "currency"];

async fn spend_is_the_next_invoice_before_the_wallet(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "pro").await;
    let topped = server.post("/v1/customers/acme/wallet/top-ups", json!({"amount": usd("500.00")})).await;
    assert_eq!(topped.status, 201, "{}", topped.text);
    server.advance("2026-01-10T12:00:01Z").await;
    let spend = |rest: Value| {
        let mut body = json!({"kind": "spend", "customer": "acme", "channels": ["in_app"]});
        body.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        body
    };
    let absolute = alert(&server, spend(json!({"threshold": "50"}))).await;
    let percent =
        alert(&server, spend(json!({"threshold": "25", "unit": "percent", "budget": usd("200.00")}))).await;
    let euro = alert(&server, spend(json!({"threshold": "1", "currency": "EUR"}))).await;
    // The next fee is 49.00; calls beyond 100,000 are 0.001 each.
    send(&server, "a", "acme", 100_500).await;
    assert_eq!(settled(&server, &absolute, "2026-01-10T12:00:02Z").await, 0, "49.50");
    send(&server, "b", "acme", 500).await;
    let fired = notices(&server, &absolute, 1).await;
    assert_eq!(texts(&fired[0], &SHOWN), ["acme", "50.00", "50", "USD"]);
    assert_eq!(fired[0]["period_start"], "2026-01-10T12:00:00.000000Z");
    let fired = notices(&server, &percent, 1).await;
    assert_eq!(texts(&fired[0], &SHOWN), ["acme", "50.00", "50", "USD"]);
    assert_eq!(
        settled(&server, &absolute, "2026-02-10T14:00:00Z").await,
        1,
        "the invoice was made, once told"
    );
    send(&server, "c", "acme", 101_000).await;
    let again = notices(&server, &absolute, 2).await;
    assert_eq!(again[0]["period_start"], "2026-02-10T12:00:00.000000Z");
    notices(&server, &percent, 2).await;
    assert_eq!(notices_now(&server, &euro).await.len(), 0, "it is about other customers");
}
on_both_servers!(spend_is_the_next_invoice_before_the_wallet);

async fn credit_that_runs_low_is_told_of_once_until_there_is_enough_again(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let wallet = async |what: &str, amount: &str| {
        let moved =
            server.post(&format!("/v1/customers/acme/wallet/{what}"), json!({"amount": usd(amount)})).await;
        assert_eq!(moved.status, 201, "{}", moved.text);
    };
    for name in ["acme", "no-wallet"] {
        assert_eq!(server.post("/v1/customers", json!({"external_id": name})).await.status, 201);
    }
    wallet("top-ups", "100.00").await;
    let low = json!({"kind": "balance", "threshold": "20", "channels": ["in_app"]});
    let absolute = alert(&server, low.clone()).await;
    let mut of_last = low;
    of_last["unit"] = json!("percent");
    let percent = alert(&server, of_last).await;
    wallet("deductions", "79.99").await;
    assert_eq!(settled(&server, &absolute, "2026-01-10T12:00:01Z").await, 0);
    wallet("deductions", "0.01").await;
    for id in [&absolute, &percent] {
        let fired = notices(&server, id, 1).await;
        assert_eq!(texts(&fired[0], &SHOWN), ["acme", "20.00", "20", "USD"]);
        assert_eq!(fired[0]["period_start"], Value::Null);
    }
    wallet("deductions", "5.00").await;
    assert_eq!(settled(&server, &absolute, "2026-03-10T12:00:00Z").await, 1, "no period arms it");
    // 15 + 50, of which 20 % are 10.
    wallet("top-ups", "50.00").await;
    assert_eq!(settled(&server, &absolute, "2026-03-10T12:00:01Z").await, 1);
    wallet("deductions", "50.00").await;
    notices(&server, &absolute, 2).await;
    assert_eq!(settled(&server, &percent, "2026-03-10T12:00:02Z").await, 1);
    wallet("deductions", "5.00").await;
    assert_eq!(texts(&notices(&server, &percent, 2).await[0], &SHOWN), ["acme", "10.00", "10", "USD"]);
    let listed = server.get("/v1/alert-notices?customer=no-wallet").await.json();
    assert_eq!(listed["data"], json!([]), "who has no wallet is told nothing");
}
on_both_servers!(credit_that_runs_low_is_told_of_once_until_there_is_enough_again);

#[tokio::test]
async fn a_customer_that_fails_keeps_no_other_from_being_told_of() {
    let server = Server::start();
    server.freeze("2026-01-10T12:00:00Z").await;
    let plan = json!({"key": "dear", "name": "Dear", "currency": "USD", "interval": "month", "base_price": "0",
        "prices": [{"model": "per_unit", "meter": "api.calls", "unit_price": "1000000"}]});
    let made = server.post("/v1/plans", plan).await;
    assert_eq!(made.status, 201, "{}", made.text);
    for name in ["a-huge", "b-fine"] {
        subscribe(&server, name, "dear").await;
    }
    server.advance("2026-01-10T12:00:01Z").await;
    // Its invoice would have too many digits.
    send(&server, "h", "a-huge", 900_000_000_000_000_000).await;
    send(&server, "f", "b-fine", 1).await;
    let all = alert(&server, json!({"kind": "spend", "threshold": "10", "channels": ["in_app"]})).await;
    let fired = notices(&server, &all, 1).await;
    assert_eq!(texts(&fired[0], &SHOWN), ["b-fine", "1000000.00", "10", "USD"]);
    let metrics = server.request(Method::GET, "/metrics", LIVE_KEY).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("a body");
    for told in
        ["alerts_failed_total{kind=\"spend\"}", "alerts_triggered_total{kind=\"spend\",channel=\"in_app\"} 1"]
    {
        assert!(metrics.contains(told), "{told} in {metrics}");
    }
}
