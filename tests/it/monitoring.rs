//! The alerts that are shipped watch series that there are.
use crate::support::server::Server;
use serde_json::json;
use std::collections::BTreeSet;

/// A file of the documentation.
pub fn document(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a document")
}

/// What an alert watches, with its labels.
pub fn selectors(rules: &str) -> BTreeSet<String> {
    let expressions = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let mut found = BTreeSet::new();
    for expression in expressions {
        for (at, _) in expression.match_indices("_total") {
            let end = at + "_total".len();
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            let start = expression[..at].rfind(|c: char| !is_name(c)).map_or(0, |before| before + 1);
            let labels = expression[end..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let labels = labels.map_or(String::new(), |(labels, _)| format!("{{{labels}}}"));
            found.insert(format!("{}{labels}", &expression[start..end]));
        }
    }
    found
}

#[tokio::test]
async fn alerts_watch_series_that_there_are() {
    let selectors = selectors(&document("alerts.yml"));
    let operations = document("OPERATIONS.md");
    for selector in &selectors {
        let name = selector.split('{').next().expect("a name");
        assert!(operations.contains(&format!("`{name}")), "{name} is not told of");
    }
    let server = Server::start();
    assert_eq!(server.post("/v1/meters", json!({"key": "calls", "aggregation": "sum"})).await.status, 201);
    let event = |value: u32| json!({"id": "one", "customer": "acme", "meter": "calls", "value": value});
    for event in [event(1), event(1), event(2), json!({"customer": "acme"})] {
        server.post("/v1/events", event).await;
    }
    let metrics = server.get("/metrics").await.text;
    let ingest = [
        "ingest_events_total{result=\"conflict\"}",
        "ingest_events_total{result=\"rejected\"}",
        "usage_duplicates_total",
    ];
    for series in ingest {
        assert!(selectors.contains(series), "{selectors:?}");
        assert!(
            metrics.lines().any(|line| line.starts_with(series) && line.ends_with(" 1")),
            "{series}: {metrics}"
        );
    }
}
