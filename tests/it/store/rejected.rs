//! Rejected events, on both engines.
use super::{at, bits};
use crate::support::database::on_both;
use reckoner_domain::id::RejectedEventId;
use reckoner_domain::time::DAY;
use reckoner_server::store::projects::{self, LIVE, TEST};
use reckoner_server::store::rejected_events::{
    self as store, Code, Filter, INSERT_MAX, KEPT_MAX, Reason, RejectedEvent,
};
use reckoner_server::store::{Db, Limit};

fn one(second: i64, customer: &str) -> RejectedEvent {
    RejectedEvent {
        id: RejectedEventId::from_bits(bits()),
        project: LIVE,
        received_at: at(second),
        index: 3,
        code: Code::Conflict,
        event_id: None,
        customer: Some(customer.into()),
        meter: Some("m".into()),
        errors: vec![Reason { field: "id".into(), reason: "is taken\u{0}".into() }],
        event: "{}".into(),
        is_cut: true,
    }
}

on_both!(the_newest_rejected_events_are_kept);
async fn the_newest_rejected_events_are_kept(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let all: Vec<RejectedEvent> =
        (0..i64::from(KEPT_MAX) + 10).map(|n| one(n / 7, &format!("c{}", n % 2))).collect();
    let mut tx = db.begin().await.expect("begins");
    for chunk in all.chunks(INSERT_MAX) {
        store::insert_many(&mut tx, chunk).await.expect("stored");
    }
    assert_eq!(store::trim(&mut tx, TEST).await.expect("trimmed"), 0);
    assert_eq!(store::trim(&mut tx, LIVE).await.expect("trimmed"), 10);
    assert_eq!(store::trim(&mut tx, LIVE).await.expect("trimmed"), 0);
    tx.commit().await.expect("committed");
    let limit = Limit::new(1_000).expect("in range");
    let (now, filter) =
        (at(0), Filter { customer: Some("c1"), meter: Some("m"), code: Some(Code::Conflict) });
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = store::list(&db, LIVE, &filter, now, after.as_ref(), limit).await.expect("listed");
        listed.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<RejectedEvent> =
        all[10..].iter().filter(|one| one.customer.as_deref() == Some("c1")).rev().cloned().collect();
    assert_eq!(listed, expected);
    let late = all[10].received_at.plus_micros(7 * DAY);
    assert_eq!(store::purge(&db, LIVE, late).await.expect("purged"), 0, "seven days are not over");
    let same = all[10..].iter().filter(|one| one.received_at == all[10].received_at).count() as u64;
    assert_eq!(store::purge(&db, LIVE, late.plus_micros(1)).await.expect("purged"), same);
    assert_eq!(store::delete_all(&db, LIVE).await.expect("deleted"), u64::from(KEPT_MAX) - same);
}
