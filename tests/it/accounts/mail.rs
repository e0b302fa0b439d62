//! From registration to reset with nothing but HTTP and a real mail server.
use super::{PASSWORD, call, login, post, refresh, register, text, token_in};
use crate::mail::server::MailServer;
use crate::support::database::Database;
use crate::support::server::Setup;
use reqwest::Method;
use serde_json::json;
use std::process::{Command, Stdio};

#[tokio::test]
async fn everything_works_by_http_and_mail_alone() {
    all_of_it(Setup::default()).await;
}

#[tokio::test]
async fn it_does_on_postgresql_too() {
    let Some(database) = Database::create().await else { return };
    all_of_it(Setup::default().database_url(&database.settings().url)).await;
    database.drop().await;
}

async fn all_of_it(setup: Setup) {
    let Some(mut mails) = MailServer::start() else { return };
    let server = setup
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

#[tokio::test]
async fn mail_goes_over_tls_with_a_password() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (certificate, key) = (file("certificate.pem"), file("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out", &certificate, "-keyout", &key])
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: there is no openssl that makes a certificate");
        return;
    }
    let Some(mut mails) = MailServer::start_with(&[&certificate, &key, "billing", "a password of mail"])
    else {
        return;
    };
    let server = Setup::default()
        .env("SSL_CERT_FILE", &certificate)
        .env("SMTP_HOST", "localhost")
        .env("SMTP_PORT", &mails.port.to_string())
        .env("SMTP_USER", "billing")
        .env("SMTP_PASS", "a password of mail")
        .start();
    register(&server, "ann@example.com").await;
    assert_eq!(mails.mail().await["to"], json!(["ann@example.com"]));
}

#[tokio::test]
async fn a_password_is_never_sent_in_the_clear() {
    let Some(mut mails) = MailServer::start() else { return };
    let server = Setup::default()
        .env("SMTP_HOST", "127.0.0.1")
        .env("SMTP_PORT", &mails.port.to_string())
        .env("SMTP_USER", "billing")
        .env("SMTP_PASS", "a password of mail")
        .start();
    register(&server, "ann@example.com").await;
    server.logged("mail not sent");
    assert!(server.log().contains("STARTTLS"), "{}", server.log());
    assert!(mails.is_empty());
}
