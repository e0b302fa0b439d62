//! Plans, subscriptions and what they grant, from the outside.
mod analytics;
mod catalog;
mod held;
mod quotas;
mod statistics;
mod subscriptions;
mod trials;
pub(crate) mod users;
mod warnings;

use crate::support::server::Server;
use serde_json::{Value, json};

/// The sample catalogue of system C with the meter that it counts by.
pub(crate) fn analytics() -> Value {
    let text = reckoner_domain::catalog::SAMPLES[0].1;
    let mut catalog: Value = serde_json::from_str(text).expect("JSON");
    catalog["meters"] = json!([{"key": "api.calls", "aggregation": "sum"}]);
    catalog
}

/// A server's project with that catalogue, at 12:00 on 10 January 2026.
pub(crate) async fn with_analytics(server: &Server) {
    server.freeze("2026-01-10T12:00:00Z").await;
    let applied = server.post("/v1/catalog/apply", analytics()).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
}

pub(crate) async fn subscribe(server: &Server, customer: &str, plan: &str) -> Value {
    let made = server.post("/v1/subscriptions", json!({"customer": customer, "plan": plan})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()
}
