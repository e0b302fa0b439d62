use super::*;
use crate::backup;
use crate::columns;
use crate::disk::Disk;
use crate::disk::sim::Faults;
use crate::format::frame::{self, FrameHeader};
use crate::format::segment::{self, SegmentHeader};
use crate::read::verify;
use reckoner_domain::rollup::Mark;

fn filled() -> (SimDisk, usize) {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    append(&mut log, &["a", "b"]).expect("commits");
    append(&mut log, &["c"]).expect("commits");
    let before = log.shared.counters.status().bytes as usize + segment::HEADER_BYTES as usize;
    commit(&mut log, vec![batch_of(&[draft("d")], at(1)), batch_of(&[draft("e"), draft("f")], at(1))]);
    disk.kill();
    (disk, before)
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_never_comes_back() {
    let (disk, start) = filled();
    let name = segment::file_name(1);
    let whole = disk.bytes(&name);
    let end = whole.iter().rposition(|byte| *byte != 0).expect("bytes") + 1;
    for cut in start..end {
        let fork = disk.fork();
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        if cut % 2 == 0 {
            torn[cut..end].fill(0xa5);
        }
        fork.set_bytes(&name, torn);
        let mut log = open(&fork).expect("opens");
        let found = ids_of(&log);
        assert!(found == ["a", "b", "c"] || found == ["a", "b", "c", "d"], "{cut}: {found:?}");
        assert_eq!(append(&mut log, &["g"]).expect("commits").len(), 1);
        fork.lose_power();
        let expected: Vec<_> = found.iter().cloned().chain(["g".to_owned()]).collect();
        assert_eq!(ids_of(&open(&fork).expect("opens")), expected, "{cut}");
    }
}

#[test]
fn a_copy_made_during_a_write_ends_before_it() {
    let (disk, start) = filled();
    let name = segment::file_name(1);
    let whole = disk.bytes(&name);
    let end = whole.iter().rposition(|byte| *byte != 0).expect("bytes") + 1;
    // A reader may see the later part of what is written and not the earlier one.
    for cut in start..end {
        let fork = disk.fork();
        let mut seen = whole.clone();
        seen[start..cut].fill(0);
        fork.set_bytes(&name, seen);
        let copy = SimDisk::new(2);
        backup::copy(&fork, &copy).expect("copies");
        let found = ids_of(&open(&copy).expect("opens"));
        let expected = if cut == start { &["a", "b", "c", "d", "e", "f"][..] } else { &["a", "b", "c"] };
        assert_eq!(found, expected, "{cut}");
        assert!(backup::copy(&fork, &copy).is_err(), "never over files that are there");
    }
}

#[test]
fn damage_to_a_closed_segment_is_not_copied() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(3_000));
    for id in ["a", "b", "c"] {
        commit(&mut log, vec![batch_of(&[EventDraft { properties: Some(&text), ..draft(id) }], at(1))]);
    }
    backup::copy(&disk, &SimDisk::new(2)).expect("copies");
    let name = segment::file_name(1);
    let mut bytes = disk.bytes(&name);
    bytes[segment::HEADER_BYTES as usize + 100] ^= 1;
    disk.set_bytes(&name, bytes);
    assert!(
        matches!(backup::copy(&disk, &SimDisk::new(2)), Err(OpenError::Corrupt { file, .. }) if file == name)
    );
}

#[test]
fn a_rollup_that_does_not_agree_with_its_events_is_told() {
    let (disk, _) = filled();
    let log = open(&disk).expect("opens");
    assert_eq!(verify::run(&log.shared).expect("reads").differences, [""; 0]);
    let nowhere = Mark { time: at(100), sequence: 1_000_000, value: Decimal::ONE };
    log.shared.memory.read().deltas[0].change().add(PROJECT, (0, 0), nowhere).expect("fits");
    let verified = verify::run(&log.shared).expect("reads");
    assert_eq!(verified.differences.len(), 1, "{verified:?}");
}

#[test]
fn a_flipped_byte_before_the_last_group_refuses_to_open() {
    let (disk, start) = filled();
    let name = segment::file_name(1);
    let whole = disk.bytes(&name);
    for place in (0..64).chain(segment::HEADER_BYTES as usize..start) {
        let fork = disk.fork();
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fork.set_bytes(&name, flipped.clone());
        match open(&fork) {
            Err(OpenError::Corrupt { file, offset, .. }) => {
                assert_eq!(file, name);
                assert!(offset as usize <= place);
            }
            other => panic!("{place}: {:?}", other.err()),
        }
        assert_eq!(fork.bytes(&name), flipped, "nothing was changed");
    }
}

