//! What Stripe has, held against what is written down.
use super::events::{billing, customer};
use super::failing::{agreeable, failure};
use super::front::Front;
use crate::clock::world::{LIVE, World, at};
use crate::support::database::on_both;
use parking_lot::Mutex;
use reckoner_domain::id::ChargeId;
use reckoner_domain::money::Money;
use reckoner_domain::time::HOUR;
use reckoner_domain::window::Window;
use reckoner_server::billing::Billing;
use reckoner_server::payments::{Collectible, Provider};
use reckoner_server::store::provider_charges::{self, ProviderCharge};
use reckoner_server::store::stripe::differences::{self, Difference};
use reckoner_server::store::subscriptions::last_of;
use reckoner_server::store::{Db, Limit};
use serde_json::{Value, json};
use std::sync::Arc;

const START: &str = "2026-03-01T00:00:00Z";

/// Charges of a customer, sent to Stripe.
async fn sent(world: &World, billing: &Billing, count: u32) -> Vec<ChargeId> {
    let provider = Arc::clone(&billing.stripe.as_ref().expect("Stripe").stripe);
    let charges = charges(world, billing, count).await;
    for charge in &charges {
        provider.collect(&collectible(charge)).await.expect("taken");
    }
    charges.into_iter().map(|charge| charge.id).collect()
}

/// Charges of a customer, written down.
async fn charges(world: &World, billing: &Billing, count: u32) -> Vec<ProviderCharge> {
    let customer = customer(world, billing, 1).await;
    let subscription = last_of(&world.db, LIVE, &customer.external_id).await.expect("read").expect("one").id;
    let period = Window { start: at(START), end: at("2026-04-01T00:00:00Z") };
    let mut charges = Vec::new();
    for position in 0..count {
        let id = ChargeId::from_bits(u128::from(position) + 1);
        let amount = Money::parse("5.00", "USD".parse().expect("a currency")).expect("an amount");
        let charge = ProviderCharge {
            id,
            project: LIVE,
            customer: customer.id.clone(),
            external_id: customer.external_id.clone(),
            subscription: subscription.clone(),
            ordinal: 1,
            position,
            amount,
            description: "api.calls".to_owned(),
            period,
            made_at: at(START),
        };
        let mut tx = world.db.begin().await.expect("begins");
        provider_charges::insert(&mut tx, &charge).await.expect("stored");
        tx.commit().await.expect("committed");
        charges.push(charge);
    }
    charges
}

fn collectible(charge: &ProviderCharge) -> Collectible {
    Collectible {
        idempotency_key: charge.id.to_string(),
        project: charge.project,
        customer_id: charge.customer.clone(),
        customer: charge.external_id.clone(),
        closing: (charge.subscription.clone(), charge.ordinal),
        amount: charge.amount,
        description: charge.description.clone(),
        period: charge.period,
    }
}

async fn differences(world: &World, is_open: bool) -> Vec<(String, String, Option<i64>, Option<i64>)> {
    let limit = Limit::new(100).expect("in range");
    let page = differences::list(&world.db, LIVE, is_open, None, limit).await.expect("listed");
    let shown = |one: Difference| (one.kind.as_str().to_owned(), one.item, one.here_minor, one.there_minor);
    let mut all: Vec<_> = page.items.into_iter().map(shown).collect();
    all.sort();
    all
}

