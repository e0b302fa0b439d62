//! What changes between two versions of a plan, to be shown before subscriptions are moved.
use super::{Plan, PlanForm};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A field that two versions have otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which field, as a path; elements of lists go by their key or feature.
    pub field: String,
    /// What the one says; `None` where it has no such field.
    pub before: Option<String>,
    /// What the other says.
    pub after: Option<String>,
}

/// Every field in which `after` differs from `before`, in the order of their paths.
pub fn differences(before: &Plan, after: &Plan) -> Vec<Difference> {
    differences_of(&PlanForm::from(before), &PlanForm::from(after))
}

/// The same of anything as it is written.
pub fn differences_of<F: Serialize>(before: &F, after: &F) -> Vec<Difference> {
    let (before, after) = (fields(before), fields(after));
    let mut all: Vec<&String> = before.keys().chain(after.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let difference = |field: &String| {
        let (before, after) = (before.get(field).cloned(), after.get(field).cloned());
        (before != after).then(|| Difference { field: field.clone(), before, after })
    };
    all.into_iter().filter_map(difference).collect()
}

fn fields(form: &impl Serialize) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    flatten(String::new(), &serde_json::to_value(form).unwrap_or_default(), &mut found);
    found
}

fn flatten(path: String, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let joint = if path.is_empty() { "" } else { "." };
                flatten(format!("{path}{joint}{name}"), value, found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                let key = value.get("key").or_else(|| value.get("feature")).and_then(Value::as_str);
                let name = key.map_or_else(|| index.to_string(), ToOwned::to_owned);
                flatten(format!("{path}[{name}]"), value, found);
            }
        }
        Value::String(text) => {
            found.insert(path, text.clone());
        }
        other => {
            found.insert(path, other.to_string());
        }
    }
}
