//! What a refusal says, in one line.
use super::Answer;
use crate::cli::output::printable;
use serde_json::Value;

/// Most characters of an answer that is no JSON.
const TEXT_CHARS_MAX: usize = 200;
/// Most single errors that are named.
const ERRORS_SHOWN_MAX: usize = 5;

/// The status and the reason of an answer: from a problem document, from the bodies of the
/// compatible paths, or from plain text.
pub fn describe(answer: &Answer) -> String {
    let status = format!("HTTP {}", answer.status);
    let reason = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) => reason(&value),
        Err(_) => String::from_utf8_lossy(&answer.body).chars().take(TEXT_CHARS_MAX).collect(),
    };
    let reason = printable(reason.trim());
    if reason.is_empty() { status } else { format!("{status}: {reason}") }
}

fn reason(value: &Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let main = ["detail", "error", "message", "title"].into_iter().map(text).find(|text| !text.is_empty());
    let lists = ["errors", "details", "validationErrors"].into_iter().filter_map(|name| value.get(name));
    let single: Vec<String> =
        lists.filter_map(Value::as_array).flatten().take(ERRORS_SHOWN_MAX).map(one_error).collect();
    match (main, single.is_empty()) {
        (Some(main), true) => main.to_owned(),
        (Some(main), false) => format!("{main} ({})", single.join("; ")),
        (None, _) => single.join("; "),
    }
}

/// One entry of a list of errors: a text, `{"field","reason"}` or `{"index","errors"}`.
pub fn one_error(error: &Value) -> String {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    if let Some(text) = error.as_str() {
        return text.to_owned();
    }
    if let Some(errors) = error.get("errors").and_then(Value::as_array) {
        let index = error.get("index").map(|index| format!("event {index}: ")).unwrap_or_default();
        return format!("{index}{}", errors.iter().map(one_error).collect::<Vec<_>>().join(", "));
    }
    match (text("field"), text("reason").or(text("message"))) {
        (Some(field), Some(reason)) => format!("{field} {reason}"),
        (_, Some(reason)) => reason.to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[test]
    fn every_kind_of_refusal_is_told() {
        let told = |body: &'static str| {
            describe(&Answer { status: StatusCode::UNPROCESSABLE_ENTITY, body: body.into() })
        };
        for (body, shown) in [
            ("", ""),
            ("no\u{7}", ": no\\u{7}"),
            (
                r#"{"error":"Validation failed","details":["value is required"]}"#,
                ": Validation failed (value is required)",
            ),
            (
                r#"{"title":"Invalid","detail":"Not so","errors":[{"field":"value","reason":"must be a number"}]}"#,
                ": Not so (value must be a number)",
            ),
            (
                r#"{"error":"Bad","validationErrors":[{"index":3,"errors":["a","b"]}]}"#,
                ": Bad (event 3: a, b)",
            ),
        ] {
            assert_eq!(told(body), format!("HTTP 422 Unprocessable Entity{shown}"), "{body}");
        }
    }
}
