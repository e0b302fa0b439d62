//! What is written down of sealed segments: never anything but what the segments say.
use super::*;
use crate::columns;
use crate::disk::Disk;
use crate::error::ReadError;
use crate::format::segment;
use crate::log::{EventLog, Opened};
use crate::part::NAMES;
use crate::part::cells::{BlockBuilder, CellReader, EventAt, HOURS};
use crate::read::export::Export;
use crate::read::list::{self, ListFilter, Order};
use crate::read::query::{self, Query, QueryError};
use crate::read::verify;
use proptest::prelude::*;
use reckoner_domain::event::Event;
use reckoner_domain::id::MeterId;
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::rollup::{Mark, Rollup};
use reckoner_domain::time::HOUR;
use reckoner_domain::window::Window;

/// A log of some segments: customers of different sizes, events of several days, in every order.
fn filled() -> SimDisk {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    for n in 0..400_i64 {
        let (id, customer) = (format!("id-{n}"), format!("c{}", (n * 7) % (1 + n % 5)));
        let time = Some(Timestamp::default().plus_micros((n * 37) % 90 * HOUR + n));
        let value = Decimal::parse(&format!("{}.5", n % 9 - 4)).expect("a number");
        commit(
            &mut log,
            vec![batch_of(&[EventDraft { customer: &customer, time, value, ..draft(&id) }], at(n))],
        );
    }
    disk.kill();
    disk
}

fn part_names(disk: &SimDisk) -> Vec<String> {
    let names = disk.names().expect("lists");
    names.into_iter().filter(|name| NAMES.parse(name).is_some()).collect()
}

/// All that a log says: totals by customer and hour, and its events in two orders.
fn said(log: &Opened) -> Result<String, QueryError> {
    let key = MeterKey::parse("t").expect("a key");
    let windows: Vec<Window> =
        (0..5).map(|day| Window { start: at(day * 86_400), end: at((day + 1) * 86_400) }).collect();
    let mut said = String::new();
    for aggregation in [Aggregation::Sum, Aggregation::Last, Aggregation::UniqueCount] {
        let meter = Meter::plain(MeterId::from_bits(1), key.clone(), aggregation);
        let group_by = vec![query::GroupBy::Customer];
        let rows = query::run(&log.shared, &Query { group_by, ..Query::new(PROJECT, &meter, &windows) })?;
        said.push_str(&format!("{rows:?}\n"));
        let customers = vec!["c3".to_owned(), "nobody".to_owned()];
        let rows = query::run(&log.shared, &Query { customers, ..Query::new(PROJECT, &meter, &windows) })?;
        said.push_str(&format!("{rows:?}\n"));
    }
    for order in [Order::NewestFirst, Order::LatestFirst] {
        let filter = ListFilter { order, limit: 50, ..ListFilter::new(PROJECT) };
        said.push_str(&format!("{:?}\n", list::run(&log.shared, &filter)?));
    }
    for customer in [None, Some("c3".to_owned())] {
        let filter = ListFilter { customer, to: Some(at(70 * 3_600)), ..ListFilter::new(PROJECT) };
        let pieces = Export::new(Arc::clone(&log.shared), filter.clone())?;
        let mut events: Vec<Event> = pieces.collect::<Result<Vec<_>, _>>()?.concat();
        events.sort_unstable_by_key(|event| (event.time, event.sequence));
        let listed = list::run(&log.shared, &ListFilter { order: Order::OldestFirst, ..filter })?;
        assert_eq!(events, listed);
        said.push_str(&format!("{}\n", events.len()));
    }
    Ok(said)
}

#[test]
fn a_log_says_the_same_with_and_without_its_parts() {
    let disk = filled();
    let parts = part_names(&disk);
    let sizes: Vec<u64> =
        parts.iter().filter_map(|name| NAMES.parse(name)).map(|(from, to)| to - from + 1).collect();
    assert_eq!(sizes, [3, 3, 1], "three of one size become one");
    let expected = said(&open(&disk).expect("opens")).expect("answers");
    disk.kill();
    let bare = disk.fork();
    for name in &parts {
        bare.remove(name).expect("is there");
    }
    let log = open(&bare).expect("opens");
    assert_eq!(said(&log).expect("answers"), expected);
    assert_eq!(part_names(&bare), parts, "they are made anew");
    for name in &parts {
        assert_eq!(bare.bytes(name), disk.bytes(name), "and are the same");
    }
    assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
}

