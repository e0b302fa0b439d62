//! One project never sees another's objects.
use super::described;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn ask(server: &Server, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let mut request = server.request(Method::from_bytes(method.as_bytes()).expect("a method"), path, key);
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::of(request.send().await).await
}

async fn made(server: &Server, path: &str, body: Value) -> Value {
    let answer = ask(server, LIVE_KEY, "POST", path, Some(&body)).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    answer.json()
}

/// Starts the charging of overage.
const CRON_SECRET: &str = "cron-proof-of-the-tests-0123456789abcdef";

/// A server on which that can be started.
fn start() -> Server {
    Setup::default().env("CRON_SECRET", CRON_SECRET).start()
}

/// Objects of project `live`, one of each kind, by the pattern of their path.
async fn objects(server: &Server) -> BTreeMap<&'static str, String> {
    made(server, "/v1/meters", json!({"key": "of.live", "aggregation": "sum"})).await;
    let customer = made(server, "/v1/customers", json!({"external_id": "acme"})).await;
    made(server, "/v1/events", json!({"id": "e1", "customer": "acme", "meter": "of.live", "value": 3})).await;
    let hook = json!({"url": "https://example.com/hook"});
    let endpoint = text(&made(server, "/v1/webhook-endpoints", hook).await["id"]);
    let pinged = made(server, &format!("/v1/webhook-endpoints/{endpoint}/ping"), json!({})).await;
    let key = made(server, "/v1/api-keys", json!({"scopes": ["read"]})).await;
    let invitation =
        made(server, "/v1/invitations", json!({"email": "a@example.com", "role": "admin"})).await;
    let member = json!({"email": "b@example.com", "password": "correct horse battery"});
    let member = made(server, "/auth/register", member).await;
    made(server, "/v1/customers", json!({"external_id": "gone"})).await;
    let erasure = made(server, "/v1/customers/gone/erase", json!({"confirm": "gone"})).await;
    made(server, "/aggregations/trigger", json!({})).await;
    let aggregation = loop {
        let listed = ask(server, LIVE_KEY, "GET", "/v1/aggregations", None).await.json();
        if let Some(first) = listed["data"].as_array().and_then(|data| data.first()) {
            break text(&first["id"]);
        }
    };
    let sso = json!([{"feature": "sso", "type": "boolean"}]);
    let plan = json!({
        "key": "of.live", "currency": "USD", "interval": "month", "base_price": "5.00", "entitlements": sso,
    });
    made(server, "/v1/plans", plan).await;
    made(server, "/v1/coupons", json!({"key": "of.live", "percent": "5"})).await;
    let subscription = json!({"customer": "acme", "plan": "of.live"});
    let subscription = made(server, "/v1/subscriptions", subscription).await;
    let closed = server.bare(Method::POST, "/api/cron/process-overage");
    let closed = closed.header("authorization", format!("Bearer {CRON_SECRET}")).send().await;
    assert_eq!(Answer::of(closed).await.status, 200);
    let invoices = ask(server, LIVE_KEY, "GET", "/v1/invoices", None).await.json();
    let billed = text(&invoices["data"][0]["id"]);
    let part = json!({"lines": [{"line": 0, "amount": "0.01"}]});
    let credit = made(server, &format!("/v1/invoices/{billed}/credit-notes"), part).await;
    made(server, "/v1/subjects", json!({"subject": "of.live", "display_name": "Live"})).await;
    let assignment = json!({"customer": "acme", "effective_from": "2026-01-01T00:00:00Z"});
    made(server, "/v1/subjects/of.live/assignments", assignment).await;
    let of_month = invoice_of_a_month(server).await;
    let lease = json!({"customer": "acme", "meter": "of.live", "value": "5"});
    let lease = made(server, "/v1/entitlements/leases", lease).await;
    let (alert, notice) = alert_that_fired(server).await;
    BTreeMap::from([
        ("/v1/alerts/{id}", alert.clone()),
        ("/api/usage/alerts/{id}", alert),
        ("/v1/alert-notices/{id}", notice),
        ("/v1/plans/{key}", "of.live".to_owned()),
        ("/v1/coupons/{key}", "of.live".to_owned()),
        ("/v1/subscriptions/{id}", text(&subscription["id"])),
        ("/v1/invoices/{id}", billed),
        ("/v1/credit-notes/{id}", text(&credit["id"])),
        ("/api/usage/invoices/{id}", of_month),
        ("/v1/entitlements/leases/{lease_id}", text(&lease["lease_id"])),
        ("/v1/subjects/{subject}", "of.live".to_owned()),
        ("/v1/events/{id}", "e1".to_owned()),
        ("/v1/meters/{key}", "of.live".to_owned()),
        ("/v1/customers/{customer}", text(&customer["id"])),
        ("/v1/erasures/{id}", text(&erasure["erasure_id"])),
        ("/v1/aggregations/{id}", aggregation),
        ("/v1/webhook-endpoints/{id}", endpoint),
        ("/v1/webhook-deliveries/{id}", text(&pinged["data"][0]["id"])),
        ("/v1/api-keys/{id}", text(&key["id"])),
        ("/v1/invitations/{id}", text(&invitation["id"])),
        ("/v1/members/{user}", text(&member["user"]["id"])),
    ])
}

