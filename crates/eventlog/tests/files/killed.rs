//! A process that erases customers is killed at any moment, on the file system there is.
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use reckoner_eventlog::{Batch, Erasure, EventLog, GroupBy, Options, Progress, Query, SEGMENT_BYTES_MIN};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const PROJECT: ProjectId = ProjectId(1);
/// Says to a process of this test which directory to write to.
const DIR: &str = "RECKONER_TEST_KILLED_DIR";
/// How many times the process is killed.
const ROUNDS: usize = 12;
/// Events of a batch, one for each of as many customers.
const CUSTOMERS: usize = 8;
const NAME: &str = "killed::a_process_that_is_killed_while_it_erases_leaves_all_or_nothing";

fn open(dir: &Path) -> EventLog {
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new(dir, *b"a key of a test.", 5) };
    EventLog::open(&options).expect("opens")
}

/// Sends a batch; answers how many events were new.
fn send(log: &EventLog, number: usize) {
    let mut batch = Batch::new(PROJECT, Timestamp::from_micros_clamped(number as i64));
    for n in 0..CUSTOMERS {
        let (id, customer) = (format!("{number}-{n}"), format!("person-{n}@example.com"));
        let properties = format!(r#"{{"secret":"{}"}}"#, "x".repeat(n * 20));
        let draft = EventDraft {
            id: &id,
            customer: &customer,
            event_type: "calls",
            value: Decimal::ONE,
            time: None,
            subject: None,
            properties: Some(&properties),
            source_context: None,
        };
        batch.push(&draft).expect("fits");
    }
    log.append(batch).expect("commits");
}

/// What the process does until it is killed: it tells of each erasure that was written down.
#[expect(clippy::print_stdout, reason = "the test reads what the process tells")]
fn erase_for_ever(dir: &Path) {
    let log = open(dir);
    for number in usize::try_from(log.sequence()).expect("fits").. {
        send(&log, number);
        if number % 5 == 0 {
            let customer = format!("person-{}@example.com", number % CUSTOMERS);
            let pseudonym = format!("erased-{number}");
            println!("asked {pseudonym}");
            log.erase(Erasure { project: PROJECT, customer, pseudonym: pseudonym.clone(), kept: Vec::new() })
                .expect("is written down");
            println!("erased {pseudonym}");
        }
    }
}

/// How many events each customer has.
fn counts(log: &EventLog) -> Vec<(String, u64)> {
    let meter =
        Meter::plain(MeterId::from_bits(1), MeterKey::parse("calls").expect("a key"), Aggregation::Count);
    let windows = [Window { start: Timestamp::EPOCH, end: Timestamp::MAX }];
    let group_by = vec![GroupBy::Customer];
    let rows = log.query(&Query { group_by, ..Query::new(PROJECT, &meter, &windows) }).expect("answers");
    rows.into_iter().map(|row| (row.customer.expect("grouped"), row.events)).collect()
}

#[test]
fn a_process_that_is_killed_while_it_erases_leaves_all_or_nothing() {
    if let Some(dir) = variable(DIR) {
        erase_for_ever(Path::new(&dir));
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut erased = Vec::new();
    for round in 0..ROUNDS {
        let program = std::env::current_exe().expect("a path");
        let mut child = Command::new(program)
            .args(["--exact", NAME, "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        // Killed while something is erased: later from round to round, before or after it is written down.
        let told = |line: &String| line.contains("asked erased-") || line.contains("erased erased-");
        for line in lines.map(|line| line.expect("reads")).filter(told).take(1 + round * 3) {
            erased.extend(line.split_once("erased erased-").map(|(_, number)| format!("erased-{number}")));
        }
        child.kill().expect("is there");
        child.wait().expect("ends");
        let log = open(dir.path());
        let verified = log.verify().expect("reads");
        assert_eq!(verified.differences, [""; 0]);
        let counts = counts(&log);
        assert_eq!(counts.iter().map(|(_, events)| events).sum::<u64>(), verified.events);
        assert_eq!(verified.events % CUSTOMERS as u64, 0, "batches are whole");
        for pseudonym in &erased {
            assert!(log.erasure(PROJECT, pseudonym).is_some(), "{pseudonym} was written down");
        }
        log.close();
    }
    assert!(!erased.is_empty());
    finish(dir.path());
}

/// Erases everybody, and looks for what is left.
fn finish(dir: &Path) {
    let log = open(dir);
    for n in 0..CUSTOMERS {
        let (customer, pseudonym) = (format!("person-{n}@example.com"), format!("last-{n}"));
        log.erase(Erasure { project: PROJECT, customer, pseudonym, kept: Vec::new() })
            .expect("is written down");
    }
    let done = |n: &usize| log.erasure(PROJECT, &format!("last-{n}")) == Some(Progress::Done);
    while !(0..CUSTOMERS).all(|n| done(&n)) {
        std::thread::yield_now();
    }
    log.close();
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("reads");
        assert!(!bytes.windows(12).any(|window| window == b"@example.com"), "{}", path.display());
    }
    assert_eq!(open(dir).verify().expect("reads").differences, [""; 0]);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the process that is killed is told by the environment what to do"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
