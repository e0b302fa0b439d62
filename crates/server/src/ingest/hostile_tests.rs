//! Whatever bytes come, reading them never panics; and what is accepted is JSON that says the same
//! to another parser.
use super::draft::{Checked, Rejected, Rules, Sent};
use super::{cloudevents, fields, scan};
use proptest::prelude::*;
use reckoner_domain::decimal::{Decimal, Excess};
use reckoner_domain::meter::Catalogue;
use reckoner_domain::time::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

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

fn judge<'a>(
    text: &'a str,
    read: impl Fn(&'a str, &Rules<'_>) -> Result<Checked<'a>, Rejected>,
) -> Option<Checked<'a>> {
    let catalogue = Catalogue::default();
    let rules = Rules {
        catalogue: &catalogue,
        now: Timestamp::default(),
        future_s_max: u64::MAX,
        past_s_max: None,
        accept_unmetered: true,
        excess: Excess::Refuse,
    };
    read(text, &rules).ok()
}

fn native<'a>(text: &'a str, rules: &Rules<'_>) -> Result<Checked<'a>, Rejected> {
    let sent = Sent::read(text).map_err(Rejected::malformed)?;
    sent.check(rules, || Ok::<_, String>("made".to_owned()))
}

/// Reads a body as ingest does, and holds what was accepted against another parser's reading.
fn read_and_compare(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(text) = scan::container(text) else { return };
    if text.starts_with('[') {
        if let Ok(list) = fields::elements(text, 1_000) {
            let value: Vec<Box<RawValue>> =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(value.len(), list.count);
            for element in list.first.iter().filter(|element| element.is_object()) {
                compare(element.as_json());
            }
        }
        return;
    }
    compare(text);
}

fn compare(text: &str) {
    if let Some(event) = judge(text, native) {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let said = |name: &str| value.get(name).and_then(Value::as_str);
        assert_eq!(Some(event.customer.as_ref()), said("customer"), "{text}");
        assert_eq!(Some(event.event_type.as_ref()), said("meter"), "{text}");
        assert_eq!(event.subject.as_deref(), said("subject"), "{text}");
        assert_eq!(Some(event.id.as_ref()), said("id").or(Some("made")), "{text}");
        let amount = match value.get("value") {
            None | Some(Value::Null) => "1".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        assert_eq!(Ok(event.value), Decimal::parse(&amount), "{text}");
        check_stored(&event, text);
    }
    if let Some(event) = judge(text, cloudevents::check) {
        serde_json::from_str::<Box<RawValue>>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        check_stored(&event, text);
    }
}

/// What is kept as JSON text reads back as an object.
fn check_stored(event: &Checked<'_>, text: &str) {
    for json in [&event.properties, &event.source_context].into_iter().flatten() {
        let read = serde_json::from_str::<Value>(json);
        assert!(read.as_ref().is_ok_and(Value::is_object), "{json} of {text}: {read:?}");
    }
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