#[test]
fn a_part_that_is_not_what_was_written_is_told_or_made_anew() {
    let disk = filled();
    let expected = said(&open(&disk).expect("opens")).expect("answers");
    disk.kill();
    let name = part_names(&disk).swap_remove(1);
    let whole = disk.bytes(&name);
    let mut told = 0;
    for place in (0..whole.len()).step_by(97) {
        let fork = disk.fork();
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fork.set_bytes(&name, flipped);
        match open(&fork).map(|log| said(&log)) {
            Ok(Ok(said)) => assert_eq!(said, expected, "{place}"),
            // Ids are read at the start.
            Ok(Err(QueryError::Read(ReadError::DamagedPart { file, .. })))
            | Err(OpenError::Part(ReadError::DamagedPart { file, .. })) => {
                assert_eq!(file, name);
                told += 1;
            }
            other => panic!("{place}: {other:?}"),
        }
    }
    assert!(told > 10);
    for cut in (0..whole.len()).step_by(997) {
        let fork = disk.fork();
        fork.set_bytes(&name, whole[..cut].to_vec());
        assert_eq!(said(&open(&fork).expect("opens")).expect("answers"), expected, "{cut}");
        assert_eq!(fork.bytes(&name), whole, "{cut}");
    }
}

#[test]
fn columns_that_are_not_what_was_written_refuse_to_open() {
    let disk = filled();
    let names = disk.names().expect("lists");
    let name = names.iter().find(|name| columns::NAMES.parse(name).is_some()).expect("columns");
    let whole = disk.bytes(name);
    let flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        bytes
    };
    let cut = |length: usize| whole[..length].to_vec();
    let damaged = (0..whole.len()).step_by(811).map(flipped);
    for bytes in damaged.chain((0..whole.len()).step_by(4_099).map(cut)) {
        let fork = disk.fork();
        fork.set_bytes(name, bytes);
        match open(&fork) {
            Err(OpenError::Corrupt { file, .. }) => assert_eq!(&file, name),
            other => panic!("{:?}", other.err()),
        }
    }
}

#[test]
fn columns_are_not_used_while_their_segments_are_all_that_is_told_of() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let mut sent = Vec::new();
    while !disk.names().expect("lists").iter().any(|name| NAMES.parse(name) == Some((2, 2))) {
        let id = format!("{:0>150}", sent.len());
        append(&mut log, &[id.as_str()]).expect("commits");
        sent.push(id);
    }
    disk.kill();
    // What a crash left before the part was written that tells of it.
    for name in [columns::NAMES.of(1, 2), "events-new-0000000000000001-0000000000000002.tmp".to_owned()] {
        disk.create(&name).expect("makes").write_at(b"PAR1 and no more", 0).expect("writes");
    }
    let log = open(&disk).expect("opens");
    assert_eq!(ids_of(&log), sent);
    let names = disk.names().expect("lists");
    assert!(!names.iter().any(|name| name.starts_with("events-")), "{names:?}");
}

/// A file that was there: its name and its bytes.
type Saved = (String, Vec<u8>);

/// A log with columns, the ids in it, and the segments they were made of, which are gone.
fn sealed() -> (SimDisk, Vec<String>, Vec<Saved>) {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let (mut sent, mut segments) = (Vec::new(), std::collections::BTreeMap::new());
    let has_columns = || disk.names().expect("lists").iter().any(|name| columns::NAMES.parse(name).is_some());
    while !has_columns() {
        for name in disk.names().expect("lists").into_iter().filter(|name| segment::number_of(name).is_some())
        {
            let bytes = disk.bytes(&name);
            segments.insert(name, bytes);
        }
        let id = format!("{:0>150}", sent.len());
        append(&mut log, &[id.as_str()]).expect("commits");
        sent.push(id);
    }
    disk.kill();
    let left = disk.names().expect("lists");
    (disk, sent, segments.into_iter().filter(|(name, _)| !left.contains(name)).collect())
}

fn put(disk: &SimDisk, files: &[Saved]) {
    for (name, bytes) in files {
        disk.create(name).expect("makes").write_at(bytes, 0).expect("writes");
    }
}

