//! CloudEvents 1.0: structured, batched and binary.
//!
//! `type` is the event type. The customer is the extension `customer`, or else `subject`; where
//! both are there, `subject` is the subject. `data` becomes the properties, `data.value` the value.
//! An event's identity is its `source` and `id` together.
use super::draft::{Checked, Fault, Rejected, Rules, Sent};
use super::fields::{Raw, each};
use reckoner_domain::event::ID_BYTES_MAX;
use std::borrow::Cow;

/// Content type of one structured event.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Content type of a list of structured events.
pub const BATCHED: &str = "application/cloudevents-batch+json";
/// What the headers of a binary event begin with.
pub const HEADER_PREFIX: &str = "ce-";

/// The attributes of a CloudEvent, as JSON.
#[derive(Clone, Debug, Default)]
struct Attributes<'a> {
    spec_version: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    source: Option<Raw<'a>>,
    kind: Option<Raw<'a>>,
    time: Option<Raw<'a>>,
    subject: Option<Raw<'a>>,
    customer: Option<Raw<'a>>,
    data: Option<Raw<'a>>,
    encoded: bool,
}

/// A CloudEvent as an event's fields.
struct Translated<'a> {
    /// The fields; `id` is left out.
    sent: Sent<'a>,
    /// `source` and `id`, joined by a space (which no source contains); as far as they are there.
    id: String,
    /// What is wrong with the attributes that an event does not have.
    faults: Vec<Fault>,
    /// Where the customer stands.
    customer_field: &'static str,
}

/// Reads and checks one structured CloudEvent; every fault is told under its attribute's name.
pub fn check<'a>(object: &'a str, rules: &Rules<'_>) -> Result<Checked<'a>, Rejected> {
    let Translated { sent, id, mut faults, customer_field } =
        read(object).map_err(Rejected::malformed)?.translate();
    let told = Some(id.trim().to_owned()).filter(|id| !id.is_empty());
    let verdict = sent.check(rules, move || Ok::<_, String>(id));
    let mut found = match verdict {
        Ok(checked) if faults.is_empty() => return Ok(checked),
        Ok(checked) => Rejected::new(None, Vec::new()).of(Some(checked.customer), Some(checked.event_type)),
        Err(rejected) => rejected,
    };
    faults.extend(std::mem::take(&mut found.faults).into_iter().map(|fault| rename(fault, customer_field)));
    Err(Rejected { id: told, faults, ..found })
}

fn rename(fault: Fault, customer_field: &str) -> Fault {
    let field = match fault.field.as_str() {
        "meter" => "type",
        "value" => "data.value",
        "properties" => "data",
        "customer" => customer_field,
        other => other,
    };
    Fault { field: field.to_owned(), ..fault }
}

fn read(object: &str) -> Result<Attributes<'_>, String> {
    let mut found = Attributes::default();
    each(object, |key, raw| {
        let raw = (!raw.is_null()).then_some(raw);
        match key.as_ref() {
            "specversion" => found.spec_version = raw,
            "id" => found.id = raw,
            "source" => found.source = raw,
            "type" => found.kind = raw,
            "time" => found.time = raw,
            "subject" => found.subject = raw,
            "customer" => found.customer = raw,
            "data" => found.data = raw,
            "data_base64" => found.encoded = raw.is_some(),
            _ => {}
        }
    })?;
    Ok(found)
}

/// A binary CloudEvent as a structured one: its headers and its body, which is one JSON object or
/// empty. `Err` names the header that cannot be read.
pub fn to_structured<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    body: &str,
) -> Result<String, String> {
    let mut attributes = serde_json::Map::new();
    for (header, value) in headers {
        if let Some(name) = header.strip_prefix(HEADER_PREFIX) {
            let value = percent_encoding::percent_decode(value).decode_utf8().map_err(|_| header)?;
            attributes.insert(name.to_owned(), value.into_owned().into());
        }
    }
    let mut text = serde_json::Value::Object(attributes).to_string();
    if !body.is_empty() {
        text.pop();
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str("\"data\":");
        text.push_str(body);
        text.push('}');
    }
    Ok(text)
}

