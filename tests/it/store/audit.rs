//! The record of changes: chained, found out when it is tampered with, and whole under many writers.
use super::at;
use crate::support::database::{lock_waiters, on_both};
use reckoner_domain::audit::{Broken, Place};
use reckoner_domain::id::ProjectId;
use reckoner_server::clock::Clock;
use reckoner_server::store::audit::{self, Change, DETAILS_BYTES_MAX, Filter, Stored};
use reckoner_server::store::audit_check::{self, chains};
use reckoner_server::store::projects::{self, LIVE, TEST};
use reckoner_server::store::{Db, Limit};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use tokio::task::JoinSet;

/// A change of one thing by somebody.
fn change(project: Option<ProjectId>, actor: &str, object: &str) -> Change {
    let change = Change::new(project, actor, "thing.changed", object);
    change.before(json!({"size": 1})).after(json!({"size": 2, "text": "a\nb\u{0}c"}))
}

async fn write(db: &Db, clock: &Clock, changes: Vec<Change>) {
    let mut tx = db.begin().await.expect("begins");
    audit::write(&mut tx, clock, changes).await.expect("written");
    tx.commit().await.expect("commits");
}

/// Five entries about project `live`.
async fn five(db: &Db) -> Vec<Stored> {
    projects::ensure(db, at(0)).await.expect("made");
    for number in 1..=5 {
        let object = format!("object_{number}");
        write(db, &Clock::manual(at(number)), vec![change(Some(LIVE), "somebody", &object)]).await;
    }
    let all = audit::list(db, Some(LIVE), &Filter::default(), None, Limit::default()).await.expect("read");
    all.items.into_iter().rev().collect()
}

async fn broken(db: &Db, anchors: &[Place]) -> Option<Broken> {
    audit_check::check(db, LIVE.0, anchors).await.expect("checked").broken
}

/// Says something to the database that the store never would.
async fn tamper(db: &Db, statements: &str) {
    let outcome = match db {
        Db::Sqlite { writer, .. } => writer.execute(AssertSqlSafe(statements.to_owned())).await.map(drop),
        Db::Postgres(pool) => pool.execute(AssertSqlSafe(statements.to_owned())).await.map(drop),
    };
    outcome.expect("done");
}

