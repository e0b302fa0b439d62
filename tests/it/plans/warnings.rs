use super::users::World;
use super::{subscribe, with_analytics};
use crate::accounts::{next_mail, outbox};
use crate::support::hook::Hook;
use crate::support::on_both_servers;
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

async fn each_mark_of_a_quota_is_mailed_once_to_whose_it_is(setup: Setup) {
    let world = World::start(setup).await;
    let mut seen = std::collections::BTreeSet::new();
    let first = next_mail(&world.server, &mut seen).await;
    assert!(first.contains("Please confirm your e-mail address"), "{first}");
    world.used("messages", json!(79)).await;
    world.used("messages", json!(1)).await;
    let warning = next_mail(&world.server, &mut seen).await;
    assert!(warning.contains("To: ann@example.com") && warning.contains("used most of a quota"), "{warning}");
    let told = "80 % of messages in your plan Free trial is used: 80 of 100.";
    assert!(warning.contains(told) && warning.contains("2026-02-01T00:00:00.000000Z"), "{warning}");
    world.used("messages", json!(10)).await;
    // From nothing to beyond both marks: one mail.
    world.used("llm_tokens", json!(1_500)).await;
    let exceeded = next_mail(&world.server, &mut seen).await;
    assert!(exceeded.contains("used up a quota"), "{exceeded}");
    assert!(
        exceeded.contains("100 % of llm_tokens in your plan Free trial is used: 1500 of 1000."),
        "{exceeded}"
    );
    world.used("messages", json!(30)).await;
    let exceeded = next_mail(&world.server, &mut seen).await;
    assert!(
        exceeded.contains("100 % of messages in your plan Free trial is used: 120 of 100."),
        "{exceeded}"
    );
    // The next day tokens are counted anew, and this is the next mail that there is.
    world.server.advance("2026-01-11T00:00:00Z").await;
    world.used("llm_tokens", json!(800)).await;
    let again = next_mail(&world.server, &mut seen).await;
    assert!(again.contains("80 % of llm_tokens in your plan Free trial is used: 800 of 1000."), "{again}");
    assert_eq!(outbox(&world.server), seen, "no other");
}
on_both_servers!(each_mark_of_a_quota_is_mailed_once_to_whose_it_is);
