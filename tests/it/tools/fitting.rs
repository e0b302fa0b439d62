//! Generated events fit the meters that are there, and empty variables count as unset.
use crate::support::command::reckoner;
use crate::support::server::{Server, Setup, TEST_KEY};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn generated_events_have_what_the_meters_read() {
    let server =
        Setup::default().system(json!({"periods": ["daily"], "events": {"llm": {"op": "count"}}})).start();
    for meter in [
        json!({"key": "tokens", "aggregation": "sum", "value_property": "$.usage.tokens"}),
        json!({"key": "eu", "aggregation": "count", "filters": {"region": "eu"}}),
        json!({"key": "us", "aggregation": "sum", "value_property": "price", "filters": {"region": ["us"]}}),
        json!({"key": "users", "aggregation": "unique_count", "value_property": "user"}),
        json!({"key": "heavy", "aggregation": "sum", "weight_by": "size", "weights": {"L": 1000}, "default_weight": 0}),
    ] {
        let mut meter = meter;
        meter["event_type"] = json!("llm");
        let made = server.post("/v1/meters", meter).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    for mode in ["single", "batch", "ndjson"] {
        let target = [("RECKONER_URL", &*server.url("")), ("RECKONER_API_KEY", TEST_KEY)];
        let ended = reckoner(&["generate", "--count", "60", "--mode", mode, "--json"], &target);
        assert_eq!((ended.code, &ended.json()["sent"]), (0, &json!(60)), "{mode}: {ended:?}");
    }
    for meter in ["tokens", "eu", "us", "users", "heavy"] {
        let path = format!("/v1/meters/{meter}/query?from=2020-01-01T00:00:00Z&to=2096-01-01T00:00:00Z");
        let value = server.get(&path).await.json()["data"][0]["value"].clone();
        assert!(value != "0" && value.is_string(), "{meter} reads {value}");
    }
}

#[test]
fn variables_that_are_empty_count_as_unset() {
    let server = Server::start();
    let url = server.url("");
    let env = [
        ("RECKONER_URL", ""),
        ("BASE_URL", url.as_str()),
        ("RECKONER_API_KEY", ""),
        ("API_KEY", TEST_KEY),
        ("EVENT_COUNT", ""),
        ("DELAY_MS", ""),
    ];
    let ended = reckoner(&["generate", "--mode", "batch", "--json"], &env);
    assert_eq!((ended.code, &ended.json()["sent"]), (0, &json!(100)), "{ended:?}");
    let port = reckoner(&["receive"], &[("PORT", ""), ("WEBHOOK_SECRET", "")]);
    assert!(port.code == 2 && port.err.contains("--no-verify"), "it got past the port: {port:?}");
    let wrong = reckoner(&["receive"], &[("PORT", "x")]);
    assert!(wrong.code == 2 && wrong.err.contains("must be a whole number from 0 to 65535"), "{wrong:?}");
}
