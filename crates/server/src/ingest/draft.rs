//! Events as sent, checked: every field, and every fault at once.
use super::assignments::Assigned;
use super::fields::{Raw, each};
use reckoner_domain::decimal::{Decimal, Excess};
use reckoner_domain::event::{
    CUSTOMER_BYTES_MAX, EVENT_TYPE_BYTES_MAX, EventDraft, ID_BYTES_MAX, PROPERTIES_BYTES_MAX,
    SOURCE_CONTEXT_BYTES_MAX, SUBJECT_BYTES_MAX,
};
use reckoner_domain::meter::Catalogue;
use reckoner_domain::time::{SECOND, Timestamp};
use serde_json::Value;
use std::borrow::Cow;

/// Most allowed values that an error lists.
const ALLOWED_SHOWN_MAX: usize = 50;
/// Most unknown fields of an event that are told one by one.
const UNKNOWN_SHOWN_MAX: usize = 10;
/// Most characters shown of an unknown field's name.
const NAME_CHARS_SHOWN_MAX: usize = 64;
/// What a customer's own id may not begin with.
pub const CUSTOMER_ID_PREFIX: &str = "cus_";
/// Whose usage is that nobody can be charged for: of meters in front of an application that do not know the customer.
pub const SYSTEM_CUSTOMER: &str = "system";

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which field.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
    /// The values that are allowed, where they can be listed.
    pub allowed: Option<Vec<String>>,
}

impl Fault {
    /// A fault of a field.
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into(), allowed: None }
    }
}

/// What events are held against.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The meters of the project.
    pub catalogue: &'a Catalogue,
    /// The project's time.
    pub now: Timestamp,
    /// How far in the future an event may lie, in seconds.
    pub future_s_max: u64,
    /// How far in the past an event may lie, in seconds; `None` for any.
    pub past_s_max: Option<u64>,
    /// Whether event types that no meter reads are stored.
    pub accept_unmetered: bool,
    /// What becomes of digits beyond the 18th fractional one in properties that meters read.
    pub excess: Excess,
    /// Whether a meter's key may stand for the event type that it reads.
    pub names_meters: bool,
    /// Whose usage subjects' is, for events that name no customer.
    pub assigned: Option<Assigned<'a>>,
}

impl Rules<'_> {
    /// Whose usage a subject's is; at receipt where the event bears no time.
    pub fn customer_of(&self, subject: Option<&str>, time: Option<Timestamp>) -> Option<String> {
        let Assigned { assignments, project } = self.assigned?;
        assignments.customer_of(project, subject?, time.unwrap_or(self.now))
    }

    /// The event type that a name means.
    fn event_type<'e>(&self, name: Cow<'e, str>) -> Cow<'e, str> {
        if !self.names_meters || self.catalogue.reading(&name).is_some() {
            return name;
        }
        let meter = self.catalogue.get(&name);
        meter.map_or(name, |meter| Cow::Owned(meter.event_type.clone()))
    }
}

/// An event's fields as sent, not yet checked; null counts as absent.
#[derive(Clone, Debug, Default)]
pub struct Sent<'a> {
    /// The idempotency key.
    pub id: Option<Raw<'a>>,
    /// The customer's own id.
    pub customer: Option<Raw<'a>>,
    /// The event type.
    pub meter: Option<Raw<'a>>,
    /// The amount used.
    pub value: Option<Raw<'a>>,
    /// When it was used.
    pub time: Option<Raw<'a>>,
    /// What used it.
    pub subject: Option<Raw<'a>>,
    /// Anything else.
    pub properties: Option<Raw<'a>>,
    /// Where the usage arose.
    pub source_context: Option<Raw<'a>>,
    /// Fields that no event has; the first few.
    pub unknown: Vec<String>,
    /// How many more of these there are.
    pub unknown_more: usize,
    /// Fields that are there more than once: which of them is meant cannot be known.
    pub repeated: Vec<&'static str>,
}

/// A checked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<'a> {
    /// The idempotency key.
    pub id: Cow<'a, str>,
    /// The customer's own id.
    pub customer: Cow<'a, str>,
    /// The event type.
    pub event_type: Cow<'a, str>,
    /// The amount used.
    pub value: Decimal,
    /// When it was used.
    pub time: Option<Timestamp>,
    /// What used it.
    pub subject: Option<Cow<'a, str>>,
    /// A JSON object.
    pub properties: Option<Cow<'a, str>>,
    /// A JSON object.
    pub source_context: Option<Cow<'a, str>>,
    /// Whether the customer is not the event's own word, but that of its subject's assignment.
    pub attributed: bool,
}

