//! An event as system B's clients send it, checked; every fault at once.
use super::resources::Resource;
use crate::ingest::draft::{self, CUSTOMER_ID_PREFIX, Rules};
use reckoner_domain::decimal::{Decimal, DecimalError, Excess};
use reckoner_domain::event::{CUSTOMER_BYTES_MAX, ID_BYTES_MAX, SUBJECT_BYTES_MAX};
use reckoner_domain::time::Timestamp;
use serde_json::{Map, Value};

/// The property that says what made the usage.
pub const SOURCE: &str = "$source";
/// The property that names the project within the workspace.
pub const PROJECT: &str = "$projectId";
/// What may make usage.
pub const SOURCES: [&str; 4] = ["api", "file", "job", "ai"];

/// A checked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The workspace.
    pub workspace: Option<String>,
    /// The organisation, where it is named.
    pub organization: Option<String>,
    /// What was used.
    pub resource: Resource,
    /// How much of it, unweighted.
    pub units: Decimal,
    /// When; at receipt where it is not said.
    pub time: Option<Timestamp>,
    /// The idempotency key.
    pub id: Option<String>,
    /// The metadata, with source and project beside them.
    pub properties: String,
}

/// Collects what is wrong.
struct Reader<'v> {
    fields: &'v Map<String, Value>,
    wrong: Vec<String>,
}

impl Sent {
    /// Checks every field of an object.
    pub fn read(fields: &Map<String, Value>, rules: &Rules<'_>) -> Result<Self, Vec<String>> {
        let mut reader = Reader { fields, wrong: Vec::new() };
        let workspace = reader.text("workspaceId", SUBJECT_BYTES_MAX);
        let organization = reader.text("organizationId", CUSTOMER_BYTES_MAX);
        let named = [fields.get("workspaceId"), fields.get("organizationId")].into_iter().flatten();
        if named.filter(|value| !is_empty(value)).count() == 0 {
            reader.wrong.push("Either workspaceId or organizationId is required".to_owned());
        }
        let customer = organization.as_ref().or(workspace.as_ref());
        if customer.is_some_and(|name| name.starts_with(CUSTOMER_ID_PREFIX)) {
            reader
                .wrong
                .push(format!("workspaceId and organizationId may not begin with {CUSTOMER_ID_PREFIX}"));
        }
        let resource = reader.resource();
        let units = reader.units();
        let id = reader.text("idempotencyKey", ID_BYTES_MAX);
        let time = reader.time(rules);
        let properties = reader.properties(resource);
        if let (Some(resource), Some(properties)) = (resource, &properties) {
            let mut faults = Vec::new();
            draft::check_meters(resource.event_type(), Some(properties), rules, &mut faults);
            reader.wrong.extend(faults.into_iter().map(|fault| format!("metadata {}", fault.reason)));
        }
        match (resource, units, properties) {
            (Some(resource), Some(units), Some(properties)) if reader.wrong.is_empty() => {
                Ok(Self { workspace, organization, resource, units, time, id, properties })
            }
            _ => Err(reader.wrong),
        }
    }
}

