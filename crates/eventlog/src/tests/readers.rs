use super::*;
use crate::columns::Fields;
use crate::error::ReadError;
use crate::log::EventLog;
use crate::read::query::{self, GroupBy, QUERY_ROWS_MAX, Query, QueryError, Row};
use crate::read::scan::{Scan, ScanError, Slice, Wanted};
use crossbeam_channel::bounded;
use reckoner_domain::id::MeterId;
use reckoner_domain::meter::{Aggregation, Dimension, Meter, MeterKey};
use reckoner_domain::time::{DAY, HOUR};
use reckoner_domain::window::Window;

fn meter(aggregation: Aggregation) -> Meter {
    Meter::plain(MeterId::from_bits(1), MeterKey::parse("t").expect("a key"), aggregation)
}

fn hourly(ids: std::ops::Range<i64>) -> Batch {
    let mut batch = Batch::new(PROJECT, at(1));
    for n in ids {
        let time = Timestamp::default().plus_micros(n % 40 * HOUR);
        batch.push(&EventDraft { time: Some(time), ..draft(&n.to_string()) }).expect("fits");
    }
    batch
}

/// The next slice of a walk; counts the events of its totals.
fn next(scan: &mut Scan<'_>, wanted: Wanted, counted: &mut u64) -> Result<Option<Slice>, ScanError> {
    scan.next(
        |_, _| wanted,
        |_, _, rollup| {
            *counted += rollup.count;
            Ok::<(), ScanError>(())
        },
    )
}

#[test]
fn a_walk_sees_what_was_committed_when_it_began() {
    for wanted in [Wanted::Rollups, Wanted::Events] {
        let disk = SimDisk::new(1);
        let mut log = open(&disk).expect("opens");
        commit(&mut log, vec![hourly(0..50)]);
        let shared = Arc::clone(&log.shared);
        let times = Timestamp::MIN..Timestamp::MAX;
        let mut scan = Scan::new(&shared, PROJECT, "t", &[], times.clone(), None);
        let mut events = 0;
        let mut slices = 0;
        let mut counted = 0;
        while let Some(slice) = next(&mut scan, wanted, &mut counted).expect("reads") {
            commit(&mut log, vec![hourly(50 + slices * 50..100 + slices * 50)]);
            slices += 1;
            events += slice.events.len() as u64;
            scan.read(&slice, Fields::ALL, |origin, _, _| {
                assert!(origin.sequence <= 50);
                Ok::<(), ReadError>(())
            })
            .expect("reads");
        }
        assert!(slices > 2, "one slice proves nothing");
        assert_eq!(events + counted, 50);
        let mut scan = Scan::new(&shared, PROJECT, "t", &[], times, None);
        next(&mut scan, wanted, &mut 0).expect("reads").expect("a slice");
        let work = Work::Clear(PROJECT, at(2), Box::new(|cleared| assert!(cleared.is_ok())));
        log.core.run([work]);
        assert!(matches!(next(&mut scan, wanted, &mut 0), Err(ScanError::Cleared)));
    }
}

#[test]
fn totals_seen_during_commits_are_of_whole_batches() {
    let disk = SimDisk::new(1);
    let options = Options { segment_bytes: 1024 * 1024, ..options() };
    let log = EventLog::open_with(Arc::new(disk), &options).expect("opens");
    let meter = meter(Aggregation::Count);
    let windows = [Window { start: Timestamp::MIN, end: Timestamp::MAX }];
    std::thread::scope(|scope| {
        let writer = log.clone();
        scope.spawn(move || {
            for n in 0..100 {
                writer.append(hourly(n * 40..(n + 1) * 40)).expect("commits");
            }
        });
        let mut last = 0;
        while last < 4_000 {
            let query = Query { fill_zero: true, ..Query::new(PROJECT, &meter, &windows) };
            let rows = log.query(&query).expect("answers");
            assert!(rows[0].events.is_multiple_of(40) && rows[0].events >= last, "{}", rows[0].events);
            last = rows[0].events;
        }
    });
}

#[test]
fn too_many_rows_are_refused() {
    let disk = SimDisk::new(1);
    let log = EventLog::open_with(Arc::new(disk), &options()).expect("opens");
    let window = |n: i64| Window { start: at(n), end: at(n + 1) };
    let windows: Vec<Window> = (0..=QUERY_ROWS_MAX as i64).map(window).collect();
    for aggregation in [Aggregation::Sum, Aggregation::TimeWeightedAvg] {
        let meter = meter(aggregation);
        let query = Query { fill_zero: true, ..Query::new(PROJECT, &meter, &windows) };
        assert!(matches!(log.query(&query), Err(QueryError::TooManyRows)));
        let query = Query { windows: &windows[1..], ..query };
        assert_eq!(log.query(&query).expect("answers").len(), QUERY_ROWS_MAX);
    }
}

#[test]
fn a_full_queue_is_busy_and_everything_in_it_is_answered() {
    let disk = SimDisk::new(1);
    let log = EventLog::open_with(Arc::new(disk), &options()).expect("opens");
    let (release, wait) = bounded::<()>(1);
    let (answer, answers) = bounded(10_000);
    let blocked = Box::new(move |_: Result<_, _>| assert!(wait.recv().is_err()));
    log.submit(log.seal(batch_of(&[draft("first")], at(1))), blocked).expect("is taken");
    let mut taken = 0;
    let error = loop {
        let answer = answer.clone();
        let done =
            Box::new(move |result: Result<Vec<Outcome>, _>| answer.send(result.is_ok()).expect("is heard"));
        match log.submit(log.seal(batch_of(&[draft(&taken.to_string())], at(1))), done) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, AppendError::Busy);
    assert!(taken + 1 >= crate::write::committer::QUEUE_BATCHES_MAX);
    drop(release);
    log.close();
    assert_eq!(answers.try_iter().filter(|ok| *ok).count(), taken);
    assert_eq!(log.status().queued_batches, 0);
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let disk = SimDisk::new(1);
    let log = EventLog::open_with(Arc::new(disk), &options()).expect("opens");
    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(16_000));
    let large = EventDraft { properties: Some(&text), ..draft("a") };
    assert_eq!(log.append(batch_of(&[large], at(1))), Err(AppendError::TooLarge));
    assert_eq!(log.append(batch_of(&[draft("a")], at(1))), Ok(vec![Outcome::Accepted { sequence: 1 }]));
}

