//! Events in whatever order they come: the end is the same.
use super::hearing::signed;
use super::{KEY, WEBHOOK_SECRET};
use crate::clock::world::{LIVE, World, at};
use crate::support::database::on_both;
use reckoner_domain::id::CustomerId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::plan::PlanForm;
use reckoner_domain::problem::Problems;
use reckoner_domain::subscription::{AfterTrial, Collection};
use reckoner_server::billing::Billing;
use reckoner_server::billing::subscriptions::New;
use reckoner_server::config::{self, Secret};
use reckoner_server::payments::stripe::Stripe;
use reckoner_server::store::audit::SYSTEM;
use reckoner_server::store::customers::Customer;
use reckoner_server::store::stripe::customers as names;
use reckoner_server::store::subscriptions::{self, Filter};
use reckoner_server::store::{Db, Limit, catalog, customers};
use serde_json::{Value, json};

const START: &str = "2026-03-01T00:00:00Z";
/// Every so many-th of all orders is tried: all of them are, of the facts alone, where those are put together.
const STEP: usize = 12;

/// An account of project `live` that is behind an address.
pub fn settings(base_url: &str) -> config::Stripe {
    let key = |text: &str| PlanKey::parse(text).expect("a key");
    let prices = [(key("basic"), "price_basic".to_owned()), (key("pro"), "price_pro".to_owned())];
    let account = config::StripeAccount {
        secret_key: Secret::new(KEY.to_owned()),
        webhook_secrets: vec![Secret::new(WEBHOOK_SECRET.to_owned())],
        prices: prices.into(),
    };
    config::Stripe {
        base_url: base_url.to_owned(),
        api_version: "2026-08-26.dahlia".to_owned(),
        pages: config::Pages::default(),
        live: Some(account),
        test: None,
        placeholders: Vec::new(),
    }
}

/// What looks after the subscriptions of a world that uses Stripe.
pub fn billing(world: &World, base_url: &str) -> Billing {
    let settings = settings(base_url);
    let stripe = Stripe::new(&world.db, &world.clock, &settings, 14).expect("a client");
    world.billing().with_stripe(stripe, &config::Billing::default())
}

pub async fn with_plans(world: &World) {
    let mut tx = world.db.begin().await.expect("begins");
    for (key, price) in [("free_trial", "0"), ("basic", "9"), ("pro", "29"), ("free_restricted", "0")] {
        let text = format!(
            r#"{{"key":"{key}","name":"P","currency":"USD","base_price":"{price}","interval":"month"}}"#
        );
        let form: PlanForm = serde_json::from_str(&text).expect("a form");
        let plan = form.read(1, &mut Problems::default()).expect("a plan");
        catalog::insert(&mut tx, LIVE, (&plan, 1), at(START)).await.expect("stored");
    }
    tx.commit().await.expect("committed");
}

/// A customer in its trial, whom Stripe calls `cus_` and its own id.
pub async fn customer(world: &World, billing: &Billing, number: usize) -> Customer {
    let own_id = format!("c{number}");
    let id = || CustomerId::from_bits(1_000 + number as u128);
    customers::ensure_many(&world.db, LIVE, &[&own_id], at(START), id).await.expect("made");
    let customer = customers::get_by_external_id(&world.db, LIVE, &own_id).await.expect("there");
    let name = format!("cus_{own_id}");
    names::insert(&world.db, (LIVE, "test"), &customer.id, &name, at(START)).await.expect("stored");
    let plan = (PlanKey::parse("free_trial").expect("a key"), None);
    let new = New {
        customer: customer.clone(),
        plan,
        trial_days: Some(7),
        after_trial: AfterTrial::Expire,
        collection: Collection::Reckoner,
        started_at: None,
    };
    billing.subscriptions.start(&SYSTEM, new).await.expect("begun");
    customer
}

