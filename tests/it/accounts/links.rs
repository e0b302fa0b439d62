//! What mailed links do.
use super::{PASSWORD, call, get, login, next_mail, post, refresh, register, text, token_in};
use crate::support::server::{Server, Setup};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

const VERIFY: &str = "/auth/verify-email?token=";

#[tokio::test]
async fn an_address_is_verified_by_the_link_of_a_mail() {
    let server = Server::start();
    let mut seen = BTreeSet::new();
    let made = register(&server, "ann@example.com").await;
    let mail = next_mail(&server, &mut seen).await;
    assert!(mail.contains("To: ann@example.com") && mail.contains(&server.url(VERIFY)), "{mail}");
    let token = token_in(&mail, VERIFY);
    let open = async |token: &str| call(&server, Method::GET, &format!("{VERIFY}{token}"), None, None).await;
    let bad = json!({"statusCode": 400, "message": "Invalid or expired token", "error": "Bad Request"});
    assert_eq!(open("nonsense").await.parts(), (400, bad.clone()));
    assert_eq!(open(&token).await.parts(), (200, json!({"message": "Email verified successfully"})));
    assert_eq!(open(&token).await.parts(), (400, bad.clone()), "it works once");
    assert_eq!(call(&server, Method::GET, "/auth/verify-email", None, None).await.parts(), (400, bad));
    let again =
        call(&server, Method::POST, "/auth/resend-verification", Some(text(&made, "accessToken")), None)
            .await;
    assert_eq!(again.parts(), (200, json!({"message": "Email is already verified"})));
}

#[tokio::test]
async fn another_link_is_mailed_on_request() {
    let server = Server::start();
    let mut seen = BTreeSet::new();
    let made = register(&server, "ann@example.com").await;
    let first = token_in(&next_mail(&server, &mut seen).await, VERIFY);
    let resend = async || {
        let token = Some(text(&made, "accessToken"));
        call(&server, Method::POST, "/auth/resend-verification", token, None).await
    };
    assert_eq!(resend().await.parts(), (200, json!({"message": "Verification email sent"})));
    let second = token_in(&next_mail(&server, &mut seen).await, VERIFY);
    assert_ne!(first, second);
    assert_eq!(call(&server, Method::GET, &format!("{VERIFY}{second}"), None, None).await.status, 200);
    for _ in 0..4 {
        assert_eq!(resend().await.status, 200);
    }
    assert_eq!(resend().await.status, 429);
}

#[tokio::test]
async fn a_password_is_reset_by_mail() {
    let server = Setup::default().env("FRONTEND_URL", "https://app.example.com/").start();
    let mut seen = BTreeSet::new();
    let made = register(&server, "ann@example.com").await;
    next_mail(&server, &mut seen).await;
    for _ in 0..5 {
        assert_eq!(login(&server, "ann@example.com", "wrong password").await.status, 401);
    }
    let asked = post(&server, "/auth/request-password-reset", json!({"email": "Ann@example.com"})).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let mail = next_mail(&server, &mut seen).await;
    let token = token_in(&mail, "https://app.example.com/reset-password?token=");
    let reset = async |token: &str, password: &str| {
        post(&server, "/auth/reset-password", json!({"token": token, "password": password})).await
    };
    assert_eq!(reset(&token, "short").await.status, 400);
    let done = reset(&token, "another horse").await;
    assert_eq!(done.parts(), (200, json!({"message": "Password reset successfully"})));
    let bad = json!({"statusCode": 400, "message": "Invalid or expired token", "error": "Bad Request"});
    assert_eq!(reset(&token, "a third horse").await.parts(), (400, bad), "it works once");
    assert_eq!(get(&server, "/auth/me", text(&made, "accessToken")).await.status, 401, "all sessions end");
    assert_eq!(refresh(&server, &made["refreshToken"]).await.status, 401);
    assert_eq!(login(&server, "ann@example.com", "another horse").await.status, 200, "the lock has ended");
    assert_eq!(login(&server, "ann@example.com", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn without_pages_the_mail_tells_how_to_reset() {
    let server = Setup::default().env("GATEWAY_URL", "https://billing.example.com").start();
    let mut seen = BTreeSet::new();
    register(&server, "ann@example.com").await;
    let mail = next_mail(&server, &mut seen).await;
    assert!(mail.contains(&format!("https://billing.example.com{VERIFY}")), "{mail}");
    post(&server, "/auth/request-password-reset", json!({"email": "ann@example.com"})).await;
    let mail = next_mail(&server, &mut seen).await;
    assert!(mail.contains("POST https://billing.example.com/auth/reset-password"), "{mail}");
    let token = token_in(&mail, "\"token\": \"");
    let done =
        post(&server, "/auth/reset-password", json!({"token": token, "password": "another horse"})).await;
    assert_eq!(done.status, 200, "{}", done.text);
}
