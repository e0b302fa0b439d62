use super::*;
use crate::disk::Disk;
use crate::disk::sim::Faults;
use crate::log::EventLog;
use crate::status::Health;
use Outcome::{Accepted, Conflict, Duplicate};

#[test]
fn repeats_are_judged_within_a_batch_a_group_and_for_ever() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let other = EventDraft { customer: "d", ..draft("b") };
    let first = batch_of(&[draft("a"), draft("a"), draft("b"), other], at(1));
    let second = batch_of(&[draft("b"), draft("c")], at(2));
    let answers = commit(&mut log, vec![first, second]);
    let accepted = |sequence| Accepted { sequence };
    let one = vec![accepted(1), Duplicate { sequence: 1 }, accepted(2), Conflict { sequence: 2 }];
    let two = vec![Duplicate { sequence: 2 }, accepted(3)];
    assert_eq!(answers, [Some(Ok(one)), Some(Ok(two))]);
    disk.kill();
    let mut log = open(&disk).expect("opens");
    let answer = commit(&mut log, vec![batch_of(&[draft("c"), other, draft("d")], at(3))]);
    let three = vec![Duplicate { sequence: 3 }, Conflict { sequence: 2 }, accepted(4)];
    assert_eq!(answer, [Some(Ok(three))]);
    assert_eq!(ids_of(&log), ["a", "b", "c", "d"]);
}

#[test]
fn an_event_reads_back_as_it_was_sent() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(3_000));
    let full = EventDraft {
        id: "full",
        customer: "käufer",
        event_type: "api.calls",
        value: Decimal::parse("-12.000000000000000345").expect("a number"),
        time: Some(at(-5)),
        subject: Some("s"),
        properties: Some(&text),
        source_context: Some("{}"),
    };
    let plain = EventDraft { value: Decimal::parse("1000").expect("a number"), ..draft("plain") };
    commit(&mut log, vec![batch_of(&[full, plain], at(10))]);
    disk.kill();
    let log = open(&disk).expect("opens").shared;
    let event = log.get(PROJECT, "full").expect("reads").expect("is there");
    assert!(event.says_the_same(&full));
    assert_eq!((event.sequence, event.received_at, event.time_given), (1, at(10), true));
    assert_eq!((event.source_context.as_deref(), event.project), (Some("{}"), PROJECT));
    let event = log.get(PROJECT, "plain").expect("reads").expect("is there");
    assert!(event.says_the_same(&plain));
    assert_eq!((event.time, event.time_given), (at(10), false));
    assert_eq!(log.get(PROJECT, "none").expect("reads"), None);
    assert_eq!(log.get(ProjectId(2), "full").expect("reads"), None);
}

#[test]
fn a_failed_sync_stops_the_log_and_what_it_left_is_made_durable() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let mut log = open(&disk).expect("opens");
        append(&mut log, &["a"]).expect("commits");
        disk.set_faults(Faults { fail_sync: Some(0), ..Faults::default() });
        for id in ["b", "c"] {
            assert!(matches!(append(&mut log, &[id]), Err(AppendError::Stopped { .. })));
        }
        assert!(matches!(*log.shared.health.lock(), Health::Stopped { .. }));
        assert_eq!(ids_of(&log), ["a"]);
        // The cache still shows "b", and calls it clean: whoever calls it a duplicate must keep it.
        disk.kill();
        let mut log = open(&disk).expect("opens");
        assert_eq!(append(&mut log, &["b"]), Ok(vec![Duplicate { sequence: 2 }]));
        disk.lose_power();
        assert_eq!(ids_of(&open(&disk).expect("opens")), ["a", "b"]);
    }
}

