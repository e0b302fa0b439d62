//! Lists that come whole too, where `format` asks for that.
#![expect(clippy::indexing_slicing, reason = "the document is of our own making, and a test reads it whole")]
use crate::http::accept;
use serde_json::{Value, json};

/// Tells of the array that `format=json` gets, beside the page, and of the file's name.
pub fn complete(operation: &mut Value) {
    let named = |name: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|one| one["name"] == name))
    };
    if !(named("format") && named("cursor")) {
        return;
    }
    let response = &mut operation["responses"]["200"];
    response["headers"]["Content-Disposition"] = json!({
        "description": "The name of an export's file; pages have none.",
        "schema": {"type": "string"},
    });
    let schema = &mut response["content"][accept::JSON]["schema"];
    let item = schema["$ref"].as_str().map(|list| list.replace("/List_", "/"));
    if let Some(item) = item {
        let all = json!({"type": "array", "items": {"$ref": item}});
        *schema = json!({"oneOf": [schema.take(), all]});
    }
}
