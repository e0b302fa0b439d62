//! A row of past usage, checked, and the event it becomes.
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::{
    CUSTOMER_BYTES_MAX, EVENT_TYPE_BYTES_MAX, ID_BYTES_MAX, PROPERTIES_BYTES_MAX, SOURCE_CONTEXT_BYTES_MAX,
    SUBJECT_BYTES_MAX,
};
use reckoner_domain::time::Timestamp;
use serde_json::{Map, Number, Value};

/// A row's fields by name, as a file gives them.
pub type Fields = Map<String, Value>;

const ID: &[&str] = &["id", "idempotencyKey", "_id"];
/// The names of the customer.
pub const CUSTOMER: &[&str] = &["customer", "customerId", "customer_id"];
/// The names of the event type.
pub const METER: &[&str] = &["meter", "eventType", "event_type"];
const VALUE: &[&str] = &["value"];
const TIME: &[&str] = &["time", "timestamp", "receivedAt", "received_at"];
const SUBJECT: &[&str] = &["subject"];
/// The names of the properties; `NAME.x` in a CSV header is the property x.
pub const PROPERTIES: &[&str] = &["properties", "metadata"];
/// The names of the source context.
pub const SOURCE_CONTEXT: &[&str] = &["source_context", "sourceContext"];
/// What exports carry beside the event itself.
const IGNORED: &[&str] = &["sequence", "amended_at", "minute", "hour", "day", "week", "month", "year", "__v"];
/// Fields that tell an aggregation from an event.
pub const AGGREGATION: &[&str] =
    &["periodKey", "period", "periodStart", "periodEnd", "events", "eventCounts"];
const ALL: [&[&str]; 9] = [ID, CUSTOMER, METER, VALUE, TIME, SUBJECT, PROPERTIES, SOURCE_CONTEXT, IGNORED];

/// A usage event of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The idempotency key, when the file has one.
    pub id: Option<String>,
    /// The customer's own id.
    pub customer: String,
    /// The event type.
    pub meter: String,
    /// The amount used.
    pub value: Decimal,
    /// When it was used; the server's time of receipt when the file does not say.
    pub time: Option<Timestamp>,
    /// Who used it on the customer's behalf.
    pub subject: Option<String>,
    /// Properties, if any.
    pub properties: Option<Fields>,
    /// Where the usage arose, if known.
    pub source_context: Option<Fields>,
}

/// Whether a field of this name is read or known to be of no interest.
pub fn is_known(name: &str) -> bool {
    ALL.iter().any(|names| names.contains(&name))
}

/// Whether fields are those of an aggregation, which is a result and no usage.
pub fn is_aggregation(fields: &Fields) -> bool {
    let has = |name: &&&str| fields.contains_key(**name);
    fields.contains_key("periodKey") && AGGREGATION.iter().filter(has).count() > 1
}

impl Row {
    /// Checks all fields and names everything that is wrong with them.
    pub fn read(fields: &Fields, ignore_unknown: bool) -> Result<Self, Vec<String>> {
        let mut errors = Errors(Vec::new());
        if !ignore_unknown {
            let unknown = fields.keys().filter(|name| !is_known(name));
            errors.0.extend(unknown.map(|name| format!("`{name}` is no field of an event")));
        }
        let row = Self {
            id: errors.text(fields, ID, ID_BYTES_MAX),
            customer: errors.required(fields, CUSTOMER, CUSTOMER_BYTES_MAX),
            meter: errors.required(fields, METER, EVENT_TYPE_BYTES_MAX),
            value: errors.value(fields),
            time: errors.time(fields),
            subject: errors.text(fields, SUBJECT, SUBJECT_BYTES_MAX),
            properties: errors.object(fields, PROPERTIES, PROPERTIES_BYTES_MAX),
            source_context: errors.object(fields, SOURCE_CONTEXT, SOURCE_CONTEXT_BYTES_MAX),
        };
        if errors.0.is_empty() { Ok(row) } else { Err(errors.0) }
    }

    /// The event as `POST /v1/events` takes it.
    pub fn to_event(&self, id: &str) -> Value {
        let text = |text: &str| Value::String(text.to_owned());
        let mut event = Map::new();
        event.insert("id".into(), text(id));
        event.insert("customer".into(), text(&self.customer));
        event.insert("meter".into(), text(&self.meter));
        event.insert("value".into(), Value::Number(Number::from_string_unchecked(self.value.to_string())));
        let optional = [
            ("time", self.time.map(|time| Value::String(time.to_string()))),
            ("subject", self.subject.as_deref().map(text)),
            ("properties", self.properties.clone().map(Value::Object)),
            ("source_context", self.source_context.clone().map(Value::Object)),
        ];
        event.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Value::Object(event)
    }
}

/// What is wrong with a row.
struct Errors(Vec<String>);

impl Errors {
    fn text(&mut self, fields: &Fields, names: &[&str], bytes_max: usize) -> Option<String> {
        let (name, value) = find(fields, names)?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => {
                self.0.push(format!("{name} must be a text"));
                return None;
            }
        };
        if text.len() > bytes_max {
            self.0.push(format!("{name} must have at most {bytes_max} bytes"));
            return None;
        }
        Some(text)
    }

    fn required(&mut self, fields: &Fields, names: &[&str], bytes_max: usize) -> String {
        if find(fields, names).is_none() {
            self.0.push(format!("{} is required", names.first().unwrap_or(&"")));
        }
        self.text(fields, names, bytes_max).unwrap_or_default()
    }

    fn value(&mut self, fields: &Fields) -> Decimal {
        let Some((name, value)) = find(fields, VALUE) else { return Decimal::ONE };
        let text = match value {
            Value::Number(number) => number.as_str(),
            Value::String(text) => text.trim(),
            _ => "",
        };
        Decimal::parse(text).unwrap_or_else(|error| {
            self.0.push(format!("{name} {error}"));
            Decimal::ZERO
        })
    }

    fn time(&mut self, fields: &Fields) -> Option<Timestamp> {
        let (name, value) = find(fields, TIME)?;
        let parsed = Timestamp::parse(value.as_str().unwrap_or_default().trim());
        parsed.map_err(|error| self.0.push(format!("{name} {error}"))).ok()
    }

    fn object(&mut self, fields: &Fields, names: &[&str], bytes_max: usize) -> Option<Fields> {
        let (name, value) = find(fields, names)?;
        match value {
            Value::Object(map) if map.is_empty() => None,
            Value::Object(map) if value.to_string().len() <= bytes_max => Some(map.clone()),
            Value::Object(_) => {
                self.0.push(format!("{name} must have at most {bytes_max} bytes"));
                None
            }
            _ => {
                self.0.push(format!("{name} must be a JSON object"));
                None
            }
        }
    }
}

/// The first of the names that has a value, and that value. Null and the empty text are none.
fn find<'a>(fields: &'a Fields, names: &[&'a str]) -> Option<(&'a str, &'a Value)> {
    let mut given = names.iter().filter_map(|name| Some((*name, fields.get(*name)?)));
    given.find(|(_, value)| !value.is_null() && value.as_str() != Some(""))
}
