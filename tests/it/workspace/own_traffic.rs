//! Reckoner meters its own API when it is told to.
use super::{catalogue, prepare};
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

/// Asks until the event is there: it is recorded after the answer.
async fn event(server: &Server, key: &str, id: &str) -> Value {
    for _ in 0..2_000 {
        let path = format!(
            "/v1/events/{}",
            percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
        );
        let answer = Answer::of(server.request(Method::GET, &path, key).send().await).await;
        if answer.status == 200 {
            return answer.json();
        }
    }
    panic!("{id} never came");
}

#[tokio::test]
async fn each_request_is_an_event_of_its_bytes() {
    let mut server = Setup::default().env("RECKONER_TRAFFIC_METER_OWN_API", "true").start();
    prepare(&server, "2026-01-10T12:00:00Z").await;
    let applied = server.request(Method::POST, "/v1/catalog/apply", LIVE_KEY).json(&catalogue());
    assert_eq!(applied.send().await.expect("an answer").status(), 200);
    let made = server.post("/v1/api-keys", json!({"scopes": ["read", "ingest"]})).await.json();
    let (key, user) = (made["key"].as_str().expect("a key"), made["id"].as_str().expect("an id").to_owned());
    // A retry carries the same id and counts once, whatever it is answered.
    let body = json!([{"id": "e1", "customer": "acme", "meter": "api.calls"}]).to_string();
    let mut answered = 0;
    for _ in 0..2 {
        let request = server.request(Method::POST, "/v1/events", key).header("x-request-id", "r1");
        let request = request.header("content-type", "application/json").body(body.clone());
        let answer = Answer::of(request.send().await).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (200, Some("r1")));
        answered = if answered == 0 { answer.text.len() } else { answered };
    }
    let id = format!("traffic:{user}:/v1/events:POST:r1");
    let metered = event(&server, TEST_KEY, &id).await;
    let properties = &metered["properties"];
    assert_eq!(metered["value"], json!((body.len() + answered).to_string()));
    assert_eq!((&metered["customer"], &metered["subject"]), (&json!("system"), &json!(user)));
    let said = ["endpoint", "method", "requestBytes", "responseBytes", "statusCode"]
        .map(|name| properties[name].clone());
    assert_eq!(said, [json!("/v1/events"), json!("POST"), json!(body.len()), json!(answered), json!(200)]);
    assert!(properties["durationMs"].is_u64(), "{properties}");
    // A customer's key: the customer's traffic. Whoever shows no credential: the system customer's, in `live`.
    assert_eq!(server.post("/v1/customers", json!({"external_id": "acme2"})).await.status, 201);
    let made = server.post("/v1/api-keys", json!({"customer": "acme2"})).await.json();
    let (key, user) = (made["key"].as_str().expect("a key"), made["id"].as_str().expect("an id"));
    let request = server.request(Method::GET, "/api/usage/history", key).header("x-request-id", "r2");
    assert_eq!(Answer::of(request.send().await).await.status, 200);
    let metered = event(&server, TEST_KEY, &format!("traffic:{user}:/api/usage/history:GET:r2")).await;
    assert_eq!(metered["customer"], "acme2");
    let request = server.bare(Method::GET, "/v1/meters/x/query").header("x-request-id", "r3");
    let refused = Answer::of(request.send().await).await;
    let metered = event(&server, LIVE_KEY, "traffic:system:/v1/meters/{key}/query:GET:r3").await;
    assert_eq!((&metered["customer"], &metered["properties"]["statusCode"]), (&json!("system"), &json!(401)));
    assert_eq!(metered["value"], json!(refused.text.len().to_string()));
    let metrics = Answer::of(server.bare(Method::GET, "/metrics").send().await).await.text;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("traffic_unattributed_bytes_total "));
    assert!(counted.and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes > 0), "{metrics}");
    // A stop records what was answered before.
    let request = server.request(Method::GET, "/v1/events", TEST_KEY).header("x-request-id", "r4");
    assert_eq!(Answer::of(request.send().await).await.status, 200);
    assert!(server.terminate().success());
    server.restart();
    let listed =
        server.get("/v1/events?meter=traffic.bytes&limit=1000&filter[endpoint]=/v1/events").await.json();
    let ids: Vec<&str> =
        listed["data"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(ids.iter().any(|id| id.ends_with(":GET:r4")), "{ids:?}");
    assert_eq!(ids.iter().filter(|id| id.ends_with(":r1")).count(), 1, "{ids:?}");
}

#[tokio::test]
async fn nothing_is_metered_unless_it_is_told_to() {
    let server = Server::start();
    prepare(&server, "2026-01-10T12:00:00Z").await;
    for _ in 0..20 {
        assert_eq!(server.get("/v1/events").await.json()["data"], json!([]));
    }
}
