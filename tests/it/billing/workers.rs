//! Any number of workers close each period once and have each charge collected once, wherever one dies.
use crate::clock::world::{LIVE, World, at};
use crate::support::database::on_both;
use reckoner_domain::credit_note::CreditedLine;
use reckoner_domain::id::CustomerId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::money::Money;
use reckoner_domain::plan::{Plan, PlanForm};
use reckoner_domain::problem::Problems;
use reckoner_domain::subscription::{AfterTrial, Collection};
use reckoner_domain::time::{DAY, HOUR};
use reckoner_server::billing::invoicing::{InvoicingError, NewCreditNote};
use reckoner_server::billing::subscriptions::New;
use reckoner_server::events::ListFilter;
use reckoner_server::jobs::Jobs;
use reckoner_server::payments::{Collectible, Provider};
use reckoner_server::store::audit::SYSTEM;
use reckoner_server::store::{Db, Limit, StoreError, catalog, customers, invoices, provider_charges};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Barrier;

const START: &str = "2026-03-01T00:00:00Z";
const CUSTOMERS: usize = 24;

fn plan() -> Plan {
    let text = r#"{"key":"p","name":"P","currency":"USD","base_price":"10","interval":"month",
        "entitlements":[{"feature":"use","type":"metered","meter":"sum","behaviour":"overage","limit":"1"}],
        "prices":[{"model":"per_unit","meter":"sum","unit_price":"0.5","included":"1"}]}"#;
    let form: PlanForm = serde_json::from_str(text).expect("a form");
    form.read(1, &mut Problems::default()).expect("a plan")
}

fn name(number: usize) -> String {
    format!("c{number:02}")
}

/// A world of customers that used 3 units each in their first month, and its end some hours ago.
async fn world(db: Db, collection: Collection) -> World {
    let world = World::new(db, START).await;
    let mut tx = world.db.begin().await.expect("begins");
    catalog::insert(&mut tx, LIVE, (&plan(), 1), at(START)).await.expect("stored");
    tx.commit().await.expect("committed");
    let names: Vec<String> = (0..CUSTOMERS).map(name).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bits = 0;
    let made = customers::ensure_many(&world.db, LIVE, &ids, at(START), || {
        bits += 1;
        CustomerId::from_bits(bits)
    });
    made.await.expect("made");
    let billing = world.billing();
    for own_id in &names {
        let customer = customers::get_by_external_id(&world.db, LIVE, own_id).await.expect("there");
        let plan = (PlanKey::parse("p").expect("a key"), None);
        let after_trial = AfterTrial::Activate;
        let new = New { customer, plan, trial_days: None, started_at: None, after_trial, collection };
        billing.subscriptions.start(&SYSTEM, new).await.expect("begun");
    }
    let used: Vec<_> = names.iter().flat_map(|name| (0..3).map(|_| (name.clone(), at(START)))).collect();
    world.send(&used).await;
    world.clock.move_real(31 * DAY + 2 * HOUR);
    world
}

/// Two workers, three times each, all at once.
async fn race(world: &World) -> Vec<(String, String)> {
    let start = Arc::new(Barrier::new(6));
    let runs = (0..6).map(|number| {
        let (worker, start): (Jobs, _) = (world.worker(&format!("w{number}"), &[]), start.clone());
        let now = world.clock.of_project(LIVE);
        tokio::spawn(async move {
            start.wait().await;
            let (run, collected) = worker.bill(LIVE, now).await.expect("runs");
            assert!(run.failed.is_empty(), "{:?}", run.failed);
            collected.declined
        })
    });
    let mut declined = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        declined.extend(run.await.expect("ends well"));
    }
    declined
}

on_both!(two_workers_make_each_invoice_once_and_leave_no_number_out);
async fn two_workers_make_each_invoice_once_and_leave_no_number_out(db: Db) {
    let world = world(db, Collection::Reckoner).await;
    race(&world).await;
    let limit = Limit::new(1_000).expect("in range");
    let page =
        invoices::list(&world.db, LIVE, &invoices::Filter::default(), None, limit).await.expect("listed");
    let mut by_customer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (index, stored) in page.items.iter().enumerate() {
        assert_eq!(stored.invoice.header().number, index as u64 + 1);
        let due = stored.invoice.totals().due.to_string();
        by_customer.entry(stored.external_id.clone()).or_default().push(due);
    }
    let each = vec!["10.00 USD".to_owned(), "11.00 USD".to_owned()];
    assert_eq!(by_customer, (0..CUSTOMERS).map(|number| (name(number), each.clone())).collect());
    assert!(world.ledger.taken().is_empty(), "nobody else collects it");
}

