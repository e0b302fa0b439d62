//! Reads bytes as they may lie on disk, and panics where what was read is not written as it was: what
//! fuzzing and tests call.
#![expect(clippy::missing_panics_doc, reason = "panicking is what they are for")]
use crate::erase::ledger::{Ledger, sealed};
use crate::format::record::{self, Record};
use crate::format::{frame, varint};
use crate::part::index::Index;
use crate::part::places::Spots;
use reckoner_domain::decimal::Excess;
use reckoner_domain::json::{Extractor, Path, Properties};
use reckoner_domain::time::Timestamp;
use serde_json::Value;

/// The store that ledgers are of.
const STORE: u128 = 7;

/// A record: what is read says how long it is, and reads the same when it is written.
pub fn record(bytes: &[u8]) {
    let received_at = Timestamp::from_hour_index(i64::from(bytes.first().copied().unwrap_or_default()));
    let mut rest = bytes;
    let Ok(read) = record::take(&mut rest, received_at) else { return };
    let taken = bytes.len() - rest.len();
    assert_eq!(record::length(bytes), Some(taken));
    // A value may be read with zeros at its end, and is written without.
    let written = write(&read, received_at);
    let mut again = written.as_slice();
    assert_eq!(record::take(&mut again, received_at).as_ref(), Ok(&read));
    assert_eq!(again, &[0; 0]);
    assert_eq!(write(&read, received_at), written);
}

fn write(read: &Record<'_>, received_at: Timestamp) -> Vec<u8> {
    let mut written = Vec::new();
    match read {
        Record::Event(event) => {
            record::put_event(&mut written, &mut Vec::new(), &event.draft, received_at);
        }
        Record::Correction(correction) => record::put_correction(&mut written, correction),
        Record::Cleared => record::put_cleared(&mut written),
    }
    written
}

/// The header of a frame: what is read is written as the same bytes.
pub fn frames(bytes: &[u8]) {
    let Some((salt, rest)) = bytes.split_first_chunk::<4>() else { return };
    let Some(header) = frame::read_header(rest, u32::from_le_bytes(*salt)) else { return };
    assert_eq!(rest.get(..frame::HEADER_BYTES), Some(&header.encode(u32::from_le_bytes(*salt))[..]));
}

/// A number: read as it was written, and in no other way.
pub fn number(bytes: &[u8]) {
    let mut rest = bytes;
    let Some(number) = varint::take(&mut rest) else { return };
    let mut written = Vec::new();
    varint::put(&mut written, number);
    assert_eq!(bytes.strip_suffix(rest), Some(written.as_slice()));
}

/// What a part says: read or refused, and what is read is written so that it reads the same.
pub fn part(bytes: &[u8]) {
    if let Some(index) = Index::decode(bytes) {
        assert_eq!(Index::decode(&index.encode()), Some(index));
    }
    if let Some(spots) = Spots::decode(bytes) {
        let mut written = Vec::new();
        spots.encode(&mut written);
        assert_eq!(Spots::decode(&written), Some(spots));
    }
}

/// What a ledger says: read or refused, and what is read is written so that it reads the same.
pub fn ledger(bytes: &[u8]) {
    if let Some(read) = Ledger::decode(&sealed(bytes, STORE), STORE) {
        assert_eq!(Ledger::decode(&read.encode(STORE), STORE), Some(read));
    }
}

/// What is taken out of an event's properties is what their tree has.
pub fn properties(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let paths = ["a", "$.a.b", "$.a[0]", "$.a[0].b", "$.b", "$.b.a", "$['c d']"];
    let paths: Vec<Path> = paths.iter().filter_map(|path| Path::parse(path).ok()).collect();
    let tree: Value = serde_json::from_str(text).unwrap_or_default();
    let mut extractor = Extractor::new(&paths);
    let taken = extractor.read(Some(text));
    for path in &paths {
        assert_eq!(taken.text(path), tree.text(path), "{path}");
        let [a, b] = [Excess::Round, Excess::Refuse];
        assert_eq!(taken.decimal(path, a), tree.decimal(path, a), "{path}");
        assert_eq!(taken.decimal(path, b), tree.decimal(path, b), "{path}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::{CorrectionRecord, EventRecord};
    use proptest::prelude::*;
    use reckoner_domain::decimal::Decimal;
    use reckoner_domain::event::EventDraft;

    /// Records of every kind, some bytes of which are then changed.
    fn seeds() -> Vec<Vec<u8>> {
        let draft = EventDraft {
            id: "id",
            customer: "customer",
            event_type: "type",
            value: Decimal::parse("-12.5").expect("a number"),
            time: Some(Timestamp::from_hour_index(9)),
            subject: Some("s"),
            properties: Some("{}"),
            source_context: None,
        };
        let event = EventRecord { draft, time: Timestamp::from_hour_index(9) };
        let correction = CorrectionRecord {
            target: 300,
            by: "key",
            before: Decimal::ONE,
            customer: "customer",
            event_type: "type",
            time: event.time,
            after: Some(event),
        };
        let mut seeds = vec![Vec::new(); 4];
        record::put_event(&mut seeds[0], &mut Vec::new(), &draft, Timestamp::EPOCH);
        record::put_correction(&mut seeds[1], &correction);
        record::put_correction(&mut seeds[2], &CorrectionRecord { after: None, ..correction });
        record::put_cleared(&mut seeds[3]);
        seeds
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            record(&bytes);
            frames(&bytes);
            number(&bytes);
            part(&bytes);
            ledger(&bytes);
            properties(&bytes);
        }

        #[test]
        fn properties_that_are_nearly_json_mean_what_their_trees_do(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"c d\"", "1", "-0.5", "1e3", "null",
                    "true", "\"x\"", " ", "\"\\u0061\"", "{\"a\":", "\"b\":[",
                ]),
                0..12,
            ),
        ) {
            properties(pieces.concat().as_bytes());
        }

        #[test]
        fn records_that_are_nearly_right_are_read_or_refused(
            seed in 0..4_usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut bytes = seeds().swap_remove(seed);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            record(&bytes);
        }
    }
}
