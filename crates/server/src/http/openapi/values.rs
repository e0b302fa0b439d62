//! Which values a field may have, where the code has a list of them, and which fields are times.
use crate::http::export::Form;
use crate::http::v1::{audit, invitations};
use crate::store::Scope;
use crate::store::rejected_events::Code;
use reckoner_domain::access::Role;
use reckoner_domain::alert::{AlertKind, AlertPeriod, Channel, ThresholdUnit};
use reckoner_domain::meter::Aggregation;
use reckoner_domain::period::Period;
use reckoner_domain::window::WindowSize;
use serde_json::{Value, json};

/// States of a delivery.
pub const DELIVERY_STATES: [&str; 4] = ["pending", "delivered", "failed", "canceled"];

/// Tells of a property of a schema, or of a parameter.
pub fn tell(owner: &str, name: &str, schema: &mut Value) {
    if let Some(values) = values(owner, name) {
        let nullable = schema["type"].as_array().is_some_and(|types| types.iter().any(|one| one == "null"));
        let place = if schema["items"].is_object() { &mut schema["items"] } else { &mut *schema };
        let null = (nullable && !place["type"].is_string()).then_some(Value::Null);
        place["enum"] = values.iter().map(|value| json!(value)).chain(null).collect();
    }
    let text = schema["type"] == "string"
        || schema["type"].as_array().is_some_and(|types| types.contains(&json!("string")));
    if text && is_time(name) {
        schema["format"] = "date-time".into();
    }
}

fn values(owner: &str, name: &str) -> Option<&'static [&'static str]> {
    Some(match (owner, name) {
        ("NewApiKey" | "ApiKey" | "CreatedApiKey", "scopes") => &Scope::NAMES,
        ("NewAlert" | "Alert" | "AlertNotice", "kind") => AlertKind::NAMES,
        ("NewAlert" | "AlertChange" | "Alert" | "AlertNotice", "unit") => ThresholdUnit::NAMES,
        ("NewAlert" | "AlertChange" | "Alert", "period") => AlertPeriod::NAMES,
        ("NewAlert" | "AlertChange" | "Alert" | "AlertNotice", "channels") => Channel::NAMES,
        ("NewMeter" | "Meter", "aggregation") => &Aggregation::NAMES,
        ("NewMeter" | "Meter", "input") => &["delta", "level"],
        ("Meter" | "Endpoint" | "EndpointWithSecret", "source") => &["file", "api"],
        ("Aggregation" | "NewAggregation" | "parameters", "period") => &Period::NAMES,
        ("Delivery" | "parameters", "state") => &DELIVERY_STATES,
        ("Clear", "what") => &["events", "aggregations"],
        ("UsageQuery" | "Usage" | "parameters", "window") => &WindowSize::NAMES,
        ("UsageQuery" | "parameters", "fill") => &["zero"],
        ("RejectedEvent" | "parameters", "code") => &Code::NAMES,
        ("Member" | "MemberChange", "role") => &Role::NAMES,
        ("NewInvitation" | "Invitation", "role") => &invitations::ROLES,
        ("Invitation", "state") => &invitations::STATES,
        ("parameters", "chain") => &audit::CHAINS,
        ("parameters", "format") => &Form::NAMES,
        ("parameters", "order") => &["time", "sequence"],
        ("parameters", "outcomes") => &["all"],
        _ => return None,
    })
}

fn is_time(name: &str) -> bool {
    let named = ["from", "to", "time", "as_of", "frozen_time", "failing_since"].contains(&name);
    named || ["_at", "_start", "_end"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_where_they_belong() {
        let told = |owner: &str, name: &str, mut schema: Value| {
            tell(owner, name, &mut schema);
            schema
        };
        let list = told("NewApiKey", "scopes", json!({"type": "array", "items": {"type": "string"}}));
        assert_eq!(list["items"]["enum"], json!(Scope::NAMES));
        let input = told("NewMeter", "input", json!({"type": ["string", "null"]}));
        assert_eq!(input["enum"], json!(["delta", "level", null]));
        let time = told("Meter", "created_at", json!({"type": "string"}));
        assert_eq!(time, json!({"type": "string", "format": "date-time"}));
        assert_eq!(told("Meter", "unit", json!({"type": "string"})), json!({"type": "string"}));
    }
}
