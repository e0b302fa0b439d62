//! Reads bytes as ingest does, and panics where another parser reads them otherwise: what fuzzing and
//! tests call.
#![expect(clippy::missing_panics_doc, reason = "panicking is what it is for")]
use super::draft::{Checked, Rejected, Rules, Sent};
use super::{cloudevents, fields, scan};
use reckoner_domain::decimal::{Decimal, Excess};
use reckoner_domain::meter::Catalogue;
use reckoner_domain::time::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

/// What comes of a text, where it is accepted.
pub fn judge<'a>(
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
        names_meters: false,
        assigned: None,
    };
    read(text, &rules).ok()
}

/// Reads an event of our own form.
pub fn native<'a>(text: &'a str, rules: &Rules<'_>) -> Result<Checked<'a>, Rejected> {
    let sent = Sent::read(text).map_err(Rejected::malformed)?;
    sent.check(rules, || Ok::<_, String>("made".to_owned()))
}

/// Reads a body as ingest does, and holds what was accepted against another parser's reading.
pub fn read_and_compare(bytes: &[u8]) {
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