on_both!(a_provider_takes_each_charge_once_and_one_that_is_declined_keeps_no_other);
async fn a_provider_takes_each_charge_once_and_one_that_is_declined_keeps_no_other(db: Db) {
    let world = world(db, Collection::Stripe).await;
    world.ledger.set_declines("c07", true);
    let declined = race(&world).await;
    assert!(!declined.is_empty() && declined.iter().all(|(customer, _)| customer == "c07"));
    let taken = |world: &World| -> Vec<(String, String)> {
        world.ledger.taken().into_iter().map(|one| (one.customer, one.amount.to_string())).collect()
    };
    let expected = |without: Option<usize>| -> Vec<(String, String)> {
        let all = (0..CUSTOMERS).filter(|number| Some(*number) != without);
        all.map(|number| (name(number), "1.00 USD".to_owned())).collect()
    };
    let sorted = |mut list: Vec<(String, String)>| {
        list.sort_unstable();
        list
    };
    assert_eq!(sorted(taken(&world)), expected(Some(7)));
    // The provider takes it the next day, and the process dies before that is written down.
    world.ledger.set_declines("c07", false);
    world.clock.move_real(DAY);
    let now = world.clock.of_project(LIVE);
    let due = provider_charges::due(&world.db, LIVE, now, (None, 10)).await.expect("listed");
    let [(_, charge)] = due.as_slice() else { panic!("{due:?}") };
    let asked = Collectible {
        idempotency_key: charge.id.to_string(),
        project: charge.project,
        customer_id: charge.customer.clone(),
        customer: charge.external_id.clone(),
        closing: (charge.subscription.clone(), charge.ordinal),
        amount: charge.amount,
        description: charge.description.clone(),
        period: charge.period,
    };
    world.ledger.collect(&asked).await.expect("taken");
    assert!(race(&world).await.is_empty());
    assert_eq!(sorted(taken(&world)), expected(None));
    assert_eq!(provider_charges::first_due(&world.db, LIVE).await.expect("read"), None);
    let limit = Limit::new(10).expect("in range");
    let made =
        invoices::list(&world.db, LIVE, &invoices::Filter::default(), None, limit).await.expect("listed");
    assert!(made.items.is_empty(), "what a provider bills is on no invoice of ours");
}

on_both!(the_database_itself_refuses_to_change_a_final_invoice);
async fn the_database_itself_refuses_to_change_a_final_invoice(db: Db) {
    let world = world(db, Collection::Reckoner).await;
    race(&world).await;
    for statement in [
        "update invoices set total = '0'",
        "update invoices set content = content",
        "delete from invoices where number = 1",
        "delete from invoices",
    ] {
        let refused = match &world.db {
            Db::Sqlite { writer, .. } => sqlx::query(statement).execute(writer).await.map(drop),
            Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(drop),
        };
        let text = refused.expect_err(statement).to_string();
        assert!(text.contains("a final invoice never changes"), "{statement}: {text}");
    }
}

on_both!(a_credit_note_is_issued_once_under_its_key_and_never_changes);
async fn a_credit_note_is_issued_once_under_its_key_and_never_changes(db: Db) {
    let world = world(db, Collection::Reckoner).await;
    race(&world).await;
    let limit = Limit::new(1).expect("in range");
    let all = invoices::Filter::default();
    let listed = invoices::list(&world.db, LIVE, &all, None, limit).await.expect("listed");
    let invoice = listed.items.first().expect("an invoice");
    let billing = world.billing();
    let issue = async || {
        let amount = Money::parse("4.00", "USD".parse().expect("a currency")).expect("an amount");
        let lines = vec![CreditedLine { line: 0, amount }];
        let new = NewCreditNote { lines, reason: None, outside: false, dedupe_key: "key:k".to_owned() };
        billing.invoicing.issue_credit_note(&SYSTEM, (LIVE, &invoice.id), new).await
    };
    assert_eq!(issue().await.expect("issued").note.header().number, 1);
    // Sent again after a crash that lost the answer: it changes nothing, and leaves no number out.
    let again = issue().await.expect_err("it is there");
    assert!(matches!(again, InvoicingError::Store(StoreError::Conflict)), "{again}");
    let after = invoices::get(&world.db, LIVE, &invoice.id).await.expect("there");
    assert_eq!((after.credited.amount(), after.left().amount()), ("4.00".to_owned(), "6.00".to_owned()));
    for statement in ["update credit_notes set total = '0'", "delete from credit_notes"] {
        let refused = match &world.db {
            Db::Sqlite { writer, .. } => sqlx::query(statement).execute(writer).await.map(drop),
            Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(drop),
        };
        let text = refused.expect_err(statement).to_string();
        assert!(text.contains("a credit note never changes"), "{statement}: {text}");
    }
}

on_both!(what_is_still_to_be_billed_is_not_dropped);
async fn what_is_still_to_be_billed_is_not_dropped(db: Db) {
    let world = world(db, Collection::Reckoner).await;
    world.clock.move_real(100 * DAY);
    let worker = world.worker("w", &[]);
    let needed = async || worker.billing.invoicing.needs_since(LIVE).await.expect("read");
    // Since the last reset of a quota before the first period that is not billed yet.
    assert_eq!(needed().await, Some(at(START).plus_micros(-34 * DAY)));
    worker.drop_old_events(62).await.expect("begun");
    race(&world).await;
    let limit = Limit::new(1_000).expect("in range");
    let page =
        invoices::list(&world.db, LIVE, &invoices::Filter::default(), None, limit).await.expect("listed");
    let beyond = page.items.iter().filter(|one| one.invoice.totals().due.to_string() == "11.00 USD").count();
    assert_eq!(beyond, CUSTOMERS, "the first month of each is billed from its events");
    // Once they are neither billed nor rated anew they may go.
    world.clock.move_real(100 * DAY);
    race(&world).await;
    assert!(needed().await > Some(at(START)));
    for tries in 0.. {
        assert!(tries < 10_000, "nothing is dropped");
        worker.drop_old_events(62).await.expect("begun");
        if world.events.list(ListFilter::new(LIVE)).await.expect("listed").is_empty() {
            break;
        }
    }
}
