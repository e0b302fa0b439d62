//! Staying logged in, and ceasing to be.
use super::{PASSWORD, call, get, login, refresh, register, text};
use crate::support::server::{Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_reused_refresh_token_ends_its_family() {
    let server = Server::start();
    let first = register(&server, "ann@example.com").await;
    let other = login(&server, "ann@example.com", PASSWORD).await.json();
    let second = refresh(&server, &first["refreshToken"]).await;
    assert_eq!(second.status, 200, "{}", second.text);
    let second = second.json();
    let fields: Vec<_> = second.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["accessToken", "refreshToken"]);
    let third = refresh(&server, &second["refreshToken"]).await.json();
    for tokens in [&first, &second, &third] {
        assert_eq!(get(&server, "/auth/me", text(tokens, "accessToken")).await.status, 200);
    }
    let stolen = refresh(&server, &first["refreshToken"]).await;
    let told =
        json!({"statusCode": 401, "message": "Invalid or expired refresh token", "error": "Unauthorized"});
    assert_eq!(stolen.parts(), (401, told));
    assert_eq!(refresh(&server, &third["refreshToken"]).await.status, 401, "the family has ended");
    for tokens in [&first, &second, &third] {
        assert_eq!(get(&server, "/auth/me", text(tokens, "accessToken")).await.status, 401);
    }
    assert_eq!(refresh(&server, &other["refreshToken"]).await.status, 200, "another session goes on");
    assert_eq!(refresh(&server, &json!("nobody's")).await.status, 401);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let server = Server::start();
    let ann = register(&server, "ann@example.com").await;
    let phone = login(&server, "ann@example.com", PASSWORD).await.json();
    let bob = register(&server, "bob@example.com").await;
    let list =
        async |tokens: &Value| get(&server, "/auth/sessions", text(tokens, "accessToken")).await.json();
    let listed = list(&phone).await;
    let current: Vec<_> =
        listed["data"].as_array().expect("a list").iter().map(|one| &one["current"]).collect();
    assert_eq!(current, [&json!(true), &json!(false)]);
    assert_eq!(listed["data"][0]["address"], "127.0.0.1");
    let first = text(&listed["data"][1], "id");
    let end = async |tokens: &Value, id: &str| {
        let path = format!("/auth/sessions/{id}");
        call(&server, Method::DELETE, &path, Some(text(tokens, "accessToken")), None).await.status.as_u16()
    };
    assert_eq!(end(&bob, first).await, 404, "another's session is as if it were not there");
    assert_eq!(end(&bob, "nonsense").await, 404);
    assert_eq!(end(&phone, first).await, 200);
    assert_eq!(end(&phone, first).await, 404);
    assert_eq!(get(&server, "/auth/me", text(&ann, "accessToken")).await.status, 401);
    assert_eq!(refresh(&server, &ann["refreshToken"]).await.status, 401);
    let out = call(&server, Method::POST, "/auth/logout", Some(text(&phone, "accessToken")), None).await;
    assert_eq!(out.parts(), (200, json!({"message": "Logged out"})));
    assert_eq!(get(&server, "/auth/me", text(&phone, "accessToken")).await.status, 401);
    assert_eq!(refresh(&server, &phone["refreshToken"]).await.status, 401);
    assert_eq!(list(&bob).await["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_change_of_password_ends_the_other_sessions() {
    let server = Server::start();
    let here = register(&server, "ann@example.com").await;
    let there = login(&server, "ann@example.com", PASSWORD).await.json();
    let token = text(&here, "accessToken");
    let change = async |current: &str, new: &str| {
        let body = json!({"currentPassword": current, "newPassword": new});
        call(&server, Method::POST, "/auth/change-password", Some(token), Some(body)).await
    };
    assert_eq!(change("wrong password", "another horse").await.status, 401);
    assert_eq!(change(PASSWORD, "short").await.status, 400);
    let done = change(PASSWORD, "another horse").await;
    assert_eq!(done.parts(), (200, json!({"message": "Password changed successfully"})));
    assert_eq!(get(&server, "/auth/me", token).await.status, 200, "this session goes on");
    assert_eq!(refresh(&server, &here["refreshToken"]).await.status, 200);
    assert_eq!(get(&server, "/auth/me", text(&there, "accessToken")).await.status, 401);
    assert_eq!(refresh(&server, &there["refreshToken"]).await.status, 401);
    assert_eq!(login(&server, "ann@example.com", PASSWORD).await.status, 401);
    assert_eq!(login(&server, "ann@example.com", "another horse").await.status, 200);
}

#[tokio::test]
async fn a_change_of_password_is_no_way_to_guess() {
    let server = Server::start();
    let made = register(&server, "ann@example.com").await;
    let body = json!({"currentPassword": "wrong password", "newPassword": "another horse"});
    let change = async || {
        let token = text(&made, "accessToken");
        call(&server, Method::POST, "/auth/change-password", Some(token), Some(body.clone())).await.status
    };
    for _ in 0..5 {
        assert_eq!(change().await, 401);
    }
    assert_eq!(change().await, 429);
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_a_new_signing_key() {
    let mut server =
        Setup::default().env("JWT_SECRET", "the first secret of more than 32 characters").start();
    let made = register(&server, "ann@example.com").await;
    let me =
        async |server: &Server| get(server, "/auth/me", text(&made, "accessToken")).await.status.as_u16();
    server.crash_and_restart();
    assert_eq!(me(&server).await, 200);
    server.set_env("JWT_SECRET", "the second secret of more than 32 characters");
    server.set_env("RECKONER_JWT_PREVIOUS_SECRET", "the first secret of more than 32 characters");
    server.crash_and_restart();
    assert_eq!(me(&server).await, 200);
    server.set_env("RECKONER_JWT_PREVIOUS_SECRET", "");
    server.crash_and_restart();
    assert_eq!(me(&server).await, 401);
    assert_eq!(refresh(&server, &made["refreshToken"]).await.status, 200, "the session goes on");
}

#[tokio::test]
async fn a_key_is_no_person_and_a_token_no_key() {
    let server = Server::start();
    let made = register(&server, "ann@example.com").await;
    let token = text(&made, "accessToken");
    let with = async |name: &str, value: &str| {
        let request = server.bare(Method::GET, "/auth/me").header(name, value);
        crate::support::server::Answer::of(request.send().await).await
    };
    let refused = with("x-apikey", TEST_KEY).await;
    let told = json!({"statusCode": 403, "message": "Forbidden", "error": "Forbidden"});
    assert_eq!(refused.parts(), (403, told));
    assert_eq!(with("authorization", &format!("Bearer {token}")).await.status, 200);
    for (name, value) in [
        ("x-apikey", token.to_owned()),
        ("authorization", format!("ApiKey {token}")),
        ("authorization", format!("Bearer {token}x")),
        ("authorization", format!("Bearer {}", text(&made, "refreshToken"))),
    ] {
        let answer = with(name, &value).await;
        assert_eq!(answer.status, 401, "{name}: {value}");
        assert_eq!(
            answer.json(),
            json!({"statusCode": 401, "message": "Unauthorized", "error": "Unauthorized"})
        );
    }
}

#[tokio::test]
async fn neither_tokens_nor_passwords_lie_in_the_store_or_the_log() {
    let server = Server::start();
    let made = register(&server, "ann@example.com").await;
    login(&server, "ann@example.com", "wrong password of ann").await;
    let renewed = refresh(&server, &made["refreshToken"]).await.json();
    let mut secrets = vec![PASSWORD.to_owned(), "wrong password of ann".to_owned()];
    for tokens in [&made, &renewed] {
        secrets.extend(["accessToken", "refreshToken"].map(|field| text(tokens, field).to_owned()));
    }
    let mut seen = std::collections::BTreeSet::new();
    let mail = super::next_mail(&server, &mut seen).await;
    secrets.push(super::token_in(&mail, "/auth/verify-email?token="));
    let log = server.log();
    let mut kept = Vec::new();
    for name in ["control.sqlite", "control.sqlite-wal"] {
        kept.extend(std::fs::read(server.data_dir().join(name)).unwrap_or_default());
    }
    assert!(!kept.is_empty());
    for secret in secrets {
        assert!(!log.contains(&secret), "in the log: {secret}");
        assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()), "in the store: {secret}");
    }
}
