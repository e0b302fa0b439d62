//! Whatever bytes come, reading them never panics; and what is accepted is JSON that says the same
//! to another parser.
use super::cloudevents;
use super::fuzzing::{judge, native, read_and_compare};
use proptest::prelude::*;

/// Texts that are nearly right when something about them is changed.
const SEEDS: [&str; 6] = [
    r#"{"id":"e-1","customer":"acme","meter":"api.calls","value":"12.5","time":"2026-01-14T09:30:00Z"}"#,
    r#"{"customer":"a","meter":"m","value":-1.50e2,"subject":"s","properties":{"a":[1,{"b":null}],"c":"\u00e9\ud83d\ude00"}}"#,
    r#"{"customer":"a\"b","meter":"m","source_context":{"type":"project","project_name":"x"},"properties":{}}"#,
    r#"[{"customer":"a","meter":"m"},{"customer":"b","meter":"m","value":2}]"#,
    r#"{"specversion":"1.0","id":"7","source":"/gw#1","type":"t","subject":"acme","data":{"value":"2","x":1}}"#,
    r#"{"\u0063ustomer":"a","meter":"m","value":1e-18,"id":"\\\/"}"#,
];
/// Fewest cases of a property; `PROPTEST_CASES` asks for more.
const CASES_MIN: u32 = 4_000;
/// What mutations put in: the characters that mean something, and some that should not be there.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "0",
    "-",
    "e",
    ".",
    "\\ud800",
    "\\u0000",
    "\u{0}",
    "\n",
    "\u{7f}",
    "é",
    "😀",
    "null",
    "NaN",
    "1e999",
    "\"customer\":\"x\",",
    " ",
];

#[derive(Clone, Debug)]
enum Mutation {
    Insert(prop::sample::Index, usize),
    Delete(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Byte(prop::sample::Index, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..PIECES.len()).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (at(), 1..8_usize).prop_map(|(at, bytes)| Mutation::Delete(at, bytes)),
        (at(), 1..40_usize).prop_map(|(at, bytes)| Mutation::Repeat(at, bytes)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
    ]
}

fn mutated(seed: &str, mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for mutation in mutations {
        let (Mutation::Insert(at, _)
        | Mutation::Delete(at, _)
        | Mutation::Repeat(at, _)
        | Mutation::Byte(at, _)) = mutation;
        let at = at.index(bytes.len() + 1);
        let end = |length: usize| (at + length).min(bytes.len());
        match mutation {
            Mutation::Insert(_, piece) => drop(bytes.splice(at..at, PIECES[*piece].bytes())),
            Mutation::Delete(_, length) => drop(bytes.drain(at..end(*length))),
            Mutation::Repeat(_, length) => {
                let part = bytes[at..end(*length)].to_vec();
                bytes.splice(at..at, part);
            }
            Mutation::Byte(_, byte) => {
                if let Some(place) = bytes.get_mut(at) {
                    *place = *byte;
                }
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(CASES_MIN)))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_and_compare(&bytes);
    }

    #[test]
    fn any_mixture_of_pieces_is_read_or_refused(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        read_and_compare(pieces.concat().as_bytes());
        read_and_compare(format!("{{\"customer\":\"a\",\"meter\":\"m\",\"properties\":{{{}}}}}", pieces.concat()).as_bytes());
    }

    #[test]
    fn what_is_nearly_right_is_read_as_others_read_it(
        seed in prop::sample::select(&SEEDS[..]),
        mutations in prop::collection::vec(mutation(), 0..6),
    ) {
        read_and_compare(&mutated(seed, &mutations));
    }
}

#[test]
fn the_seeds_themselves_are_accepted() {
    for seed in SEEDS.iter().filter(|seed| seed.starts_with('{')) {
        let accepted = judge(seed, native).or_else(|| judge(seed, cloudevents::check));
        assert!(accepted.is_some(), "{seed}");
    }
}