#[test]
fn a_failed_write_stops_the_log() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    append(&mut log, &["a"]).expect("commits");
    disk.set_faults(Faults { fail_write: Some(0), ..Faults::default() });
    assert!(matches!(append(&mut log, &["b"]), Err(AppendError::Stopped { .. })));
    assert_eq!(log.shared.get(PROJECT, "b").expect("reads"), None);
    assert!(log.shared.get(PROJECT, "a").expect("reads").is_some());
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_recovers() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    append(&mut log, &["first"]).expect("commits");
    disk.set_capacity(Some(disk.used_bytes() + 1_000));
    let mut stored = vec!["first".to_owned()];
    for n in 0.. {
        let id = format!("{n:0>200}");
        match append(&mut log, &[&id]) {
            Ok(_) => stored.push(id),
            Err(error) => {
                assert_eq!(error, AppendError::Full);
                break;
            }
        }
        assert!(n < 1_000, "a segment holds fewer");
    }
    assert_eq!(*log.shared.health.lock(), Health::Full);
    let prepared = |name: &String| name.starts_with(crate::write::prepare::NAME_PREFIX);
    assert!(!disk.names().expect("lists").iter().any(prepared), "space was given back");
    assert_eq!(append(&mut log, &["more than fits".repeat(15).as_str()]), Err(AppendError::Full));
    disk.kill();
    let mut log = open(&disk).expect("opens");
    assert_eq!(ids_of(&log), stored);
    assert_eq!(append(&mut log, &["y".repeat(200).as_str()]), Err(AppendError::Full));
    disk.set_capacity(None);
    append(&mut log, &["z".repeat(200).as_str()]).expect("commits");
    assert_eq!(*log.shared.health.lock(), Health::Healthy);
}

#[test]
fn clearing_frees_the_ids_of_one_project() {
    let disk = SimDisk::new(1);
    let log = EventLog::open_with(Arc::new(disk.clone()), &options()).expect("opens");
    let other = ProjectId(2);
    let batch = |project, value| {
        let mut batch = Batch::new(project, at(1));
        batch.push(&EventDraft { value: Decimal::from_i32(value), ..draft("a") }).expect("fits");
        batch
    };
    assert_eq!(log.append(batch(PROJECT, 1)), Ok(vec![Accepted { sequence: 1 }]));
    assert_eq!(log.append(batch(other, 1)), Ok(vec![Accepted { sequence: 2 }]));
    assert_eq!(log.clear(PROJECT, at(2)), Ok(3));
    assert_eq!(log.get(PROJECT, "a").expect("reads"), None);
    assert_eq!(log.append(batch(PROJECT, 2)), Ok(vec![Accepted { sequence: 4 }]));
    log.close();
    disk.lose_power();
    let log = EventLog::open_with(Arc::new(disk), &options()).expect("opens");
    let value = |project| log.get(project, "a").expect("reads").expect("is there").value;
    assert_eq!((value(PROJECT), value(other)), (Decimal::from_i32(2), Decimal::ONE));
    assert_eq!(log.append(batch(other, 2)), Ok(vec![Conflict { sequence: 2 }]));
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { dir: dir.path().to_owned(), ..options() };
    let log = EventLog::open(&options).expect("opens");
    assert!(matches!(EventLog::open(&options), Err(OpenError::Locked { .. })));
    log.append(batch_of(&[draft("a")], at(1))).expect("commits");
    drop(log);
    let log = EventLog::open(&options).expect("opens");
    assert!(log.get(PROJECT, "a").expect("reads").is_some());
    log.close();
    assert_eq!(log.status().health, Health::Healthy);
    assert!(matches!(log.append(batch_of(&[draft("b")], at(1))), Err(AppendError::Stopped { .. })));
    assert!(EventLog::open(&options).is_ok());
}

#[test]
fn batches_of_many_threads_share_syncs() {
    let disk = SimDisk::new(1);
    let options = Options { background: true, ..options() };
    let log = EventLog::open_with(Arc::new(disk.clone()), &options).expect("opens");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = log.clone();
            scope.spawn(move || {
                for n in 0..200 {
                    let (own, shared) = (format!("{thread}-{n}"), format!("all-{n}"));
                    log.append(batch_of(&[draft(&own), draft(&shared)], at(n))).expect("commits");
                }
            });
        }
    });
    let status = log.status();
    assert_eq!((status.sequence, status.accepted, status.duplicates), (1_000, 1_000, 600));
    assert!(status.segments > 2 && status.commits <= 800, "{status:?}");
    assert_eq!((status.queued_batches, status.queued_bytes), (0, 0));
    log.close();
    disk.lose_power();
    let log = EventLog::open_with(Arc::new(disk), &options).expect("opens");
    assert_eq!(log.sequence(), 1_000);
}