/// An event that is not stored, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its id, where one could be read.
    pub id: Option<String>,
    /// Its customer, where one could be read.
    pub customer: Option<String>,
    /// Its event type, where one could be read.
    pub meter: Option<String>,
    /// Every fault.
    pub faults: Vec<Fault>,
    /// Whether its text is no JSON at all.
    pub malformed: bool,
}

impl Rejected {
    /// An event with wrong fields.
    pub fn new(id: Option<String>, faults: Vec<Fault>) -> Self {
        Self { id, customer: None, meter: None, faults, malformed: false }
    }

    /// A text that is no JSON.
    pub fn malformed(reason: String) -> Self {
        Self { malformed: true, ..Self::new(None, vec![Fault::new("", reason)]) }
    }

    /// The same, of this customer and event type.
    pub fn of<'t>(self, customer: Option<Cow<'t, str>>, meter: Option<Cow<'t, str>>) -> Self {
        Self { customer: customer.map(Cow::into_owned), meter: meter.map(Cow::into_owned), ..self }
    }
}

impl Checked<'_> {
    /// As the event engine takes it.
    pub fn draft(&self) -> EventDraft<'_> {
        EventDraft {
            id: &self.id,
            customer: &self.customer,
            event_type: &self.event_type,
            value: self.value,
            time: self.time,
            subject: self.subject.as_deref(),
            properties: self.properties.as_deref(),
            source_context: self.source_context.as_deref(),
        }
    }
}

impl<'a> Sent<'a> {
    /// Takes the fields of a JSON object; `Err` says why the text is no object.
    pub fn read(object: &'a str) -> Result<Self, String> {
        let mut sent = Self::default();
        let mut seen = 0_u8;
        each(object, |key, raw| {
            let (name, bit, field) = match key.as_ref() {
                "id" => ("id", 1, &mut sent.id),
                "customer" => ("customer", 1 << 1, &mut sent.customer),
                "meter" => ("meter", 1 << 2, &mut sent.meter),
                "value" => ("value", 1 << 3, &mut sent.value),
                "time" => ("time", 1 << 4, &mut sent.time),
                "subject" => ("subject", 1 << 5, &mut sent.subject),
                "properties" => ("properties", 1 << 6, &mut sent.properties),
                "source_context" => ("source_context", 1 << 7, &mut sent.source_context),
                _ => return sent.note_unknown(&key),
            };
            if seen & bit == 0 {
                *field = (!raw.is_null()).then_some(raw);
            } else if !sent.repeated.contains(&name) {
                sent.repeated.push(name);
            }
            seen |= bit;
        })?;
        Ok(sent)
    }

    fn note_unknown(&mut self, name: &str) {
        if self.unknown.len() < UNKNOWN_SHOWN_MAX {
            self.unknown.push(name.chars().take(NAME_CHARS_SHOWN_MAX).collect());
        } else {
            self.unknown_more += 1;
        }
    }