/// Null and the empty text count as missing.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !is_empty(value))
    }

    fn text(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        let value = self.get(name)?;
        let Some(text) = value.as_str().map(str::to_owned) else {
            self.wrong.push(format!("{name} must be a string"));
            return None;
        };
        if let Some(reason) = draft::text_fault(&text, bytes_max) {
            self.wrong.push(format!("{name} {reason}"));
            return None;
        }
        Some(text)
    }

    fn resource(&mut self) -> Option<Resource> {
        let found = self.get("resourceType").and_then(Value::as_str).and_then(Resource::parse);
        if found.is_none() {
            let names = Resource::ALL.map(Resource::as_str).join(", ");
            self.wrong.push(format!("resourceType must be one of {names}"));
        }
        found
    }

    fn units(&mut self) -> Option<Decimal> {
        let parsed = match self.get("units") {
            Some(Value::Number(number)) => Decimal::parse_with(number.as_str(), Excess::Round),
            _ => Err(DecimalError::Syntax),
        };
        match parsed {
            Ok(units) => return Some(units),
            Err(DecimalError::TooLarge) => self.wrong.push(format!("units {}", DecimalError::TooLarge)),
            Err(_) => self.wrong.push("units must be a finite number".to_owned()),
        }
        None
    }

    fn time(&mut self, rules: &Rules<'_>) -> Option<Timestamp> {
        let text = self.get("timestamp")?.as_str().unwrap_or_default();
        let parsed = Timestamp::parse(text).map_err(|error| error.to_string());
        match parsed.and_then(|time| rules.check_time(time).map(|()| time)) {
            Ok(time) => Some(time),
            Err(reason) => {
                self.wrong.push(format!("timestamp {reason}"));
                None
            }
        }
    }

    /// The metadata's own fields stay where meters look for them.
    fn properties(&mut self, resource: Option<Resource>) -> Option<String> {
        let mut properties = match self.get("metadata") {
            None => Map::new(),
            Some(Value::Object(metadata)) => metadata.clone(),
            Some(_) => {
                self.wrong.push("metadata must be an object if provided".to_owned());
                return None;
            }
        };
        if properties.contains_key(SOURCE) || properties.contains_key(PROJECT) {
            self.wrong.push(format!("metadata must not have the fields {SOURCE} and {PROJECT}"));
        }
        let source = self.text("source", SUBJECT_BYTES_MAX);
        if source.as_ref().is_some_and(|source| !SOURCES.contains(&source.as_str())) {
            self.wrong.push(format!("source must be one of {}", SOURCES.join(", ")));
        }
        let source = source.or_else(|| Some(resource?.usual_source().to_owned()))?;
        properties.insert(SOURCE.to_owned(), Value::String(source));
        if let Some(project) = self.text("projectId", SUBJECT_BYTES_MAX) {
            properties.insert(PROJECT.to_owned(), Value::String(project));
        }
        let text = Value::Object(properties).to_string();
        if let Some(reason) = draft::properties_fault(&text) {
            self.wrong.push(format!("metadata {reason}"));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::meter::Catalogue;
    use serde_json::json;

    fn read(value: &Value) -> Result<Sent, Vec<String>> {
        let catalogue = Catalogue::default();
        let rules = Rules {
            catalogue: &catalogue,
            now: Timestamp::EPOCH,
            future_s_max: 0,
            past_s_max: None,
            accept_unmetered: true,
            excess: Excess::Round,
            names_meters: false,
            assigned: None,
        };
        Sent::read(value.as_object().expect("an object"), &rules)
    }

    #[test]
    fn what_is_sent_is_read() {
        let sent = json!({"workspaceId": "w", "projectId": "p", "resourceType": "compute", "units": 2.5,
            "metadata": {"jobType": "export"}, "source": "job", "idempotencyKey": "k"});
        let read = read(&sent).expect("an event");
        assert_eq!((read.units.to_string().as_str(), read.id.as_deref()), ("2.5", Some("k")));
        assert_eq!(read.properties, r#"{"jobType":"export","$source":"job","$projectId":"p"}"#);
    }

    #[test]
    fn every_fault_is_told() {
        let sent = json!({"workspaceId": 7, "resourceType": "water", "units": "1", "metadata": [], "source": "x",
            "timestamp": "soon", "idempotencyKey": ""});
        let wrong = read(&sent).expect_err("faults");
        assert_eq!(wrong.len(), 5, "{wrong:?}");
        let wrong = read(&json!({"metadata": {"$source": "x"}, "source": "x"})).expect_err("faults");
        assert_eq!(
            wrong.first().map(String::as_str),
            Some("Either workspaceId or organizationId is required")
        );
        assert_eq!(wrong.len(), 5, "{wrong:?}");
        let huge = json!({"workspaceId": "w", "resourceType": "traffic", "units": 1e18});
        assert!(read(&huge).expect_err("too large").concat().starts_with("units must"));
    }
}
