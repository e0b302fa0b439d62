//! Decisions: exact at the limit, rarely a round trip.
use crate::standin::{Fault, Standin, nobody};
use reckoner_client::{Limiter, Record, Tracker, WhenAway};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn limiter(standin: &Standin) -> Limiter {
    let tracker =
        Tracker::builder(standin.client()).flush_interval(Duration::from_millis(50)).start().expect("starts");
    Limiter::builder(standin.client(), tracker).decision_timeout(Duration::from_secs(30)).start()
}

fn call() -> Record {
    Record::new("acme", "api.calls")
}

/// How many of so many calls, sixteen at once, are allowed.
async fn calls(limiter: &Limiter, count: u64) -> u64 {
    let (left, allowed) = (Arc::new(AtomicU64::new(count)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (limiter, left, allowed) = (limiter.clone(), Arc::clone(&left), Arc::clone(&allowed));
            tokio::spawn(async move {
                let one = |left: u64| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one).is_ok() {
                    if limiter.take(&call(), 1).await.allowed {
                        allowed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller");
    }
    allowed.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_is_exact_and_far_below_it_decisions_are_local() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.limit = Some(1_000));
    let limiter = limiter(&standin);
    assert_eq!(calls(&limiter, 500).await, 500);
    let asked = standin.with(|inner| inner.requests.get("leases").copied().unwrap_or(0));
    let consumed = standin.with(|inner| inner.requests.get("consume").copied().unwrap_or(0));
    assert!(asked < 40 && consumed == 0, "{asked} leases, {consumed} round trips");
    assert_eq!(calls(&limiter, 900).await, 500);
    limiter.tracker().flush().await.expect("sent");
    assert_eq!(standin.count("api.calls"), 1_000);
    let refused = limiter.take(&call(), 1).await;
    let verdict = refused.verdict.as_ref().expect("a verdict");
    assert_eq!((verdict.remaining.as_deref(), verdict.limit.as_deref()), (Some("0"), Some("1000")));
    assert!(!refused.allowed && !refused.is_away() && !refused.local);
}

#[tokio::test]
async fn units_that_are_recorded_do_not_count_twice_while_their_lease_holds_them() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.limit = Some(100));
    let limiter = limiter(&standin);
    for number in 0..100 {
        assert!(limiter.take(&call(), 1).await.allowed, "{number}");
        limiter.tracker().flush().await.expect("sent");
    }
    assert!(!limiter.take(&call(), 1).await.allowed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_share_a_limit_never_pass_it() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.limit = Some(700));
    let limiters: Vec<Limiter> = (0..3).map(|_| limiter(&standin)).collect();
    let mut allowed = 0;
    for counted in [calls(&limiters[0], 300), calls(&limiters[1], 300)].map(Box::pin) {
        allowed += counted.await;
    }
    allowed += calls(&limiters[2], 400).await;
    assert!(allowed <= 700, "{allowed}");
    for limiter in &limiters {
        limiter.shutdown().await;
    }
    assert_eq!(standin.with(|inner| inner.leases.len()), 0, "all is given back");
    assert_eq!(standin.count("api.calls") as u64, allowed);
    // What one held back the others find now.
    allowed += calls(&limiters[0], 800 - allowed).await;
    limiters[0].tracker().flush().await.expect("sent");
    assert_eq!((allowed, standin.count("api.calls")), (700, 700));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_ask_at_once_get_all_that_there_is_however_slow_the_answers() {
    for delays in 1..=20 {
        let standin = Standin::start().await;
        standin.with(|inner| (inner.limit, inner.delays) = (Some(60), delays));
        let limiter = limiter(&standin);
        let asks = (0..150).map(|_| {
            let limiter = limiter.clone();
            async move { limiter.take(&call(), 1).await.allowed }
        });
        let answers = futures_util::future::join_all(asks).await;
        assert_eq!(answers.into_iter().filter(|allowed| *allowed).count(), 60, "delays {delays}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn plans_that_do_not_block_are_asked_about_once() {
    let standin = Standin::start().await;
    let limiter = limiter(&standin);
    assert_eq!(calls(&limiter, 2_000).await, 2_000);
    limiter.shutdown().await;
    assert_eq!(standin.count("api.calls"), 2_000);
    assert_eq!(standin.with(|inner| inner.requests["leases"]), 1);
}

#[tokio::test]
async fn a_request_that_is_sent_again_counts_once() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.limit = Some(10));
    let limiter = limiter(&standin);
    for _ in 0..25 {
        assert!(limiter.take(&call().id("the-same"), 1).await.allowed);
    }
    limiter.shutdown().await;
    assert_eq!((standin.count("api.calls"), standin.with(|inner| inner.leases.len())), (1, 0));
    let others = calls(&limiter, 20).await;
    assert_eq!(others, 9);
}

#[tokio::test]
async fn without_a_server_it_does_as_it_was_told_and_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let away = nobody().await;
    for (when_away, allowed, count) in [(WhenAway::Allow, true, 5), (WhenAway::Refuse, false, 3)] {
        let tracker =
            Tracker::builder(away.clone()).spill(directory.path()).drop_wait(Duration::ZERO).start();
        let tracker = tracker.expect("starts");
        let limiter = Limiter::builder(away.clone(), tracker.clone()).when_away(when_away).start();
        for _ in 0..count {
            let decision = limiter.take(&call(), 1).await;
            assert_eq!((decision.allowed, decision.is_away()), (allowed, !allowed));
        }
        let _ = tracker.shutdown(Duration::ZERO).await;
    }
    let standin = Standin::start().await;
    let tracker = Tracker::builder(standin.client()).spill(directory.path()).start().expect("starts");
    tracker.shutdown(Duration::from_secs(30)).await.expect("sent");
    assert_eq!(standin.count("api.calls"), 5, "what was allowed");
}

#[tokio::test]
async fn units_that_are_there_decide_while_the_server_is_away() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.limit = Some(1_000));
    let tracker =
        Tracker::builder(standin.client()).pauses(Duration::from_millis(1), Duration::from_millis(5));
    let tracker = tracker.start().expect("starts");
    let limiter = Limiter::builder(standin.client(), tracker.clone()).when_away(WhenAway::Refuse).start();
    assert!(limiter.take(&call(), 1).await.allowed);
    standin.with(|inner| inner.always = Some(Fault::Refuse(503)));
    let decision = limiter.take(&call(), 1).await;
    assert!(decision.allowed && decision.local);
    standin.with(|inner| inner.always = None);
    tracker.shutdown(Duration::from_secs(30)).await.expect("sent");
    assert_eq!(standin.count("api.calls"), 2);
}

#[tokio::test]
async fn what_a_rate_limit_refused_is_sent_again() {
    let standin = Standin::start().await;
    standin.with(|inner| {
        inner.limit = Some(1);
        inner.faults.extend([Fault::Refuse(429), Fault::Refuse(429)]);
    });
    let verdict = standin.client().consume(&call()).await.expect("a verdict");
    assert!(verdict.allowed, "{verdict:?}");
    let requests = |standin: &Standin| standin.with(|inner| inner.requests.get("consume").copied());
    assert_eq!((requests(&standin), standin.count("api.calls")), (Some(3), 1));
    // A verdict is one, whatever it says.
    let refused = standin.client().consume(&call()).await.expect("a verdict");
    assert_eq!((refused.allowed, requests(&standin)), (false, Some(4)));
}