#[test]
fn segments_left_beside_their_columns_go_once_those_are_good() {
    let (disk, sent, segments) = sealed();
    assert_eq!(segments.len(), 3);
    let names = disk.names().expect("lists");
    let columns = names.iter().find(|name| columns::NAMES.parse(name).is_some()).expect("columns");
    let mut damaged = disk.bytes(columns);
    damaged[100] ^= 1;
    // All of them, the last ones, and some with a gap between.
    for left in [vec![0, 1, 2], vec![2], vec![0, 2]] {
        let files: Vec<_> = left.iter().map(|at| segments[*at].clone()).collect();
        let good = disk.fork();
        put(&good, &files);
        assert_eq!(ids_of(&open(&good).expect("opens")), sent, "{left:?}");
        let after = good.names().expect("lists");
        assert!(!files.iter().any(|(name, _)| after.contains(name)), "{after:?}");
        let bad = disk.fork();
        put(&bad, &files);
        bad.set_bytes(columns, damaged.clone());
        match open(&bad) {
            Ok(log) if left.len() == 3 => assert_eq!(ids_of(&log), sent),
            Err(OpenError::Corrupt { file, .. }) if left.len() < 3 => assert_eq!(&file, columns),
            other => panic!("{left:?}: {:?}", other.err()),
        }
    }
}

#[test]
fn an_export_of_a_project_that_is_cleared_meanwhile_fails() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    for n in 0..40 {
        append(&mut log, &[n.to_string().as_str()]).expect("commits");
    }
    let mut export = Export::new(Arc::clone(&log.shared), ListFilter::new(PROJECT)).expect("begins");
    assert!(matches!(export.next(), Some(Ok(events)) if !events.is_empty()));
    log.core.run([Work::Clear(PROJECT, at(200), Box::new(|cleared| assert!(cleared.is_ok())))]);
    assert!(matches!(export.next(), Some(Err(ReadError::Cleared))));
    let after = Export::new(Arc::clone(&log.shared), ListFilter::new(PROJECT)).expect("begins");
    assert_eq!(after.count(), 0);
}

#[test]
fn parts_of_another_store_and_gaps_are_made_anew() {
    let disk = filled();
    let parts = part_names(&disk);
    let whole = disk.bytes(&parts[1]);
    disk.remove(&parts[0]).expect("is there");
    // A part that was merged into another and not removed before a crash.
    disk.create(&NAMES.of(5, 5)).expect("makes").write_at(&whole, 0).expect("writes");
    let other = disk.create("part-new-0000000000000009.tmp").expect("makes");
    other.write_at(b"half", 0).expect("writes");
    let log = open(&disk).expect("opens");
    assert_eq!(part_names(&disk), parts);
    assert_eq!(disk.bytes(&parts[1]), whole);
    assert!(!disk.names().expect("lists").iter().any(|name| name.starts_with("part-new")));
    assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
}

#[test]
fn a_disk_without_room_for_parts_keeps_them_in_memory() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let mut sent = Vec::new();
    for n in 0..200 {
        // Room for segments, and for none of the parts that are a little larger than nothing.
        disk.set_capacity(Some((disk.used_bytes() / 8192 + 1) * 8192 + 1024));
        let id = format!("{n:0>150}");
        if append(&mut log, &[id.as_str()]).is_ok() {
            sent.push(id);
        }
    }
    assert!(log.shared.counters.status().part_failures > 0);
    disk.set_capacity(None);
    assert_eq!(ids_of(&log), sent);
    while log.shared.memory.read().deltas.len() > 1 {
        let id = format!("{:0>150}", sent.len());
        append(&mut log, &[id.as_str()]).expect("commits");
        sent.push(id);
    }
    assert_eq!(ids_of(&log), sent);
    assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
}

