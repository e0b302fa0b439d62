//! Files of earlier versions open for ever: each directory of `fixtures` was written once, by the
//! version it is named after, and is never written again.
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::{Event, EventDraft};
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use reckoner_eventlog::{
    AppendError, Batch, Change, Content, Corrected, Corrections, EventLog, ListFilter, OpenError, Options,
    Outcome, Query, SEGMENT_BYTES_MIN,
};
use std::fs;
use std::path::{Path, PathBuf};

const LIVE: ProjectId = ProjectId(1);
const TEST: ProjectId = ProjectId(2);
/// Events of `LIVE` that fill the first segment.
const FILLING: usize = 15;

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version)
}

fn options(dir: &Path) -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        background: false,
        ..Options::new(dir, *b"a fixture's key.", 0x0f1e_2d3c)
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn received_at() -> Timestamp {
    time("2026-01-14T09:30:00.123456Z")
}

/// Every optional field absent and present, every form of a value.
fn drafts() -> Vec<EventDraft<'static>> {
    let plain = EventDraft {
        id: "plain",
        customer: "customer_1",
        event_type: "api.calls",
        value: Decimal::ONE,
        time: None,
        subject: None,
        properties: None,
        source_context: None,
    };
    let value = |text| Decimal::parse(text).expect("a number");
    let full = EventDraft {
        id: "füll",
        customer: "customer_2",
        value: value("-999999999999999999.999999999999999999"),
        time: Some(time("2025-12-31T23:59:59.999999Z")),
        subject: Some("workspace"),
        properties: Some(r#"{"region":"eu","tokens":12.50}"#),
        source_context: Some(r#"{"type":"admin"}"#),
        ..plain
    };
    vec![
        plain,
        full,
        EventDraft { id: "zero", value: Decimal::ZERO, time: Some(received_at()), ..plain },
        EventDraft { id: "tiny", value: value("0.000000000000000001"), subject: Some(""), ..plain },
        EventDraft { id: "whole", value: value("1000"), properties: Some("{}"), ..plain },
        EventDraft { id: "old", time: Some(Timestamp::MIN), event_type: "traffic.bytes", ..plain },
        EventDraft { id: "far", time: Some(Timestamp::MAX), source_context: Some("{}"), ..plain },
    ]
}

fn write(dir: &Path) -> Result<(), AppendError> {
    let log = EventLog::open(&options(dir)).expect("opens");
    let mut first = Batch::new(LIVE, received_at());
    for draft in drafts() {
        first.push(&draft).expect("fits");
    }
    log.append(first)?;
    let plain = *drafts().first().expect("a draft");
    let mut other = Batch::new(TEST, received_at());
    other.push(&plain).expect("fits");
    log.append(other)?;
    log.clear(TEST, received_at())?;
    let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000));
    for n in 0..FILLING {
        let mut batch = Batch::new(LIVE, received_at());
        let id = format!("filling-{n}");
        batch.push(&EventDraft { id: &id, properties: Some(&text), ..plain }).expect("fits");
        log.append(batch)?;
    }
    Ok(())
}

fn copy(from: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for entry in fs::read_dir(from).expect("a fixture") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("copies");
    }
    dir
}

#[test]
fn version_1_opens() {
    let dir = copy(&fixture("v1"));
    let log = EventLog::open(&options(dir.path())).expect("opens");
    assert_eq!(log.status().segments, 2);
    for (draft, sequence) in drafts().iter().zip(1..) {
        let event: Event = log.get(LIVE, draft.id).expect("reads").expect("is there");
        assert!(event.says_the_same(draft), "{event:?}");
        assert_eq!(event.time_given, draft.time.is_some());
        assert_eq!(event.time, draft.time.unwrap_or(received_at()));
        assert_eq!((event.sequence, event.received_at, event.project), (sequence, received_at(), LIVE));
        assert_eq!(event.source_context.as_deref(), draft.source_context);
        assert_eq!(event.properties.as_deref(), draft.properties);
    }
    assert_eq!(log.stats(LIVE).events, (drafts().len() + FILLING) as u64);
    assert_eq!((log.stats(TEST).events, log.get(TEST, "plain").expect("reads")), (0, None));
    let meter =
        Meter::plain(MeterId::from_bits(1), MeterKey::parse("api.calls").expect("a key"), Aggregation::Sum);
    let windows = [Window { start: Timestamp::MIN, end: Timestamp::MAX }];
    let rows = log.query(&Query::new(LIVE, &meter, &windows)).expect("answers");
    let sum = rows.first().and_then(|row| row.usage).map(|usage| usage.to_text());
    assert_eq!(sum.as_deref(), Some("-999999999999998983.999999999999999998"));
    let mut again = Batch::new(LIVE, received_at());
    for draft in drafts() {
        again.push(&draft).expect("fits");
    }
    let repeats: Vec<_> =
        (1..).take(drafts().len()).map(|sequence| Outcome::Duplicate { sequence }).collect();
    assert_eq!(log.append(again), Ok(repeats));
}

