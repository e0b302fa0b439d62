//! How somebody is told: by webhook, by mail, in the list.
use super::{alert, notices, on_calls, send, settled};
use crate::accounts::{next_mail, outbox};
use crate::plans::with_analytics;
use crate::support::hook::Hook;
use crate::support::on_both_servers;
use crate::support::server::Setup;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn webhooks_go_to_the_projects_endpoints_or_to_one_of_their_own(setup: Setup) {
    let server = setup.env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true").start();
    with_analytics(&server).await;
    let (all, own) = (Hook::start().await, Hook::start().await);
    let endpoint = json!({"url": all.url});
    assert_eq!(server.post("/v1/webhook-endpoints", endpoint).await.status, 201);
    let silent = alert(&server, on_calls("5", json!({"customer": null}))).await;
    let name = json!({"name": "Five", "channels": ["webhook"]});
    let shared = alert(&server, on_calls("5", name)).await;
    let elsewhere = json!({"channels": ["webhook"], "webhook_url": own.url});
    let first = alert(&server, on_calls("5", elsewhere.clone())).await;
    let second = alert(&server, on_calls("7", elsewhere)).await;
    send(&server, "a", "acme", 5).await;
    let told = all.wait_for(1).await;
    let body = &told[0].body;
    assert_eq!((&body["type"], told[0].project.as_str()), (&json!("alert.triggered"), "test"));
    let notice = notices(&server, &shared, 1).await.remove(0);
    let data = json!({"id": notice["id"], "alert": shared, "name": "Five", "kind": "usage", "customer": "acme",
        "subject": null, "meter": "api.calls", "threshold": "5", "unit": "absolute", "bound": "5", "value": "5",
        "currency": null, "period_start": "2026-01-01T00:00:00.000000Z",
        "period_end": "2026-02-01T00:00:00.000000Z", "triggered_at": "2026-01-10T12:00:00.000000Z"});
    assert_eq!(body["data"], data);
    assert_eq!(own.wait_for(1).await[0].body["data"]["alert"], json!(first));
    send(&server, "b", "acme", 2).await;
    assert_eq!(own.wait_for(2).await[1].body["data"]["alert"], json!(second));
    assert_eq!(notices(&server, &silent, 1).await[0]["channels"], json!(["in_app"]));
    assert_eq!(settled(&server, &shared, "2026-01-10T12:00:01Z").await, 1);
    assert_eq!(
        (all.wait_for(1).await.len(), own.wait_for(2).await.len()),
        (1, 2),
        "each once, and no other's"
    );
    // Both alerts share an endpoint, which goes with the last of them.
    let of =
        async |id: &str| server.get(&format!("/v1/alerts/{id}")).await.json()["webhook_endpoint"].clone();
    let endpoint = of(&first).await;
    assert_eq!(of(&second).await, endpoint);
    let path = format!("/v1/webhook-endpoints/{}", endpoint.as_str().expect("an endpoint"));
    assert_eq!(server.get(&path).await.json()["event_types"], json!(["alert.own"]));
    assert_eq!(server.delete(&format!("/v1/alerts/{first}")).await.status, 204);
    assert_eq!(server.get(&path).await.status, 200);
    let moved = server.patch(&format!("/v1/alerts/{second}"), json!({"webhook_url": null})).await;
    assert_eq!((moved.status.as_u16(), &moved.json()["webhook_endpoint"]), (200, &Value::Null));
    assert_eq!(server.get(&path).await.status, 404);
}
on_both_servers!(webhooks_go_to_the_projects_endpoints_or_to_one_of_their_own);

async fn mails_go_to_whom_an_alert_names_or_to_who_runs_the_project(setup: Setup) {
    let server = setup
        .env("RECKONER_BOOTSTRAP_ADMIN_EMAIL", "root@example.com")
        .env("RECKONER_BOOTSTRAP_ADMIN_PASSWORD", "a password of the first")
        .start();
    with_analytics(&server).await;
    let mut seen = outbox(&server);
    let named = json!({"name": "Most <of> it", "channels": ["mail", "in_app"], "recipients": ["ann@example.com", "bob@example.com"]});
    alert(&server, on_calls("5", named)).await;
    send(&server, "a", "acme", 6).await;
    let mails = [next_mail(&server, &mut seen).await, next_mail(&server, &mut seen).await];
    let to: BTreeSet<&str> = mails
        .iter()
        .filter_map(|mail| mail.lines().find_map(|line| line.strip_prefix("To: ")))
        .map(str::trim)
        .collect();
    assert_eq!(to, BTreeSet::from(["ann@example.com", "bob@example.com"]));
    for mail in &mails {
        assert!(mail.contains("Subject: An alert was triggered"), "{mail}");
        let told = "Usage of api.calls of acme is 6, at or above the threshold of 5.";
        assert!(mail.contains(told) && mail.contains("\"Most <of> it\""), "{mail}");
        assert!(mail.contains("2026-01-01T00:00:00.000000Z") && !mail.contains("<of> it\u{201d}"), "{mail}");
    }
    let of_all = alert(&server, on_calls("6", json!({"channels": ["mail"]}))).await;
    let mail = next_mail(&server, &mut seen).await;
    assert!(mail.contains("To: root@example.com"), "{mail}");
    assert_eq!(settled(&server, &of_all, "2026-01-10T12:00:01Z").await, 1);
    assert_eq!(outbox(&server), seen, "no other");
}
on_both_servers!(mails_go_to_whom_an_alert_names_or_to_who_runs_the_project);
