//! Alerts in system B's words.
use super::{ask, prepare, record, storage};
use crate::support::hook::Hook;
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

/// Makes an alert, and answers its document.
async fn make(server: &Server, body: Value) -> Value {
    let answer = server.post("/api/usage/alerts", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["data"].take()
}

/// The alerts of a workspace, once the first of them fired.
async fn once_fired(server: &Server, query: &str) -> Value {
    for _ in 0..20_000 {
        let listed = ask(server, &format!("alerts?{query}")).await;
        if listed["documents"][0]["lastTriggeredAt"].is_string() {
            return listed;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never fired: {}", server.log());
}

async fn an_alert_has_system_bs_shape_and_fires_at_what_the_summary_shows(setup: Setup) {
    let server = setup.env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true").start();
    prepare(&server, "2026-02-10T00:00:00Z").await;
    assert_eq!(ask(&server, "alerts?workspaceId=w1").await, json!({"documents": [], "total": 0}));
    let hook = Hook::start().await;
    let body = json!({"workspaceId": "w1", "resourceType": "traffic", "threshold": 1.5, "alertType": "webhook",
        "isEnabled": true, "webhookUrl": hook.url});
    let made = make(&server, body).await;
    let keys = server.get("/v1/alerts").await.json();
    let native = &keys["data"][0];
    let expected = json!({"$id": native["id"], "workspaceId": "w1", "resourceType": "traffic", "threshold": 1.5,
        "alertType": "webhook", "isEnabled": true, "webhookUrl": hook.url, "createdBy": native["created_by"]});
    assert_eq!(made.to_string(), expected.to_string());
    assert_eq!((&native["threshold"], &native["subject"]), (&json!("1610612736"), &json!("w1")));
    assert_eq!((&native["period"], &native["unit"]), (&json!("month"), &json!("absolute")));
    let traffic =
        |bytes: u64| json!({"workspaceId": "w1", "resourceType": "traffic", "units": bytes, "source": "api"});
    record(&server, traffic((3 << 29) - 1)).await;
    server.advance("2026-02-10T00:00:01Z").await;
    assert_eq!(ask(&server, "alerts?workspaceId=w1").await, json!({"documents": [expected], "total": 1}));
    record(&server, traffic(1)).await;
    let told = hook.wait_for(1).await.remove(0).body;
    assert_eq!((&told["type"], &told["data"]["subject"]), (&json!("alert.triggered"), &json!("w1")));
    let mut fired = expected;
    fired["lastTriggeredAt"] = json!("2026-02-10T00:00:01.000Z");
    let listed = once_fired(&server, "workspaceId=w1").await;
    assert_eq!(listed.to_string(), json!({"documents": [fired], "total": 1}).to_string());
    assert_eq!(ask(&server, "dashboard?workspaceId=w1").await["alerts"], listed);
    assert_eq!(ask(&server, "dashboard?workspaceId=w2").await["alerts"]["total"], 0);
    let (path, id) = (format!("/api/usage/alerts/{}", made["$id"].as_str().expect("an id")), &made["$id"]);
    let changed =
        server.patch(&path, json!({"threshold": 2, "alertType": "in_app", "isEnabled": false})).await;
    let expected = json!({"$id": id, "workspaceId": "w1", "resourceType": "traffic", "threshold": 2,
        "alertType": "in_app", "isEnabled": false, "createdBy": native["created_by"],
        "lastTriggeredAt": "2026-02-10T00:00:01.000Z"});
    assert_eq!((changed.status.as_u16(), changed.json()["data"].to_string()), (200, expected.to_string()));
    assert_eq!(server.delete(&path).await.parts(), (200, json!({"data": {"$id": id}})));
    assert_eq!(server.delete(&path).await.parts(), (404, json!({"error": "Alert not found"})));
    assert_eq!(ask(&server, "alerts?workspaceId=w1").await["total"], 0);
}
on_both_servers!(an_alert_has_system_bs_shape_and_fires_at_what_the_summary_shows);

#[tokio::test]
async fn storage_is_the_mean_of_the_month_and_compute_is_weighted() {
    let server = Server::start();
    prepare(&server, "2026-02-15T00:00:00Z").await;
    let alert = |resource: &str, threshold: f64| json!({"workspaceId": "w1", "resourceType": resource, "threshold": threshold, "alertType": "in_app"});
    let held = make(&server, alert("storage", 5.0)).await;
    let compute = make(&server, alert("compute", 2.5)).await;
    assert_eq!(held["isEnabled"], true, "unless it says otherwise");
    // 10 GB from now on: their mean over the month reaches 5 GB when half of the time has passed with them.
    record(&server, storage("2026-02-15T00:00:00Z", 10)).await;
    let event = json!({"workspaceId": "w1", "resourceType": "compute", "units": 1, "source": "job", "metadata": {"jobType": "export"}});
    record(&server, event).await;
    let fired = |listed: &Value, id: &Value| {
        let mut all = listed["documents"].as_array().expect("a list").iter();
        all.find(|one| one["$id"] == *id).expect("there")["lastTriggeredAt"].is_string()
    };
    server.advance("2026-02-28T23:59:59Z").await;
    let listed = ask(&server, "alerts?workspaceId=w1").await;
    assert_eq!((fired(&listed, &held["$id"]), fired(&listed, &compute["$id"])), (false, true));
    let only = ask(&server, "alerts?workspaceId=w1&resourceType=compute&limit=1").await;
    assert_eq!((&only["total"], &only["documents"][0]["$id"]), (&json!(1), &compute["$id"]));
    let second = ask(&server, "alerts?workspaceId=w1&limit=1&offset=1").await;
    assert_eq!((&second["total"], &second["documents"][0]["$id"]), (&json!(2), &compute["$id"]));
    // In March all of it was held all the time.
    server.advance("2026-03-02T00:00:00Z").await;
    assert!(fired(&ask(&server, "alerts?workspaceId=w1").await, &held["$id"]));
}

#[tokio::test]
async fn an_organisation_has_alerts_of_its_own_and_of_its_workspaces() {
    let server = Server::start();
    prepare(&server, "2026-02-15T00:00:00Z").await;
    let alert = |whose: Value| {
        let mut body = json!({"resourceType": "traffic", "threshold": 1, "alertType": "in_app"});
        body.as_object_mut().expect("an object").extend(whose.as_object().expect("an object").clone());
        body
    };
    let of_all = make(&server, alert(json!({"organizationId": "org"}))).await;
    let of_one = make(&server, alert(json!({"workspaceId": "w1", "organizationId": "org"}))).await;
    assert_eq!((&of_all["organizationId"], &of_all["workspaceId"]), (&json!("org"), &Value::Null));
    assert_eq!((&of_one["organizationId"], &of_one["workspaceId"]), (&json!("org"), &json!("w1")));
    let used = |workspace: &str| json!({"workspaceId": workspace, "organizationId": "org", "resourceType": "traffic", "units": 1 << 29, "source": "api"});
    record(&server, used("w1")).await;
    record(&server, used("w2")).await;
    let listed = once_fired(&server, "organizationId=org").await;
    assert_eq!(listed["total"], 2);
    assert_eq!(listed["documents"][1]["lastTriggeredAt"], Value::Null, "half of it was another's");
    record(&server, used("w1")).await;
    let listed = once_fired(&server, "workspaceId=w1").await;
    assert_eq!((&listed["total"], &listed["documents"][0]["$id"]), (&json!(1), &of_one["$id"]));
}

#[tokio::test]
async fn faults_are_told_in_system_bs_words() {
    let server = Server::start();
    server.freeze("2026-02-10T00:00:00Z").await;
    let body = json!({"workspaceId": "w1", "resourceType": "traffic", "threshold": 1, "alertType": "email"});
    let unprepared = server.post("/api/usage/alerts", body.clone()).await;
    assert!(unprepared.status == 503 && unprepared.text.contains("reckoner catalog apply workspace"));
    prepare(&server, "2026-02-10T00:00:00Z").await;
    let all = "Either workspaceId or organizationId is required; resourceType must be one of traffic, storage, compute; \
               threshold must be a number greater than 0; alertType must be one of email, in_app, webhook; \
               isEnabled must be a boolean; webhookUrl must begin with http:// or https://";
    let wrong = json!({"threshold": 0, "isEnabled": "yes", "webhookUrl": "ftp://x/"});
    let path = "/api/usage/alerts";
    assert_eq!(server.post(path, wrong).await.parts(), (400, json!({"error": all})));
    for (field, value, told) in [
        ("threshold", json!("1"), "threshold must be a number greater than 0"),
        ("threshold", json!(1e17), "threshold is too large"),
        ("webhookUrl", json!("https://example.com/x"), "webhookUrl is only for the alertType webhook"),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        assert_eq!(server.post(path, wrong).await.parts(), (400, json!({"error": told})));
    }
    let mut private = body.clone();
    (private["alertType"], private["webhookUrl"]) = (json!("webhook"), json!("http://127.0.0.1/"));
    let told = json!({"error": "webhookUrl the host is not a public address"});
    assert_eq!(server.post(path, private).await.parts(), (400, told));
    let neither = json!({"error": "Either workspaceId or organizationId is required"});
    assert_eq!(server.get(path).await.parts(), (400, neither));
    assert_eq!(
        server.post(path, json!([])).await.parts(),
        (400, json!({"error": "Request body must be a JSON object"}))
    );
    let made = make(&server, body).await;
    let path = format!("{path}/{}", made["$id"].as_str().expect("an id"));
    let wrong = json!({"threshold": -1, "alertType": "sms", "resourceType": "water"});
    let told = "resourceType must be one of traffic, storage, compute; threshold must be a number greater than 0; \
                alertType must be one of email, in_app, webhook";
    assert_eq!(server.patch(&path, wrong).await.status, 400);
    let answer =
        server.patch(&path, json!({"threshold": -1, "alertType": "sms", "resourceType": "water"})).await;
    assert_eq!(answer.parts(), (400, json!({"error": told})));
    let gone = server.patch("/api/usage/alerts/x", json!({})).await;
    assert_eq!(gone.parts(), (404, json!({"error": "Alert not found"})));
}
