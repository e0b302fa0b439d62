//! Aggregations, above all with several workers at once.
use super::at;
use crate::support::database::{lock_waiters, on_both};
use reckoner_server::store::aggregations::{
    self as store, Announcement, Applied, Candidate, Figure, Filter, InForce, Span,
};
use reckoner_server::store::projects::{self, LIVE, TEST};
use reckoner_server::store::webhook_status::Status;
use reckoner_server::store::{Db, Exec, Limit, Query, Statement, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// The aggregation of a customer's `day`th day, computed from the events up to `sequence`.
fn candidate(customer: &str, day: i64, value: &str, complete: bool, sequence: u64) -> Candidate {
    let figure = Figure { value: value.into(), count: 3 };
    Candidate {
        customer: customer.into(),
        span: Span {
            period: "daily".into(),
            key: format!("202601{day:02}"),
            start: at(day * 86_400),
            end: at((day + 1) * 86_400),
        },
        figures: BTreeMap::from([("api.calls".to_owned(), figure)]),
        event_count: 3,
        complete,
        through_sequence: sequence,
        in_force: Arc::new(InForce {
            meters: BTreeSet::from(["api.calls".to_owned()]),
            ..InForce::default()
        }),
    }
}

async fn apply(db: &Db, candidate: Candidate, second: i64) -> store::Outcome {
    let mut tx = db.begin().await.expect("begins");
    let outcome = store::apply(&mut tx, LIVE, candidate, at(second)).await.expect("applied");
    tx.commit().await.expect("committed");
    outcome.expect("there is an aggregation")
}

on_both!(an_aggregation_lives);
async fn an_aggregation_lives(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let id = "acme_daily_20260114";
    for (second, (value, complete, sequence), applied, announced) in [
        (1, ("5", false, 10), Applied::Created, None),
        (2, ("6", false, 11), Applied::Refreshed, None),
        (3, ("6", false, 15), Applied::Unchanged, None),
        (4, ("4", true, 12), Applied::Completed, Some(Announcement::Completed)),
        (5, ("6", true, 16), Applied::Unchanged, None),
        (6, ("0.1", true, 17), Applied::Revised, Some(Announcement::Updated)),
        (7, ("9", true, 16), Applied::Unchanged, None),
    ] {
        let outcome = apply(&db, candidate("acme", 14, value, complete, sequence), second).await;
        assert_eq!((outcome.applied, outcome.announcement()), (applied, announced), "step {second}");
        let stored = store::get(&db, LIVE, id).await.expect("there");
        assert_eq!(stored, outcome.aggregation, "what is told is what is stored, step {second}");
    }
    let stored = store::get(&db, LIVE, id).await.expect("there");
    assert_eq!((stored.revision, stored.through_sequence, stored.complete), (2, 17, true));
    assert_eq!((stored.created_at, stored.updated_at), (at(1), at(6)));
    assert_eq!(stored.figures["api.calls"], Figure { value: "0.1".into(), count: 3 });
    assert!(matches!(store::get(&db, TEST, id).await, Err(StoreError::NotFound)));

    let empty =
        Candidate { figures: BTreeMap::new(), event_count: 0, ..candidate("nobody", 14, "0", true, 20) };
    let mut tx = db.begin().await.expect("begins");
    assert_eq!(store::apply(&mut tx, LIVE, empty.clone(), at(8)).await.expect("applied"), None);
    let voided = Candidate { customer: "acme".into(), ..empty };
    let outcome = store::apply(&mut tx, LIVE, voided, at(8)).await.expect("applied").expect("there");
    assert_eq!((outcome.applied, outcome.aggregation.figures.len()), (Applied::Revised, 0));
    drop(tx);
    assert_eq!(store::get(&db, LIVE, id).await.expect("there"), stored, "taken back");
}

on_both!(many_workers_make_each_aggregation_once);
async fn many_workers_make_each_aggregation_once(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    // Some are there and open, some there and complete, the others are not there.
    let mut tx = db.begin().await.expect("begins");
    let before = (0..800).filter(|n| n % 4 < 2).map(|n| candidate(&format!("c{n}"), 14, "1", n % 4 == 0, 1));
    store::apply_many(&mut tx, LIVE, before.collect(), at(1)).await.expect("applied");
    tx.commit().await.expect("committed");

    let start = Arc::new(Barrier::new(8));
    let mut workers = JoinSet::new();
    for worker in 0..8_usize {
        let (db, start) = (db.clone(), Arc::clone(&start));
        workers.spawn(async move {
            // Each in another order, and not all look at all customers.
            let mut numbers: Vec<usize> = (0..800).filter(|n| n % 8 != worker || n % 4 < 2).collect();
            numbers.rotate_left(worker * 97);
            let batch = numbers.into_iter().map(|n| candidate(&format!("c{n}"), 14, "2", true, 2));
            let batch: Vec<_> = batch.collect();
            start.wait().await;
            let mut tx = db.begin().await.expect("begins");
            let outcomes = store::apply_many(&mut tx, LIVE, batch, at(2)).await.expect("applied");
            tx.commit().await.expect("committed");
            outcomes
        });
    }
    let mut announced: BTreeMap<String, Vec<Announcement>> = BTreeMap::new();
    for outcome in workers.join_all().await.into_iter().flatten() {
        assert_eq!(outcome.aggregation.figures["api.calls"].value, "2");
        announced.entry(outcome.aggregation.id.clone()).or_default().extend(outcome.announcement());
    }
    assert_eq!(announced.len(), 800);
    for n in 0..800 {
        let expected = if n % 4 == 0 { Announcement::Updated } else { Announcement::Completed };
        assert_eq!(announced[&format!("c{n}_daily_20260114")], [expected], "c{n}");
    }
    assert_eq!(store::count(&db, LIVE).await.expect("counted"), 800);
    assert_eq!(store::count(&db, TEST).await.expect("counted"), 0);
}

/// Not registered: only this test holds rows for nothing.
static HOLD: Statement =
    Statement { sqlite: "select id from aggregations", postgres: "select id from aggregations for update" };

on_both!(workers_decide_one_after_the_other);
async fn workers_decide_one_after_the_other(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    apply(&db, candidate("acme", 14, "1", false, 1), 1).await;
    // Somebody holds the row and changes nothing, until both workers wait for it.
    let mut tx = db.begin().await.expect("begins");
    let held: Vec<(String,)> = tx.all(Query::new(&HOLD, vec![])).await.expect("held");
    assert_eq!(held.len(), 1);
    let workers: JoinSet<_> = [db.clone(), db.clone()]
        .into_iter()
        .map(|db| async move { apply(&db, candidate("acme", 14, "2", true, 2), 3).await.applied })
        .collect();
    lock_waiters(&db, 2).await;
    tx.commit().await.expect("committed");
    let mut applied = workers.join_all().await;
    applied.sort_by_key(|applied| *applied == Applied::Unchanged);
    assert_eq!(applied, [Applied::Completed, Applied::Unchanged]);
}

on_both!(later_workers_know_better_whoever_comes_first);
async fn later_workers_know_better_whoever_comes_first(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let start = Arc::new(Barrier::new(8));
    let mut workers = JoinSet::new();
    for sequence in 1..=8_u64 {
        let (db, start) = (db.clone(), Arc::clone(&start));
        workers.spawn(async move {
            start.wait().await;
            apply(&db, candidate("acme", 14, &sequence.to_string(), true, sequence), 1).await
        });
    }
    let outcomes = workers.join_all().await;
    let stored = store::get(&db, LIVE, "acme_daily_20260114").await.expect("there");
    assert_eq!((stored.figures["api.calls"].value.as_str(), stored.through_sequence), ("8", 8));
    let told = |announcement| outcomes.iter().filter(|o| o.announcement() == Some(announcement)).count();
    assert_eq!(told(Announcement::Completed), 1);
    assert_eq!(told(Announcement::Updated), stored.revision as usize - 1);
}

on_both!(aggregations_are_listed_newest_period_first);
async fn aggregations_are_listed_newest_period_first(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let mut tx = db.begin().await.expect("begins");
    let batch = (10..14).flat_map(|day| ["b", "a", "C"].map(|name| candidate(name, day, "1", day < 12, 1)));
    store::apply_many(&mut tx, LIVE, batch.collect(), at(1)).await.expect("applied");
    tx.commit().await.expect("committed");

    let limit = Limit::new(5).expect("in range");
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store::list(&db, LIVE, &Filter::default(), after.as_ref(), limit).await.expect("listed");
        ids.extend(page.items.into_iter().map(|aggregation| aggregation.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected = (10..14).rev().flat_map(|day| ["C", "a", "b"].map(|c| format!("{c}_daily_202601{day}")));
    assert_eq!(ids, expected.collect::<Vec<_>>());

    let filter = Filter {
        customer: Some("a"),
        from: Some(at(11 * 86_400)),
        to: Some(at(12 * 86_400)),
        ..Filter::default()
    };
    let page = store::list(&db, LIVE, &filter, None, Limit::compatible(50_000)).await.expect("listed");
    let ids: Vec<_> = page.items.iter().map(|aggregation| aggregation.id.as_str()).collect();
    assert_eq!(ids, ["a_daily_20260112", "a_daily_20260111"]);
    let hourly = Filter { period: Some("hourly"), ..Filter::default() };
    assert!(store::list(&db, LIVE, &hourly, None, limit).await.expect("listed").items.is_empty());

    for (day, open) in [(12, &["C", "a", "b"][..]), (11, &[])] {
        let name = format!("a_daily_202601{day}");
        let span = store::get(&db, LIVE, &name).await.expect("there").span;
        assert_eq!(store::open_customers(&db, LIVE, &span).await.expect("listed"), open, "{day}");
    }
    let found = store::find_many(&db, LIVE, &["a_daily_20260112", "x"]).await.expect("found");
    assert_eq!(found.len(), 1);
    assert!(store::find_many(&db, LIVE, &[]).await.expect("found").is_empty());
    assert_eq!(store::delete_all(&db, TEST).await.expect("deleted"), 0);
    assert_eq!(store::delete_all(&db, LIVE).await.expect("deleted"), 12);
    assert_eq!(store::count(&db, LIVE).await.expect("counted"), 0);
}

on_both!(what_was_imported_is_never_overwritten);
async fn what_was_imported_is_never_overwritten(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let Candidate { customer, span, figures, event_count, .. } = candidate("acme", 14, "5", true, 0);
    let status = Status {
        delivered: false,
        attempts: 3,
        delivered_at: None,
        last_error: Some("HTTP 500".into()),
        last_attempt_at: Some(at(2)),
        dry_run: true,
    };
    let new =
        store::NewImport { customer, span, figures, event_count, status: status.clone(), created_at: at(1) };
    let other = store::NewImport { event_count: 9, ..new.clone() };
    for (one, created, conflicts) in [(&new, 1, 0), (&new, 0, 0), (&other, 0, 1)] {
        let mut tx = db.begin().await.expect("begins");
        let taken = store::import(&mut tx, LIVE, std::slice::from_ref(one), at(3)).await.expect("imported");
        assert_eq!((taken.created.len(), taken.conflicts.len()), (created, conflicts));
        tx.commit().await.expect("committed");
    }
    let stored = store::get(&db, LIVE, "acme_daily_20260114").await.expect("there");
    assert_eq!(stored.imported, Some(store::Imported { at: at(3), status }));
    let outcome = apply(&db, candidate("acme", 14, "6", true, 20), 4).await;
    assert_eq!((outcome.applied, outcome.announcement()), (Applied::Kept, None));
    assert_eq!(store::get(&db, LIVE, "acme_daily_20260114").await.expect("there"), stored);
}
