//! Usage: once in each period, at exactly the threshold.
use super::{alert, notices, notices_now, on_calls, send, settled, texts};
use crate::plans::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

const SHOWN: [&str; 5] = ["customer", "value", "bound", "period_start", "period_end"];

async fn usage_fires_once_in_each_billing_period(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    let id = alert(&server, on_calls("100", json!({"customer": "acme"}))).await;
    send(&server, "a", "acme", 99).await;
    send(&server, "x", "other", 500).await;
    assert_eq!(settled(&server, &id, "2026-01-10T12:00:01Z").await, 0, "one less than the threshold");
    send(&server, "b", "acme", 1).await;
    let fired = notices(&server, &id, 1).await;
    let january = ["acme", "100", "100", "2026-01-10T12:00:00.000000Z", "2026-02-10T12:00:00.000000Z"];
    assert_eq!(texts(&fired[0], &SHOWN), january);
    assert_eq!((&fired[0]["alert"], &fired[0]["read_at"]), (&json!(id), &Value::Null));
    // A void does not arm it again.
    assert_eq!(server.delete("/v1/events/b").await.status, 200);
    send(&server, "c", "acme", 70).await;
    assert_eq!(settled(&server, &id, "2026-01-31T00:00:00Z").await, 1);
    assert_eq!(settled(&server, &id, "2026-02-10T12:00:00Z").await, 1);
    send(&server, "d", "acme", 100).await;
    assert_eq!(texts(&notices(&server, &id, 2).await[0], &SHOWN)[3], "2026-02-10T12:00:00.000000Z");
    // What is used in the last moment of a period is told of, though the clock moves at once.
    server.advance("2026-04-10T11:59:59Z").await;
    send(&server, "e", "acme", 150).await;
    assert_eq!(settled(&server, &id, "2026-04-20T00:00:00Z").await, 3);
    let last = &notices_now(&server, &id).await[0];
    assert_eq!(texts(last, &SHOWN)[3..], ["2026-03-10T12:00:00.000000Z", "2026-04-10T12:00:00.000000Z"]);
    let shown = server.get(&format!("/v1/alerts/{id}")).await.json();
    assert_eq!(shown["last_triggered_at"], last["triggered_at"]);
}
on_both_servers!(usage_fires_once_in_each_billing_period);

async fn an_alert_without_a_customer_is_about_each_by_itself(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "free").await;
    subscribe(&server, "big", "enterprise").await;
    for (id, customer) in [("a", "acme"), ("b", "big"), ("n", "nobody")] {
        send(&server, id, customer, 499).await;
    }
    let percent = alert(&server, on_calls("50", json!({"unit": "percent"}))).await;
    let absolute = alert(&server, on_calls("500", json!({}))).await;
    assert_eq!(settled(&server, &percent, "2026-01-10T12:00:01Z").await, 0);
    for (id, customer) in [("a2", "acme"), ("b2", "big"), ("n2", "nobody")] {
        send(&server, id, customer, 1).await;
    }
    // Of these only one has a limit.
    let fired = notices(&server, &percent, 1).await;
    assert_eq!(texts(&fired[0], &["customer", "threshold", "value", "bound"]), ["acme", "50", "500", "500"]);
    let fired = notices(&server, &absolute, 3).await;
    let mut starts: Vec<_> = fired.iter().map(|one| texts(one, &["customer", "period_start"])).collect();
    starts.sort();
    // Who has no subscription has calendar months.
    let of = |customer: &str, start: &str| vec![customer.to_owned(), format!("{start}.000000Z")];
    let began = "2026-01-10T12:00:00";
    assert_eq!(starts, [of("acme", began), of("big", began), of("nobody", "2026-01-01T00:00:00")]);
    server.advance("2026-02-10T12:00:00Z").await;
    send(&server, "a3", "acme", 500).await;
    notices(&server, &percent, 2).await;
    assert_eq!(settled(&server, &absolute, "2026-02-10T12:00:01Z").await, 4);
}
on_both_servers!(an_alert_without_a_customer_is_about_each_by_itself);

#[tokio::test]
async fn a_subject_has_calendar_months_whoever_its_customers_are() {
    let server = Server::start();
    with_analytics(&server).await;
    let id = alert(&server, on_calls("10", json!({"subject": "w"}))).await;
    let use_it = async |id: &str, customer: &str, subject: &str, calls: u32| {
        let event =
            json!({"id": id, "customer": customer, "subject": subject, "meter": "api.calls", "value": calls});
        assert_eq!(server.post("/v1/events", event).await.status, 201);
    };
    use_it("a", "x", "w", 6).await;
    use_it("b", "y", "other", 60).await;
    assert_eq!(settled(&server, &id, "2026-01-10T12:00:01Z").await, 0);
    use_it("c", "y", "w", 4).await;
    let fired = notices(&server, &id, 1).await;
    let shown = texts(&fired[0], &["subject", "customer", "value", "period_start"]);
    assert_eq!(shown, ["w", "-", "10", "2026-01-01T00:00:00.000000Z"]);
    server.advance("2026-02-01T00:00:00Z").await;
    use_it("d", "x", "w", 10).await;
    notices(&server, &id, 2).await;
}

#[tokio::test]
async fn what_was_used_before_an_alert_was_made_counts() {
    let server = Server::start();
    with_analytics(&server).await;
    send(&server, "a", "acme", 100).await;
    let id = alert(&server, on_calls("100", json!({"customer": "acme"}))).await;
    assert_eq!(texts(&notices(&server, &id, 1).await[0], &["value"]), ["100"]);
    let disabled = alert(&server, on_calls("100", json!({"enabled": false}))).await;
    assert_eq!(settled(&server, &disabled, "2026-01-10T12:00:01Z").await, 0);
    let enabled = server.patch(&format!("/v1/alerts/{disabled}"), json!({"enabled": true})).await;
    assert_eq!(enabled.status, 200, "{}", enabled.text);
    notices(&server, &disabled, 1).await;
}
