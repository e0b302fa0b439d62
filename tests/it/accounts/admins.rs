//! Administrators that the operator names.
use super::{PASSWORD, call, get, login, next_mail, register, text, token_in};
use crate::support::server::{Server, Setup};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_first_administrator_owns_every_project() {
    let mut server = Setup::default()
        .env("RECKONER_BOOTSTRAP_ADMIN_EMAIL", "Root@Example.com")
        .env("RECKONER_BOOTSTRAP_ADMIN_PASSWORD", "a password of the first")
        .start();
    let found = login(&server, "root@example.com", "a password of the first").await;
    assert_eq!(found.status, 200, "{}", found.text);
    let found = found.json();
    assert_eq!(
        (&found["user"]["role"], &found["user"]["subscription_tier"]),
        (&json!("owner"), &json!(null))
    );
    let token = text(&found, "accessToken").to_owned();
    for project in ["live", "test"] {
        let made = server
            .bare(Method::POST, "/v1/customers")
            .bearer_auth(&token)
            .header("reckoner-project", project)
            .json(&json!({"external_id": format!("of {project}")}));
        assert_eq!(made.send().await.expect("an answer").status(), 201, "{project}");
    }
    assert_eq!(server.get("/v1/customers/of%20test").await.status, 200);
    assert_eq!(server.get("/v1/customers/of%20live").await.status, 404);
    let clock = call(&server, Method::GET, "/v1/test-clock", Some(&token), None).await;
    assert_eq!(clock.status, 404, "live unless another is named, and live has no such clock");
    server.set_env("RECKONER_BOOTSTRAP_ADMIN_PASSWORD", "another password of the first");
    server.crash_and_restart();
    assert_eq!(login(&server, "root@example.com", "a password of the first").await.status, 200, "no change");
    assert_eq!(login(&server, "root@example.com", "another password of the first").await.status, 401);
}

#[tokio::test]
async fn a_listed_address_counts_once_it_is_verified() {
    let mut server = Setup::default().env("ADMIN_IDS", "someone, ann@example.com").start();
    let made = register(&server, "ann@example.com").await;
    let bob = register(&server, "bob@example.com").await;
    let role = async |server: &Server, tokens: &serde_json::Value| {
        get(server, "/auth/me", text(tokens, "accessToken")).await.json()["role"].clone()
    };
    assert_eq!(role(&server, &made).await, "customer", "anybody can register with any address");
    server.crash_and_restart();
    assert_eq!(role(&server, &made).await, "customer");
    let mut seen = BTreeSet::new();
    let mails = [next_mail(&server, &mut seen).await, next_mail(&server, &mut seen).await];
    for mail in mails {
        let link = format!("/auth/verify-email?token={}", token_in(&mail, "/auth/verify-email?token="));
        assert_eq!(call(&server, Method::GET, &link, None, None).await.status, 200);
    }
    assert_eq!((role(&server, &made).await, role(&server, &bob).await), (json!("admin"), json!("customer")));
    let meters = get(&server, "/v1/meters", text(&made, "accessToken")).await;
    assert_eq!(meters.status, 200, "the role is in force at once");
    // By the own id of the customer, which is the user's.
    server.set_env("ADMIN_ECO_IDS", text(&bob["user"], "id"));
    server.crash_and_restart();
    assert_eq!(role(&server, &bob).await, "admin");
    assert_eq!(login(&server, "bob@example.com", PASSWORD).await.json()["user"]["role"], "admin");
}
