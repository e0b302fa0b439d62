//! A row that is an aggregation of the metering webhook system, and what the server takes.
use super::row::Fields;
use reckoner_domain::decimal::{Decimal, Excess};
use reckoner_domain::time::{SECOND, Timestamp};
use serde_json::{Map, Value, json};

/// What its documents have.
const KNOWN: [&str; 15] = [
    "_id",
    "id",
    "customerId",
    "period",
    "periodKey",
    "periodStart",
    "periodEnd",
    "timestamp",
    "events",
    "eventCounts",
    "eventCount",
    "webhookStatus",
    "createdAt",
    "updatedAt",
    "__v",
];
/// Most bytes of a webhook's error that are kept.
const ERROR_BYTES_MAX: usize = 1_024;
/// A millisecond, in microseconds.
const MILLISECOND: i64 = 1_000;

/// Reads a document into an entry of `POST /v1/aggregations/import`, or names everything that is
/// wrong with it.
pub fn read(fields: &Fields, ignore_unknown: bool) -> Result<Value, Vec<String>> {
    let mut reader = Reader { fields, errors: Vec::new() };
    if !ignore_unknown {
        let unknown = fields.keys().filter(|name| !KNOWN.contains(&name.as_str()));
        reader.errors.extend(unknown.map(|name| format!("`{name}` is no field of an aggregation")));
    }
    let [customer, period, period_key] = ["customerId", "period", "periodKey"].map(|name| reader.text(name));
    reader.check_id(&customer, &period, &period_key);
    let (values, counts) = reader.figures();
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let aggregation = json!({
        "customer": customer,
        "period": period,
        "period_key": period_key,
        "period_start": text(reader.time("periodStart")),
        "period_end": text(reader.time("periodEnd").map(whole_end)),
        "values": values,
        "event_counts": counts,
        "event_count": reader.count("eventCount", fields.get("eventCount")),
        "webhook_status": reader.status(),
        "created_at": text(fields.contains_key("createdAt").then(|| reader.time("createdAt")).flatten()),
    });
    if reader.errors.is_empty() { Ok(aggregation) } else { Err(reader.errors) }
}

/// The first instant after a period: its documents have the last millisecond.
fn whole_end(end: Timestamp) -> Timestamp {
    let last_millisecond = end.as_micros().rem_euclid(SECOND) == SECOND - MILLISECOND;
    if last_millisecond { end.plus_micros(MILLISECOND) } else { end }
}

struct Reader<'a> {
    fields: &'a Fields,
    errors: Vec<String>,
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, name: &str, reason: impl std::fmt::Display) {
        self.errors.push(format!("{name} {reason}"));
    }

    fn text(&mut self, name: &str) -> String {
        match self.fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => return text.clone(),
            Some(Value::Number(number)) => return number.to_string(),
            None | Some(Value::Null) => self.wrong(name, "is required"),
            Some(_) => self.wrong(name, "must be a text"),
        }
        String::new()
    }

    /// The id is made of the other fields; one that is not is no document of that system.
    fn check_id(&mut self, customer: &str, period: &str, period_key: &str) {
        let Some(Value::String(id)) = self.fields.get("_id").or_else(|| self.fields.get("id")) else {
            return;
        };
        let expected = format!("{customer}_{period}_{period_key}");
        if self.errors.is_empty() && *id != expected {
            self.wrong("_id", format!("must be {expected}"));
        }
    }

    fn time(&mut self, name: &str) -> Option<Timestamp> {
        let Some(value) = self.fields.get(name).filter(|value| !value.is_null()) else {
            self.wrong(name, "is required");
            return None;
        };
        self.parse_time(name, value)
    }

    fn parse_time(&mut self, name: &str, value: &Value) -> Option<Timestamp> {
        let parsed = Timestamp::parse(value.as_str().unwrap_or_default().trim());
        parsed.map_err(|error| self.wrong(name, error)).ok()
    }

    fn count(&mut self, name: &str, value: Option<&Value>) -> u64 {
        // A dump may write a whole number as 3.0.
        let text = value.and_then(Value::as_number).map_or("", |number| number.as_str());
        let count = Decimal::parse(text).ok().and_then(|number| number.to_string().parse().ok());
        count.unwrap_or_else(|| {
            self.wrong(name, "must be a whole number");
            0
        })
    }

    fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        let object = self.fields.get(name).and_then(Value::as_object);
        if object.is_none() {
            self.wrong(name, "must be an object");
        }
        object
    }

    /// Values and counts by event type; a type without a value had no event.
    fn figures(&mut self) -> (Map<String, Value>, Map<String, Value>) {
        let (mut shown, mut counts) = (Map::new(), Map::new());
        let (Some(values), Some(all_counts)) = (self.object("events"), self.object("eventCounts")) else {
            return (shown, counts);
        };
        for (event_type, value) in values.iter().filter(|(_, value)| !value.is_null()) {
            let name = format!("events.{event_type}");
            let text = value.as_number().map_or("", |number| number.as_str());
            // Its numbers are those of JavaScript, which may have more digits than are kept.
            match Decimal::parse_with(text, Excess::Round) {
                Ok(value) => shown.insert(event_type.clone(), Value::String(value.to_string())),
                Err(error) => {
                    self.wrong(&name, error);
                    continue;
                }
            };
            let count = self.count(&format!("eventCounts.{event_type}"), all_counts.get(event_type));
            counts.insert(event_type.clone(), count.into());
        }
        (shown, counts)
    }

    fn status(&mut self) -> Option<Value> {
        let status = self.fields.get("webhookStatus").filter(|status| !status.is_null())?;
        let Some(status) = status.as_object() else {
            self.wrong("webhookStatus", "must be an object");
            return None;
        };
        let mut time = |name: &str| {
            let value = status.get(name).filter(|value| !value.is_null())?;
            self.parse_time(&format!("webhookStatus.{name}"), value).map(|time| time.to_string())
        };
        let (delivered_at, last_attempt_at) = (time("deliveredAt"), time("lastAttemptAt"));
        let truth = |name: &str| status.get(name).and_then(Value::as_bool).unwrap_or_default();
        Some(json!({
            "delivered": truth("delivered"),
            "attempts": status.get("attempts").and_then(Value::as_u64).unwrap_or_default(),
            "delivered_at": delivered_at,
            "last_error": status.get("lastError").and_then(Value::as_str).and_then(one_line),
            "last_attempt_at": last_attempt_at,
            "dry_run": truth("dryRun"),
        }))
    }
}

