//! Making, changing and deleting alerts.
use super::{alert, notices, notices_now, on_calls, send, settled};
use crate::plans::with_analytics;
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

fn fields(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 422, "{}", answer.text);
    let mut fields: Vec<String> = answer.json()["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|one| one["field"].as_str().expect("a field").to_owned())
        .collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn every_fault_is_told_at_once() {
    let server = Server::start();
    with_analytics(&server).await;
    let wrong = json!({"name": "", "kind": "spend", "customer": "nobody", "subject": "s", "meter": "api.calls",
        "threshold": "-1", "unit": "percent", "period": "month", "currency": "XXY",
        "channels": ["sms", "webhook"], "recipients": ["nobody", "ann@example.com"],
        "webhook_url": "http://127.0.0.1/hook"});
    let refused = server.post("/v1/alerts", wrong).await;
    let all = [
        "budget",
        "channels[0]",
        "currency",
        "currency",
        "customer",
        "meter",
        "name",
        "period",
        "recipients",
        "recipients[0]",
        "subject",
        "threshold",
        "webhook_url",
    ];
    assert_eq!(fields(&refused), all, "{}", refused.text);
    for (body, field) in [
        (on_calls("0", json!({})), "threshold"),
        (on_calls("1", json!({"meter": null})), "meter"),
        (on_calls("1", json!({"meter": "no.such"})), "meter"),
        (on_calls("1", json!({"subject": "w", "unit": "percent"})), "unit"),
        (on_calls("1", json!({"subject": "w", "period": "billing_period"})), "period"),
        (on_calls("1", json!({"budget": {"amount": "5", "currency": "USD"}})), "budget"),
        (on_calls("1", json!({"channels": []})), "channels"),
        (on_calls("1", json!({"webhook_url": "https://example.com/"})), "webhook_url"),
        (json!({"kind": "balance", "threshold": "-0.01", "channels": ["in_app"]}), "threshold"),
        (
            json!({"kind": "spend", "threshold": "1", "unit": "percent", "channels": ["in_app"],
                "budget": {"amount": "0", "currency": "USD"}}),
            "budget.amount",
        ),
    ] {
        assert_eq!(fields(&server.post("/v1/alerts", body).await), [field]);
    }
    assert_eq!(server.get("/v1/alerts").await.json()["data"], json!([]), "nothing was made");
    let id = alert(&server, on_calls("5", json!({}))).await;
    let path = format!("/v1/alerts/{id}");
    let wrong = json!({"threshold": "x", "channels": ["fax"], "name": ""});
    assert_eq!(fields(&server.patch(&path, wrong.clone()).await), ["channels[0]", "name", "threshold"]);
    let stale = server.request(Method::PATCH, &path, TEST_KEY).header("if-match", "x").json(&wrong);
    let stale = Answer::of(stale.send().await).await;
    assert_eq!(fields(&stale), ["If-Match", "channels[0]", "name", "threshold"]);
    for (name, query) in [("kind", "kind=all"), ("limit", "limit=0"), ("cursor", "cursor=!")] {
        assert_eq!(fields(&server.get(&format!("/v1/alerts?{query}")).await), [name]);
    }
    assert_eq!(fields(&server.get("/v1/alert-notices?read=maybe&limit=0").await), ["limit", "read"]);
}

async fn an_alert_is_changed_and_what_it_watches_begins_anew(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    send(&server, "a", "acme", 60).await;
    let id = alert(&server, on_calls("50", json!({"name": "Fifty", "customer": "acme"}))).await;
    notices(&server, &id, 1).await;
    let path = format!("/v1/alerts/{id}");
    let change = async |body: Value| {
        let changed = server.patch(&path, body).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        changed.json()
    };
    // Another name, or a pause, does not arm it.
    let changed = change(json!({"name": null, "enabled": false})).await;
    assert_eq!(
        (&changed["name"], &changed["enabled"], &changed["version"]),
        (&Value::Null, &json!(false), &json!(2))
    );
    change(json!({"enabled": true})).await;
    assert_eq!(settled(&server, &id, "2026-01-10T12:00:01Z").await, 1);
    let changed = change(json!({"threshold": "60"})).await;
    assert_eq!((&changed["threshold"], &changed["period"]), (&json!("60"), &json!("billing_period")));
    assert_eq!(notices(&server, &id, 2).await[0]["bound"], "60");
    let stale = server.request(Method::PATCH, &path, TEST_KEY).header("if-match", "1").json(&json!({}));
    assert_eq!(Answer::of(stale.send().await).await.parts().1["code"], "stale");
    // What only a channel needs goes with it.
    let mailed =
        change(json!({"channels": ["mail"], "recipients": ["Ann@Example.com", "ann@example.com"]})).await;
    assert_eq!(mailed["recipients"], json!(["ann@example.com"]));
    assert_eq!(change(json!({"channels": ["in_app"]})).await["recipients"], json!([]));
    let audit = server.get("/v1/audit?action=alert.updated").await;
    assert!(audit.text.contains("\"threshold\":\"60\"") && audit.text.contains(&id), "{}", audit.text);
    // What it told of stays when it goes.
    let gone = server.delete(&path).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    for answer in [server.get(&path).await, server.delete(&path).await] {
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (404, &json!("not_found")));
    }
    assert_eq!(notices_now(&server, &id).await.len(), 2);
}
on_both_servers!(an_alert_is_changed_and_what_it_watches_begins_anew);

