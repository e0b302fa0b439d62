use super::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

fn path(subscription: &Value, rest: &str) -> String {
    format!("/v1/subscriptions/{}{rest}", subscription["id"].as_str().expect("an id"))
}

on_both_servers!(a_subscription_lives_through_upgrade_downgrade_and_end);
async fn a_subscription_lives_through_upgrade_downgrade_and_end(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let made = subscribe(&server, "acme", "free").await;
    assert_eq!(
        (&made["status"], &made["plan_version"], &made["current_period_end"]),
        (&json!("active"), &json!(1), &json!("2026-02-10T12:00:00.000000Z"))
    );
    let taken = server.post("/v1/subscriptions", json!({"customer": "acme", "plan": "pro"})).await;
    assert_eq!((taken.status.as_u16(), &taken.json()["code"]), (409, &json!("subscription_open")));
    // No cheaper: at once.
    server.advance("2026-01-20T12:00:00Z").await;
    let pro = server.post(&path(&made, "/change-plan"), json!({"plan": "pro"})).await.json();
    assert_eq!((&pro["plan"], &pro["scheduled"], &pro["version"]), (&json!("pro"), &json!(null), &json!(2)));
    // Cheaper: at the end of the period, and it may be taken back.
    let down = server.post(&path(&made, "/change-plan"), json!({"plan": "free"})).await.json();
    let scheduled =
        json!({"at": "2026-02-10T12:00:00.000000Z", "action": "change", "plan": "free", "plan_version": 1});
    assert_eq!((&down["plan"], &down["scheduled"]), (&json!("pro"), &scheduled));
    assert_eq!(server.delete(&path(&made, "/scheduled")).await.json()["scheduled"], json!(null));
    server.post(&path(&made, "/change-plan"), json!({"plan": "free"})).await;
    let runs = server.advance("2026-02-11T00:00:00Z").await;
    assert!(runs >= 1);
    let free = server.get(&path(&made, "")).await.json();
    assert_eq!((&free["plan"], &free["scheduled"]), (&json!("free"), &json!(null)));
    let phases = server.get(&path(&made, "/phases")).await.json();
    let phases: Vec<(&Value, &Value)> = phases["data"]
        .as_array()
        .expect("phases")
        .iter()
        .map(|one| (&one["starts_at"], &one["plan"]))
        .collect();
    let at = |text: &str| json!(format!("{text}T12:00:00.000000Z"));
    assert_eq!(
        phases,
        [
            (&at("2026-01-10"), &json!("free")),
            (&at("2026-01-20"), &json!("pro")),
            (&at("2026-02-10"), &json!("free"))
        ]
    );
    let paused = server.post(&path(&made, "/pause"), json!({})).await.json();
    assert_eq!(paused["status"], "paused");
    assert_eq!(server.post(&path(&made, "/pause"), json!({})).await.json()["code"], "subscription_state");
    assert_eq!(server.post(&path(&made, "/resume"), json!({})).await.json()["status"], "active");
    let leaving = server.post(&path(&made, "/cancel"), json!({})).await.json();
    assert_eq!(leaving["scheduled"]["action"], "cancel");
    server.advance("2026-03-11T00:00:00Z").await;
    let gone = server.get(&path(&made, "")).await.json();
    assert_eq!(
        (&gone["status"], &gone["ended_at"], &gone["current_period_end"]),
        (&json!("canceled"), &json!("2026-03-10T12:00:00.000000Z"), &json!(null))
    );
    let after = server.post(&path(&made, "/change-plan"), json!({"plan": "pro"})).await;
    assert_eq!((after.status.as_u16(), &after.json()["code"]), (409, &json!("subscription_state")));
    subscribe(&server, "acme", "pro").await;
    let list = server.get("/v1/subscriptions?customer=acme&status=active").await.json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
    let runs = server.get("/v1/jobs/runs").await.json();
    let due = runs["data"].as_array().expect("runs").iter().filter(|run| run["job"] == "subscriptions");
    assert_eq!(due.map(|run| run["result"].clone()).collect::<Vec<_>>(), ["succeeded", "succeeded"]);
    let audit = server.get("/v1/audit?action=subscription.ended").await.json();
    assert_eq!((&audit["data"][0]["actor"], &audit["data"][0]["object"]), (&json!("system"), &made["id"]));
}

#[tokio::test]
async fn a_trial_is_followed_by_billing_or_by_nothing_at_its_very_end() {
    let server = Server::start();
    with_analytics(&server).await;
    let tried = |customer: &str, after: &str| json!({"customer": customer, "plan": "pro", "trial_days": 7, "after_trial": after});
    let on = server.post("/v1/subscriptions", tried("on", "activate")).await.json();
    let off = server.post("/v1/subscriptions", tried("off", "expire")).await.json();
    assert_eq!(
        (&on["status"], &on["trial_ends_at"]),
        (&json!("trialing"), &json!("2026-01-17T12:00:00.000000Z"))
    );
    server.advance("2026-01-17T11:59:59.999999Z").await;
    assert_eq!(server.get(&path(&off, "")).await.json()["status"], "trialing");
    server.advance("2026-01-17T12:00:00Z").await;
    let (on, off) = (server.get(&path(&on, "")).await.json(), server.get(&path(&off, "")).await.json());
    assert_eq!((&on["status"], &off["status"]), (&json!("active"), &json!("expired")));
    assert_eq!(on["current_period_end"], "2026-02-17T12:00:00.000000Z", "the anchor is the trial's end");
}

#[tokio::test]
async fn of_two_who_subscribe_a_customer_at_once_one_does() {
    let server = Server::start();
    with_analytics(&server).await;
    let all = (0..8).map(|_| server.post("/v1/subscriptions", json!({"customer": "a", "plan": "free"})));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 7);
}

#[tokio::test]
async fn what_is_wrong_with_a_subscription_is_told_at_once() {
    let server = Server::start();
    with_analytics(&server).await;
    let wrong = json!({"customer": "a", "plan": "x y", "trial_days": 9999, "after_trial": "stop", "collection": "me"});
    let refused = server.post("/v1/subscriptions", wrong).await.json();
    let fields: Vec<&Value> =
        refused["errors"].as_array().expect("errors").iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, ["plan", "after_trial", "collection", "trial_days"]);
    for (body, field) in [
        (json!({"customer": "a", "plan": "gold"}), "plan"),
        (json!({"customer": "a", "plan": "pro", "plan_version": 2}), "plan_version"),
    ] {
        let refused = server.post("/v1/subscriptions", body).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["field"]), (422, &json!(field)));
    }
    let nobody = server
        .post("/v1/subscriptions", json!({"customer": format!("cus_{}", "0".repeat(32)), "plan": "pro"}));
    assert_eq!(nobody.await.status, 404);
    server.post("/v1/plans", json!({"key": "euro", "currency": "EUR", "interval": "month"})).await;
    let made = subscribe(&server, "a", "pro").await;
    let other = server.post(&path(&made, "/change-plan"), json!({"plan": "euro"})).await;
    assert_eq!((other.status.as_u16(), &other.json()["code"]), (409, &json!("currency_differs")));
    let stale =
        server.request(reqwest::Method::POST, &path(&made, "/cancel"), crate::support::server::TEST_KEY);
    let stale = stale.header("if-match", "7").json(&json!({"when": "now"})).send().await.expect("an answer");
    assert_eq!(stale.status(), 409);
}
