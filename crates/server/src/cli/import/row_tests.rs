use super::dump;
use super::row::{Fields, Row, is_aggregation};

fn fields(json: &str) -> Fields {
    let fields: Fields = serde_json::from_str(json).expect("an object");
    fields.into_iter().map(|(name, value)| (name, dump::plain(value))).collect()
}

fn event(json: &str) -> String {
    let row = Row::read(&fields(json), false).expect("a good row");
    row.to_event(row.id.as_deref().unwrap_or("made")).to_string()
}

fn errors(json: &str) -> Vec<String> {
    Row::read(&fields(json), false).expect_err("a bad row")
}

#[test]
fn native_rows_become_events() {
    assert_eq!(
        event(r#"{"customer":"c","meter":"m"}"#),
        r#"{"id":"made","customer":"c","meter":"m","value":1}"#
    );
    assert_eq!(
        event(
            r#"{"id":"e1","customer":"c","meter":"m","value":"0.30","time":"2026-01-14T10:30:00+01:00",
                "subject":"s","properties":{"a":1.50},"source_context":{"type":"admin"},
                "received_at":"2026-01-15T00:00:00Z","sequence":7}"#
        ),
        r#"{"id":"e1","customer":"c","meter":"m","value":0.3,"time":"2026-01-14T09:30:00.000000Z","subject":"s","properties":{"a":1.50},"source_context":{"type":"admin"}}"#
    );
}

#[test]
fn rows_of_the_older_system_become_events() {
    let expected = r#"{"id":"65a","customer":"c","meter":"api.calls","value":2.5,"time":"2026-01-14T09:30:00.000000Z","properties":{"k":"v"}}"#;
    let listed = r#"{"_id":"65a","customerId":"c","eventType":"api.calls","value":2.5,"metadata":{"k":"v"},
        "receivedAt":"2026-01-14T09:30:00.000Z","minute":"202601140930","hour":"2026011409","day":"20260114",
        "week":"202603","month":"202601","year":"2026"}"#;
    assert_eq!(event(listed), expected);
    let dumped = r#"{"_id":{"$oid":"65a"},"customerId":"c","eventType":"api.calls","value":{"$numberDouble":"2.5"},
        "metadata":{"k":"v"},"receivedAt":{"$date":"2026-01-14T09:30:00Z"},"__v":0}"#;
    assert_eq!(event(dumped), expected);
    let own_time = r#"{"_id":"65a","customerId":"c","eventType":"api.calls","value":2.5,"metadata":{"k":"v"},
        "timestamp":"2026-01-14T09:30:00Z","receivedAt":"2026-02-01T00:00:00Z"}"#;
    assert_eq!(event(own_time), expected);
}

#[test]
fn everything_wrong_is_named_at_once() {
    assert_eq!(
        errors(r#"{"customer":"","value":"many","time":"yesterday","properties":[1],"vaule":1}"#),
        [
            "`vaule` is no field of an event",
            "customer is required",
            "meter is required",
            "value must be a decimal number such as 12, -0.5 or 1e3",
            "time must be an RFC 3339 time such as 2026-01-14T09:30:00Z",
            "properties must be a JSON object",
        ]
    );
    let long = format!(r#"{{"customer":"{}","meter":"m"}}"#, "x".repeat(256));
    assert_eq!(errors(&long), ["customer must have at most 255 bytes"]);
    let large = format!(r#"{{"customer":"c","meter":"m","properties":{{"a":"{}"}}}}"#, "x".repeat(16 * 1024));
    assert_eq!(errors(&large), ["properties must have at most 16384 bytes"]);
    assert_eq!(errors(r#"{"customer":true,"meter":"m"}"#), ["customer must be a text"]);
    assert!(Row::read(&fields(r#"{"customer":"c","meter":"m","x":1}"#), true).is_ok());
}

#[test]
fn aggregations_are_told_from_events() {
    assert!(is_aggregation(&fields(
        r#"{"_id":"c_daily_20260112","customerId":"c","period":"daily","periodKey":"20260112","events":{"a":1}}"#
    )));
    assert!(!is_aggregation(&fields(r#"{"customerId":"c","eventType":"a","value":1}"#)));
}