#[test]
fn a_flipped_byte_anywhere_in_an_earlier_segment_refuses_to_open() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    let mut n = 0;
    while log.shared.memory.read().places.segments() < 2 {
        append(&mut log, &[format!("{n:0>250}").as_str()]).expect("commits");
        n += 1;
    }
    disk.kill();
    let name = segment::file_name(1);
    let whole = disk.bytes(&name);
    for place in (segment::HEADER_BYTES as usize..whole.len()).step_by(61) {
        let fork = disk.fork();
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        fork.set_bytes(&name, flipped);
        assert!(matches!(open(&fork), Err(OpenError::Corrupt { .. })), "{place}");
    }
    let fork = disk.fork();
    fork.set_bytes(&name, vec![0; whole.len()]);
    assert!(matches!(open(&fork), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_missing_file_refuses_to_open() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).expect("opens");
    for n in 0..200 {
        append(&mut log, &[format!("{n:0>250}").as_str()]).expect("commits");
    }
    disk.kill();
    let names = disk.names().expect("lists");
    let of_events = names.iter().find(|name| columns::NAMES.parse(name).is_some()).expect("columns");
    let sealed = names.iter().find(|name| segment::number_of(name).is_some()).expect("a segment");
    for name in ["MANIFEST", of_events, sealed] {
        let fork = disk.fork();
        fork.remove(name).expect("is there");
        match open(&fork) {
            Err(OpenError::Corrupt { file, .. }) => assert_eq!(file, name),
            Err(OpenError::Io { source, .. }) => assert!(source.to_string().contains(name), "{source}"),
            other => panic!("{name}: {:?}", other.err()),
        }
    }
}

fn frame_at(bytes: &[u8], at: usize) -> (FrameHeader, u32) {
    let salt = SegmentHeader::decode(bytes).expect("a header").salt;
    (frame::read(&bytes[at..], salt).expect("a frame").header, salt)
}

#[test]
fn the_number_of_a_torn_group_is_not_used_again() {
    let (disk, start) = filled();
    let name = segment::file_name(1);
    let mut bytes = disk.bytes(&name);
    let (torn, _) = frame_at(&bytes, start);
    bytes[start] ^= 1;
    disk.set_bytes(&name, bytes);
    let mut log = open(&disk).expect("opens");
    append(&mut log, &["g"]).expect("commits");
    let (next, _) = frame_at(&disk.bytes(&name), start);
    assert!(next.group > torn.group);
    assert_eq!(ids_of(&log), ["a", "b", "c", "g"]);
}

#[test]
fn a_frame_out_of_order_refuses_to_open() {
    let (disk, start) = filled();
    let name = segment::file_name(1);
    let whole = disk.bytes(&name);
    let (good, salt) = frame_at(&whole, start);
    let wrong = [
        FrameHeader { first_sequence: good.first_sequence + 1, ..good },
        FrameHeader { group: good.group - 1, ..good },
        FrameHeader { group_start: good.group_start - 8, ..good },
        FrameHeader { records: good.records + 1, ..good },
    ];
    for header in wrong {
        let mut bytes = whole.clone();
        bytes[start..start + frame::HEADER_BYTES].copy_from_slice(&header.encode(salt));
        let fork = disk.fork();
        fork.set_bytes(&name, bytes);
        let expected = |error: &OpenError| matches!(error, OpenError::Corrupt { offset, .. } if *offset as usize == start);
        assert!(open(&fork).err().as_ref().is_some_and(expected), "{header:?}");
    }
}

#[test]
fn a_name_not_yet_durable_is_made_so_before_events_are_acknowledged() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let mut log = open(&disk).expect("opens");
        // Made, filled, synced, headed, synced, renamed; the crash comes before the name is synced.
        disk.set_faults(Faults { crash: Some(6), ..Faults::default() });
        assert!(append(&mut log, &["a"]).is_err());
        disk.kill();
        let mut log = open(&disk).expect("opens");
        assert_eq!(log.shared.memory.read().places.segments(), 1, "the name is seen");
        append(&mut log, &["b"]).expect("commits");
        disk.lose_power();
        assert_eq!(ids_of(&open(&disk).expect("opens")), ["b"]);
    }
}
