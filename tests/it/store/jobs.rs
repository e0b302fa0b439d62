//! Watermarks, runs, leases, kept answers and settings.
use super::{at, bits};
use crate::support::database::{lock_waiters, on_both};
use reckoner_domain::id::JobRunId;
use reckoner_domain::period::Period;
use reckoner_domain::time::Timestamp;
use reckoner_server::store::idempotency::{self, Answer, Began, Request};
use reckoner_server::store::job_runs::{self, Finished, JobRun, RunResult};
use reckoner_server::store::leases::{self, Lease};
use reckoner_server::store::projects::{self, LIVE, TEST};
use reckoner_server::store::watermarks::{self, Watermark};
use reckoner_server::store::{Db, Limit, StoreError, settings};
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Runs eight of the same at once and says how many answered true.
async fn eight_at_once<F>(db: &Db, work: impl Fn(Db, usize) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let start = Arc::new(Barrier::new(8));
    let mut workers = JoinSet::new();
    for worker in 0..8 {
        let (start, work) = (Arc::clone(&start), work(db.clone(), worker));
        workers.spawn(async move {
            start.wait().await;
            work.await
        });
    }
    workers.join_all().await.into_iter().filter(|won| *won).count()
}

on_both!(one_worker_moves_a_watermark);
async fn one_worker_moves_a_watermark(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let job = (LIVE, "aggregate");
    assert_eq!(watermarks::get(&db, LIVE, "aggregate").await.expect("read"), None);
    let mut from: Option<Watermark> = None;
    for round in 1..=3 {
        let periods = Period::ALL.into_iter().take(round as usize - 1).collect();
        let to = Watermark { sequence: 1, time: at(60), periods };
        let won = eight_at_once(&db, |db, _| {
            let (from, to) = (from.clone(), to.clone());
            async move { watermarks::advance(&db, job, from.as_ref(), &to, at(1)).await.expect("moved") }
        });
        assert_eq!(won.await, 1, "round {round}");
        assert_eq!(watermarks::get(&db, LIVE, "aggregate").await.expect("read").as_ref(), Some(&to));
        from = Some(to);
    }
    let stale = Watermark { time: at(59), ..from.expect("moved") };
    assert!(!watermarks::advance(&db, job, Some(&stale), &stale, at(1)).await.expect("refused"));
    assert_eq!(watermarks::get(&db, TEST, "aggregate").await.expect("read"), None);
}

on_both!(a_run_waits_for_a_change_under_way);
async fn a_run_waits_for_a_change_under_way(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let reach = async |seconds| watermarks::reach(&db, LIVE, "aggregate", at(seconds)).await.expect("noted");
    assert_eq!((reach(5).await, reach(3).await, reach(6).await), (at(5), at(5), at(6)));
    let mut tx = db.begin().await.expect("begins");
    assert_eq!(watermarks::reach(&mut tx, LIVE, "aggregate", at(4)).await.expect("noted"), at(6));
    let run = tokio::spawn({
        let db = db.clone();
        async move {
            watermarks::reach(&db, LIVE, "aggregate", at(9)).await.expect("noted");
            settings::get(&db, "change").await.expect("read")
        }
    });
    lock_waiters(&db, 1).await;
    settings::set(&mut tx, "change", "made").await.expect("set");
    tx.commit().await.expect("committed");
    assert_eq!(run.await.expect("ends well").as_deref(), Some("made"));
    watermarks::forget_reach(&db, LIVE, "aggregate").await.expect("forgotten");
    assert_eq!(reach(2).await, at(2));
}

on_both!(runs_are_shown);
async fn runs_are_shown(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let run = |second| JobRun {
        id: JobRunId::from_bits(bits()),
        project: LIVE,
        job: if second == 2 { "other" } else { "aggregate" }.into(),
        worker: "w1".into(),
        started_at: at(second),
        finished: None,
    };
    let runs = [run(1), run(2), run(3)];
    for run in &runs {
        job_runs::start(&db, run).await.expect("noted");
    }
    let end = Finished { at: at(9), result: RunResult::Failed, detail: Some("disk full".into()) };
    job_runs::finish(&db, LIVE, &runs[0].id, &end).await.expect("noted");
    for project in [LIVE, TEST] {
        let again = job_runs::finish(&db, project, &runs[0].id, &end).await;
        assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    }
    let one = Limit::new(1).expect("in range");
    let page = job_runs::list(&db, LIVE, Some("aggregate"), None, one).await.expect("listed");
    assert_eq!(page.items, [runs[2].clone()]);
    let rest = job_runs::list(&db, LIVE, Some("aggregate"), page.next.as_ref(), one).await.expect("listed");
    assert_eq!((rest.items, rest.next), (vec![JobRun { finished: Some(end), ..runs[0].clone() }], None));
    assert_eq!(job_runs::purge(&db, LIVE, at(3)).await.expect("deleted"), 2);
    let all = job_runs::list(&db, LIVE, None, None, Limit::default()).await.expect("listed");
    assert_eq!(all.items.len(), 1);
}