#[test]
fn this_version_writes_what_it_reads_byte_for_byte() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path()).expect("writes");
    for entry in fs::read_dir(fixture("v1")).expect("a fixture") {
        let entry = entry.expect("an entry");
        let (old, new) = (fs::read(entry.path()), fs::read(dir.path().join(entry.file_name())));
        assert!(old.expect("reads") == new.expect("reads"), "{:?} differs", entry.file_name());
    }
}

#[test]
fn another_version_is_refused() {
    let dir = copy(&fixture("v1"));
    let path = dir.path().join("MANIFEST");
    let mut bytes = fs::read(&path).expect("reads");
    bytes[8] = 9;
    let end = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).expect("writes");
    let error = EventLog::open(&options(dir.path())).err();
    assert!(matches!(error, Some(OpenError::Version { version: 9, .. })), "{error:?}");
}

/// Ten segments, eight of which become columns, with a void and an amendment among them.
fn write_sealed(dir: &Path) {
    let log = EventLog::open(&options(dir)).expect("opens");
    let plain = *drafts().first().expect("a draft");
    let mut first = Batch::new(LIVE, received_at());
    for draft in drafts() {
        first.push(&draft).expect("fits");
    }
    log.append(first).expect("commits");
    let after = Content {
        value: Decimal::parse("7.25").expect("a number"),
        subject: Some("later".to_owned()),
        properties: None,
        source_context: None,
    };
    let changes = vec![Change { target: 1, after: None }, Change { target: 2, after: Some(after) }];
    let by = "key".to_owned();
    let corrections = Corrections { project: LIVE, received_at: received_at(), by, changes };
    assert_eq!(log.correct(corrections), Ok(vec![Corrected::Done; 2]));
    let mut number = 0;
    while log.status().segments < 10 {
        let mut batch = Batch::new(LIVE, received_at().plus_micros(number));
        let (id, customer) = (format!("filling-{number}"), format!("customer_{}", number % 7));
        let text = format!(r#"{{"n":{number},"text":"{}"}}"#, "x".repeat(1_000));
        batch
            .push(&EventDraft { id: &id, customer: &customer, properties: Some(&text), ..plain })
            .expect("fits");
        log.append(batch).expect("commits");
        number += 1;
    }
}

fn names_in(dir: &Path, end: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

#[test]
fn sealed_events_of_version_1_open() {
    let written = tempfile::tempdir().expect("a directory");
    write_sealed(written.path());
    let today = EventLog::open(&options(written.path())).expect("opens");
    let expected = today.list(&ListFilter::new(LIVE)).expect("lists");
    let history = today.history(LIVE, "füll").expect("reads");
    assert_eq!(history.len(), 2);
    for with_parts in [true, false] {
        let dir = copy(&fixture("sealed-v1"));
        assert_eq!(names_in(dir.path(), ".parquet").len(), 1);
        if !with_parts {
            for part in names_in(dir.path(), ".idx") {
                fs::remove_file(part).expect("is there");
            }
        }
        let log = EventLog::open(&options(dir.path())).expect("opens");
        assert_eq!(log.list(&ListFilter::new(LIVE)).expect("lists"), expected);
        assert_eq!(log.history(LIVE, "füll").expect("reads"), history);
        assert_eq!(log.verify().expect("reads").differences, [""; 0]);
        let mut again = Batch::new(LIVE, received_at());
        for draft in drafts() {
            again.push(&draft).expect("fits");
        }
        let repeats = (1..).take(drafts().len()).map(|sequence| Outcome::Duplicate { sequence });
        assert_eq!(log.append(again), Ok(repeats.collect()));
    }
}