impl<'a> Attributes<'a> {
    fn translate(self) -> Translated<'a> {
        let mut faults = Vec::new();
        let attribute = |raw: Option<Raw<'a>>, name: &str, faults: &mut Vec<Fault>| {
            let text = raw.and_then(Raw::as_text).filter(|text| !text.is_empty());
            if text.is_none() {
                faults.push(Fault::new(name, "is a required text of every CloudEvent"));
            }
            text.unwrap_or(Cow::Borrowed(""))
        };
        let version = attribute(self.spec_version, "specversion", &mut faults);
        if !version.is_empty() && version != "1.0" {
            faults.push(Fault::new("specversion", "must be 1.0"));
        }
        let id = attribute(self.id, "id", &mut faults);
        let source = attribute(self.source, "source", &mut faults);
        if source.contains(char::is_whitespace) {
            faults.push(Fault::new("source", "must be a URI reference, without spaces"));
        }
        if self.encoded {
            faults.push(Fault::new("data_base64", "is not read: send data as JSON"));
        }
        let mut joined = format!("{source} {id}");
        if joined.len() > ID_BYTES_MAX || joined.chars().any(char::is_control) {
            let reason = format!(
                "and source together must have less than {ID_BYTES_MAX} bytes, without control characters"
            );
            faults.push(Fault::new("id", reason));
            joined.clear();
        }
        let (customer, subject, customer_field) = match self.customer {
            Some(customer) => (Some(customer), self.subject, "customer"),
            None => (self.subject, None, "subject"),
        };
        let sent = Sent {
            customer,
            subject,
            meter: self.kind,
            value: self.data.filter(|data| data.is_object()).and_then(value_of),
            time: self.time,
            properties: self.data,
            ..Sent::default()
        };
        Translated { sent, id: joined, faults, customer_field }
    }
}

/// `value` of an object; it must be a decimal, as everywhere.
fn value_of(data: Raw<'_>) -> Option<Raw<'_>> {
    let mut value = None;
    each(data.as_json(), |key, raw| {
        if key == "value" && !raw.is_null() {
            value = Some(raw);
        }
    })
    .ok()?;
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::decimal::{Decimal, Excess};
    use reckoner_domain::meter::Catalogue;
    use reckoner_domain::time::Timestamp;

    fn judge(text: &str) -> Result<Checked<'_>, Rejected> {
        let catalogue = Catalogue::default();
        let now = Timestamp::default();
        let rules = Rules {
            catalogue: &catalogue,
            now,
            future_s_max: 0,
            past_s_max: None,
            accept_unmetered: true,
            excess: Excess::Refuse,
            names_meters: false,
            assigned: None,
        };
        check(text, &rules)
    }

    #[test]
    fn attributes_become_fields() {
        let text = r#"{"specversion":"1.0","id":"7","source":"/gw#1","type":"api.calls","subject":"acme","data":{"value":"2","x":1}}"#;
        let event = judge(text).expect("a CloudEvent");
        assert_eq!((event.id.as_ref(), event.customer.as_ref()), ("/gw#1 7", "acme"));
        assert_eq!((event.event_type.as_ref(), event.value), ("api.calls", Decimal::from_i32(2)));
        assert!(event.subject.is_none() && event.properties.is_some());
    }

    #[test]
    fn binary_events_read_the_same() {
        let headers = [
            ("ce-id", "7"),
            ("ce-source", "/s"),
            ("ce-type", "t"),
            ("ce-customer", "a%20b"),
            ("ce-subject", "s"),
            ("ce-specversion", "1.0"),
            ("host", "x"),
        ];
        let with =
            |body| to_structured(headers.into_iter().map(|(name, value)| (name, value.as_bytes())), body);
        let text = with("{\"value\":3}").expect("headers");
        let event = judge(&text).expect("a CloudEvent");
        assert_eq!((event.customer.as_ref(), event.subject.as_deref()), ("a b", Some("s")));
        assert_eq!(event.value, Decimal::from_i32(3));
        assert!(judge(&with("").expect("headers")).is_ok());
        let broken = [("ce-id", b"%ff".as_slice())];
        assert_eq!(to_structured(broken.into_iter(), ""), Err("ce-id".to_owned()));
    }

    #[test]
    fn every_fault_is_told_under_its_own_name() {
        let fields = |text: &str| {
            let error = judge(text).expect_err("faults");
            error.faults.iter().map(|fault| fault.field.clone()).collect::<Vec<_>>()
        };
        let missing = r#"{"specversion":"0.3","source":"a b"}"#;
        assert_eq!(fields(missing), ["specversion", "id", "source", "subject", "type"]);
        let wrong = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","customer":7,"time":"x","data":{"value":"many"}}"#;
        assert_eq!(fields(wrong), ["customer", "data.value", "time"]);
        let list = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"c","data":[1]}"#;
        assert_eq!(fields(list), ["data"]);
        assert!(judge("{\"id\":}").expect_err("no JSON").malformed);
    }
}
