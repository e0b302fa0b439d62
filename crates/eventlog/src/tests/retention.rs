//! Dropping what need not be kept: whole files from the front, and what is known of them afterwards.
use super::*;
use crate::backup;
use crate::disk::Disk;
use crate::disk::sim::Faults;
use crate::erase::Retention;
use crate::format::segment;
use crate::log::Opened;
use crate::read::export::Export;
use crate::read::list::{self, ListFilter};
use crate::read::query::{self, Query, QueryError};
use crate::read::{changes, verify};
use crate::write::corrections::{Change, Corrected, Corrections};
use reckoner_domain::id::MeterId;
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::window::Window;

const DAY: i64 = 86_400;

/// A batch a day, each with its customer.
fn fill(log: &mut Opened, days: std::ops::Range<i64>) {
    for day in days {
        for n in 0..10 {
            let (id, customer) = (format!("{day}-{n}"), format!("c{}", day / 40));
            let time = Some(at(day * DAY + n));
            let draft = EventDraft { customer: &customer, time, ..draft(&id) };
            commit(log, vec![batch_of(&[draft], at(day * DAY + n))]);
        }
    }
}

fn retain(log: &mut Opened, before: Timestamp, kept: &[&str]) -> Result<(), AppendError> {
    let answer = Arc::new(Mutex::new(None));
    let told = Arc::clone(&answer);
    let kept = kept.iter().map(|name| (PROJECT, (*name).to_owned())).collect();
    let retention = Retention { before: [(PROJECT, before)].into(), kept, at: at(0) };
    log.core.run([Work::Retain(retention, Box::new(move |result| *told.lock() = Some(result)))]);
    let answer = answer.lock().take();
    answer.expect("an answer")
}

fn count(log: &Opened, from: i64, to: i64) -> Result<u64, QueryError> {
    let meter = Meter::plain(MeterId::from_bits(1), MeterKey::parse("t").expect("a key"), Aggregation::Count);
    let windows = [Window { start: at(from * DAY), end: at(to * DAY) }];
    let rows = query::run(&log.shared, &Query::new(PROJECT, &meter, &windows))?;
    Ok(rows.iter().map(|row| row.events).sum())
}

fn void(log: &mut Opened, target: u64) -> Result<Vec<Corrected>, AppendError> {
    let answer = Arc::new(Mutex::new(None));
    let told = Arc::clone(&answer);
    let changes = vec![Change { target, after: None }];
    let corrections = Corrections { project: PROJECT, received_at: at(200 * DAY), by: "key".into(), changes };
    let ahead = corrections.look_ahead(&log.shared).expect("reads");
    log.core.run([Work::Correct(corrections, ahead, Box::new(move |result| *told.lock() = Some(result)))]);
    let answer = answer.lock().take();
    answer.expect("an answer")
}

