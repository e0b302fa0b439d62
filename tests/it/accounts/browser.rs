//! Sessions of browsers: a cookie, and the token without which it changes nothing.
use super::{PASSWORD, register};
use crate::support::server::{Answer, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

/// Calls a path as a browser does, with a cookie and further headers.
async fn call(server: &Server, method: Method, path: &str, cookie: &str, more: &[(&str, &str)]) -> Answer {
    let mut request = server.bare(method, path).header("cookie", cookie);
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await).await
}

async fn log_in(server: &Server, origin: Option<&str>) -> Answer {
    let mut request = server.bare(Method::POST, "/auth/session");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    Answer::of(request.json(&json!({"email": "ann@example.com", "password": PASSWORD})).send().await).await
}

/// The cookie that an answer sets, as a browser sends it, and its line.
fn cookie_of(answer: &Answer) -> (String, String) {
    let line = answer.header("set-cookie").expect("a cookie").to_owned();
    (line.split(';').next().expect("a pair").to_owned(), line)
}

#[tokio::test]
async fn a_cookie_is_a_session() {
    let server = Server::start();
    let user = register(&server, "ann@example.com").await["user"]["id"].clone();
    let begun = log_in(&server, None).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    let (cookie, line) = cookie_of(&begun);
    assert!(line.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"), "{line}");
    let body = begun.json();
    assert_eq!(body["user"]["id"], user);
    assert!(body.get("accessToken").is_none() && body["expiresAt"].is_string());
    let csrf = body["csrfToken"].as_str().expect("a token");
    assert!(!cookie.contains(csrf));
    let me = call(&server, Method::GET, "/auth/me", &cookie, &[]).await;
    assert_eq!((me.status.as_u16(), &me.json()["id"]), (200, &user));
    let again = call(&server, Method::GET, "/auth/session", &cookie, &[]).await.json();
    assert_eq!((&again["csrfToken"], &again["user"]["id"]), (&json!(csrf), &user));
    let sessions = call(&server, Method::GET, "/auth/sessions", &cookie, &[]).await.json();
    assert_eq!(
        (&sessions["data"][0]["current"], sessions["data"].as_array().map(Vec::len)),
        (&json!(true), Some(2))
    );
    let out = call(&server, Method::POST, "/auth/logout", &cookie, &[("x-csrf-token", csrf)]).await;
    assert_eq!(out.status, 200);
    assert!(cookie_of(&out).1.contains("Max-Age=0"));
    assert_eq!(call(&server, Method::GET, "/auth/me", &cookie, &[]).await.status, 401);
    let token = cookie.split_once('=').expect("a pair").1.to_owned();
    for (path, entries) in
        server.data_dir().read_dir().expect("a directory").flatten().map(|one| (one.path(), one))
    {
        let bytes = if entries.path().is_file() { std::fs::read(&path).expect("read") } else { Vec::new() };
        assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()), "{}", path.display());
    }
}

#[tokio::test]
async fn a_change_takes_the_token_of_a_page() {
    let server = Setup::default().env("RECKONER_HTTP_CORS_ORIGINS", "https://app.example.com").start();
    register(&server, "ann@example.com").await;
    let begun = log_in(&server, None).await;
    let (cookie, csrf) =
        (cookie_of(&begun).0, begun.json()["csrfToken"].as_str().expect("a token").to_owned());
    let other = log_in(&server, None).await.json()["csrfToken"].as_str().expect("a token").to_owned();
    let path = "/auth/resend-verification";
    for (headers, status) in [
        (vec![], 403),
        (vec![("x-csrf-token", "")], 403),
        (vec![("x-csrf-token", other.as_str())], 403),
        (vec![("x-csrf-token", csrf.as_str()), ("origin", "https://evil.example")], 403),
        (vec![("x-csrf-token", csrf.as_str()), ("origin", "null")], 403),
        (vec![("x-csrf-token", csrf.as_str())], 200),
        (vec![("x-csrf-token", csrf.as_str()), ("origin", "https://app.example.com")], 200),
        (vec![("x-csrf-token", csrf.as_str()), ("origin", server.url("").as_str())], 200),
    ] {
        let answer = call(&server, Method::POST, path, &cookie, &headers).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text);
    }
    // A key or token in a header is sent by nobody's browser by itself.
    let token =
        register(&server, "ben@example.com").await["accessToken"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    let answer = call(&server, Method::POST, path, &cookie, &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(log_in(&server, Some("https://evil.example")).await.status, 403);
}

#[tokio::test]
async fn a_session_of_an_administrator_changes_a_project_with_the_token_only() {
    let server = Setup::default()
        .env("RECKONER_BOOTSTRAP_ADMIN_EMAIL", "ann@example.com")
        .env("RECKONER_BOOTSTRAP_ADMIN_PASSWORD", PASSWORD)
        .env("GATEWAY_URL", "https://billing.example.com")
        .start();
    let begun = log_in(&server, Some("https://billing.example.com")).await;
    let (cookie, line) = cookie_of(&begun);
    assert!(cookie.starts_with("__Host-reckoner_session=") && line.ends_with("; Secure"), "{line}");
    let csrf = begun.json()["csrfToken"].as_str().expect("a token").to_owned();
    let make = async |csrf: &str| {
        let request = server.bare(Method::POST, "/v1/customers").header("cookie", &cookie);
        let request = request.header("x-csrf-token", csrf).json(&json!({"external_id": "acme"}));
        Answer::of(request.send().await).await
    };
    let refused = make("").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &json!("csrf")));
    assert_eq!(call(&server, Method::GET, "/v1/customers/acme", &cookie, &[]).await.status, 404);
    assert_eq!(make(&csrf).await.status, 201);
    let entries: Value =
        call(&server, Method::GET, "/v1/audit?action=customer.created", &cookie, &[]).await.json();
    assert_eq!(entries["data"][0]["actor"], begun.json()["user"]["id"]);
}

#[tokio::test]
async fn renewals_of_one_client_are_limited() {
    let server = Setup::default().env("RECKONER_AUTH_REFRESHES_MAX", "3").start();
    let mut token = register(&server, "ann@example.com").await["refreshToken"].clone();
    for _ in 0..3 {
        let answer = super::refresh(&server, &token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        token = answer.json()["refreshToken"].clone();
    }
    let answer = super::refresh(&server, &token).await;
    assert_eq!(answer.status, 429);
    assert!(answer.json()["retryAfter"].as_u64().is_some_and(|seconds| seconds <= 900));
}
