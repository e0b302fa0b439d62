//! What customers have, whole and one by one.
use super::users::{World, register};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

/// A plan with one entitlement of each kind.
fn plan() -> Value {
    json!({"key": "team", "currency": "USD", "interval": "month", "entitlements": [
        {"feature": "support", "type": "static", "value": "24/7"},
        {"feature": "sso", "type": "boolean"},
        {"feature": "calls", "type": "metered", "meter": "api.calls", "behaviour": "block", "limit": "100", "reset": "day"},
        {"feature": "bytes", "type": "metered", "meter": "traffic", "behaviour": "unlimited", "reset": "month"},
    ]})
}

async fn with_plan(server: &Server) {
    server.freeze("2026-01-10T12:00:00Z").await;
    for key in ["api.calls", "traffic"] {
        server.post("/v1/meters", json!({"key": key, "aggregation": "sum"})).await;
    }
    let made = server.post("/v1/plans", plan()).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

fn entitlement(feature: &str, kind: &str) -> Value {
    json!({"feature": feature, "type": kind, "value": null, "meter": null, "limit": null, "used": null,
        "remaining": null, "resets_at": null, "reset": null, "behaviour": null})
}

fn with(mut entitlement: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("no fields: {fields}") };
    for (name, value) in fields {
        entitlement[name] = value;
    }
    entitlement
}

async fn everything_that_a_customer_has_is_listed(setup: Setup) {
    let server = setup.start();
    with_plan(&server).await;
    super::subscribe(&server, "acme", "team").await;
    server.post("/v1/events", json!({"customer": "acme", "meter": "api.calls", "value": "7.5"})).await;
    server.post("/v1/events", json!({"customer": "acme", "meter": "traffic", "value": 20})).await;
    server
        .post("/v1/entitlements/leases", json!({"customer": "acme", "meter": "api.calls", "value": "2"}))
        .await;
    let calls = with(
        entitlement("calls", "metered"),
        json!({
            "meter": "api.calls", "limit": "100", "used": "7.5", "remaining": "90.5", "reset": "day",
            "resets_at": "2026-01-11T00:00:00.000000Z", "behaviour": "block",
        }),
    );
    let bytes = with(
        entitlement("bytes", "metered"),
        json!({
            "meter": "traffic", "used": "20", "reset": "month", "resets_at": "2026-02-01T00:00:00.000000Z",
            "behaviour": "unlimited",
        }),
    );
    let sso = entitlement("sso", "boolean");
    let support = with(entitlement("support", "static"), json!({"value": "24/7"}));
    let all = server.get("/v1/customers/acme/entitlements").await;
    let expected = json!({"data": [bytes, calls, sso, support], "next_cursor": null});
    assert_eq!(all.parts(), (200, expected));
    let page = server.get("/v1/customers/acme/entitlements?limit=3").await.json();
    let rest =
        format!("/v1/customers/acme/entitlements?cursor={}", page["next_cursor"].as_str().expect("more"));
    assert_eq!(server.get(&rest).await.json(), json!({"data": [support], "next_cursor": null}));
    assert_eq!(server.get("/v1/customers/acme/entitlements/calls").await.parts(), (200, calls));
    let none = server.get("/v1/customers/acme/entitlements/audit").await;
    assert_eq!((none.status.as_u16(), &none.json()["code"]), (404, &json!("not_found")));
    assert_eq!(server.get("/v1/customers/nobody/entitlements").await.status, 404);
    server.post("/v1/customers", json!({"external_id": "other"})).await;
    let nothing = server.get("/v1/customers/other/entitlements").await.parts();
    assert_eq!(nothing, (200, json!({"data": [], "next_cursor": null})), "without a plan");
}
on_both_servers!(everything_that_a_customer_has_is_listed);

#[tokio::test]
async fn a_customer_sees_what_it_has_itself() {
    let server = Server::start();
    with_plan(&server).await;
    super::subscribe(&server, "acme", "team").await;
    let made = server.post("/v1/api-keys", json!({"customer": "acme"})).await.json();
    let ask = async |path: &str| {
        let key = made["key"].as_str().expect("a key");
        Answer::of(server.bare(Method::GET, path).header("x-apikey", key).send().await).await
    };
    let own = ask("/v1/me/entitlements").await.json();
    assert_eq!(own, server.get("/v1/customers/acme/entitlements").await.json());
    assert_eq!(ask("/v1/me/entitlements/sso").await.parts(), (200, entitlement("sso", "boolean")));
    assert_eq!(ask("/v1/me/entitlements/none").await.status, 404);
    assert_eq!(ask("/v1/customers/acme/entitlements").await.status, 403, "a customer's key has no scope");
    assert_eq!(server.get("/v1/me/entitlements").await.status, 403, "a project's key is nobody's");
}

#[tokio::test]
async fn a_user_sees_what_its_trial_gives() {
    let world = World::start(Setup::default()).await;
    world.used("messages", json!(40)).await;
    let messages = world.read("/v1/me/entitlements/messages").await;
    assert_eq!(
        (&messages["limit"], &messages["used"], &messages["remaining"]),
        (&json!("100"), &json!("40"), &json!("60"))
    );
    let (_, other) = register(&world.server, "bob@example.com").await;
    let request = world.server.bare(Method::GET, "/v1/me/entitlements/messages");
    let request = request.header("reckoner-project", "test").bearer_auth(other);
    assert_eq!(Answer::of(request.send().await).await.json()["used"], "0", "of nobody else");
}
