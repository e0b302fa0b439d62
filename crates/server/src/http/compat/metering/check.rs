//! Events of system A, checked in its words and order.
use super::event_types;
use crate::config::Definitions;
use crate::ingest::draft::{self, Checked, Rules};
use crate::ingest::fields::{Raw, each};
use reckoner_domain::decimal::{Decimal, DecimalError, Excess};
use reckoner_domain::event::{
    self, CUSTOMER_BYTES_MAX, EVENT_TYPE_BYTES_MAX, ID_BYTES_MAX, SOURCE_CONTEXT_BYTES_MAX, SUBJECT_BYTES_MAX,
};
use reckoner_domain::time::Timestamp;
use std::borrow::Cow;

/// An event's fields as sent.
#[derive(Debug, Default)]
pub struct Sent<'a> {
    event_type: Option<Cow<'a, str>>,
    event_type_is_text: bool,
    customer: Option<Raw<'a>>,
    value: Option<Raw<'a>>,
    metadata: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    timestamp: Option<Raw<'a>>,
    subject: Option<Raw<'a>>,
    source_context: Option<Raw<'a>>,
}

impl<'a> Sent<'a> {
    /// Takes the fields of an object; other fields are left alone, as the original did.
    pub fn read(object: &'a str) -> Result<Self, String> {
        let mut sent = Self { event_type_is_text: true, ..Self::default() };
        each(object, |key, raw| {
            // An empty field counts as missing, as null does.
            let raw = (!raw.is_null() && raw.as_json() != "\"\"").then_some(raw);
            match key.as_ref() {
                "eventType" => {
                    sent.event_type = raw.and_then(Raw::as_text);
                    sent.event_type_is_text = raw.is_none_or(|raw| raw.as_text().is_some());
                }
                "customerId" => sent.customer = raw,
                "value" => sent.value = raw,
                "metadata" => sent.metadata = raw,
                "id" => sent.id = raw.or(sent.id),
                "idempotencyKey" => sent.id = sent.id.or(raw),
                "timestamp" => sent.timestamp = raw,
                "subject" => sent.subject = raw,
                "sourceContext" => sent.source_context = raw,
                _ => {}
            }
        })?;
        Ok(sent)
    }

    /// Id, customer and event type, where they are texts.
    pub fn names(&self) -> [Option<Cow<'a, str>>; 3] {
        [self.id.and_then(Raw::as_text), self.customer.and_then(Raw::as_text), self.event_type.clone()]
    }

    /// The same with the event type of the path.
    pub fn of_type(self, event_type: &'a str) -> Self {
        Self { event_type: Some(Cow::Borrowed(event_type)), event_type_is_text: true, ..self }
    }

    /// Checks every field, in the order of system A's messages. `make_id` gives an id where none
    /// was sent.
    pub fn check(
        self,
        types: &Types<'_>,
        make_id: impl FnOnce() -> Result<String, String>,
    ) -> Result<Checked<'a>, Vec<String>> {
        let rules = &types.rules;
        let mut errors = Vec::new();
        let event_type = self.check_type(types, &mut errors);
        let customer = self.check_customer(&mut errors);
        let value = self.check_value(&mut errors);
        let metadata = self.check_metadata(&mut errors);
        let subject = text(self.subject, "subject", SUBJECT_BYTES_MAX, &mut errors);
        let time = self.check_time(rules, &mut errors);
        let source_context = source_context(self.source_context, &mut errors);
        let id = text(self.id, "id", ID_BYTES_MAX, &mut errors).map_or_else(|| make_id().map(Cow::Owned), Ok);
        if let (Some(event_type), true) = (&event_type, errors.is_empty()) {
            let mut faults = Vec::new();
            draft::check_meters(event_type, metadata.as_deref(), rules, &mut faults);
            errors.extend(faults.into_iter().map(|fault| format!("metadata {}", fault.reason)));
        }
        match (id, event_type, customer, value) {
            (Ok(id), Some(event_type), Some(customer), Some(value)) if errors.is_empty() => Ok(Checked {
                id,
                customer,
                event_type,
                value,
                time,
                subject,
                properties: metadata,
                source_context,
                attributed: false,
            }),
            (id, ..) => {
                errors.extend(id.err());
                Err(errors)
            }
        }
    }

    fn check_type(&self, types: &Types<'_>, errors: &mut Vec<String>) -> Option<Cow<'a, str>> {
        let Some(event_type) = self.event_type.clone() else {
            let text =
                if self.event_type_is_text { "eventType is required" } else { "eventType must be a string" };
            errors.push(text.to_owned());
            return None;
        };
        if let Some(reason) = types.fault(&event_type) {
            errors.push(reason);
            return None;
        }
        Some(event_type)
    }

    fn check_customer(&self, errors: &mut Vec<String>) -> Option<Cow<'a, str>> {
        let Some(raw) = self.customer else {
            errors.push("customerId is required".to_owned());
            return None;
        };
        let Some(text) = raw.as_text() else {
            errors.push("customerId must be a string".to_owned());
            return None;
        };
        if let Some(reason) = draft::text_fault(&text, CUSTOMER_BYTES_MAX) {
            errors.push(format!("customerId {reason}"));
            return None;
        }
        if text.starts_with(draft::CUSTOMER_ID_PREFIX) {
            errors.push(format!("customerId may not begin with {}", draft::CUSTOMER_ID_PREFIX));
            return None;
        }
        Some(text)
    }

    fn check_value(&self, errors: &mut Vec<String>) -> Option<Decimal> {
        let Some(raw) = self.value else {
            errors.push("value is required".to_owned());
            return None;
        };
        let parsed = match raw.as_number() {
            Some(number) => Decimal::parse_with(number, Excess::Round),
            None => Err(DecimalError::Syntax),
        };
        match parsed {
            Ok(value) => return Some(value),
            Err(DecimalError::TooLarge) => errors.push(format!("value {}", DecimalError::TooLarge)),
            Err(_) => errors.push("value must be a finite number".to_owned()),
        }
        None
    }

    fn check_metadata(&self, errors: &mut Vec<String>) -> Option<Cow<'a, str>> {
        let raw = self.metadata?;
        if !raw.is_object() {
            errors.push("metadata must be an object if provided".to_owned());
            return None;
        }
        if let Some(reason) = draft::properties_fault(raw.as_json()) {
            errors.push(format!("metadata {reason}"));
            return None;
        }
        Some(Cow::Borrowed(raw.as_json()))
    }

    fn check_time(&self, rules: &Rules<'_>, errors: &mut Vec<String>) -> Option<Timestamp> {
        let Some(text) = self.timestamp?.as_text() else {
            errors.push("timestamp must be a string".to_owned());
            return None;
        };
        let parsed = Timestamp::parse(&text).map_err(|error| error.to_string());
        match parsed.and_then(|time| rules.check_time(time).map(|()| time)) {
            Ok(time) => Some(time),
            Err(reason) => {
                errors.push(format!("timestamp {reason}"));
                None
            }
        }
    }
}

