//! Webhooks from the running server to receivers as users write them.
mod packages;
mod retries;

use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

/// A secret as Standard Webhooks asks for.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server whose file names these endpoints for project `test`.
fn server_for(endpoints: &[(&str, &str)]) -> Server {
    let webhook = |(url, secret): &(&str, &str)| json!({"url": url, "secret": secret, "enabled": true, "project": "test"});
    let webhooks: Vec<Value> = endpoints.iter().map(webhook).collect();
    Setup::default()
        .system(json!({"periods": ["daily"], "events": {"api.calls": {"op": "sum"}}, "webhooks": webhooks}))
        .start()
}

/// Closes one day of one customer.
async fn close_a_day(server: &Server) {
    server.freeze("2026-01-14T09:30:00Z").await;
    let captured = server.post("/usage/api.calls", json!({"customerId": "a", "value": 0.1})).await;
    assert_eq!(captured.status, 201, "{}", captured.text);
    assert_eq!(server.advance("2026-01-15T00:15:00Z").await, 1);
}
