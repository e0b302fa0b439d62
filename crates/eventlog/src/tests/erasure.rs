//! Erasing customers: what is left, and that nothing else is.
use super::*;
use crate::backup;
use crate::columns::{self, Columns, Fields};
use crate::disk::Disk;
use crate::disk::sim::Faults;
use crate::erase::{Erasure, Progress, ledger};
use crate::log::Opened;
use crate::read::changes;
use crate::read::export::Export;
use crate::read::history;
use crate::read::list::{self, ListFilter};
use crate::read::query::{self, Query};
use crate::read::verify;
use crate::write::corrections::{Change, Content, Corrected, Corrections};
use reckoner_domain::event::Event;
use reckoner_domain::id::MeterId;
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::window::Window;

/// What is personal of the customer: none of it may be anywhere.
const PERSONAL: [&str; 4] = ["ada@example.com", "device-of-ada", "Ada Lovelace", "workshop of ada"];
const PSEUDONYM: &str = "erased_1";

/// Events of three customers in every kind of file: columns of several sizes, sealed segments, the last.
fn fill(log: &mut Opened, from: i64, to: i64) {
    for n in from..to {
        let id = format!("id-{n}");
        let [customer, device, name, context] = PERSONAL;
        let properties = format!(r#"{{"name":"{name}","n":{n}}}"#);
        let context = format!(r#"{{"type":"workspace","display_name":"{context}"}}"#);
        let time = Some(Timestamp::default().plus_micros((n * 37) % 90 * 3_600_000_000 + n));
        let personal = EventDraft {
            customer,
            time,
            subject: Some(device),
            properties: Some(&properties),
            source_context: Some(&context),
            ..draft(&id)
        };
        let customer = if n % 3 == 0 { "before her" } else { "zoe" };
        let plain = EventDraft { customer, time, properties: Some(r#"{"name":"Zoe"}"#), ..draft(&id) };
        let draft = if n % 4 == 0 { personal } else { plain };
        commit(log, vec![batch_of(&[draft], at(n))]);
    }
}

fn work<T: Send + 'static>(
    log: &mut Opened,
    work: impl FnOnce(Box<dyn FnOnce(Result<T, AppendError>) + Send>) -> Work,
) -> Result<T, AppendError> {
    let answer = Arc::new(Mutex::new(None));
    let told = Arc::clone(&answer);
    log.core.run([work(Box::new(move |result| *told.lock() = Some(result)))]);
    let answer = answer.lock().take();
    answer.expect("an answer")
}

fn erasure(customer: &str, pseudonym: &str) -> Erasure {
    Erasure { project: PROJECT, customer: customer.into(), pseudonym: pseudonym.into(), kept: Vec::new() }
}

fn erase(log: &mut Opened, customer: &str, pseudonym: &str) -> Result<Progress, AppendError> {
    work(log, |done| Work::Erase(erasure(customer, pseudonym), done))
}

fn correct(log: &mut Opened, target: u64, after: Option<Content>) -> Result<Vec<Corrected>, AppendError> {
    let changes = vec![Change { target, after }];
    let corrections = Corrections { project: PROJECT, received_at: at(9_999), by: "key".into(), changes };
    let ahead = corrections.look_ahead(&log.shared).expect("reads");
    work(log, |done| Work::Correct(corrections, ahead, done))
}

/// A customer's totals by day.
fn totals(log: &Opened, customer: &str) -> Vec<(Timestamp, Option<String>, u64)> {
    let meter = Meter::plain(MeterId::from_bits(1), MeterKey::parse("t").expect("a key"), Aggregation::Sum);
    let windows: Vec<Window> =
        (0..5).map(|day| Window { start: at(day * 86_400), end: at((day + 1) * 86_400) }).collect();
    let customers = vec![customer.to_owned()];
    let rows = query::run(&log.shared, &Query { customers, ..Query::new(PROJECT, &meter, &windows) });
    let shown = |row: query::Row| (row.window.start, row.usage.map(|usage| usage.to_text()), row.events);
    rows.expect("answers").into_iter().map(shown).collect()
}

/// Every text of every file, decoded where it is compressed.
fn texts(disk: &SimDisk) -> Vec<u8> {
    let mut all = Vec::new();
    for name in disk.names().expect("lists") {
        all.extend(disk.bytes(&name));
        let Some(segments) = columns::NAMES.parse(&name) else { continue };
        let columns = Columns::found(disk, segments).expect("opens");
        let each = |_, row: &columns::Row<'_>| {
            all.extend_from_slice(format!("{:?}", row.event).as_bytes());
            Ok::<(), crate::error::ReadError>(())
        };
        columns.read_range(0..columns.known().rows, Fields::ALL, each).expect("reads");
    }
    all
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nothing_on_disk_tells_of_an_erased_customer() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0, 400);
    let amended = Content {
        value: Decimal::ONE,
        subject: Some(PERSONAL[1].into()),
        properties: Some(format!(r#"{{"name":"{}"}}"#, PERSONAL[2])),
        source_context: None,
    };
    assert_eq!(correct(&mut log, 5, Some(amended)), Ok(vec![Corrected::Done]));
    assert_eq!(correct(&mut log, 9, None), Ok(vec![Corrected::Done]));
    fill(&mut log, 400, 440);
    let before = (totals(&log, PERSONAL[0]), totals(&log, "zoe"), changes::stats(&log.shared, PROJECT));
    assert!(PERSONAL.iter().all(|text| has(&texts(&disk), text)));
    assert_eq!(erase(&mut log, PERSONAL[0], PSEUDONYM), Ok(Progress::Done));
    let left = texts(&disk);
    for text in PERSONAL {
        assert!(!has(&left, text), "{text}");
    }
    assert!(has(&left, "Zoe") && has(&left, PSEUDONYM));
    for round in 0..2 {
        let after = (totals(&log, PSEUDONYM), totals(&log, "zoe"), changes::stats(&log.shared, PROJECT));
        assert_eq!(after, before, "round {round}");
        let none: Vec<u64> = totals(&log, PERSONAL[0]).into_iter().map(|(_, _, events)| events).collect();
        assert!(none.iter().all(|events| *events == 0));
        let names: Vec<String> =
            changes::customers(&log.shared, PROJECT).iter().map(|name| name.to_string()).collect();
        assert_eq!(names, ["before her", PSEUDONYM, "zoe"]);
        assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
        let old = ListFilter { customer: Some(PERSONAL[0].into()), ..ListFilter::new(PROJECT) };
        assert_eq!(list::run(&log.shared, &old).expect("lists"), []);
        let filter = ListFilter { customer: Some(PSEUDONYM.into()), ..ListFilter::new(PROJECT) };
        let listed = list::run(&log.shared, &filter).expect("lists");
        assert_eq!(listed.len(), 109);
        let bare = |event: &Event| {
            (&event.subject, &event.properties, &event.source_context) == (&None, &None, &None)
        };
        assert!(listed.iter().all(bare));
        let pieces = Export::new(Arc::clone(&log.shared), filter).expect("begins");
        assert_eq!(pieces.collect::<Result<Vec<_>, _>>().expect("reads").concat().len(), 109);
        let revisions = history::of(&log.shared, PROJECT, "id-4").expect("reads");
        assert_eq!(revisions.len(), 2);
        assert!(
            revisions.iter().all(|revision| revision.event.customer == PSEUDONYM && bare(&revision.event))
        );
        drop(log);
        disk.lose_power();
        log = open(&disk).expect("opens");
    }
    let copy = SimDisk::new(2);
    backup::copy(&disk, &copy).expect("copies");
    let copied = open(&copy).expect("opens");
    assert_eq!(totals(&copied, PSEUDONYM), before.0);
    assert!(copied.shared.books.now().is_erased(PROJECT, PSEUDONYM));
}

#[test]
fn the_id_of_an_erased_customer_is_free_and_its_events_ids_are_not() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0, 100);
    assert_eq!(erase(&mut log, PERSONAL[0], PSEUDONYM), Ok(Progress::Done));
    assert_eq!(erase(&mut log, PERSONAL[0], PSEUDONYM), Ok(Progress::Done), "the same once more");
    let before = totals(&log, PSEUDONYM);
    let time = Some(Timestamp::default().plus_micros((8 * 37) % 90 * 3_600_000_000 + 8));
    let repeat = EventDraft { customer: PERSONAL[0], time, ..draft("id-8") };
    let other_value = EventDraft { value: Decimal::ZERO, ..repeat };
    let other_time = EventDraft { time: Some(at(1)), ..repeat };
    let new = EventDraft { id: "new", ..repeat };
    let answer = commit(&mut log, vec![batch_of(&[repeat, other_value, other_time, new], at(200))]).remove(0);
    let conflict = Outcome::Conflict { sequence: 9 };
    let expected =
        [Outcome::Duplicate { sequence: 9 }, conflict, conflict, Outcome::Accepted { sequence: 101 }];
    assert_eq!(answer.expect("an answer").expect("commits"), expected);
    assert_eq!(totals(&log, PSEUDONYM), before);
    assert_eq!(totals(&log, PERSONAL[0]).iter().map(|(_, _, events)| events).sum::<u64>(), 1);
    // A second life, erased on its own.
    assert_eq!(erase(&mut log, PERSONAL[0], "erased_2"), Ok(Progress::Done));
    assert_eq!(totals(&log, "erased_2").iter().map(|(_, _, events)| events).sum::<u64>(), 1);
    assert_eq!(totals(&log, PSEUDONYM), before);
    assert_eq!(erase(&mut log, "nobody", "erased_3"), Ok(Progress::Done));
    assert!(!has(&texts(&disk), PERSONAL[0]));
}

#[test]
fn what_was_cleared_goes_with_the_customer() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0, 200);
    let cleared = work(&mut log, |done| Work::Clear(PROJECT, at(200), done));
    assert_eq!(cleared, Ok(201));
    assert!(has(&texts(&disk), PERSONAL[2]), "clearing forgets, and erases nothing");
    fill(&mut log, 200, 210);
    assert_eq!(erase(&mut log, PERSONAL[0], PSEUDONYM), Ok(Progress::Done));
    assert!(!has(&texts(&disk), PERSONAL[2]));
    assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
    drop(log);
    disk.kill();
    let log = open(&disk).expect("opens");
    assert_eq!(changes::stats(&log.shared, PROJECT).events, 10);
}