const NAMES: [&str; 8] = ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"];

async fn claim(db: &Db, holder: &'static str, now: Timestamp, until: Timestamp) -> bool {
    leases::claim(db, Lease { project: LIVE, name: "aggregate", holder }, now, until).await.expect("asked")
}

on_both!(one_worker_has_a_lease);
async fn one_worker_has_a_lease(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    for round in 0..5 {
        // Free at first, then taken over from a dead one.
        let (now, until) = (at(round * 10), at(round * 10 + 10));
        let won = eight_at_once(&db, |db, worker| async move { claim(&db, NAMES[worker], now, until).await });
        assert_eq!(won.await, 1, "round {round}");
    }
    let lease = |holder| Lease { project: LIVE, name: "aggregate", holder };
    leases::claim(&db, Lease { project: TEST, ..lease("w0") }, at(0), at(99))
        .await
        .expect("another project's");
    assert!(claim(&db, "w1", at(50), at(60)).await);
    assert!(!claim(&db, "w1", at(55), at(70)).await, "not even to its holder again");
    assert!(!leases::renew(&db, lease("w2"), at(55), at(70)).await.expect("another's"));
    assert!(leases::renew(&db, lease("w1"), at(55), at(70)).await.expect("kept"));
    assert!(!leases::renew(&db, lease("w1"), at(70), at(80)).await.expect("too late"));
    leases::release(&db, lease("w2")).await.expect("another's: nothing");
    assert!(!claim(&db, "w3", at(65), at(75)).await);
    leases::release(&db, lease("w1")).await.expect("given back");
    assert!(claim(&db, "w3", at(65), at(75)).await);
}

on_both!(a_write_is_done_once);
async fn a_write_is_done_once(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let request = Request { project: LIVE, key: "k", route: "POST /v1/meters", hash: [1; 32] };
    let new = eight_at_once(&db, |db, _| async move {
        idempotency::begin(&db, request, at(0), at(60)).await.expect("begun") == Began::New
    });
    assert_eq!(new.await, 1);
    let begin = |request, second| idempotency::begin(&db, request, at(second), at(second + 60));
    assert_eq!(begin(request, 1).await.expect("asked"), Began::Running);
    let answer = Answer { status: 201, content_type: "application/json".into(), body: b"{\xff\0}".to_vec() };
    let finish = |began: i64| idempotency::finish(&db, request, at(began), &answer, at(1_000));
    assert!(!finish(1).await.expect("not that one"));
    assert!(finish(0).await.expect("kept"));
    assert!(!finish(0).await.expect("kept before"));
    assert_eq!(begin(request, 61).await.expect("asked"), Began::Answered(answer));
    for other in [Request { hash: [2; 32], ..request }, Request { route: "PUT /", ..request }] {
        assert_eq!(begin(other, 62).await.expect("asked"), Began::Mismatch);
    }
    assert_eq!(begin(Request { project: TEST, ..request }, 62).await.expect("asked"), Began::New);
    assert_eq!(begin(Request { hash: [2; 32], ..request }, 1_000).await.expect("expired"), Began::New);

    let dead = Request { key: "dead", ..request };
    assert_eq!(begin(dead, 0).await.expect("begun"), Began::New);
    assert_eq!(begin(dead, 60).await.expect("taken over"), Began::New);
    assert!(
        !idempotency::finish(
            &db,
            dead,
            at(0),
            &Answer { status: 200, content_type: String::new(), body: vec![] },
            at(99)
        )
        .await
        .expect("too late")
    );
    idempotency::abandon(&db, dead, at(60)).await.expect("forgotten");
    assert_eq!(begin(dead, 61).await.expect("begun"), Began::New);
    assert_eq!(idempotency::purge(&db, at(200)).await.expect("purged"), 2);
}

on_both!(settings_are_agreed_on);
async fn settings_are_agreed_on(db: Db) {
    assert_eq!(settings::get(&db, "store_id").await.expect("read"), None);
    let mut values = JoinSet::new();
    for name in NAMES {
        let db = db.clone();
        values.spawn(async move { settings::get_or_set(&db, "store_id", name).await.expect("set") });
    }
    let mut values = values.join_all().await;
    values.dedup();
    assert_eq!(values.len(), 1, "{values:?}");
    settings::set(&db, "store_id", "x").await.expect("set");
    assert_eq!(settings::get_or_set(&db, "store_id", "y").await.expect("read"), "x");
}
