//! Whose usage subjects' is, and the names that are shown for them.
use crate::support::on_both_servers;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

async fn assign(server: &Server, customer: &str, from: &str) -> Answer {
    let assignment = json!({"customer": customer, "effective_from": from});
    server.post("/v1/subjects/w%2F1/assignments", assignment).await
}

/// An event that names its subject, and what else is given.
fn event(id: &str, more: &Value) -> Value {
    let mut event = json!({"id": id, "subject": "w/1", "meter": "api.calls"});
    for (name, value) in more.as_object().expect("an object") {
        event[name] = value.clone();
    }
    event
}

async fn customer_of(server: &Server, id: &str) -> String {
    let event = server.get(&format!("/v1/events/{id}")).await.json();
    event["customer"].as_str().expect("a customer").to_owned()
}

async fn usage_is_whose_the_subject_is_at_the_events_time(setup: Setup) {
    let mut server = setup.start();
    server.freeze("2026-01-20T00:00:00Z").await;
    for customer in ["owner", "org", "other"] {
        assert_eq!(server.post("/v1/customers", json!({"external_id": customer})).await.status, 201);
    }
    assert_eq!(assign(&server, "org", "2026-01-15T00:00:00Z").await.status, 201);
    let made = assign(&server, "owner", "2026-01-01T00:00:00+00:00").await;
    let expected = json!({"subject": "w/1", "customer": "owner", "effective_from": "2026-01-01T00:00:00.000000Z",
        "created_at": "2026-01-20T00:00:00.000000Z"});
    assert_eq!(made.parts(), (201, expected));
    let cases = [
        ("a", json!({"time": "2026-01-14T23:59:59.999999Z"}), "owner"),
        ("b", json!({"time": "2026-01-15T00:00:00Z"}), "org"),
        ("c", json!({}), "org"),
        ("d", json!({"customer": "other"}), "other"),
        // Whoever meters an application without knowing its customers names the system customer.
        ("e", json!({"customer": "system", "time": "2026-01-02T00:00:00Z"}), "owner"),
        ("f", json!({"customer": "system", "subject": "w2"}), "system"),
        ("h", json!({"customer": "w/1", "time": "2026-01-02T00:00:00Z"}), "owner"),
        ("i", json!({"customer": "w/1", "time": "2025-12-31T00:00:00Z"}), "w/1"),
    ];
    for (id, more, customer) in &cases {
        let answer = server.post("/v1/events", event(id, more)).await;
        assert_eq!(
            (answer.status.as_u16(), customer_of(&server, id).await.as_str()),
            (201, *customer),
            "{id}"
        );
    }
    for more in [json!({"time": "2025-12-31T23:59:59Z"}), json!({"subject": "w2"})] {
        let refused = server.post("/v1/events", event("x", &more)).await;
        let errors = refused.json()["errors"].clone();
        assert_eq!((refused.status.as_u16(), &errors[0]["field"]), (422, &json!("customer")), "{errors}");
        assert_eq!(errors[0]["reason"], "is required: the subject is assigned to no customer at that time");
    }
    // The other project has subjects of its own.
    let foreign = server.request(Method::POST, "/v1/events", LIVE_KEY).json(&event("x", &json!({})));
    assert_eq!(foreign.send().await.expect("an answer").status(), 422);
    // Another customer from the same instant on: events keep theirs, and are repeats when sent again.
    assert_eq!(assign(&server, "other", "2026-01-01T00:00:00Z").await.status, 200);
    server.crash_and_restart();
    let repeated = server.post("/v1/events", event("a", &cases[0].1)).await;
    assert_eq!((repeated.status.as_u16(), customer_of(&server, "a").await.as_str()), (200, "owner"));
    let changed = server
        .post("/v1/events", event("a", &json!({"time": "2026-01-14T23:59:59.999999Z", "value": 2})))
        .await;
    assert_eq!(changed.status, 409);
    let new = server.post("/v1/events", event("g", &cases[0].1)).await;
    assert_eq!((new.status.as_u16(), customer_of(&server, "g").await.as_str()), (201, "other"));
    let listed = server.get("/v1/subjects/w%2F1/assignments?limit=1").await.json();
    assert_eq!(listed["data"][0]["customer"], "org");
    let path = format!(
        "/v1/subjects/w%2F1/assignments?cursor={}",
        listed["next_cursor"].as_str().expect("a cursor")
    );
    let rest = server.get(&path).await.json();
    assert_eq!((&rest["data"][0]["customer"], &rest["next_cursor"]), (&json!("other"), &json!(null)));
    assert_eq!(server.get("/v1/subjects/w%2F1").await.json()["customer"], "org");
    let entries = server.get("/v1/audit?action=subject.assigned").await.json();
    assert_eq!(entries["data"].as_array().map(Vec::len), Some(3), "{entries}");
    assert_eq!(entries["data"][0]["before"]["customer"], "owner", "{entries}");
}
on_both_servers!(usage_is_whose_the_subject_is_at_the_events_time);