/// The event types that are taken, and how they are told.
#[derive(Clone, Copy)]
pub struct Types<'a> {
    /// What events are held against.
    pub rules: Rules<'a>,
    /// The operator's file.
    pub definitions: &'a Definitions,
}

impl Types<'_> {
    /// Whether no event could be taken.
    pub fn none(&self) -> bool {
        self.rules.catalogue.is_empty() && !self.rules.accept_unmetered
    }

    /// Why an event type is not taken.
    pub fn fault(&self, event_type: &str) -> Option<String> {
        let any =
            self.rules.accept_unmetered && draft::text_fault(event_type, EVENT_TYPE_BYTES_MAX).is_none();
        let known = any || self.rules.catalogue.reading(event_type).is_some();
        if known && !event::is_reserved_type(event_type) {
            return None;
        }
        let allowed = event_types(self.rules.catalogue, self.definitions).join(", ");
        Some(format!("Invalid event type: {event_type}. Must be one of: {allowed}"))
    }
}

/// An optional text.
fn text<'a>(
    raw: Option<Raw<'a>>,
    name: &str,
    bytes_max: usize,
    errors: &mut Vec<String>,
) -> Option<Cow<'a, str>> {
    let Some(text) = raw?.as_text() else {
        errors.push(format!("{name} must be a string"));
        return None;
    };
    if let Some(reason) = draft::text_fault(&text, bytes_max) {
        errors.push(format!("{name} {reason}"));
        return None;
    }
    Some(text)
}

/// A source context with names as system A writes them.
fn source_context<'a>(raw: Option<Raw<'a>>, errors: &mut Vec<String>) -> Option<Cow<'a, str>> {
    let raw = raw?;
    // Looked at before it is taken apart: its names alone could fill the memory.
    if raw.as_json().len() > SOURCE_CONTEXT_BYTES_MAX {
        errors.push(format!("sourceContext must have at most {SOURCE_CONTEXT_BYTES_MAX} bytes"));
        return None;
    }
    let mut object = serde_json::Map::new();
    let read = each(raw.as_json(), |key, value| {
        let name = match key.as_ref() {
            "projectName" => "project_name",
            "workspaceName" => "workspace_name",
            "displayName" => "display_name",
            other => other,
        };
        object.insert(name.to_owned(), serde_json::from_str(value.as_json()).unwrap_or_default());
    });
    let text = serde_json::Value::Object(object).to_string();
    let mut faults = Vec::new();
    if read.is_err() {
        errors.push("sourceContext must be an object".to_owned());
        return None;
    }
    draft::check_source_context(&text, &mut faults);
    errors.extend(faults.into_iter().map(|fault| format!("sourceContext: {} {}", fault.field, fault.reason)));
    Some(Cow::Owned(text))
}