/// An alert on what was used already, and what it told of.
async fn alert_that_fired(server: &Server) -> (String, String) {
    // The event came before the customer's billing period.
    let alert = json!({"kind": "usage", "meter": "of.live", "period": "month", "threshold": "3", "channels": ["in_app"]});
    let alert = text(&made(server, "/v1/alerts", alert).await["id"]);
    for _ in 0..20_000 {
        let listed = ask(server, LIVE_KEY, "GET", "/v1/alert-notices", None).await.json();
        if let Some(first) = listed["data"].as_array().and_then(|data| data.first()) {
            return (alert, text(&first["id"]));
        }
    }
    panic!("it never fired: {}", server.log());
}

/// One of system B.
async fn invoice_of_a_month(server: &Server) -> String {
    made(server, "/v1/catalog/apply", crate::workspace::catalogue()).await;
    let bytes = json!({"workspaceId": "of.live", "resourceType": "traffic", "units": 7, "source": "api"});
    let period = text(&made(server, "/api/usage/events", bytes).await["data"]["timestamp"]);
    let month = json!({"workspaceId": "of.live", "period": period[..7]});
    text(&made(server, "/api/usage/invoices/generate", month).await["data"]["$id"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A body that the route takes, so that only the object's absence can be its answer.
fn body(pattern: &str, method: &str) -> Option<Value> {
    let euro = json!({"amount": "1.00", "currency": "EUR"});
    let month = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"});
    match (method, pattern.rsplit('/').next()) {
        ("POST", Some("query" | "replay")) => Some(month),
        ("POST", Some("report" | "return")) => Some(json!({"used": "1"})),
        ("POST", Some("top-ups" | "refunds" | "deductions" | "deduct")) => Some(json!({"amount": euro})),
        ("POST", Some("coupons")) => Some(json!({"coupon": "of.live"})),
        ("POST", Some("credit-notes")) => Some(json!({"lines": [{"line": 0, "amount": "0.01"}]})),
        ("POST", Some("holds")) => Some(json!({"amount": euro, "hold": "h"})),
        ("POST", Some("change-plan")) => Some(json!({"plan": "of.live"})),
        ("POST", Some("assignments")) => {
            Some(json!({"customer": "acme", "effective_from": "2026-01-01T00:00:00Z"}))
        }
        ("POST", Some("erase")) => Some(json!({"confirm": "acme"})),
        ("PATCH", Some("{user}")) => Some(json!({"role": "admin"})),
        ("POST" | "PUT" | "PATCH", _) => Some(json!({})),
        _ => None,
    }
}

#[tokio::test]
async fn objects_of_one_project_are_absent_for_the_other() {
    let server = start();
    let objects = objects(&server).await;
    let mut walked = 0;
    for (method, pattern, _) in described() {
        // Sessions are of users, not of projects; types and resources are names.
        let names = ["/usage/{event_type}", "/usage/timeseries/{resource_type}", "/v1/me/entitlements/{key}"];
        let no_object = pattern == "/auth/sessions/{id}" || names.contains(&pattern.as_str());
        if !pattern.contains('{') || no_object {
            continue;
        }
        let (root, id) = objects
            .iter()
            .find(|(root, _)| pattern.starts_with(*root))
            .unwrap_or_else(|| panic!("{pattern} has no object here"));
        let path = pattern.replace(&root[root.find('{').expect("a parameter")..], id);
        let path = path.replace("{key}", "sso");
        let path = if pattern.ends_with("/query") && method == "GET" {
            path + "?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"
        } else {
            path
        };
        let sent = body(&pattern, &method);
        let answer = ask(&server, TEST_KEY, &method, &path, sent.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        let told = answer.json();
        let as_told = if pattern.starts_with("/v1/") {
            told["code"] == "not_found"
        } else {
            told["error"].as_str().is_some_and(|text| text.ends_with(" not found"))
        };
        assert!(as_told, "{method} {path}: {told}");
        if method == "GET" {
            let own = ask(&server, LIVE_KEY, &method, &path, None).await;
            assert_eq!(own.status, 200, "{method} {path}: {}", own.text);
        }
        walked += 1;
    }
    assert!(walked >= 25, "only {walked} routes have objects");
    // The customer by its own id, which the other project may have too.
    assert_eq!(ask(&server, TEST_KEY, "GET", "/v1/customers/acme", None).await.status, 404);
    nothing_was_touched(&server, &objects).await;
}

async fn nothing_was_touched(server: &Server, objects: &BTreeMap<&str, String>) {
    let key = &objects["/v1/api-keys/{id}"];
    let keys = ask(server, LIVE_KEY, "GET", "/v1/api-keys", None).await.json();
    let ours = keys["data"].as_array().expect("a list").iter().find(|one| one["id"] == **key);
    assert_eq!(ours.expect("there")["revoked_at"], Value::Null);
    let endpoint = format!("/v1/webhook-endpoints/{}", objects["/v1/webhook-endpoints/{id}"]);
    assert_eq!(ask(server, LIVE_KEY, "GET", &endpoint, None).await.json()["version"], 1);
}

#[tokio::test]
async fn lists_show_the_own_project_only() {
    let server = start();
    let objects = objects(&server).await;
    let lists = [
        "/v1/events",
        "/v1/rejected-events",
        "/v1/customers",
        "/v1/subjects",
        "/v1/level-snapshots",
        "/v1/erasures",
        "/v1/aggregations",
        "/v1/invoices",
        "/v1/invoice-lines",
        "/v1/alerts",
        "/v1/alert-notices",
        "/v1/webhook-endpoints",
        "/v1/webhook-deliveries",
        "/v1/invitations",
        "/v1/members",
        "/v1/stripe/differences",
    ];
    for path in lists {
        let listed = ask(&server, TEST_KEY, "GET", path, None).await.json();
        assert_eq!(listed, json!({"data": [], "next_cursor": null}), "{path}");
    }
    for path in ["/v1/events", "/v1/aggregations", "/v1/invoices", "/v1/invoice-lines"] {
        let path = format!("{path}?format=json");
        assert_ne!(ask(&server, LIVE_KEY, "GET", &path, None).await.json(), json!([]), "{path}");
        assert_eq!(ask(&server, TEST_KEY, "GET", &path, None).await.json(), json!([]), "{path}");
    }
    for path in ["/events", "/aggregations"] {
        assert_eq!(ask(&server, TEST_KEY, "GET", path, None).await.json(), json!([]), "{path}");
    }
    for path in ["/v1/meters?limit=1000", "/v1/api-keys?limit=1000", "/config"] {
        let listed = ask(&server, TEST_KEY, "GET", path, None).await.text;
        assert!(!listed.contains("of.live") && !listed.contains(&objects["/v1/api-keys/{id}"]), "{path}");
    }
    // A cursor of one project opens nothing in the other.
    made(&server, "/v1/customers", json!({"external_id": "second"})).await;
    let page = ask(&server, LIVE_KEY, "GET", "/v1/customers?limit=1", None).await.json();
    let path = format!("/v1/customers?cursor={}", text(&page["next_cursor"]));
    assert_eq!(ask(&server, TEST_KEY, "GET", &path, None).await.json()["data"], json!([]));
    // The same id is free in the other project, and its own event there.
    let event = json!({"id": "e1", "customer": "other", "meter": "api.calls", "value": 1});
    assert_eq!(ask(&server, TEST_KEY, "POST", "/v1/events", Some(&event)).await.status, 201);
    assert_eq!(ask(&server, TEST_KEY, "GET", "/v1/events/e1", None).await.json()["customer"], "other");
    // A key of `test` cannot be a key of `live` too: it acts on its own project whatever it names.
    let clock = ask(&server, LIVE_KEY, "GET", "/v1/test-clock", None).await;
    assert_eq!(clock.status, 404, "live has no test clock");
}