#[test]
fn an_erasure_that_fails_waits_and_is_done_later() {
    let mut pending = 0;
    for change in 0..40 {
        let disk = SimDisk::new(change);
        let mut log = open(&disk).expect("opens");
        fill(&mut log, 0, 150);
        let before = totals(&log, PERSONAL[0]);
        let faults = Faults { fail_write: Some(change), ..Faults::default() };
        disk.set_faults(faults);
        let progress = erase(&mut log, PERSONAL[0], PSEUDONYM);
        disk.set_faults(Faults::default());
        // Where only writing that down failed, it is done as far as anybody sees.
        if progress == Ok(Progress::Pending) && !totals(&log, PERSONAL[0]).is_empty() {
            assert_eq!(totals(&log, PERSONAL[0]), before, "all or nothing is seen of it");
            pending += 1;
            assert_eq!(correct(&mut log, 5, None), Err(AppendError::Busy), "it would say who it was again");
            assert_eq!(correct(&mut log, 6, None), Ok(vec![Corrected::Done]));
        }
        let stopped = matches!(progress, Err(AppendError::Stopped { .. }));
        drop(log);
        disk.kill();
        let log = open(&disk).expect("opens");
        if !stopped {
            assert_eq!(totals(&log, PSEUDONYM), before);
            assert!(!has(&texts(&disk), PERSONAL[0]));
        }
    }
    assert!(pending > 3, "{pending}");
}