on_both!(what_differs_is_listed_and_what_is_mended_is_not);
async fn what_differs_is_listed_and_what_is_mended_is_not(db: Db) {
    let world = World::new(db, START).await;
    super::events::with_plans(&world).await;
    let front = Front::start(None).await;
    let items = Arc::new(Mutex::new(Vec::<Value>::new()));
    let listed = Arc::clone(&items);
    front.answering(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/v1/invoiceitems") => Some(json!({"data": *listed.lock(), "has_more": false})),
        ("GET", path) if path.starts_with("/v1/invoiceitems/") => {
            let name = path.rsplit('/').next();
            listed.lock().iter().find(|one| one["id"].as_str() == name).cloned()
        }
        _ => agreeable(asked),
    });
    let billing = billing(&world, &front.url);
    let ids = sent(&world, &billing, 3).await;
    let item = |name: String, charge: &str, amount: i64| {
        json!({
            "id": name, "currency": "usd", "amount": amount, "date": at(START).as_seconds(),
            "metadata": {"reckoner_project": LIVE.0.to_string(), "reckoner_charge": charge},
        })
    };
    let good = |id: &ChargeId| item(format!("ii_{id}"), id.as_str(), 500);
    *items.lock() = ids.iter().map(good).collect();
    world.clock.move_real(2 * HOUR);
    let stripe = billing.stripe.as_ref().expect("Stripe");
    let account = stripe.stripe.account(LIVE).expect("an account");
    let looked = account.reconcile(&world.db).await.expect("looked");
    assert_eq!((looked.here, looked.there, looked.differences, looked.is_whole), (3, 3, 0, true));
    // The first is gone, the second has another amount, and one is nobody's.
    let nobodys = item("ii_more".to_owned(), ids[0].as_str(), 900);
    *items.lock() =
        vec![item(format!("ii_{}", ids[1]), ids[1].as_str(), 700), good(&ids[2]), nobodys.clone()];
    let expected = vec![
        ("missing_here".to_owned(), "ii_more".to_owned(), None, Some(900)),
        ("missing_there".to_owned(), format!("ii_{}", ids[0]), Some(500), None),
        ("other_amount".to_owned(), format!("ii_{}", ids[1]), Some(500), Some(700)),
    ];
    for new in [3, 0] {
        world.clock.move_real(HOUR);
        let looked = account.reconcile(&world.db).await.expect("looked");
        assert_eq!((looked.differences, looked.new, looked.resolved), (3, new, 0));
        assert_eq!(differences(&world, true).await, expected);
    }
    // Somebody mends two of them.
    *items.lock() = ids.iter().map(good).chain([nobodys]).collect();
    world.clock.move_real(HOUR);
    let looked = account.reconcile(&world.db).await.expect("looked");
    assert_eq!((looked.differences, looked.new, looked.resolved), (1, 0, 2));
    assert_eq!(differences(&world, true).await, expected[..1]);
    assert_eq!(differences(&world, false).await, expected);
    // Nothing was changed at Stripe by looking.
    assert!(front.asked().iter().filter(|one| one.method == "POST").count() <= 3 + 2);
}

on_both!(what_stripe_did_without_an_answer_is_found_there_after_its_key_is_forgotten);
async fn what_stripe_did_without_an_answer_is_found_there_after_its_key_is_forgotten(db: Db) {
    let world = World::new(db, START).await;
    super::events::with_plans(&world).await;
    let front = Front::start(None).await;
    let items = Arc::new(Mutex::new(Vec::<Value>::new()));
    let listed = Arc::clone(&items);
    front.answering(move |asked| match asked.what().as_str() {
        "GET /v1/invoiceitems" => Some(json!({"data": *listed.lock(), "has_more": false})),
        _ => agreeable(asked),
    });
    let billing = billing(&world, &front.url);
    let charges = charges(&world, &billing, 2).await;
    let provider = Arc::clone(&billing.stripe.as_ref().expect("Stripe").stripe);
    // Of two charges one was made before the connection broke.
    for charge in &charges {
        front.instead("POST /v1/invoiceitems", std::iter::repeat_n(failure(500, "api_error", "lost"), 3));
        let declined = provider.collect(&collectible(charge)).await.expect_err("no answer");
        assert!(declined.is_passing, "{declined}");
        world.clock.move_real(HOUR);
    }
    let mark = json!({"reckoner_request": charges[0].id.as_str()});
    items.lock().push(json!({"id": "ii_made", "metadata": mark}));
    world.clock.move_real(13 * HOUR);
    let asked = front.asked_of("POST /v1/invoiceitems").len();
    assert_eq!(provider.collect(&collectible(&charges[0])).await, Ok("ii_made".to_owned()));
    assert_eq!(front.asked_of("POST /v1/invoiceitems").len(), asked, "it is there");
    let second = &charges[1].id;
    assert_eq!(provider.collect(&collectible(&charges[1])).await, Ok(format!("ii_{second}:2")));
    assert_eq!(front.asked_of("POST /v1/invoiceitems").len(), asked + 1);
}