#[test]
fn threads_write_parts_down_while_events_come() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let options = Options { background: true, dir: dir.path().to_owned(), ..options() };
    let count = |log: &EventLog| {
        let meter =
            Meter::plain(MeterId::from_bits(1), MeterKey::parse("t").expect("a key"), Aggregation::Count);
        let windows = [Window { start: Timestamp::MIN, end: Timestamp::MAX }];
        log.query(&Query::new(PROJECT, &meter, &windows))
            .expect("answers")
            .iter()
            .map(|row| row.events)
            .sum::<u64>()
    };
    let log = EventLog::open(&options).expect("opens");
    for n in 0..300_u64 {
        let id = n.to_string();
        log.append(batch_of(&[draft(&id), draft(&format!("{id}b"))], at(n as i64))).expect("commits");
        assert_eq!(count(&log), 2 * (n + 1));
    }
    log.close();
    drop(log);
    let log = EventLog::open(&options).expect("opens");
    assert!(log.status().parts > 2, "{:?}", log.status());
    assert_eq!(
        (count(&log), log.get(PROJECT, "7b").expect("reads").map(|event| event.sequence)),
        (600, Some(16))
    );
    assert_eq!(log.verify().expect("reads").differences, [""; 0]);
}

/// As many units as a decimal has at either side of its point.
const WIDE: i128 = 1_000_000_000_000_000_000;

fn rollup_of(events: &[EventAt], values: &[i128], hour: i64) -> Rollup {
    let start = Timestamp::from_hour_index(hour);
    let mut marks = events.iter().zip(values).map(|(event, value)| Mark {
        time: start.plus_micros(i64::from(event.micros)),
        sequence: event.sequence,
        value: Decimal::from_units(*value).expect("in range"),
    });
    let mut rollup = Rollup::of(marks.next().expect("one")).expect("fits");
    marks.for_each(|mark| rollup.add(mark).expect("fits"));
    rollup
}

proptest! {
    #[test]
    fn cells_read_back(
        day in -800_000_i64..800_000,
        base in 1_u64..1 << 39,
        cells in prop::collection::btree_map(
            (0_u32..5, 0..HOURS),
            prop::collection::vec((1_u64..1000, 0..HOUR as u32, -WIDE + 1..WIDE, 1..=WIDE), 1..6),
            1..20,
        ),
    ) {
        let mut sequence = base;
        let mut block = BlockBuilder::new(base);
        let mut expected = Vec::new();
        for ((customer, of_day), raw) in cells {
            let hour = day * HOURS + of_day;
            let mut events = Vec::new();
            for (step, micros, ..) in &raw {
                sequence += step;
                events.push(EventAt { sequence, micros: *micros });
            }
            let values: Vec<i128> = raw.iter().map(|(_, _, a, b)| a * b).collect();
            let rollup = rollup_of(&events, &values, hour);
            block.add(hour, customer, &rollup, &events).expect("small");
            expected.push((hour, customer, rollup, events));
        }
        let mut read = Vec::new();
        let (entries, _) = block.directory.as_chunks::<{ crate::part::cells::ENTRY_BYTES }>();
        let entries: Vec<_> = entries.iter().filter_map(|entry| crate::part::cells::Entry::decode(entry)).collect();
        for (index, entry) in entries.iter().enumerate() {
            let end = entries.get(index + 1).map_or(block.cells.len(), |next| next.cells as usize);
            let cells = &block.cells[entry.cells as usize..end];
            let mut reader = CellReader { base, day, customer: entry.customer, cells, refs_at: u64::from(entry.refs) };
            while let Some(cell) = reader.next().expect("cells") {
                let refs = &block.refs[cell.refs_at as usize..(cell.refs_at + cell.refs_bytes) as usize];
                let mut events = Vec::new();
                cell.events(base, refs, &mut events).expect("events");
                prop_assert_eq!(cell.last_sequence, events.last().expect("one").sequence);
                read.push((cell.hour, cell.customer, cell.rollup, events));
            }
        }
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn a_clearing_waits_for_nobody_who_looks_at_a_sealed_segment() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    for n in 0.. {
        disk.set_capacity(Some((disk.used_bytes() / 8192 + 1) * 8192 + 1024));
        // Without room nothing is written down: the segment's cells stay in memory.
        let sent = append(&mut log, &[format!("{n:0>150}").as_str()]);
        if sent.is_ok() && log.shared.memory.read().deltas.len() > 1 {
            break;
        }
    }
    let sealed = Arc::clone(&log.shared.memory.read().deltas[0]);
    // As whoever writes them down does.
    let look = sealed.look();
    assert!(!look.hours(PROJECT).is_empty());
    log.core.run([Work::Clear(PROJECT, at(2), Box::new(|cleared| assert!(cleared.is_ok())))]);
    assert!(look.hours(PROJECT).is_empty());
    assert_eq!(look.sections().count(), 0);
}
