//! `GET /ping`, `GET /` and `GET /config`.
use super::event_types;
use crate::http::extract::By;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use reckoner_domain::period::Period;
use serde_json::{Map, Value, json};

/// Whether the server answers.
#[utoipa::path(get, path = "/ping", operation_id = "ping", tag = "system A", responses((status = 200, description = "`{status, timestamp}`", body = Object)))]
pub async fn ping(State(app): State<App>) -> Json<Value> {
    Json(json!({"status": "ok", "timestamp": app.clock.real().to_millis_text()}))
}

/// What this service is; a browser is sent to the pages.
#[utoipa::path(
    get, path = "/", operation_id = "get_service", tag = "system A",
    responses(
        (status = 200, description = "`{status, service, version, description, features, endpoints}`", body = Object),
        (status = 303, description = "Where `Accept` names `text/html`"),
    ),
)]
pub async fn index(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return Redirect::to("/docs").into_response();
    }
    Json(json!({
        "status": "ok",
        "service": "reckoner",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Usage metering with exact totals and signed webhooks",
        "features": ["events", "batches", "aggregations", "webhooks", "queries"],
        "endpoints": {
            "ping": "GET /ping",
            "usage": "POST /usage/{eventType}",
            "usageBatch": "POST /usagebatch",
            "events": "GET /events",
            "aggregations": "GET /aggregations",
            "trigger": "POST /aggregations/trigger",
            "config": "GET /config",
            "api": "GET /openapi.json",
        },
    }))
    .into_response()
}

/// The configuration, secrets masked.
#[utoipa::path(
    get, path = "/config", operation_id = "get_configuration", tag = "system A",
    responses(
        (status = 200, description = "`{periods, events, webhooks}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn config(State(app): State<App>, By(caller): By) -> Json<Value> {
    let definitions = app.definitions();
    let catalogue = app.recorder.catalogues.of(caller.project);
    let op = |event_type: &str| {
        let reading = || catalogue.reading(event_type).into_iter().flatten();
        // A meter may be called like a type that it does not read.
        let meter = reading().find(|meter| meter.key.as_str() == event_type).or_else(|| reading().next());
        json!({"op": meter.map(|meter| meter.aggregation.as_str())})
    };
    let events: Map<String, Value> =
        event_types(&catalogue, &definitions).into_iter().map(|name| (name.to_owned(), op(name))).collect();
    let project = app.project(caller.project).map(|project| project.name.clone());
    let ours =
        definitions.webhooks.iter().filter(|webhook| webhook.project.is_none() || webhook.project == project);
    let webhooks: Vec<Value> = ours
        .map(|webhook| json!({"url": webhook.url, "secret": mask(webhook.secret.expose()), "enabled": webhook.enabled}))
        .collect();
    let periods: Vec<&str> = definitions.periods.iter().copied().map(Period::as_str).collect();
    Json(json!({"periods": periods, "events": events, "webhooks": webhooks}))
}

/// A secret of which nothing is left but that it is one.
fn mask(secret: &str) -> &'static str {
    if secret.starts_with("whsec_") { "whsec_***" } else { "***" }
}
