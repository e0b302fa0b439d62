//! The tracker: what is tracked arrives, once.
use crate::standin::{Fault, Standin, nobody};
use reckoner_client::{Record, Tracker, TrackerBuilder};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LONG: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(30);

fn eager(standin: &Standin) -> TrackerBuilder {
    Tracker::builder(standin.client()).pauses(Duration::from_millis(1), Duration::from_millis(5))
}

fn record(number: usize) -> Record {
    Record::new("acme", "api.calls").id(format!("r{number}")).property("n", number)
}

fn track(tracker: &Tracker, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert!(tracker.track(record(number)), "{number}");
    }
}

/// Waits until nothing waits, without asking for it.
async fn settled(tracker: &Tracker) {
    let settled = async {
        while tracker.counters().waiting > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("it is sent");
}

#[tokio::test]
async fn a_hundred_records_are_sent_without_waiting() {
    let standin = Standin::start().await;
    let tracker = eager(&standin).flush_interval(LONG).start().expect("starts");
    track(&tracker, 0..99);
    tokio::task::yield_now().await;
    assert_eq!(tracker.counters().sent, 0, "99 wait");
    track(&tracker, 99..100);
    settled(&tracker).await;
    assert_eq!((standin.count("api.calls"), tracker.counters().sent), (100, 100));
}

#[tokio::test]
async fn a_record_waits_no_longer_than_the_interval() {
    let standin = Standin::start().await;
    let tracker = eager(&standin).flush_interval(Duration::from_millis(20)).start().expect("starts");
    track(&tracker, 0..1);
    settled(&tracker).await;
    let event = standin.only("api.calls");
    assert_eq!(
        (&event["customer"], &event["value"], &event["properties"]["n"]),
        (&"acme".into(), &"1".into(), &0.into())
    );
}

#[tokio::test]
async fn failures_are_tried_again_until_they_are_acknowledged() {
    let standin = Standin::start().await;
    let faults =
        [Fault::Refuse(503), Fault::Forget(500), Fault::Refuse(401), Fault::Forget(502), Fault::Refuse(507)];
    standin.with(|inner| inner.faults.extend(faults));
    let tracker = eager(&standin).flush_records(50).start().expect("starts");
    track(&tracker, 0..250);
    tracker.shutdown(PATIENCE).await.expect("sent");
    let counters = tracker.counters();
    assert_eq!((standin.count("api.calls"), counters.sent + counters.duplicate), (250, 250), "{counters:?}");
    assert!(counters.duplicate > 0 && counters.retried >= 5, "{counters:?}");
    assert!(!tracker.track(record(1)), "it has ended");
    assert_eq!(tracker.counters().dropped, 1);
}

#[tokio::test]
async fn memory_is_bounded_and_nobody_waits() {
    let tracker = Tracker::builder(nobody().await).memory(10, 1 << 20).drop_wait(Duration::ZERO).start();
    let tracker = tracker.expect("starts");
    let taken = (0..25).filter(|number| tracker.track(record(*number))).count();
    let counters = tracker.counters();
    assert_eq!((taken, counters.queued, counters.dropped, counters.waiting), (10, 10, 15, 10));
    assert!(tracker.flush().await.is_err(), "nobody is there");
    assert_eq!(tracker.shutdown(Duration::ZERO).await.map_err(|unsent| unsent.records), Err(10));
    let large = Record::new("acme", "api.calls").property("text", "x".repeat(100_000));
    assert!(!tracker.track(large));
}

#[tokio::test]
async fn what_was_spilled_is_sent_by_the_next_tracker() {
    let directory = tempfile::tempdir().expect("a directory");
    let away = Tracker::builder(nobody().await).spill(directory.path()).memory(100, 1 << 20);
    let away = away.drop_wait(Duration::ZERO).start().expect("starts");
    for number in 0..500 {
        // The queue is as small as memory: whoever is refused comes again.
        while !away.track(record(number)) {
            tokio::task::yield_now().await;
        }
    }
    assert!(Tracker::builder(nobody().await).spill(directory.path()).start().is_err(), "one at a time");
    let unsent = away.shutdown(Duration::ZERO).await.expect_err("nobody is there");
    assert_eq!((unsent.records, away.counters().spilled), (500, 500));
    drop(away);

    let standin = Standin::start().await;
    let tracker = eager(&standin).spill(directory.path()).start().expect("starts");
    tracker.shutdown(PATIENCE).await.expect("sent");
    assert_eq!((standin.count("api.calls"), tracker.counters().sent), (500, 500));
    let left = std::fs::read_dir(directory.path()).expect("a directory").count();
    assert_eq!(left, 1, "only the lock is left");
}

#[tokio::test]
async fn a_backlog_on_disk_goes_out_in_order_while_more_comes() {
    let directory = tempfile::tempdir().expect("a directory");
    let standin = Standin::start().await;
    standin.with(|inner| inner.always = Some(Fault::Refuse(503)));
    let tracker = eager(&standin)
        .spill(directory.path())
        .memory(50, 1 << 20)
        .flush_records(20)
        .start()
        .expect("starts");
    for number in 0..400 {
        if number == 300 {
            standin.with(|inner| inner.always = None);
        }
        while !tracker.track(record(number)) {
            tokio::task::yield_now().await;
        }
    }
    // An attempt of before may just have failed: it goes on.
    let _ = tracker.flush().await;
    tracker.shutdown(PATIENCE).await.expect("sent");
    assert_eq!((standin.count("api.calls"), tracker.counters().dropped > 0), (400, true), "{tracker:?}");
}

#[tokio::test]
async fn refusals_for_good_are_told_and_kept() {
    let (standin, directory) = (Standin::start().await, tempfile::tempdir().expect("a directory"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let tracker = eager(&standin).spill(directory.path());
    let tracker = tracker.on_rejected(move |rejected| hear.lock().expect("a lock").push(rejected.clone()));
    let tracker = tracker.start().expect("starts");
    tracker.track(Record::new("acme", "nobody.reads.it").id("bad"));
    tracker.track(record(1));
    tracker.track(record(1).property("other", true));
    tracker.flush().await.expect("settled");
    let counters = tracker.counters();
    assert_eq!((counters.sent, counters.rejected, counters.conflicting), (1, 1, 1), "{counters:?}");
    let heard = heard.lock().expect("a lock");
    assert!(heard.len() == 1 && heard[0].errors[0].field == "meter" && heard[0].event.contains("\"bad\""));
    let kept = std::fs::read_to_string(directory.path().join("rejected.ndjson")).expect("a file");
    assert!(kept.contains("\"bad\"") && kept.contains("is read by no meter"), "{kept}");
}

#[tokio::test]
async fn batches_that_are_too_large_are_split() {
    let standin = Standin::start().await;
    standin.with(|inner| inner.batch_max = Some(7));
    let tracker = eager(&standin).start().expect("starts");
    track(&tracker, 0..100);
    tracker.flush().await.expect("sent");
    assert_eq!(standin.count("api.calls"), 100);
}

#[tokio::test]
async fn dropping_the_last_clone_sends_what_waits() {
    let standin = Standin::start().await;
    let tracker = eager(&standin).flush_interval(LONG).drop_wait(PATIENCE).start().expect("starts");
    let other = tracker.clone();
    track(&tracker, 0..3);
    drop(tracker);
    other.track_compute("acme", "compute", "comment_create");
    other.track_storage("acme", "storage.bytes", -5);
    // Dropping blocks its thread until all is sent.
    tokio::task::spawn_blocking(move || drop(other)).await.expect("dropped");
    assert_eq!(standin.count("api.calls"), 3);
    assert_eq!(standin.only("compute")["properties"]["jobType"], "comment_create");
    assert_eq!(standin.only("storage.bytes")["value"], "-5");
}
