//! System B's endpoints, as its clients see them, and what is behind them.
mod alerts;
mod events;
mod invoices;
mod own_traffic;
mod storage;
mod summary;

use crate::support::server::Server;
use serde_json::{Value, json};

/// The sample catalogue of system B.
pub fn catalogue() -> Value {
    let (_, text) =
        reckoner_domain::catalog::SAMPLES.iter().find(|(name, _)| *name == "workspace").expect("there");
    serde_json::from_str(text).expect("JSON")
}

/// Puts that catalogue in force, at this time.
async fn prepare(server: &Server, now: &str) {
    server.freeze(now).await;
    let applied = server.post("/v1/catalog/apply", catalogue()).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
}

/// Records usage, and answers its document.
async fn record(server: &Server, event: Value) -> Value {
    let answer = server.post("/api/usage/events", event).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["data"].take()
}

/// What a path of a workspace or an organisation answers.
async fn ask(server: &Server, path: &str) -> Value {
    let answer = server.get(&format!("/api/usage/{path}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()["data"].take()
}

fn storage(time: &str, gigabytes: i64) -> Value {
    json!({"workspaceId": "w1", "resourceType": "storage", "units": gigabytes << 30, "source": "file", "timestamp": time})
}
