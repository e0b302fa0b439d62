//! A stored event as system B shows it.
use super::numbers::of_text;
use super::resources::{Meters, Resource};
use super::sent::{PROJECT, SOURCE};
use reckoner_domain::event::Event;
use reckoner_domain::meter::Readable;
use reckoner_domain::sum::Sum;
use serde_json::{Map, Value, json};

/// An event's properties, parsed.
pub fn properties(event: &Event) -> Map<String, Value> {
    let text = event.properties.as_deref();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// What made the usage: the source that was named, or the usual one.
pub fn source(properties: &Map<String, Value>, resource: Resource) -> &str {
    properties.get(SOURCE).and_then(Value::as_str).unwrap_or(resource.usual_source())
}

/// The fields of an event, in order.
pub fn fields(event: &Event, resource: Resource, meters: &Meters) -> Map<String, Value> {
    let mut metadata = properties(event);
    let source = source(&metadata, resource).to_owned();
    let (units, weighted) = (event.value.to_string(), weighted(event, resource, meters, &metadata));
    let project = metadata.shift_remove(PROJECT);
    metadata.shift_remove(SOURCE);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("$id", json!(event.id));
    match &event.subject {
        Some(workspace) => put("workspaceId", json!(workspace)),
        None => put("organizationId", json!(event.customer)),
    };
    if let Some(project) = project {
        put("projectId", project);
    }
    put("resourceType", json!(resource.as_str()));
    put("units", of_text(&units));
    put("baseUnits", of_text(&units));
    put("weightedUnits", of_text(&weighted));
    put("metadata", Value::Object(metadata));
    put("timestamp", json!(event.time.to_millis_text()));
    put("source", json!(source));
    put("idempotencyKey", json!(event.id));
    fields
}

/// The units times the weight in force at the event's time.
fn weighted(event: &Event, resource: Resource, meters: &Meters, properties: &Map<String, Value>) -> String {
    let properties = Value::Object(properties.clone());
    let readable =
        Readable { time: event.time, sequence: event.sequence, value: event.value, properties: &properties };
    let reading = meters.get(resource).read(&readable);
    let product = reading.and_then(|reading| Sum::ZERO.plus_product(reading.value, reading.weight).ok());
    product.map_or_else(|| event.value.to_string(), |product| product.to_string())
}
