//! Where usage arose, in words.
use serde_json::Value;

/// What is shown where nothing is known.
pub const UNKNOWN: &str = "Unknown";
/// What is shown of administrators' pages.
pub const ADMIN: &str = "Admin Panel";

/// The text shown for where an event arose: the display name, of the event itself or else `name`, that of its
/// subject; else that of administrators' pages, the project's name, the workspace's.
///
/// `source_context` is the event's, as JSON text.
#[must_use]
pub fn shown(source_context: Option<&str>, name: Option<&str>) -> String {
    let context: Value =
        source_context.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let text = |field: &str| context.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let admin = (text("type") == Some("admin")).then_some(ADMIN);
    let names = [text("display_name"), name, admin, text("project_name"), text("workspace_name")];
    names.into_iter().flatten().next().unwrap_or(UNKNOWN).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_that_is_known_is_shown() {
        let all = r#"{"type":"admin","display_name":"D","project_name":"P","workspace_name":"W"}"#;
        for (context, name, expected) in [
            (Some(all), Some("N"), "D"),
            (Some(r#"{"type":"admin","display_name":"","project_name":"P"}"#), Some("N"), "N"),
            (Some(r#"{"type":"admin","project_name":"P","workspace_name":"W"}"#), None, "Admin Panel"),
            (Some(r#"{"type":"project","project_name":"P","workspace_name":"W"}"#), None, "P"),
            (Some(r#"{"type":"workspace","workspace_name":"W"}"#), None, "W"),
            (Some(r#"{"type":"other"}"#), None, "Unknown"),
            (None, None, "Unknown"),
        ] {
            assert_eq!(shown(context, name), expected, "{context:?}");
        }
    }
}
