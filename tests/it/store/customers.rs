//! Customers.
use super::{at, customer_id};
use crate::support::database::{lock_waiters, on_both};
use reckoner_domain::id::CustomerId;
use reckoner_server::store::customer_zones::{self, ZoneHistory};
use reckoner_server::store::customers::{self, Customer, Details, Filter};
use reckoner_server::store::projects::{self, LIVE, TEST};
use reckoner_server::store::{Db, Limit, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

on_both!(customers_are_made_on_first_use);
async fn customers_are_made_on_first_use(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let made = customers::ensure_many(&db, LIVE, &["b", "a", "b"], at(1), customer_id).await.expect("made");
    assert_eq!(made.into_iter().collect::<BTreeSet<_>>(), ["a".to_owned(), "b".to_owned()].into());
    let made = customers::ensure_many(&db, LIVE, &["c", "a"], at(2), customer_id).await.expect("made");
    assert_eq!(made, ["c"]);
    assert!(customers::ensure_many(&db, LIVE, &[], at(2), customer_id).await.expect("nothing").is_empty());
    let a = customers::find(&db, LIVE, "a").await.expect("there");
    assert_eq!((a.created_at, a.version), (at(1), 1));
    assert_eq!(customers::find(&db, LIVE, a.id.as_str()).await.expect("there"), a);
    assert!(matches!(customers::find(&db, TEST, "a").await, Err(StoreError::NotFound)));
    assert!(matches!(customers::get(&db, TEST, &a.id).await, Err(StoreError::NotFound)));
    assert_eq!(customers::count(&db, LIVE).await.expect("counted"), 3);
}

on_both!(many_callers_make_each_customer_once);
async fn many_callers_make_each_customer_once(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let start = Arc::new(Barrier::new(8));
    let mut callers = JoinSet::new();
    for caller in 0..8_usize {
        let (db, start) = (db.clone(), Arc::clone(&start));
        callers.spawn(async move {
            let mut names: Vec<String> = (0..1_300).map(|n| format!("customer {n}")).collect();
            names.rotate_left(caller * 100);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            start.wait().await;
            customers::ensure_many(&db, LIVE, &names, at(1), customer_id).await.expect("made").len()
        });
    }
    let made: usize = callers.join_all().await.into_iter().sum();
    assert_eq!((made, customers::count(&db, LIVE).await.expect("counted")), (1_300, 1_300));
}

on_both!(callers_never_wait_in_a_circle);
async fn callers_never_wait_in_a_circle(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let middle = Customer {
        id: customer_id(),
        project: LIVE,
        external_id: "k".into(),
        details: Details::default(),
        created_at: at(1),
        version: 1,
    };
    let mut tx = db.begin().await.expect("begins");
    customers::create(&mut tx, &middle).await.expect("made");
    let callers: JoinSet<_> =
        [["a", "k", "z"], ["z", "k", "a"]]
            .map(|names| {
                let db = db.clone();
                async move {
                    customers::ensure_many(&db, LIVE, &names, at(1), customer_id).await.expect("made").len()
                }
            })
            .into_iter()
            .collect();
    lock_waiters(&db, 2).await;
    tx.rollback().await.expect("taken back");
    assert_eq!(callers.join_all().await.into_iter().sum::<usize>(), 3);
}

on_both!(customers_change_one_version_at_a_time);
async fn customers_change_one_version_at_a_time(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let metadata = serde_json::from_str(r#"{"tier":"gold","n":1.50}"#).expect("an object");
    let details = Details { display_name: Some("Acme".into()), time_zone: None, metadata };
    let acme = Customer {
        id: customer_id(),
        project: LIVE,
        external_id: "acme".into(),
        details,
        created_at: at(1),
        version: 1,
    };
    customers::create(&db, &acme).await.expect("made");
    let again = customers::create(&db, &Customer { id: customer_id(), ..acme.clone() }).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    let stored = customers::get_by_external_id(&db, LIVE, "acme").await.expect("there");
    assert_eq!(stored, acme);
    let details = Details { display_name: None, ..acme.details.clone() };
    let mut tx = db.begin().await.expect("begins");
    let changed = customers::update(&mut tx, LIVE, &acme.id, 1, &details).await.expect("changed");
    assert_eq!(changed, Customer { details: details.clone(), version: 2, ..acme.clone() });
    let stale = customers::update(&mut tx, LIVE, &acme.id, 1, &details).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    let foreign = customers::update(&mut tx, TEST, &acme.id, 2, &details).await;
    assert!(matches!(foreign, Err(StoreError::NotFound)), "{foreign:?}");
}

on_both!(customers_are_listed_in_pages);
async fn customers_are_listed_in_pages(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    for (second, names) in [(1, ["a_1", "a_2", "b"]), (2, ["a%", "A_1", "ä"])] {
        customers::ensure_many(&db, LIVE, &names, at(second), customer_id).await.expect("made");
    }
    customers::ensure_many(&db, TEST, &["a_9"], at(0), customer_id).await.expect("made");
    let limit = Limit::new(4).expect("in range");
    let all = Filter::default();
    let first = customers::list(&db, LIVE, &all, None, limit).await.expect("listed");
    let rest = customers::list(&db, LIVE, &all, first.next.as_ref(), limit).await.expect("listed");
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (4, 2, None));
    let listed: Vec<_> =
        first.items.iter().chain(&rest.items).map(|c| (c.created_at, c.id.clone())).collect();
    assert!(listed.is_sorted() && listed.iter().collect::<BTreeSet<_>>().len() == 6);
    let filter = Filter { external_id_prefix: Some("a_"), ..Filter::default() };
    let found = customers::list(&db, LIVE, &filter, None, limit).await.expect("listed");
    let names: BTreeSet<_> = found.items.iter().map(|c| c.external_id.as_str()).collect();
    assert_eq!(names, ["a_1", "a_2"].into());
    let filter = Filter { display_name: Some("nobody"), ..Filter::default() };
    assert!(customers::list(&db, LIVE, &filter, None, limit).await.expect("listed").items.is_empty());
}

on_both!(changes_of_zones_are_kept_in_order);
async fn changes_of_zones_are_kept_in_order(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    customers::ensure_many(&db, LIVE, &["a", "b", "c"], at(1), customer_id).await.expect("made");
    let zoned = |name: Option<&str>| Details { time_zone: name.map(str::to_owned), ..Details::default() };
    let berlin = Customer {
        id: customer_id(),
        project: LIVE,
        external_id: "d".into(),
        details: zoned(Some("Europe/Berlin")),
        created_at: at(1),
        version: 1,
    };
    customers::create(&db, &berlin).await.expect("made");
    let a = customers::find(&db, LIVE, "a").await.expect("there").id;
    let change = async |project, id: &CustomerId, version, name: Option<&str>, time| {
        let mut tx = db.begin().await?;
        let changed = customer_zones::change(&mut tx, project, id, version, &zoned(name), at(time)).await?;
        tx.commit().await?;
        Ok::<_, StoreError>((changed.version, changed.details.time_zone))
    };
    let (kolkata, apia) = (Some("Asia/Kolkata"), Some("Pacific/Apia"));
    let named = |name: Option<&str>| name.map(str::to_owned);
    assert_eq!(change(LIVE, &a, 1, kolkata, 5).await.expect("changed"), (2, named(kolkata)));
    assert_eq!(change(LIVE, &a, 2, None, 5).await.expect("changed"), (3, None));
    assert_eq!(change(LIVE, &berlin.id, 1, apia, 7).await.expect("changed"), (2, named(apia)));
    assert!(matches!(change(LIVE, &a, 2, apia, 8).await, Err(StoreError::Stale)));
    assert!(matches!(change(TEST, &a, 3, apia, 8).await, Err(StoreError::NotFound)));
    let of_a = ZoneHistory { first: None, changes: vec![(at(5), named(kolkata)), (at(5), None)] };
    let of_d = ZoneHistory { first: named(Some("Europe/Berlin")), changes: vec![(at(7), named(apia))] };
    let all = vec![("a".to_owned(), of_a.clone()), ("d".to_owned(), of_d)];
    assert_eq!(customer_zones::histories(&db, LIVE).await.expect("read"), all);
    assert_eq!(customer_zones::histories(&db, TEST).await.expect("read"), []);
    let some = customer_zones::histories_of(&db, LIVE, &["b", "a", "x"]).await.expect("read");
    assert_eq!(some, [("a".to_owned(), of_a)]);
    customer_zones::forget_changes(&db, LIVE).await.expect("forgotten");
    let now = ZoneHistory { first: named(apia), changes: vec![] };
    assert_eq!(customer_zones::histories(&db, LIVE).await.expect("read"), [("d".to_owned(), now)]);
}
