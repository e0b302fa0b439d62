//! Keys and secrets are in no log, and in no file in the clear.
use super::key;
use crate::support::server::{LIVE_KEY, Server, Setup, TEST_KEY};
use crate::webhooks::receiver::{Receiver, Reply};
use reqwest::Method;
use serde_json::json;
use std::path::Path;

const FILE_SECRET: &str = "whsec_b2YgdGhlIG9wZXJhdG9yJ3Mgb3duIGZpbGUh";
const WRONG_KEY: &str = "a-wrong-key-that-somebody-mistyped-0001";
const OWN_SECRET: &str = "whsec_Z2l2ZW4gYnkgdGhlIGNsaWVudCBpdHNlbGY=";

/// Every file below a directory, read whole.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Uses everything that deals with keys and secrets; gives all of them.
async fn busy(server: &Server) -> Vec<String> {
    let mut secrets = [LIVE_KEY, TEST_KEY, WRONG_KEY, FILE_SECRET, OWN_SECRET].map(str::to_owned).to_vec();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let made = key(server, &["read", "ingest"]).await;
    secrets.push(text(&made["key"]));
    let once = |path: &str, body: serde_json::Value| {
        let request =
            server.request(Method::POST, path, TEST_KEY).header("idempotency-key", format!("k{path}"));
        request.json(&body).send()
    };
    let kept: serde_json::Value = once("/v1/api-keys", json!({"scopes": ["admin"]}))
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    secrets.push(text(&kept["key"]));
    let hook = json!({"url": "https://127.0.0.1:9/hook", "description": "d", "secret": OWN_SECRET});
    let endpoint = server.post("/v1/webhook-endpoints", hook).await.json();
    let path = format!("/v1/webhook-endpoints/{}", text(&endpoint["id"]));
    let rotated: serde_json::Value = once(&format!("{path}/rotate-secret"), json!({}))
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    secrets.extend([text(&rotated["secret"]), text(&rotated["standard_secret"])]);
    server.post(&format!("{path}/ping"), json!({})).await;
    for form in ["x-apikey", "authorization"] {
        let value = if form == "x-apikey" { WRONG_KEY.to_owned() } else { format!("Bearer {WRONG_KEY}") };
        assert_eq!(
            server
                .bare(Method::GET, "/v1/meters")
                .header(form, value)
                .send()
                .await
                .expect("an answer")
                .status(),
            401
        );
    }
    server.post("/usage/api.calls", json!({"customerId": "a", "value": 1})).await;
    server.post("/aggregations/trigger", json!({})).await;
    server.get("/config").await;
    server.post("/v1/api-keys", json!({"scopes": 5, "name": text(&made["key"])})).await;
    server.delete(&format!("/v1/api-keys/{}", text(&made["id"]))).await;
    secrets
}

#[tokio::test]
async fn nothing_secret_is_logged_or_kept_in_the_clear() {
    let system = json!({
        "periods": ["hourly"], "events": {"api.calls": {"op": "sum"}},
        "webhooks": [{"url": "http://127.0.0.1:9/hook", "secret": FILE_SECRET}],
    });
    let setup = Setup::default().system(system).env("RECKONER_LOG_LEVEL", "trace");
    let mut server = setup.env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "1").start();
    let secrets = busy(&server).await;
    assert_eq!(secrets.len(), 9);
    assert!(!server.get("/config").await.text.contains(FILE_SECRET));
    assert!(!server.get("/metrics").await.text.contains("key-of-the-tests"));
    server.signal("HUP");
    server.logged("the configuration was read again");
    assert!(server.terminate().success());
    let log = server.log();
    assert!(log.len() > 10_000, "the log says nothing: {log}");
    let data = files(&server.data_dir());
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "the log holds {secret}");
        for (path, bytes) in &data {
            assert!(!holds(bytes, secret), "{path} holds {secret}");
        }
    }
}

const URL_TOKEN: &str = "a-token-in-the-query-of-a-url-0001";

/// A server on whose file's endpoint a period of project `test` ends.
async fn told(url: &str, dry_run: &str) -> Server {
    let hook = json!({"url": format!("{url}?token={URL_TOKEN}"), "secret": FILE_SECRET});
    let system = json!({"periods": ["hourly"], "events": {"api.calls": {"op": "sum"}}, "webhooks": [hook]});
    let setup = Setup::default().system(system).env("RECKONER_LOG_LEVEL", "trace");
    let server = setup.env("DRY_RUN", dry_run).start();
    server.freeze("2026-01-14T09:30:00Z").await;
    server.post("/usage/api.calls", json!({"customerId": "a", "value": 1})).await;
    server.advance("2026-01-14T10:15:00Z").await;
    server
}

#[tokio::test]
async fn urls_are_logged_without_what_may_be_secret() {
    let mut receiver = Receiver::start().await;
    let server = told(&receiver.url, "true").await;
    server.logged("dry run: not sent");
    assert!(!receiver.has_more() && !server.log().contains(URL_TOKEN), "{}", server.log());
    receiver.always(Reply::Status(410));
    let server = told(&receiver.url, "false").await;
    receiver.hit().await;
    server.logged("a webhook endpoint was disabled");
    server.signal("HUP");
    server.logged("stays disabled until it is enabled by hand");
    assert!(server.log().contains("names no project"));
    assert!(!server.log().contains(URL_TOKEN), "{}", server.log());
}
