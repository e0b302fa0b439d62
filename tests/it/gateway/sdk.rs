//! The SDK's client does what an application that bills by Reckoner needs.
use super::*;
use crate::support::server::TEST_KEY;
use reckoner_client::wire::customer::{CustomerChange, NewCustomer};
use reckoner_client::wire::plan::CatalogApplication;
use reckoner_client::wire::subscription::{Cancellation, NewSubscription, PlanChange};
use reckoner_client::{Client, Record};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_customer_to_its_invoice() {
    let server = reckoner().await;
    let client = Client::new(&server.url(""), TEST_KEY).expect("a client");
    let catalog: CatalogApplication = serde_json::from_value(json!({"plans": [
        {"key": "basic", "name": "Basic", "currency": "USD", "base_price": "9.00", "interval": "month"},
        {
            "key": "pro", "name": "Pro", "currency": "USD", "base_price": "49.00", "interval": "month",
            "entitlements": [{"feature": "calls", "type": "metered", "meter": "api.calls", "behaviour": "overage", "limit": "2"}],
            "prices": [{"model": "per_unit", "meter": "api.calls", "unit_price": "0.50", "included": "2"}],
        },
    ]}))
    .expect("a catalogue");
    let shown =
        client.apply_catalog(&CatalogApplication { dry_run: true, ..catalog.clone() }).await.expect("shown");
    assert_eq!((shown.applied, shown.changes.len()), (false, 2));
    assert_eq!(client.plans().await.expect("plans").len(), 0);
    assert!(client.apply_catalog(&catalog).await.expect("applied").applied);
    assert_eq!(client.plans().await.expect("plans").len(), 2);

    let new = NewCustomer { external_id: "acme".to_owned(), ..NewCustomer::default() };
    let made = client.create_customer(&new).await.expect("made");
    let again = client.create_customer(&new).await.expect_err("taken");
    assert_eq!(again.code(), Some("already_exists"), "another call is another request: {again}");
    let zone =
        CustomerChange { time_zone: Some(Some("Asia/Kolkata".to_owned())), ..CustomerChange::default() };
    client.update_customer(&made.id, &zone).await.expect("changed");
    let acme = client.customer("acme").await.expect("there");
    assert_eq!((acme.id.as_str(), acme.time_zone.as_deref()), (made.id.as_str(), Some("Asia/Kolkata")));

    let (customer, plan) = ("acme".to_owned(), "basic".to_owned());
    let begun = client
        .subscribe(&NewSubscription { customer, plan, ..NewSubscription::default() })
        .await
        .expect("begun");
    assert_eq!((begun.status.as_str(), begun.time_zone.as_str()), ("active", "Asia/Kolkata"));
    let change = PlanChange { plan: "pro".to_owned(), ..PlanChange::default() };
    assert_eq!(client.change_plan(&begun.id, &change).await.expect("changed").plan, "pro");
    for _ in 0..3 {
        client.record(&Record::new("acme", "api.calls")).await.expect("recorded");
    }
    let held = client.entitlements("acme").await.expect("held");
    assert_eq!((held.len(), held[0].used.as_deref(), held[0].limit.as_deref()), (1, Some("3"), Some("2")));
    let next = client.upcoming_invoice(&begun.id).await.expect("a draft");
    assert_eq!((next.status.as_str(), next.customer.as_str()), ("draft", "acme"));

    let ended =
        client.cancel(&begun.id, &Cancellation { when: Some("now".to_owned()) }).await.expect("ended");
    assert_eq!(ended.status, "canceled");
    assert_eq!(client.subscription(&begun.id).await.expect("there").version, ended.version);
    assert_eq!(client.subscriptions_of("acme").await.expect("listed").len(), 1);
    assert_eq!(client.subscriptions_of("nobody").await.expect("listed").len(), 0);
    // The fees that were due in advance, and what was used until it ended.
    server.freeze("2100-01-01T00:00:00Z").await;
    server.advance("2100-01-01T02:00:00Z").await;
    let invoices = client.invoices_of("acme").await.expect("listed");
    for invoice in &invoices {
        let id = invoice.id.as_deref().expect("an id");
        assert_eq!(client.invoice(id).await.expect("there").number, invoice.number);
    }
    let kinds: Vec<&str> =
        invoices.iter().flat_map(|one| &one.lines).map(|line| line.kind.as_str()).collect();
    assert!(kinds.contains(&"overage"), "{kinds:?}");
}
