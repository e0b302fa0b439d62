//! Numbers as clients write them.
use super::{count, send};
use crate::support::server::Server;
use serde_json::json;

#[tokio::test]
async fn a_tenth_and_two_tenths_are_three_tenths() {
    let server = Server::start();
    server.freeze("2026-01-12T09:30:00Z").await;
    for value in ["0.1", "0.2"] {
        let body = format!(r#"{{"customerId":"a","value":{value}}}"#);
        assert_eq!(send(&server, "/usage/api.calls", &body).await.status, 201);
    }
    server.advance("2026-01-13T00:15:00Z").await;
    let list = server.get("/aggregations?period=daily").await;
    assert!(list.text.contains(r#""events":{"api.calls":0.3}"#), "{}", list.text);
    let query = "/v1/meters/api.calls/query?from=2026-01-12T00:00:00Z&to=2026-01-13T00:00:00Z";
    assert_eq!(server.get(query).await.json()["data"][0]["value"], json!("0.3"));
}

/// A number as sent, and as kept.
const KEPT: [(&str, &str); 14] = [
    ("0.30000000000000004", "0.30000000000000004"),
    ("1e-7", "0.0000001"),
    ("1E3", "1000"),
    ("-0", "0"),
    ("100.0", "100"),
    ("0.1234567890123456775", "0.123456789012345678"),
    ("0.1234567890123456785", "0.123456789012345678"),
    ("0.12345678901234567850000000000000000000000000000001", "0.123456789012345679"),
    ("5e-19", "0"),
    ("1.5e-18", "0.000000000000000002"),
    ("-2.5e-18", "-0.000000000000000002"),
    ("1e-400", "0"),
    ("999999999999999999", "999999999999999999"),
    ("-999999999999999999.999999999999999999", "-999999999999999999.999999999999999999"),
];

#[tokio::test]
async fn excess_digits_are_rounded_half_to_even_and_the_rest_is_exact() {
    let server = Server::start();
    server.freeze("2026-01-12T09:30:00Z").await;
    for (number, (sent, kept)) in KEPT.iter().enumerate() {
        let body = format!(r#"{{"customerId":"c{number}","value":{sent},"id":"e{number}"}}"#);
        assert_eq!(send(&server, "/usage/api.calls", &body).await.status, 201, "{body}");
        let event = server.get(&format!("/v1/events/e{number}")).await.json();
        assert_eq!(event["value"], json!(kept), "{sent}");
        let list = server.get(&format!("/events?customerId=c{number}")).await;
        assert!(list.text.contains(&format!("\"value\":{kept},")), "{sent}: {}", list.text);
    }
    let stored = KEPT.len();
    for sent in [
        "1e18",
        "1000000000000000000",
        "-1000000000000000000",
        "999999999999999999.9999999999999999995",
        "1e400",
        "-1e99999999999999999999",
    ] {
        let body = format!(r#"{{"customerId":"a","value":{sent}}}"#);
        let refused = send(&server, "/usage/api.calls", &body).await;
        assert_eq!(refused.status, 422, "{sent}");
        assert_eq!(
            refused.json()["details"],
            json!(["value must have at most 18 digits before the decimal point"])
        );
    }
    for sent in ["NaN", "Infinity", "-Infinity", "+1", ".5", "1.", "0x10", "01", "1_000"] {
        let body = format!(r#"{{"customerId":"a","value":{sent}}}"#);
        let refused = send(&server, "/usage/api.calls", &body).await;
        assert_eq!(refused.parts(), (400, json!({"error": "Request body must be a JSON object"})), "{sent}");
    }
    assert_eq!(count(&server.get("/events?limit=1000").await.json()), stored);
}

/// Sums leave the range of a single value, and stay exact.
#[tokio::test]
async fn sums_are_as_large_as_they_are() {
    let server = Server::start();
    server.freeze("2026-01-12T09:30:00Z").await;
    let event = r#"{"eventType":"api.calls","customerId":"a","value":999999999999999999.999999999999999999}"#;
    let events = format!("[{}]", vec![event; 1_000].join(","));
    assert_eq!(send(&server, "/usagebatch", &events).await.status, 201);
    server.advance("2026-01-13T00:15:00Z").await;
    let list = server.get("/aggregations?period=daily").await;
    assert!(list.text.contains(r#""api.calls":999999999999999999999.999999999999999"#), "{}", list.text);
}

/// A meter that reads a property reads it as the paths that let it in have it; it is kept as sent.
#[tokio::test]
async fn numbers_of_properties_are_rounded_as_values_are() {
    let server = Server::start();
    server.freeze("2026-01-12T09:30:00Z").await;
    let meter =
        json!({"key": "tokens", "event_type": "llm", "aggregation": "sum", "value_property": "$.tokens"});
    assert_eq!(server.post("/v1/meters", meter).await.status, 201);
    let event = |number: &str| format!(r#"{{"customerId":"a","value":1,"metadata":{{"tokens":{number}}}}}"#);
    for number in ["0.1234567890123456785", "1.5e-18", "5e-324"] {
        let sent = send(&server, "/usage/llm", &event(number)).await;
        assert_eq!(sent.status, 201, "{number}: {}", sent.text);
        let native = format!(r#"{{"customer":"a","meter":"llm","properties":{{"tokens":{number}}}}}"#);
        let refused = send(&server, "/v1/events", &native).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["errors"][0]["field"].clone()),
            (422, json!("properties"))
        );
    }
    let batch =
        r#"[{"eventType":"llm","customerId":"a","value":1,"metadata":{"tokens":0.30000000000000004441}}]"#;
    assert_eq!(send(&server, "/usagebatch", batch).await.status, 201);
    for number in ["1e18", "-1e400", "\"many\"", "null"] {
        let refused = send(&server, "/usage/llm", &event(number)).await;
        let (status, body) = refused.parts();
        assert_eq!((status, &body["error"]), (422, &json!("Validation failed")), "{number}");
        let told = body["details"][0].as_str().expect("a reason");
        assert!(told.starts_with("metadata must have a decimal number"), "{told}");
    }
    let list = server.get("/events?limit=1000").await;
    assert!(list.text.contains(r#"{"tokens":0.1234567890123456785}"#), "{}", list.text);
    let query = "/v1/meters/tokens/query?from=2026-01-12T00:00:00Z&to=2026-01-13T00:00:00Z";
    assert_eq!(server.get(query).await.json()["data"][0]["value"], "0.423456789012345724");
    server.advance("2026-01-13T00:15:00Z").await;
    let list = server.get("/aggregations?period=daily").await;
    assert!(list.text.contains(r#""events":{"tokens":0.423456789012345724}"#), "{}", list.text);
}
