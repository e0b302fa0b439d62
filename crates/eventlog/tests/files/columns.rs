//! `DuckDB` and Polars read sealed events as they lie, to the last digit.
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::ProjectId;
use reckoner_domain::sum::Sum;
use reckoner_domain::time::Timestamp;
use reckoner_eventlog::{
    Batch, Change, Content, Corrected, Corrections, EventLog, Options, Outcome, SEGMENT_BYTES_MIN,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const PROJECT: ProjectId = ProjectId(1);
/// Names a Python that has the packages.
const PYTHON: &str = "RECKONER_TEST_PYTHON";
/// Events of a batch.
const BATCH_EVENTS: u64 = 25;

/// What the test sent, by customer and event type: how many, and their sum.
type Sent = BTreeMap<(String, String), (u64, Sum)>;

fn received_at(seconds: i64) -> Timestamp {
    "2026-01-14T09:30:00.123456Z".parse::<Timestamp>().expect("a time").plus_micros(seconds * 1_000_000)
}

fn value(text: &str) -> Decimal {
    Decimal::parse(text).expect("a number")
}

/// Sends a batch; answers the sequence of its first event.
fn send(log: &EventLog, number: u64, sent: &mut Sent) -> u64 {
    let mut batch = Batch::new(PROJECT, received_at(number as i64));
    for n in 0..BATCH_EVENTS {
        let id = format!("évent-{number}-{n}");
        let customer = format!("customer_{}", (number * 7 + n) % 11);
        let event_type = if n % 3 == 0 { "traffic.bytes" } else { "api.calls" };
        let value = value(&format!("{}.{:018}", number % 5 * 1_000_000_000_000, n * 7 + 1));
        let properties = format!(r#"{{"region":"eu-{}","path":"/a/{number}"}}"#, n % 4);
        let draft = EventDraft {
            id: &id,
            customer: &customer,
            event_type,
            value,
            time: (n % 2 == 0).then(|| received_at(-(n as i64) * 3_600)),
            subject: (n % 4 == 1).then_some("workspace_1"),
            properties: Some(&properties),
            source_context: None,
        };
        batch.push(&draft).expect("fits");
        let (count, sum) = sent.entry((customer.clone(), event_type.to_owned())).or_default();
        *count += 1;
        *sum = sum.plus(value).expect("fits");
    }
    match log.append(batch).expect("commits").first() {
        Some(Outcome::Accepted { sequence }) => *sequence,
        other => panic!("{other:?}"),
    }
}

/// Voids the first event and amends the second one twice.
fn correct(log: &EventLog, first: u64, sent: &mut Sent) {
    let amount = |text: &str| Content {
        value: value(text),
        subject: None,
        properties: Some(r#"{"region":"us"}"#.to_owned()),
        source_context: None,
    };
    let changes = [
        Change { target: first, after: None },
        Change { target: first + 1, after: Some(amount("5")) },
        Change { target: first + 1, after: Some(amount("7.25")) },
    ];
    for change in changes {
        let event = log.list(&reckoner_eventlog::ListFilter::new(PROJECT)).expect("lists");
        let event = event.into_iter().find(|event| event.sequence == change.target).expect("is there");
        let (count, sum) = sent.get_mut(&(event.customer, event.event_type)).expect("sent");
        *sum = sum.minus_sum(Sum::ZERO.plus(event.value).expect("fits")).expect("fits");
        match &change.after {
            Some(after) => *sum = sum.plus(after.value).expect("fits"),
            None => *count -= 1,
        }
        let by = "key".to_owned();
        let corrections =
            Corrections { project: PROJECT, received_at: received_at(9), by, changes: vec![change] };
        assert_eq!(log.correct(corrections), Ok(vec![Corrected::Done]));
    }
}

fn columns_in(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir).expect("lists").map(|entry| entry.expect("an entry").file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".parquet")).count()
}

/// Fills two files of columns; answers what they hold. What is sent after them is not counted.
fn fill(dir: &Path) -> Sent {
    let options = Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        background: false,
        ..Options::new(dir, *b"a key of a test.", 5)
    };
    let log = EventLog::open(&options).expect("opens");
    let mut sent = Sent::new();
    let first = send(&log, 0, &mut sent);
    correct(&log, first, &mut sent);
    // Each batch has a segment's worth of bytes with the padding below, so that what is sealed is known.
    let mut by_segment: Vec<(u64, Sent)> = Vec::new();
    let mut number = 1;
    while columns_in(dir) < 2 {
        send(&log, number, &mut sent);
        by_segment.push((log.status().segments, sent.clone()));
        number += 1;
    }
    assert_eq!(log.verify().expect("reads").differences, [""; 0]);
    // Sixteen segments are columns; the seventeenth is not.
    let (_, held) = by_segment.into_iter().take_while(|(segments, _)| *segments <= 16).last().expect("some");
    held
}

#[test]
fn duckdb_and_polars_read_sealed_events_as_they_lie() {
    let dir = tempfile::tempdir().expect("a directory");
    let held = fill(dir.path());
    let Some(python) = variable(PYTHON) else {
        println!("skipped: {PYTHON} is not set; ./test.sh sets it");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/receivers/columns.py");
    let output = Command::new(python).arg(script).arg(dir.path()).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let row = |((customer, event_type), (count, sum)): (&(String, String), &(u64, Sum))| {
        let sum = sum.to_decimal().expect("a number").to_string();
        json!([customer, event_type, count, sum])
    };
    let expected: Vec<Value> = held.iter().map(row).collect();
    for program in ["duckdb", "polars"] {
        assert_eq!(read[program], json!(expected), "{program}");
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the packages are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
