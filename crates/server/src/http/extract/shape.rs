//! Everything that is wrong with the shape of a body, at once: serde stops at the first fault, so
//! a body that it refuses is held against its schema in the API's own description.
use crate::http::error::field_error;
use crate::http::openapi;
use reckoner_api::error::FieldError;
use serde_json::{Map, Value};

/// Most faults that are told of one body.
const FAULTS_MAX: usize = 100;

/// What is wrong with a JSON text that is to be the named schema.
pub fn faults(schema: &str, text: &str) -> Vec<FieldError> {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let Some(schemas) = openapi::document().pointer("/components/schemas") else { return Vec::new() };
    let mut walk = Walk { schemas, faults: Vec::new() };
    walk.check(&schemas[schema], &value, "");
    walk.faults
}

struct Walk<'a> {
    schemas: &'a Value,
    faults: Vec<FieldError>,
}

impl<'a> Walk<'a> {
    fn note(&mut self, at: &str, reason: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(field_error(if at.is_empty() { "body" } else { at }, reason));
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        name.map_or(schema, |name| &self.schemas[name])
    }

    fn check(&mut self, schema: &'a Value, value: &Value, at: &str) {
        let schema = self.resolve(schema);
        let choices = ["oneOf", "anyOf"].iter().find_map(|key| schema[key].as_array());
        if let Some(choices) = choices {
            return self.check_choices(choices, value, at);
        }
        let types = types(schema);
        if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
            return self.note(at, describe(&types));
        }
        match value {
            Value::Object(object) => self.check_object(schema, object, at),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{at}[{index}]"));
                }
            }
            _ => {}
        }
    }

    /// One of several schemas must fit. Where a single one has the value's type, its faults are told.
    fn check_choices(&mut self, choices: &'a [Value], value: &Value, at: &str) {
        let mut near = Vec::new();
        let mut types_all = Vec::new();
        for choice in choices {
            let resolved = self.resolve(choice);
            let types = types(resolved);
            if types.is_empty() || types.iter().any(|name| is_of(name, value)) {
                near.push(resolved);
            }
            types_all.extend(types);
        }
        match near.as_slice() {
            [] => self.note(at, describe(&types_all)),
            [one] => self.check(one, value, at),
            // Serde knows which of them was meant.
            _ => {}
        }
    }

    fn check_object(&mut self, schema: &'a Value, object: &Map<String, Value>, at: &str) {
        let inner = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                self.note(&inner(name), "is required");
            }
        }
        let properties = schema["properties"].as_object();
        let others = &schema["additionalProperties"];
        for (name, value) in object {
            match properties.and_then(|properties| properties.get(name)) {
                Some(property) => self.check(property, value, &inner(name)),
                None if *others == Value::Bool(false) => {
                    let allowed = properties.map(|all| all.keys().cloned().collect());
                    let error = field_error(&inner(name), "is unknown");
                    if self.faults.len() < FAULTS_MAX {
                        self.faults.push(FieldError { allowed, ..error });
                    }
                }
                None if others.is_object() => self.check(others, value, &inner(name)),
                None => {}
            }
        }
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "number" => value.is_number(),
        // All whole numbers of requests are counts.
        "integer" => value.as_u64().is_some(),
        _ => true,
    }
}

fn describe(types: &[&str]) -> String {
    let word = |name: &&str| match *name {
        "string" => Some("a text"),
        "boolean" => Some("true or false"),
        "object" => Some("an object"),
        "array" => Some("a list"),
        "number" => Some("a number"),
        "integer" => Some("a whole number"),
        _ => None,
    };
    let words: Vec<&str> = types.iter().filter_map(word).collect();
    format!("must be {}", words.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str, text: &str) -> Vec<(String, String)> {
        faults(schema, text).into_iter().map(|one| (one.field, one.reason)).collect()
    }

    #[test]
    fn all_faults_of_a_body_are_told() {
        let text = r#"{"aggregation":5,"grup_by":[],"dimensions":["a",1],"filters":{"x":{}},"weights":7,"unit":null}"#;
        let expected = [
            ("key", "is required"),
            ("aggregation", "must be a text"),
            ("grup_by", "is unknown"),
            ("dimensions[1]", "must be a text"),
            ("filters.x", "must be a text or a list"),
            ("weights", "must be a text or an object"),
        ];
        let expected = expected.map(|(field, reason)| (field.to_owned(), reason.to_owned()));
        assert_eq!(told("NewMeter", text), expected);
        assert_eq!(told("NewCustomer", "[]"), [("body".to_owned(), "must be an object".to_owned())]);
    }

    #[test]
    fn a_body_that_fits_has_no_faults() {
        let text = r#"{"key":"k","aggregation":"sum","weights":{"a":1,"b":"2"},"default_weight":0.5,"filters":{"x":["y"]}}"#;
        assert_eq!(told("NewMeter", text), []);
        assert_eq!(told("RotateSecret", r#"{"overlap_hours":3}"#), []);
        assert_eq!(told("RotateSecret", r#"{"overlap_hours":-3}"#).len(), 1);
    }
}
