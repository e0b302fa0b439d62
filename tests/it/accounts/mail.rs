//! From registration to reset with nothing but HTTP and a real mail server.
use super::{PASSWORD, call, login, post, refresh, register, text, token_in};
use crate::mail::server::MailServer;
use crate::support::server::Setup;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn everything_works_by_http_and_mail_alone() {
    let Some(mut mails) = MailServer::start() else { return };
    let server = Setup::default()
        .env("SMTP_HOST", "127.0.0.1")
        .env("SMTP_PORT", &mails.port.to_string())
        .env("RECKONER_MAIL_FROM", "Billing <billing@example.com>")
        .start();
    register(&server, "ann@example.com").await;
    let mail = mails.mail().await;
    assert_eq!(
        (&mail["to"], &mail["subject"]),
        (&json!(["ann@example.com"]), &json!("Please confirm your e-mail address"))
    );
    let link =
        format!("/auth/verify-email?token={}", token_in(text(&mail, "text"), "/auth/verify-email?token="));
    assert!(text(&mail, "html").contains(&server.url(&link)), "{mail}");
    assert_eq!(call(&server, Method::GET, &link, None, None).await.status, 200);
    let found = login(&server, "ann@example.com", PASSWORD).await.json();
    assert_eq!(refresh(&server, &found["refreshToken"]).await.status, 200);
    assert_eq!(refresh(&server, &found["refreshToken"]).await.status, 401);
    post(&server, "/auth/request-password-reset", json!({"email": "nobody@example.com"})).await;
    post(&server, "/auth/request-password-reset", json!({"email": "ann@example.com"})).await;
    let mail = mails.mail().await;
    assert_eq!((&mail["to"], &mail["subject"]), (&json!(["ann@example.com"]), &json!("Set a new password")));
    let token = token_in(text(&mail, "text"), "\"token\": \"");
    let done =
        post(&server, "/auth/reset-password", json!({"token": token, "password": "another horse"})).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(login(&server, "ann@example.com", "another horse").await.status, 200);
    assert!(mails.is_empty(), "nobody else is written to");
}