#[tokio::test]
async fn bad_assignments_change_nothing() {
    let server = Server::start();
    server.freeze("2026-01-20T00:00:00Z").await;
    assert_eq!(assign(&server, "nobody", "2026-01-01T00:00:00Z").await.status, 404);
    let wrong = assign(&server, "nobody", "2026-01-01").await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["field"]), (422, &json!("effective_from")));
    assert_eq!(server.get("/v1/subjects").await.json()["data"], json!([]));
    assert_eq!(server.get("/v1/subjects/w%2F1/assignments").await.status, 404);
}

async fn an_erased_customer_is_assigned_nothing(setup: Setup) {
    let server = setup.start();
    server.freeze("2026-01-20T00:00:00Z").await;
    assert_eq!(server.post("/v1/customers", json!({"external_id": "org"})).await.status, 201);
    assert_eq!(assign(&server, "org", "2026-01-15T00:00:00Z").await.status, 201);
    assert_eq!(server.patch("/v1/subjects/w%2F1", json!({"display_name": "Jo"})).await.status, 200);
    let asked = server.post("/v1/customers/org/erase", json!({"confirm": "org"})).await.json();
    let path = format!("/v1/erasures/{}", asked["erasure_id"].as_str().expect("an id"));
    while server.get(&path).await.json()["finished_at"].is_null() {}
    let subject = server.get("/v1/subjects/w%2F1").await.json();
    assert_eq!((&subject["customer"], &subject["display_name"]), (&json!(null), &json!(null)));
    assert_eq!(server.get("/v1/subjects/w%2F1/assignments").await.json()["data"], json!([]));
    assert_eq!(server.post("/v1/events", event("a", &json!({}))).await.status, 422);
}
on_both_servers!(an_erased_customer_is_assigned_nothing);

#[tokio::test]
async fn lists_show_where_events_arose() {
    let server = Server::start();
    let contexts = || async {
        let listed = server.get("/v1/events").await.json();
        let contexts = listed["data"].as_array().expect("a list").iter().map(|one| one["context"].clone());
        contexts.rev().collect::<Value>()
    };
    for (id, more) in [
        ("a", json!({})),
        ("b", json!({"source_context": {"type": "workspace", "workspace_name": "W", "display_name": "Own"}})),
        ("c", json!({"subject": null, "source_context": {"type": "admin", "project_name": "P"}})),
        (
            "d",
            json!({"subject": null, "source_context": {"type": "project", "project_name": "P", "workspace_name": "W"}}),
        ),
        ("e", json!({"subject": null, "source_context": {"type": "workspace", "workspace_name": "W"}})),
    ] {
        let mut event = event(id, &more);
        event["customer"] = json!("acme");
        assert_eq!(server.post("/v1/events", event).await.status, 201);
    }
    assert_eq!(contexts().await, json!(["Unknown", "Own", "Admin Panel", "P", "W"]));
    let subject = json!({"subject": "w/1", "display_name": "Team One"});
    let made = server.post("/v1/subjects", subject.clone()).await;
    assert_eq!((made.status.as_u16(), &made.json()["customer"]), (201, &json!(null)));
    assert_eq!(server.post("/v1/subjects", subject).await.status, 409);
    assert_eq!(contexts().await, json!(["Team One", "Own", "Admin Panel", "P", "W"]));
    for (name, shown) in [(json!("Team Two"), "Team Two"), (json!(null), "Unknown")] {
        let changed = server.patch("/v1/subjects/w%2F1", json!({"display_name": name})).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_eq!(server.get("/v1/events/a").await.json()["context"], shown);
    }
    let wrong = server.post("/v1/subjects", json!({"subject": "", "display_name": ""})).await;
    assert_eq!((wrong.status.as_u16(), wrong.json()["errors"].as_array().map(Vec::len)), (422, Some(2)));
    assert_eq!(server.patch("/v1/subjects/w2", json!({"display_name": "x"})).await.status, 404);
}