#[tokio::test]
async fn lists_have_filters_and_pages() {
    let server = Server::start();
    with_analytics(&server).await;
    for name in ["acme", "beta"] {
        send(&server, name, name, 5).await;
    }
    let mut ids = Vec::new();
    for customer in [json!("acme"), json!("beta"), Value::Null] {
        ids.push(alert(&server, on_calls("5", json!({"customer": customer}))).await);
    }
    let low = json!({"kind": "balance", "threshold": "1", "channels": ["in_app"]});
    ids.push(alert(&server, low).await);
    let listed = async |query: &str| {
        let list = server.get(&format!("/v1/alerts?{query}")).await.json();
        let found = list["data"].as_array().expect("a list").iter();
        let found: Vec<String> = found.map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
        (found, list["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(listed("").await.0, ids);
    assert_eq!(listed("customer=beta").await.0, ids[1..2]);
    assert_eq!(listed("kind=balance").await.0, ids[3..]);
    let (first, cursor) = listed("limit=3").await;
    let (rest, none) = listed(&format!("limit=3&cursor={}", cursor.expect("more"))).await;
    assert_eq!(([first, rest].concat(), none), (ids.clone(), None));
    // The one about everybody fired for both.
    notices(&server, &ids[2], 2).await;
    notices(&server, &ids[0], 1).await;
    notices(&server, &ids[1], 1).await;
    let all = server.get("/v1/alert-notices").await.json()["data"].clone();
    let page = server.get("/v1/alert-notices?limit=3").await.json();
    let next = page["next_cursor"].as_str().expect("more");
    let rest = server.get(&format!("/v1/alert-notices?limit=3&cursor={next}")).await.json();
    let paged: Vec<Value> =
        [&page, &rest].iter().flat_map(|page| page["data"].as_array().expect("a list").clone()).collect();
    assert_eq!((paged.len(), json!(paged)), (4, all));
    let read = async |query: &str| {
        let list = server.get(&format!("/v1/alert-notices?{query}")).await.json();
        list["data"].as_array().expect("a list").len()
    };
    assert_eq!((read("customer=acme").await, read("read=false").await), (2, 4));
    let id = page["data"][0]["id"].as_str().expect("an id");
    let marked = server.post(&format!("/v1/alert-notices/{id}/read"), json!({})).await;
    assert_eq!(
        (marked.status.as_u16(), &marked.json()["read_at"]),
        (200, &json!("2026-01-10T12:00:00.000000Z"))
    );
    assert_eq!((read("read=true").await, read("read=false").await), (1, 3));
    let none = server.post(&format!("/v1/alert-notices/aln_{}/read", "0".repeat(32)), json!({})).await;
    assert_eq!(none.status, 404);
}