on_both!(entries_are_chained_by_their_hashes);
async fn entries_are_chained_by_their_hashes(db: Db) {
    let entries = five(&db).await;
    let numbers: Vec<u64> = entries.iter().map(|one| one.entry.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(entries[0].entry.previous, [0; 32]);
    assert!(entries.windows(2).all(|two| two[1].entry.previous == two[0].hash));
    let last = Place { number: 5, hash: entries[4].hash };
    assert_eq!(audit::head(&db, LIVE.0).await.expect("read"), Some(last));
    assert_eq!(broken(&db, &[last]).await, None);
    assert_eq!(chains(&db).await.expect("read"), [0, LIVE.0, TEST.0]);
    let both = vec![change(None, "somebody", "a"), change(Some(LIVE), "somebody", "b")];
    write(&db, &Clock::manual(at(9)), both).await;
    for chain in [0, LIVE.0, TEST.0] {
        assert_eq!(audit_check::check(&db, chain, &[]).await.expect("checked").broken, None, "{chain}");
    }
}

on_both!(whatever_is_tampered_with_is_named);
async fn whatever_is_tampered_with_is_named(db: Db) {
    let entries = five(&db).await;
    let kept =
        "create table kept as select * from audit_entries; create table heads as select * from audit_chains";
    tamper(&db, kept).await;
    let restore = "delete from audit_entries; delete from audit_chains;
        insert into audit_chains select * from heads; insert into audit_entries select * from kept";
    let on = "update audit_entries set";
    for (statements, first_bad) in [
        (format!("{on} actor = 'another' where number = 2"), Broken::Changed(2)),
        (format!("{on} made_at = made_at + 1 where number = 3"), Broken::Changed(3)),
        (format!("{on} details = replace(details, '2', '3') where number = 4"), Broken::Details(4)),
        (format!("{on} salt = previous_hash where number = 4"), Broken::Changed(4)),
        ("delete from audit_entries where number = 1".into(), Broken::Missing { expected: 1, found: 2 }),
        ("delete from audit_entries where number = 3".into(), Broken::Missing { expected: 3, found: 4 }),
        (
            format!(
                "{on} number = 9 where number = 2; {on} number = 2 where number = 3; {on} number = 3 where number = 9"
            ),
            Broken::Changed(2),
        ),
        ("delete from audit_entries where number > 3".into(), Broken::Truncated { missing: 4, head: 5 }),
        ("delete from audit_entries".into(), Broken::Truncated { missing: 1, head: 5 }),
        ("update audit_chains set last_number = 3 where chain = 1".into(), Broken::Beyond(4)),
        (
            format!("delete from audit_entries where number = 5; {on} number = 5 where number = 4"),
            Broken::Missing { expected: 4, found: 5 },
        ),
    ] {
        tamper(&db, &statements).await;
        assert_eq!(broken(&db, &[]).await, Some(first_bad), "{statements}");
        tamper(&db, restore).await;
        assert_eq!(broken(&db, &[]).await, None);
    }
    // An end that is cut off together with its head is found by who wrote that down.
    let end = Place { number: 5, hash: entries[4].hash };
    tamper(&db, "delete from audit_entries where number > 3").await;
    let head = "update audit_chains set last_number = 3, last_hash = (select hash from audit_entries where number = 3)";
    tamper(&db, head).await;
    assert_eq!(broken(&db, &[]).await, None);
    assert_eq!(broken(&db, &[end]).await, Some(Broken::Anchor(5)));
    for _ in 0..2 {
        write(&db, &Clock::manual(at(9)), vec![change(Some(LIVE), "somebody", "x")]).await;
    }
    assert_eq!(broken(&db, &[]).await, None);
    assert_eq!(broken(&db, &[end]).await, Some(Broken::Anchor(5)));
}

on_both!(what_is_taken_back_leaves_no_entry);
async fn what_is_taken_back_leaves_no_entry(db: Db) {
    five(&db).await;
    let mut tx = db.begin().await.expect("begins");
    let gone = vec![change(Some(LIVE), "somebody", "gone")];
    audit::write(&mut tx, &Clock::manual(at(7)), gone).await.expect("written");
    tx.rollback().await.expect("taken back");
    assert_eq!(audit_check::check(&db, LIVE.0, &[]).await.expect("checked").last.number, 5);
    assert_eq!(broken(&db, &[]).await, None);
}

on_both!(a_second_writer_follows_the_first);
async fn a_second_writer_follows_the_first(db: Db) {
    five(&db).await;
    let clock = Clock::manual(at(7));
    let mut first = db.begin().await.expect("begins");
    audit::write(&mut first, &clock, vec![change(Some(LIVE), "first", "x")]).await.expect("written");
    let (other, its_clock) = (db.clone(), clock.clone());
    let second = tokio::spawn(async move {
        write(&other, &its_clock, vec![change(Some(LIVE), "second", "x")]).await;
    });
    lock_waiters(&db, 1).await;
    first.commit().await.expect("commits");
    second.await.expect("written");
    let filter = Filter { object: Some("x".to_owned()), ..Filter::default() };
    let both = audit::list(&db, Some(LIVE), &filter, None, Limit::default()).await.expect("read").items;
    let who: Vec<_> = both.iter().map(|one| (one.entry.number, one.entry.actor.as_str())).collect();
    assert_eq!(who, [(7, "second"), (6, "first")]);
    assert_eq!(broken(&db, &[]).await, None);
}

on_both!(many_writers_make_one_chain);
async fn many_writers_make_one_chain(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let db = db.clone();
        writers.spawn(async move {
            for number in 0..10 {
                let clock = Clock::manual(at(number));
                // In either order: chains are taken in one.
                let mut changes = vec![change(None, "somebody", "a"), change(Some(LIVE), "somebody", "b")];
                if writer % 2 == 0 {
                    changes.reverse();
                }
                write(&db, &clock, changes).await;
            }
        });
    }
    writers.join_all().await;
    for chain in [0, LIVE.0] {
        let checked = audit_check::check(&db, chain, &[]).await.expect("checked");
        assert_eq!((checked.broken, checked.last.number), (None, 80), "{chain}");
    }
}

on_both!(entries_are_filtered_and_paged);
async fn entries_are_filtered_and_paged(db: Db) {
    five(&db).await;
    write(&db, &Clock::manual(at(6)), vec![change(Some(TEST), "somebody", "object_1")]).await;
    write(&db, &Clock::manual(at(7)), vec![change(Some(LIVE), "else", "object_1")]).await;
    let list = async |filter: Filter, before| {
        let limit = Limit::new(2).expect("in range");
        let page = audit::list(&db, Some(LIVE), &filter, before, limit).await.expect("read");
        page.items.iter().map(|one| one.entry.number).collect::<Vec<_>>()
    };
    let none = Filter::default;
    assert_eq!(list(none(), None).await, [6, 5]);
    assert_eq!(list(none(), Some(5)).await, [4, 3]);
    assert_eq!(list(Filter { actor: Some("else".into()), ..none() }, None).await, [6]);
    assert_eq!(list(Filter { object: Some("object_1".into()), ..none() }, None).await, [6, 1]);
    assert_eq!(list(Filter { action: Some("thing".into()), ..none() }, None).await, [0_u64; 0]);
    assert_eq!(list(Filter { from: Some(at(2)), to: Some(at(4)), ..none() }, None).await, [3, 2]);
}

on_both!(what_is_too_large_is_told_by_its_hash);
async fn what_is_too_large_is_told_by_its_hash(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let large = Change::new(Some(LIVE), "a", "b", "c").after(json!({"text": "x".repeat(DETAILS_BYTES_MAX)}));
    write(&db, &Clock::manual(at(1)), vec![large]).await;
    let all = audit::list(&db, Some(LIVE), &Filter::default(), None, Limit::default()).await.expect("read");
    let details: serde_json::Value = serde_json::from_str(&all.items[0].details).expect("JSON");
    assert_eq!(details["after"]["too_large"], json!(true));
    assert_eq!(details["after"]["bytes"], json!(DETAILS_BYTES_MAX + 11));
    assert_eq!(broken(&db, &[]).await, None);
}