    /// Checks every field. `make_id` gives an id where none was sent.
    pub fn check<E: std::fmt::Display>(
        self,
        rules: &Rules<'_>,
        make_id: impl FnOnce() -> Result<String, E>,
    ) -> Result<Checked<'a>, Rejected> {
        let mut faults = Vec::new();
        let sent_id = self.id.is_some();
        let id = text(self.id, "id", ID_BYTES_MAX, &mut faults);
        let customer = text(self.customer, "customer", CUSTOMER_BYTES_MAX, &mut faults);
        let customers_place = faults.len();
        if customer.as_ref().is_some_and(|customer| customer.starts_with(CUSTOMER_ID_PREFIX)) {
            faults.push(Fault::new(
                "customer",
                format!("must be the customer's own id, which may not begin with {CUSTOMER_ID_PREFIX}"),
            ));
        }
        let event_type = required(self.meter, "meter", EVENT_TYPE_BYTES_MAX, &mut faults);
        let event_type = event_type.map(|name| rules.event_type(name));
        let value = value(self.value, &mut faults);
        let time = time(self.time, rules, &mut faults);
        let subject = text(self.subject, "subject", SUBJECT_BYTES_MAX, &mut faults);
        let properties = properties(self.properties, &mut faults);
        let source_context = source_context(self.source_context, &mut faults);
        // A subject may stand for its customer, as the system customer does for nobody.
        let stands_in =
            customer.is_some() && [Some(SYSTEM_CUSTOMER), subject.as_deref()].contains(&customer.as_deref());
        let (customer, attributed) = match self.customer {
            Some(_) if !stands_in => (customer, false),
            _ => match rules.customer_of(subject.as_deref(), time) {
                Some(assigned) => (Some(Cow::Owned(assigned)), true),
                None => (customer, false),
            },
        };
        if customer.is_none() && self.customer.is_none() {
            faults.insert(customers_place, Fault::new("customer", nobody(subject.is_some())));
        }
        faults.extend(self.unknown.iter().map(|name| unknown_field(name)));
        if self.unknown_more > 0 {
            faults.push(Fault::new("", format!("has {} more fields that no event has", self.unknown_more)));
        }
        faults.extend(self.repeated.iter().map(|name| Fault::new(name, "is there more than once")));
        if let Some(event_type) = &event_type {
            check_meters(event_type, properties.as_deref(), rules, &mut faults);
        }
        let id = id.or_else(|| match make_id() {
            Ok(made) => Some(Cow::Owned(made)),
            Err(error) => {
                faults.push(Fault::new("id", format!("could not be made, send one: {error}")));
                None
            }
        });
        match (id, customer, event_type) {
            (Some(id), Some(customer), Some(event_type)) if faults.is_empty() => Ok(Checked {
                id,
                customer,
                event_type,
                value,
                time,
                subject,
                properties,
                source_context,
                attributed,
            }),
            (id, customer, event_type) => {
                let id = id.filter(|_| sent_id).map(Cow::into_owned);
                Err(Rejected::new(id, faults).of(customer, event_type))
            }
        }
    }
}

/// What is wrong where nobody is known whose usage it is.
fn nobody(has_subject: bool) -> &'static str {
    if has_subject {
        "is required: the subject is assigned to no customer at that time"
    } else {
        "is required"
    }
}

fn unknown_field(name: &str) -> Fault {
    let names = ["id", "customer", "meter", "value", "time", "subject", "properties", "source_context"];
    Fault {
        field: name.to_owned(),
        reason: "is no field of an event".into(),
        allowed: Some(names.map(str::to_owned).to_vec()),
    }
}

/// A text of 1 to `bytes_max` bytes without control characters.
pub fn text<'a>(
    raw: Option<Raw<'a>>,
    field: &str,
    bytes_max: usize,
    faults: &mut Vec<Fault>,
) -> Option<Cow<'a, str>> {
    let raw = raw?;
    let Some(text) = raw.as_text() else {
        faults.push(Fault::new(field, "must be a text"));
        return None;
    };
    if let Some(reason) = text_fault(&text, bytes_max) {
        faults.push(Fault::new(field, reason));
        return None;
    }
    Some(text)
}

/// What is wrong with a text that names something.
pub fn text_fault(text: &str, bytes_max: usize) -> Option<String> {
    if text.is_empty() || text.len() > bytes_max {
        return Some(format!("must have 1 to {bytes_max} bytes"));
    }
    text.chars().any(char::is_control).then(|| "must not contain control characters".to_owned())
}

fn required<'a>(
    raw: Option<Raw<'a>>,
    field: &str,
    bytes_max: usize,
    faults: &mut Vec<Fault>,
) -> Option<Cow<'a, str>> {
    if raw.is_none() {
        faults.push(Fault::new(field, "is required"));
    }
    text(raw, field, bytes_max, faults)
}

fn value(raw: Option<Raw<'_>>, faults: &mut Vec<Fault>) -> Decimal {
    let Some(raw) = raw else { return Decimal::ONE };
    let text = raw.as_number().map(Cow::Borrowed).or_else(|| raw.as_text());
    let parsed = match text {
        Some(text) => Decimal::parse_with(&text, Excess::Refuse).map_err(|error| error.to_string()),
        None => Err("must be a decimal, as a text or number".to_owned()),
    };
    parsed.unwrap_or_else(|reason| {
        faults.push(Fault::new("value", reason));
        Decimal::ZERO
    })
}

fn time(raw: Option<Raw<'_>>, rules: &Rules<'_>, faults: &mut Vec<Fault>) -> Option<Timestamp> {
    let raw = raw?;
    let Some(text) = raw.as_text() else {
        faults.push(Fault::new("time", "must be a text"));
        return None;
    };
    let checked = Timestamp::parse(&text).map_err(|error| error.to_string());
    match checked.and_then(|time| rules.check_time(time).map(|()| time)) {
        Ok(time) => Some(time),
        Err(reason) => {
            faults.push(Fault::new("time", reason));
            None
        }
    }
}

