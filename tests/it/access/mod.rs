//! Who may do what, and what others see of it.
mod audit;
mod browsers;
mod errors;
mod matrix;
mod rates;
mod routes;
mod secrets;
mod services;
mod tenants;

use crate::support::server::Server;
use reckoner_server::http::openapi;
use serde_json::{Value, json};

/// A key of project `test` with these scopes.
async fn key(server: &Server, scopes: &[&str]) -> Value {
    let made = server.post("/v1/api-keys", json!({"name": "of a test", "scopes": scopes})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()
}

/// Whether a route may answer that Stripe is not configured.
fn needs_stripe(pattern: &str) -> bool {
    ["/billing/create-checkout", "/billing/portal", "/billing/webhooks", "/v1/stripe/reconcile"]
        .contains(&pattern)
}

/// Every route of the OpenAPI document: method, path and the scope it asks for; `person` or
/// `service` where no key will do.
fn described() -> Vec<(String, String, Option<String>)> {
    let mut routes = Vec::new();
    for (path, item) in openapi::document()["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let security = operation["security"].as_array().expect("said of every route");
            let mut scopes: Vec<&str> = security
                .iter()
                .flat_map(|one| one.as_object().expect("an object").values())
                .flat_map(|scopes| scopes.as_array().expect("scopes"))
                .filter_map(Value::as_str)
                .collect();
            scopes.dedup();
            assert!(scopes.len() <= 1, "{method} {path} asks for {scopes:?}");
            routes.push((method.to_uppercase(), path.clone(), scopes.first().map(|&scope| scope.to_owned())));
        }
    }
    routes.sort();
    routes
}
