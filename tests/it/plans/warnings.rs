use super::{subscribe, with_analytics};
use crate::support::hook::Hook;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

/// What was told of quotas, once there is as much as expected: threshold, type, used.
async fn told(hook: &Hook, count: usize) -> Vec<(u64, String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let each = |body: &Value| {
        let data = &body["data"];
        (data["threshold"].as_u64().expect("a number"), text(&body["type"]), text(&data["used"]))
    };
    let mut told: Vec<_> = hook.wait_for(count).await.iter().map(|told| each(&told.body)).collect();
    told.sort();
    told
}

#[tokio::test]
async fn each_threshold_is_told_of_once_in_a_window() {
    let hook = Hook::start().await;
    let server = Setup::default().env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true").start();
    with_analytics(&server).await;
    let endpoint = json!({"url": hook.url, "event_types": ["quota.warning", "quota.exceeded"]});
    let made = server.post("/v1/webhook-endpoints", endpoint).await;
    assert_eq!(made.status, 201, "{}", made.text);
    subscribe(&server, "acme", "free").await;
    let send = |id: &'static str, value: u32| send(&server, id, value);
    send("a", 799).await;
    send("b", 1).await;
    let warning = (80, "quota.warning".to_owned(), "800".to_owned());
    assert_eq!(told(&hook, 1).await, std::slice::from_ref(&warning));
    // A void does not arm it again.
    assert_eq!(server.delete("/v1/events/b").await.status, 200);
    send("c", 201).await;
    let exceeded = (100, "quota.exceeded".to_owned(), "1000".to_owned());
    assert_eq!(told(&hook, 2).await, [warning, exceeded]);
    send("d", 500).await;
    server.advance("2026-02-01T00:00:00Z").await;
    // Both are reached at once.
    send("e", 1_000).await;
    let all = told(&hook, 4).await;
    assert_eq!(
        all.iter().map(|one| one.0).collect::<Vec<_>>(),
        [80, 80, 100, 100],
        "each once in each month"
    );
}

async fn send(server: &Server, id: &str, value: u32) {
    let event = json!({"id": id, "customer": "acme", "meter": "api.calls", "value": value});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
}