#[test]
fn a_batch_has_its_limits() {
    use crate::batch::{BATCH_EVENTS_MAX, BatchError};
    let mut batch = Batch::new(PROJECT, at(1));
    let long = "x".repeat(256);
    let error = BatchError::TooLong { field: "id", bytes_max: 255 };
    assert_eq!(batch.push(&draft(&long)), Err(error));
    assert!(batch.is_empty());
    (0..BATCH_EVENTS_MAX).for_each(|n| batch.push(&draft(&n.to_string())).expect("fits"));
    assert_eq!(batch.push(&draft("more")), Err(BatchError::Full));
    assert_eq!(batch.len(), BATCH_EVENTS_MAX);
}

#[test]
fn a_callback_may_drop_the_last_handle_and_a_failing_one_stops_the_log() {
    let disk = SimDisk::new(1);
    let log = EventLog::open_with(Arc::new(disk.clone()), &options()).expect("opens");
    let (told, tell) = bounded(1);
    let last = log.clone();
    let done = Box::new(move |_: Result<Vec<Outcome>, _>| {
        drop(last);
        told.send(()).expect("is heard");
    });
    log.submit(log.seal(batch_of(&[draft("a")], at(1))), done).expect("is taken");
    drop(log);
    tell.recv().expect("is told");

    let log = EventLog::open_with(Arc::new(SimDisk::new(1)), &options()).expect("opens");
    log.submit(log.seal(batch_of(&[draft("a")], at(1))), Box::new(|_| panic!("a failing callback")))
        .expect("is taken");
    log.close();
    assert!(matches!(log.status().health, crate::status::Health::Stopped { .. }));
}

#[test]
fn a_level_carries_nothing_from_before_its_meter_starts() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let sent = |id, seconds| EventDraft { time: Some(at(seconds)), ..draft(id) };
    commit(&mut log, vec![batch_of(&[sent("before", 600), sent("after", 2_400)], at(9_000))]);
    let windows = [Window { start: at(7_200), end: at(10_800) }];
    for (starts_at, level) in
        [(None, "2"), (Some(at(0)), "2"), (Some(at(1_800)), "1"), (Some(at(3_600)), "0")]
    {
        let meter = Meter { starts_at, ..meter(Aggregation::TimeWeightedAvg) };
        let query = Query { fill_zero: true, ..Query::new(PROJECT, &meter, &windows) };
        let rows = query::run(&log.shared, &query).expect("answers");
        assert_eq!(rows[0].usage.map(|usage| usage.to_text()).as_deref(), Some(level), "{starts_at:?}");
    }
}

#[test]
fn a_day_shows_the_values_that_were_committed_first() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let meter = Meter { dimensions: vec![Dimension::Subject], ..meter(Aggregation::Count) };
    let windows = [Window { start: Timestamp::MIN, end: Timestamp::MAX }];
    let query = Query { group_by: vec![GroupBy::Subject], ..Query::new(PROJECT, &meter, &windows) };
    let mut count = 0;
    let mut send = |log: &mut crate::log::Opened, subjects: &[&str], day: i64| {
        for subject in subjects {
            count += 1;
            let time = Some(Timestamp::default().plus_micros(day * DAY));
            commit(
                log,
                vec![batch_of(
                    &[EventDraft { subject: Some(subject), time, ..draft(&count.to_string()) }],
                    at(1),
                )],
            );
        }
    };
    let shown = |log: &crate::log::Opened| {
        let rows = query::run(&log.shared, &query).expect("answers");
        let row = |row: Row| (row.subject.unwrap_or_default(), row.events, row.is_other);
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    let row = |subject: &str, events, is_other| (subject.to_owned(), events, is_other);
    send(&mut log, &["a", "a", "a"], 0);
    assert_eq!(shown(&log), [row("a", 3, false)]);
    // What is known of the day goes on where it ended. A value may be named like the rest of them.
    send(&mut log, &["_other", "c", "d", "a"], 0);
    let first = [row("_other", 1, false), row("_other", 2, true), row("a", 4, false)];
    assert_eq!(shown(&log), first);
    // Another day shows others.
    send(&mut log, &["d", "d", "c", "a"], 1);
    let both = [
        row("_other", 1, false),
        row("_other", 3, true),
        row("a", 4, false),
        row("c", 1, false),
        row("d", 2, false),
    ];
    assert_eq!(shown(&log), both);
    // The same after a start, and for values that are named.
    drop(log);
    let log = open(&disk).expect("opens");
    assert_eq!(shown(&log), both);
    let named = Query { subjects: vec!["c".to_owned(), "d".to_owned()], ..query.clone() };
    let rows = query::run(&log.shared, &named).expect("answers");
    assert_eq!(
        rows.iter().map(|row| (row.events, row.is_other)).collect::<Vec<_>>(),
        [(2, false), (3, false)]
    );
}
