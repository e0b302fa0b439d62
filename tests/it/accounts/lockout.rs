//! Failures lock, and hashing leaves room for others.
use super::{PASSWORD, login, post, register};
use crate::support::server::{Server, Setup};
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinSet;

#[tokio::test]
async fn five_failures_lock_whether_anybody_has_the_address_or_not() {
    let mut server = Server::start();
    register(&server, "ann@example.com").await;
    for email in ["ann@example.com", "bob@example.com"] {
        for _ in 0..5 {
            assert_eq!(login(&server, email, "wrong password").await.status, 401, "{email}");
        }
        let locked = login(&server, email, PASSWORD).await;
        let (status, body) = locked.parts();
        assert_eq!((status, &body["statusCode"]), (429, &json!(429)), "{email}: {body}");
        assert!((880..=900).contains(&body["retryAfter"].as_u64().expect("seconds")), "{email}: {body}");
        let fields: Vec<_> = body.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["statusCode", "message", "retryAfter"]);
    }
    server.crash_and_restart();
    assert_eq!(login(&server, "ann@example.com", PASSWORD).await.status, 429, "a restart does not unlock");
    register(&server, "carl@example.com").await;
    assert_eq!(login(&server, "carl@example.com", PASSWORD).await.status, 200, "others are not locked");
}

#[tokio::test]
async fn failures_are_forgotten_after_a_success() {
    let server = Server::start();
    register(&server, "ann@example.com").await;
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(login(&server, "ann@example.com", "wrong password").await.status, 401);
        }
        assert_eq!(login(&server, "ann@example.com", PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn a_hundred_wrong_passwords_at_once_get_five_guesses() {
    let server = Arc::new(Server::start());
    register(&server, "ann@example.com").await;
    let mut logins = JoinSet::new();
    for _ in 0..100 {
        let server = Arc::clone(&server);
        logins
            .spawn(async move { login(&server, "ann@example.com", "wrong password").await.status.as_u16() });
    }
    let mut guessed = 0;
    while logins.len() > 50 {
        match logins.join_next().await.expect("under way").expect("answered") {
            401 => guessed += 1,
            status => assert_eq!(status, 429),
        }
        let event = server.post("/usage/api.calls", json!({"customerId": "a", "value": 1})).await;
        assert_eq!(event.status, 201, "ingest goes on: {}", event.text);
    }
    for status in logins.join_all().await {
        match status {
            401 => guessed += 1,
            status => assert_eq!(status, 429),
        }
    }
    // Those that were turned away while five were being checked used up no guess.
    while guessed < 5 {
        assert_eq!(login(&server, "ann@example.com", "wrong password").await.status, 401);
        guessed += 1;
    }
    assert_eq!(guessed, 5);
    assert_eq!(login(&server, "ann@example.com", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn one_client_fails_so_often() {
    let server = Setup::default().env("RECKONER_AUTH_LOGIN_FAILURES_MAX", "3").start();
    register(&server, "ann@example.com").await;
    for name in ["a", "b", "c"] {
        assert_eq!(login(&server, &format!("{name}@example.com"), "wrong password").await.status, 401);
    }
    assert_eq!(login(&server, "ann@example.com", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn links_are_asked_for_so_often() {
    let server = Server::start();
    let ask = async |email: &str| {
        post(&server, "/auth/request-password-reset", json!({"email": email})).await.status.as_u16()
    };
    for _ in 0..5 {
        assert_eq!(ask("ann@example.com").await, 200);
    }
    assert_eq!(ask("bob@example.com").await, 429);
    for _ in 0..5 {
        let tried = post(&server, "/auth/reset-password", json!({"token": "x", "password": PASSWORD})).await;
        assert_eq!(tried.status, 400);
    }
    let tried = post(&server, "/auth/reset-password", json!({"token": "x", "password": PASSWORD})).await;
    assert_eq!(tried.status, 429);
}
