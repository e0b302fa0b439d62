//! What the service says of itself, and who may ask for what.
use super::{names, send};
use crate::support::server::{Answer, Server, Setup, TEST_KEY};
use reqwest::{Client, Method, redirect};
use serde_json::{Value, json};

#[tokio::test]
async fn the_service_introduces_itself() {
    let server = Server::start();
    let ping = Answer::of(server.bare(Method::GET, "/ping").send().await).await;
    assert_eq!((ping.status.as_u16(), names(&ping.json())), (200, vec!["status", "timestamp"]));
    assert_eq!(ping.json()["status"], "ok");
    let time = ping.json()["timestamp"].as_str().expect("a time").to_owned();
    assert!(time.len() == "2026-01-14T09:30:00.000Z".len() && time.ends_with('Z'), "{time}");
    for accept in ["application/json", "*/*"] {
        let index = Answer::of(server.bare(Method::GET, "/").header("accept", accept).send().await).await;
        assert_eq!(index.status, 200, "{accept}");
        let index = index.json();
        let fields = ["description", "endpoints", "features", "service", "status", "version"];
        assert_eq!(names(&index), fields);
        assert_eq!(index["status"], "ok");
        assert!(index["features"].is_array() && index["endpoints"].is_object());
    }
    let browser = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().expect("a client");
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = browser.get(server.url("/")).header("accept", accept).send().await;
    assert!(page.expect("an answer").status().is_redirection());
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let webhook = |number: u8, project: &str| {
        json!({"_note": "ours", "url": format!("http://127.0.0.1:9/{number}"), "secret": secret,
               "enabled": false, "project": project})
    };
    let server = Setup::default()
        .system(json!({
            "_comment": "as it is",
            "periods": ["daily", "hourly"],
            "events": {"_comment": {"op": "none"}, "z": {"op": "max", "_why": "?"}, "a": {"op": "first"}},
            "webhooks": [webhook(1, "test"), webhook(2, "live")],
        }))
        .start();
    let config = server.get("/config").await;
    assert!(!config.text.contains(&secret[6..]), "{}", config.text);
    assert_eq!(
        config.parts(),
        (
            200,
            json!({
                "periods": ["daily", "hourly"],
                "events": {"z": {"op": "max"}, "a": {"op": "first"}},
                "webhooks": [{"url": "http://127.0.0.1:9/1", "secret": "whsec_***", "enabled": false}],
            })
        )
    );
    assert!(config.text.find("\"z\"") < config.text.find("\"a\""), "the file's order: {}", config.text);
}

/// Figures are named by meters, which several of one type tell apart; the configuration lists types.
#[tokio::test]
async fn meters_made_by_api_are_told_from_event_types() {
    let server = Setup::default()
        .system(json!({"periods": ["daily"], "events": {"z": {"op": "max"}}, "webhooks": []}))
        .start();
    server.freeze("2026-01-12T09:30:00Z").await;
    for (key, event_type, aggregation) in
        [("calls", "call", "sum"), ("largest", "call", "max"), ("call", "other", "count")]
    {
        let meter = json!({"key": key, "event_type": event_type, "aggregation": aggregation});
        assert_eq!(server.post("/v1/meters", meter).await.status, 201);
    }
    let events = server.get("/config").await.json()["events"].clone();
    assert_eq!(events, json!({"z": {"op": "max"}, "call": {"op": "sum"}, "other": {"op": "count"}}));
    for kind in ["z", "call", "other"] {
        let body = r#"{"customerId":"a","value":3}"#;
        assert_eq!(send(&server, &format!("/usage/{kind}"), body).await.status, 201, "{kind}");
    }
    server.advance("2026-01-13T00:15:00Z").await;
    let daily = server.get("/aggregations?period=daily").await.json()[0].clone();
    assert_eq!(daily["events"], json!({"z": 3, "calls": 3, "largest": 3, "call": 1}));
    assert_eq!((&daily["eventCounts"]["call"], &daily["eventCount"]), (&json!(1), &json!(3)));
}

/// Every path that asks for a credential, with what it asks for.
const GUARDED: [(&str, &str, &str); 6] = [
    ("POST", "/usage/api.calls", "ingest"),
    ("POST", "/usagebatch", "ingest"),
    ("POST", "/aggregations/trigger", "ingest"),
    ("GET", "/events", "read"),
    ("GET", "/aggregations", "read"),
    ("GET", "/config", "read"),
];

#[tokio::test]
async fn a_credential_is_asked_for_and_then_a_scope() {
    let server = Server::start();
    let mut keys = Vec::new();
    for scope in ["ingest", "read"] {
        let made = server.post("/v1/api-keys", json!({"name": scope, "scopes": [scope]})).await.json();
        keys.push((scope, made["key"].as_str().expect("a key").to_owned()));
    }
    for (method, path, needed) in GUARDED {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let bare = Answer::of(server.bare(method.clone(), path).send().await).await;
        assert_eq!(bare.parts(), (401, json!({"error": "Unauthorized"})), "{path}");
        let unknown = server.request(method.clone(), path, "no-such-key").send().await;
        assert_eq!(Answer::of(unknown).await.parts(), (401, json!({"error": "Unauthorized"})), "{path}");
        for (scope, key) in &keys {
            let answer = Answer::of(server.request(method.clone(), path, key).send().await).await;
            if *scope == needed {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{path} {}", answer.text);
            } else {
                assert_eq!(answer.parts(), (403, json!({"error": "Forbidden"})), "{path}");
            }
        }
    }
    for header in [format!("Bearer {TEST_KEY}"), format!("ApiKey {TEST_KEY}")] {
        let answer = server.bare(Method::GET, "/config").header("authorization", header).send().await;
        assert_eq!(Answer::of(answer).await.status, 200);
    }
}

#[tokio::test]
async fn fixed_paths_are_no_event_types() {
    let server = Server::start();
    let event = r#"{"customerId":"a","value":1}"#;
    for name in ["record", "check-quota"] {
        let answer = send(&server, &format!("/usage/{name}"), event).await;
        assert_ne!(answer.status, 201, "{name}");
        let wrong =
            server.post("/v1/meters", json!({"key": "k", "event_type": name, "aggregation": "sum"})).await;
        assert_eq!(wrong.parts().1["errors"][0]["field"], "event_type", "{name}");
        let listed = json!([{"eventType": name, "customerId": "a", "value": 1}]).to_string();
        assert_eq!(send(&server, "/usagebatch", &listed).await.status, 422, "{name}");
    }
    let error = |answer: Answer| {
        assert_eq!(names(&answer.json()), ["error"], "{}", answer.text);
        answer.status.as_u16()
    };
    assert_eq!(error(send(&server, "/usage/%ff", event).await), 404);
    assert_eq!(error(send(&server, "/usage/", event).await), 404);
    assert_eq!(error(server.get("/usagebatch").await), 405);
    assert_eq!(error(server.get("/events?customerId=a&customerId=b").await), 400);
    assert_eq!(error(server.get("/aggregations?from=soon").await), 400);
    assert_eq!(server.get("/events").await.json(), Value::Array(Vec::new()));
}