#[test]
fn whole_files_go_from_the_front_and_nothing_else() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0..200);
    // Of an event that goes, of one that stays.
    assert_eq!(void(&mut log, 5), Ok(vec![Corrected::Done]));
    assert_eq!(void(&mut log, 1_900), Ok(vec![Corrected::Done]));
    let files = disk.names().expect("lists").len();
    assert_eq!(retain(&mut log, at(100 * DAY), &["t"]), Ok(()));
    assert_eq!(log.shared.books.now().dropped, [], "levels are read from all events of their type");
    let used = disk.used_bytes();
    assert_eq!(retain(&mut log, at(100 * DAY), &[]), Ok(()));
    assert!(disk.names().expect("lists").len() < files && disk.used_bytes() < used);
    let until = log.shared.books.now().dropped_until(PROJECT).expect("something went");
    assert!(until <= at(100 * DAY) && until > at(20 * DAY), "{until}");
    let first_kept = until.as_micros() / (DAY * 1_000_000) + 1;
    for round in 0..3 {
        let stats = changes::stats(&log.shared, PROJECT);
        let dropped = log.shared.books.now().dropped.clone();
        let gone: u64 = dropped.iter().map(|dropped| dropped.projects[&PROJECT].events).sum();
        assert_eq!(stats.events, 2_000 - gone - 1, "round {round}");
        assert_eq!(dropped.iter().map(|dropped| dropped.last_sequence).max(), Some(gone));
        assert!(matches!(count(&log, 0, 200), Err(QueryError::Dropped(at)) if at == until));
        let kept = (200 - first_kept) as u64 * 10;
        assert_eq!(count(&log, first_kept, 201).expect("answers"), kept - 1);
        let all = ListFilter::new(PROJECT);
        assert_eq!(list::run(&log.shared, &all).expect("lists").len() as u64, stats.events);
        let pieces = Export::new(Arc::clone(&log.shared), all).expect("begins");
        assert_eq!(pieces.collect::<Result<Vec<_>, _>>().expect("reads").concat().len() as u64, stats.events);
        let verified = verify::run(&log.shared).expect("reads");
        assert_eq!((verified.events, verified.differences), (stats.events, Vec::new()));
        assert_eq!(
            changes::stats(&log.shared, PROJECT).customers,
            changes::customers(&log.shared, PROJECT).len() as u64
        );
        assert!(!changes::customers(&log.shared, PROJECT).iter().any(|name| **name == *"c0"));
        assert_eq!(log.shared.get(PROJECT, "0-1").expect("reads"), None);
        if round == 0 {
            drop(log);
            disk.lose_power();
        } else {
            // Parts are told again from what is left.
            drop(log);
            disk.kill();
            let parts: Vec<String> = disk
                .names()
                .expect("lists")
                .into_iter()
                .filter(|name| crate::part::NAMES.parse(name).is_some())
                .collect();
            for name in &parts {
                disk.remove(name).expect("is there");
            }
        }
        log = open(&disk).expect("opens");
    }
    let copy = SimDisk::new(2);
    backup::copy(&disk, &copy).expect("copies");
    assert!(matches!(count(&open(&copy).expect("opens"), 0, 1), Err(QueryError::Dropped(_))));
    // The id of an event that is gone is free.
    assert_eq!(append(&mut log, &["0-1"]).expect("commits"), [Outcome::Accepted { sequence: 2_003 }]);
    assert_eq!(append(&mut log, &["0-1"]).expect("commits"), [Outcome::Duplicate { sequence: 2_003 }]);
}

#[test]
fn what_is_written_to_goes_in_its_turn_and_the_log_may_become_empty() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0..3);
    for round in 0..2 {
        assert_eq!(retain(&mut log, at(100 * DAY), &[]), Ok(()));
        let segments =
            disk.names().expect("lists").iter().filter(|name| segment::number_of(name).is_some()).count();
        assert_eq!((segments, changes::stats(&log.shared, PROJECT).events), (1, 0), "{round}");
        assert_eq!(log.shared.memory.read().sequence, 30);
        drop(log);
        disk.lose_power();
        log = open(&disk).expect("opens");
    }
    assert_eq!(append(&mut log, &["1-1"]).expect("commits"), [Outcome::Accepted { sequence: 31 }]);
    assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
}

#[test]
fn a_clearing_that_is_dropped_still_counts() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0..30);
    let cleared = Arc::new(Mutex::new(None));
    let told = Arc::clone(&cleared);
    log.core.run([Work::Clear(PROJECT, at(30 * DAY), Box::new(move |result| *told.lock() = Some(result)))]);
    assert_eq!(cleared.lock().take(), Some(Ok(301)));
    fill(&mut log, 20..100);
    assert_eq!(retain(&mut log, at(60 * DAY), &[]), Ok(()));
    assert!(log.shared.books.now().dropped_through().1 > 301, "the clearing is gone");
    for _ in 0..2 {
        let answer = append(&mut log, &["99-9"]).expect("commits");
        assert!(matches!(answer[..], [Outcome::Conflict { .. }]), "{answer:?}: its id is taken");
        assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
        drop(log);
        disk.lose_power();
        log = open(&disk).expect("opens");
    }
}

#[test]
fn a_crash_while_dropping_leaves_all_or_nothing() {
    for change in 0..60 {
        let disk = SimDisk::new(change);
        let mut log = open(&disk).expect("opens");
        fill(&mut log, 0..150);
        disk.set_faults(Faults { crash: Some(change), ..Faults::default() });
        let _ = retain(&mut log, at(80 * DAY), &[]);
        drop(log);
        disk.lose_power();
        let mut log = open(&disk).expect("opens");
        let gone: u64 =
            log.shared.books.now().dropped.iter().map(|dropped| dropped.projects[&PROJECT].events).sum();
        assert_eq!(changes::stats(&log.shared, PROJECT).events, 1_500 - gone);
        assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
        assert_eq!(retain(&mut log, at(80 * DAY), &[]), Ok(()));
        assert!(changes::stats(&log.shared, PROJECT).events < 1_500);
    }
}