/// The life of a subscription: its events with when they were made.
fn life(customer: &str) -> Vec<(&'static str, i64, Value)> {
    let subscription = |status: &str, price: &str| {
        json!({
            "id": format!("sub_{customer}"), "customer": customer, "status": status,
            "items": {"data": [{"price": {"id": price}}]},
        })
    };
    let invoice = json!({
        "id": format!("in_{customer}"), "customer": customer, "amount_paid": 2900, "amount_due": 2900, "currency": "usd",
        "parent": {"subscription_details": {"subscription": format!("sub_{customer}")}},
    });
    let session = json!({
        "id": format!("cs_{customer}"), "customer": customer, "subscription": format!("sub_{customer}"),
        "mode": "subscription", "payment_status": "paid", "metadata": {"reckoner_plan": "basic"},
    });
    vec![
        ("customer.subscription.created", 10, subscription("incomplete", "price_basic")),
        ("invoice.payment_succeeded", 10, invoice.clone()),
        ("checkout.session.completed", 11, session),
        ("customer.subscription.updated", 20, subscription("active", "price_pro")),
        ("invoice.payment_failed", 30, invoice),
        ("customer.subscription.deleted", 40, subscription("canceled", "price_pro")),
    ]
}

/// Every order of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let put = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| put(order, place))).collect()
}

/// What a customer has had, the last one first, by plan, status and who collects.
async fn had(world: &World, customer: &Customer) -> (String, Vec<String>) {
    let last =
        subscriptions::last_of(&world.db, LIVE, &customer.external_id).await.expect("read").expect("one");
    let filter = Filter { customer: Some(&customer.id), ..Filter::default() };
    let limit = Limit::new(100).expect("in range");
    let all = subscriptions::list(&world.db, LIVE, &filter, None, limit).await.expect("listed").items;
    let shown = |one: &subscriptions::Stored| {
        let it = &one.subscription;
        format!("{} {} {}", it.plan.as_str(), it.status.as_str(), it.collection.as_str())
    };
    let mut all: Vec<String> = all.iter().map(shown).collect();
    all.sort();
    (shown(&last), all)
}

async fn tell(world: &World, billing: &Billing, (id, customer): (&str, &str), event: usize) {
    let now = world.clock.real().as_seconds();
    let (event_type, made, object) = &life(customer)[event];
    let event = signed(WEBHOOK_SECRET, id, event_type, (now + made, now), object);
    let stripe = billing.stripe.as_ref().expect("Stripe");
    stripe.take(event.body.as_bytes(), &event.header).await.expect("taken");
}

on_both!(six_events_in_any_order_come_to_the_same);
async fn six_events_in_any_order_come_to_the_same(db: Db) {
    let world = World::new(db, START).await;
    with_plans(&world).await;
    let billing = billing(&world, "http://127.0.0.1:9");
    for (number, order) in orders(6).into_iter().step_by(STEP).enumerate() {
        let customer = customer(&world, &billing, number).await;
        let name = format!("cus_{}", customer.external_id);
        for event in &order {
            tell(&world, &billing, (&format!("evt_{number}_{event}"), &name), *event).await;
        }
        let (last, all) = had(&world, &customer).await;
        assert_eq!(last, "free_restricted active reckoner", "{order:?}");
        let expected =
            ["free_restricted active reckoner", "free_trial canceled reckoner", "pro canceled stripe"];
        assert_eq!(all, expected, "{order:?}");
        // All of it again, as Stripe sends what it has no answer to.
        for event in &order {
            tell(&world, &billing, (&format!("evt_{number}_{event}"), &name), *event).await;
        }
        tell(&world, &billing, (&format!("evt_{number}_again"), &name), order[0]).await;
        assert_eq!(had(&world, &customer).await, (last, all), "{order:?}");
    }
}

on_both!(five_events_in_any_order_leave_it_past_due);
async fn five_events_in_any_order_leave_it_past_due(db: Db) {
    let world = World::new(db, START).await;
    with_plans(&world).await;
    let billing = billing(&world, "http://127.0.0.1:9");
    for (number, order) in orders(5).into_iter().step_by(STEP).enumerate() {
        let customer = customer(&world, &billing, number).await;
        let name = format!("cus_{}", customer.external_id);
        for event in &order {
            tell(&world, &billing, (&format!("evt_{number}_{event}"), &name), *event).await;
        }
        let expected = ["free_trial canceled reckoner", "pro past_due stripe"];
        assert_eq!(
            had(&world, &customer).await,
            ("pro past_due stripe".to_owned(), expected.map(String::from).to_vec())
        );
    }
}