impl Rules<'_> {
    /// Whether an event of this time is taken; both limits are inclusive.
    pub fn check_time(&self, time: Timestamp) -> Result<(), String> {
        let micros = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND);
        if time > self.now.plus_micros(micros(self.future_s_max)) {
            let shown = self.now;
            return Err(format!(
                "must be at most {} s after the time of receipt, {shown}",
                self.future_s_max
            ));
        }
        match self.past_s_max {
            Some(limit) if time < self.now.plus_micros(micros(limit).saturating_neg()) => Err(format!(
                "must be at most {limit} s before the time of receipt, {}, without the backfill scope",
                self.now
            )),
            _ => Ok(()),
        }
    }
}

fn properties<'a>(raw: Option<Raw<'a>>, faults: &mut Vec<Fault>) -> Option<Cow<'a, str>> {
    let raw = raw?;
    let json = raw.as_json();
    if !raw.is_object() {
        faults.push(Fault::new("properties", "must be an object"));
        return None;
    }
    if let Some(reason) = properties_fault(json) {
        faults.push(Fault::new("properties", reason));
        return None;
    }
    Some(Cow::Borrowed(json))
}

/// What is wrong with properties that are syntactically an object.
pub fn properties_fault(json: &str) -> Option<String> {
    if json.len() > PROPERTIES_BYTES_MAX {
        return Some(format!("must have at most {PROPERTIES_BYTES_MAX} bytes"));
    }
    // Halves of characters are the one thing that the scan lets through.
    let suspicious = json.contains("\\u");
    let readable = !suspicious || serde_json::from_str::<Value>(json).is_ok();
    (!readable).then(|| "must be JSON whose escapes are whole characters".to_owned())
}

fn source_context<'a>(raw: Option<Raw<'a>>, faults: &mut Vec<Fault>) -> Option<Cow<'a, str>> {
    let json = raw?.as_json();
    check_source_context(json, faults);
    Some(Cow::Borrowed(json))
}

/// Notes what is wrong with a source context.
pub fn check_source_context(json: &str, faults: &mut Vec<Fault>) {
    const TYPES: [&str; 4] = ["project", "workspace", "admin", "other"];
    const NAMES: [&str; 3] = ["project_name", "workspace_name", "display_name"];
    let mut fault = |field: &str, reason: String| faults.push(Fault::new(field, reason));
    if json.len() > SOURCE_CONTEXT_BYTES_MAX {
        fault("source_context", format!("must have at most {SOURCE_CONTEXT_BYTES_MAX} bytes"));
        return;
    }
    let Ok(Value::Object(fields)) = serde_json::from_str(json) else {
        fault("source_context", "must be an object".into());
        return;
    };
    match fields.get("type").and_then(Value::as_str) {
        Some(kind) if TYPES.contains(&kind) => {}
        _ => fault("source_context.type", format!("must be one of {}", TYPES.join(", "))),
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != "type") {
        if !NAMES.contains(&name.as_str()) {
            fault(&format!("source_context.{name}"), format!("is none of {}", NAMES.join(", ")));
        } else if !value.is_string() && !value.is_null() {
            fault(&format!("source_context.{name}"), "must be a text".into());
        }
    }
}

/// Whether some meter reads the type, and all that do can read this event.
pub fn check_meters(event_type: &str, properties: Option<&str>, rules: &Rules<'_>, faults: &mut Vec<Fault>) {
    let Some(meters) = rules.catalogue.reading(event_type) else {
        if !rules.accept_unmetered {
            let allowed = rules.catalogue.event_types().take(ALLOWED_SHOWN_MAX).map(str::to_owned).collect();
            let reason = format!("no meter reads events of type {event_type}");
            faults.push(Fault { field: "meter".into(), reason, allowed: Some(allowed) });
        }
        return;
    };
    let mut parsed = None;
    for meter in meters.filter(|meter| meter.reads_properties()) {
        let value = parsed.get_or_insert_with(|| {
            properties.and_then(|json| serde_json::from_str::<Value>(json).ok()).unwrap_or_default()
        });
        if let Err(error) = meter.check(value, rules.excess) {
            faults.push(Fault::new("properties", error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests;