#[test]
fn a_damaged_ledger_is_told() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0, 10);
    assert_eq!(erase(&mut log, PERSONAL[0], PSEUDONYM), Ok(Progress::Done));
    drop(log);
    disk.kill();
    let whole = disk.bytes(ledger::FILE_NAME);
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        disk.set_bytes(ledger::FILE_NAME, flipped);
        assert!(
            matches!(open(&disk).err(), Some(OpenError::Corrupt { file, .. }) if file == ledger::FILE_NAME)
        );
        disk.kill();
    }
    disk.set_bytes(ledger::FILE_NAME, whole);
    assert_eq!(totals(&open(&disk).expect("opens"), PSEUDONYM).len(), 3);
}

#[test]
fn what_corrections_were_told_ahead_counts_only_while_it_is_so() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    fill(&mut log, 0, 400);
    let of = |target: u64, after: Option<Content>| Corrections {
        project: PROJECT,
        received_at: at(9_999),
        by: "key".into(),
        changes: vec![Change { target, after }],
    };
    let says = |value: i32| Content {
        value: Decimal::from_i32(value),
        subject: None,
        properties: None,
        source_context: None,
    };
    // Events 1 and 5 are the customer's, and lie in columns.
    let (void, amend) = (of(1, None), of(5, Some(says(7))));
    let [of_void, of_amend] = [&void, &amend].map(|of| of.look_ahead(&log.shared).expect("reads"));
    assert!(of_void.has(1) && of_amend.has(5), "they are read ahead");
    assert_eq!(correct(&mut log, 1, Some(says(100))), Ok(vec![Corrected::Done]));
    let sum = |log: &Opened, customer: &str| -> i64 {
        let value =
            |(_, value, _): (_, Option<String>, _)| value.map_or(0, |text| text.parse().expect("whole"));
        totals(log, customer).into_iter().map(value).sum()
    };
    let before = sum(&log, PERSONAL[0]);
    let answer = work(&mut log, |done| Work::Correct(void, of_void, done));
    assert_eq!(answer, Ok(vec![Corrected::Done]));
    assert_eq!(sum(&log, PERSONAL[0]), before - 100, "what it said last goes");
    assert_eq!(erase(&mut log, PERSONAL[0], PSEUDONYM), Ok(Progress::Done));
    let answer = work(&mut log, |done| Work::Correct(amend, of_amend, done));
    assert_eq!(answer, Ok(vec![Corrected::Done]));
    assert_eq!(sum(&log, PSEUDONYM), before - 100 + 6);
    assert!(!has(&texts(&disk), PERSONAL[0]), "the name does not come back");
    assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
}