/// A text without control characters, and not too long.
fn one_line(text: &str) -> Option<String> {
    let mut line = String::new();
    for char in text.chars().map(|char| if char.is_control() { ' ' } else { char }) {
        if line.len() + char.len_utf8() > ERROR_BYTES_MAX {
            break;
        }
        line.push(char);
    }
    Some(line).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Value, Vec<String>> {
        read(&serde_json::from_str(text).expect("an object"), false)
    }

    #[test]
    fn a_document_becomes_an_entry() {
        let entry = read_text(
            r#"{"_id":"c_daily_20260112","customerId":"c","period":"daily","periodKey":"20260112",
            "periodStart":"2026-01-12T00:00:00.000Z","periodEnd":"2026-01-12T23:59:59.999Z",
            "timestamp":"2026-01-13T00:00:01.000Z","events":{"a":5,"b":0.1000000000000000055,"c":null},
            "eventCounts":{"a":2,"b":1.0,"c":0},"eventCount":3,"createdAt":"2026-01-13T00:00:02.000Z","__v":0,
            "webhookStatus":{"delivered":false,"attempts":2,"lastError":"a\nb","lastAttemptAt":"2026-01-13T00:05:00.000Z"}}"#,
        );
        assert_eq!(
            entry.expect("good"),
            json!({
                "customer": "c", "period": "daily", "period_key": "20260112",
                "period_start": "2026-01-12T00:00:00.000000Z", "period_end": "2026-01-13T00:00:00.000000Z",
                "values": {"a": "5", "b": "0.100000000000000006"}, "event_counts": {"a": 2, "b": 1}, "event_count": 3,
                "webhook_status": {"delivered": false, "attempts": 2, "delivered_at": null, "last_error": "a b",
                    "last_attempt_at": "2026-01-13T00:05:00.000000Z", "dry_run": false},
                "created_at": "2026-01-13T00:00:02.000000Z",
            })
        );
    }

    #[test]
    fn everything_wrong_is_named() {
        let errors = read_text(
            r#"{"_id":"x","customerId":"c","period":"daily","periodKey":"20260112","periodStart":"monday","events":{"a":"5"},
            "eventCounts":{},"eventCount":1.5,"webhookStatus":[],"surprise":1}"#,
        )
        .expect_err("bad");
        let fields: Vec<&str> = errors.iter().filter_map(|error| error.split(' ').next()).collect();
        assert_eq!(
            fields,
            ["`surprise`", "events.a", "periodStart", "periodEnd", "eventCount", "webhookStatus"]
        );
        let errors = read_text(
            r#"{"_id":"x","customerId":"c","period":"daily","periodKey":"20260112","periodStart":"2026-01-12T00:00:00Z",
            "periodEnd":"2026-01-13T00:00:00Z","events":{"a":5},"eventCounts":{},"eventCount":1}"#,
        );
        assert_eq!(
            errors.expect_err("bad"),
            ["_id must be c_daily_20260112", "eventCounts.a must be a whole number"]
        );
    }
}
