//! No route answers without the credential it should need.
use super::{described, key, needs_stripe};
use crate::support::server::{Answer, Server, Setup, TEST_KEY};
use reckoner_domain::time::Timestamp;
use reckoner_server::auth::access::{Access, ROUTES};
use reckoner_server::auth::keys::to_row;
use reckoner_server::http::compat::workspace;
use reckoner_server::store::{Db, Scope, SqliteSettings, api_keys, projects};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn the_document_and_the_table_of_access_name_the_same_routes() {
    let mut table: Vec<_> = ROUTES
        .iter()
        .map(|(method, path, access)| {
            let scope = match access {
                Access::Public => None,
                Access::Metrics => Some("read".to_owned()),
                Access::Key(scope) => Some(scope.as_str().to_owned()),
                Access::Person => Some("person".to_owned()),
                Access::Own => Some("own".to_owned()),
                Access::Service => Some("service".to_owned()),
                Access::ServiceWith(scope) => Some(format!("service:{}", scope.as_str())),
            };
            ((*method).to_owned(), (*path).to_owned(), scope)
        })
        .collect();
    table.sort();
    assert_eq!(described(), table);
    assert!(table.len() > 45, "the walk below sees too little: {}", table.len());
}

/// A path that its pattern stands for.
fn concrete(pattern: &str) -> String {
    let nothing = format!("none_{}", "0".repeat(32));
    let mut path = pattern.replace("{event_type}", "api.calls");
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, &nothing);
    }
    path
}

async fn ask(server: &Server, method: &str, path: &str, header: Option<(&str, &str)>) -> Answer {
    let mut request = server.bare(Method::from_bytes(method.as_bytes()).expect("a method"), path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    Answer::of(request.send().await).await
}

/// A key that is known and has ended; only the store can make one.
async fn expired(server: &Server) -> &'static str {
    const KEY: &str = "a-key-that-ended-long-before-this-test";
    let settings = SqliteSettings::new(server.data_dir().join("control.sqlite"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    let test = projects::get_by_name(&db, "test").await.expect("there");
    let at = Timestamp::parse("2020-01-01T00:00:00Z").expect("a time");
    let scopes = Scope::ALL.into_iter().collect();
    let mut row = to_row(KEY, test.id, "expired", scopes, at).expect("a row");
    row.expires_at = Some(at.plus_micros(1));
    api_keys::insert(&db, &row).await.expect("stored");
    db.close().await;
    KEY
}

#[tokio::test]
async fn every_route_asks_for_its_credential() {
    let server = Setup::default().env("RECKONER_METRICS", "key").start();
    let (mut only, mut others) = (BTreeMap::new(), BTreeMap::new());
    for scope in Scope::NAMES {
        let rest: Vec<&str> = Scope::NAMES.into_iter().filter(|other| *other != scope).collect();
        only.insert(scope, key(&server, &[scope]).await["key"].as_str().expect("a key").to_owned());
        others.insert(scope, key(&server, &rest).await["key"].as_str().expect("a key").to_owned());
    }
    let revoked = key(&server, &Scope::NAMES).await;
    assert_eq!(
        server.delete(&format!("/v1/api-keys/{}", revoked["id"].as_str().expect("an id"))).await.status,
        200
    );
    let refused = [
        None,
        Some(("x-apikey", "nobody-has-this-key-nobody-has-it")),
        Some(("x-apikey", revoked["key"].as_str().expect("a key"))),
        Some(("x-apikey", expired(&server).await)),
        Some(("x-apikey", "")),
        Some(("x-service-token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJnYXRld2F5In0.")),
        Some(("authorization", "Basic dGVzdDp0ZXN0")),
        Some(("cookie", "x-apikey=secret")),
    ];
    for (method, pattern, scope) in described() {
        let (path, what) = (concrete(&pattern), format!("{method} {pattern}"));
        let Some(scope) = scope else {
            let status = ask(&server, &method, &path, None).await.status.as_u16();
            assert!(status != 401 && status != 403, "{what} is public and answers {status}");
            continue;
        };
        for credential in &refused {
            let answer = ask(&server, &method, &path, *credential).await;
            assert_eq!(answer.status, 401, "{what} with {credential:?}: {}", answer.text);
            is_refusal(&what, &answer, "unauthenticated", "Unauthorized");
        }
        if ["person", "own"].contains(&scope.as_str()) || scope.starts_with("service") {
            let key = ask(&server, &method, &path, Some(("x-apikey", TEST_KEY))).await;
            assert_eq!(key.status, 403, "{what} with a key: {}", key.text);
            is_refusal(&what, &key, "forbidden", "Forbidden");
            continue;
        }
        let other = ask(&server, &method, &path, Some(("x-apikey", &others[scope.as_str()]))).await;
        assert_eq!(other.status, 403, "{what} without the scope {scope}: {}", other.text);
        is_refusal(&what, &other, "forbidden", "Forbidden");
        let own =
            ask(&server, &method, &path, Some(("x-apikey", &only[scope.as_str()]))).await.status.as_u16();
        let is_served = own < 500 || (own == 503 && needs_stripe(&pattern));
        assert!(own != 401 && own != 403 && is_served, "{what} with the scope {scope}: {own}");
    }
}

fn is_refusal(what: &str, answer: &Answer, code: &str, text: &str) {
    let body = answer.json();
    let (method, pattern) = what.split_once(' ').expect("a method and a path");
    if pattern.starts_with("/v1/") {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{pattern}");
        assert_eq!(body["code"], code, "{pattern}");
        assert_eq!(body["request_id"], json!(answer.header("x-request-id")), "{pattern}");
    } else if ["/auth/", "/trials/", "/billing/"].iter().any(|prefix| pattern.starts_with(prefix))
        || is_usage_of_users(method, pattern)
    {
        let status = answer.status.as_u16();
        assert_eq!(body, json!({"statusCode": status, "message": text, "error": text}), "{pattern}");
    } else {
        let text = if workspace::is_route(pattern) {
            text.replace("Forbidden", "Admin access required")
        } else if pattern.starts_with("/api/secure/") {
            text.replace("Forbidden", "Insufficient scopes. Required: [customer]")
        } else {
            text.to_owned()
        };
        assert_eq!(body, json!({"error": text}), "{pattern}");
    }
    assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401, "{pattern}");
}

/// What system D reads under `/usage/`, and what it posts there; all else is posted by system A.
fn is_usage_of_users(method: &str, pattern: &str) -> bool {
    let reads = method == "GET" && pattern.starts_with("/usage/");
    reads || ["/usage/record", "/usage/check-quota"].contains(&pattern)
}

#[tokio::test]
async fn a_key_is_taken_in_every_form() {
    let server = Server::start();
    let made = key(&server, &["read"]).await;
    let (id, value) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    let other = key(&server, &["read"]).await;
    let forms = [
        ("x-apikey", value.to_owned(), 200),
        ("authorization", format!("Bearer {value}"), 200),
        ("authorization", format!("bearer {value}"), 200),
        ("authorization", format!("ApiKey {value}"), 200),
        ("authorization", format!("ApiKey {id}.{value}"), 200),
        ("authorization", format!("ApiKey {}.{value}", other["id"].as_str().expect("an id")), 401),
        ("authorization", format!("Basic {value}"), 401),
        ("authorization", value.to_owned(), 401),
        ("x-apikey", format!("Bearer {value}"), 401),
        ("x-apikey", value.to_uppercase(), 401),
    ];
    for path in ["/v1/meters", "/events"] {
        for (name, text, status) in &forms {
            assert_eq!(ask(&server, "GET", path, Some((name, text))).await.status, *status, "{name}: {text}");
        }
    }
    let both = server
        .bare(Method::GET, "/v1/meters")
        .header("x-apikey", "")
        .header("authorization", format!("Bearer {value}"));
    assert_eq!(both.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_revoked_key_ceases_to_work_at_once() {
    let server = Server::start();
    for _ in 0..20 {
        let made = key(&server, &["read"]).await;
        let value = made["key"].as_str().expect("a key");
        let before = ask(&server, "GET", "/v1/meters", Some(("x-apikey", value))).await;
        assert_eq!(before.status, 200);
        server.delete(&format!("/v1/api-keys/{}", made["id"].as_str().expect("an id"))).await;
        let after = ask(&server, "GET", "/v1/meters", Some(("x-apikey", value))).await;
        assert_eq!(after.status, 401);
    }
}

#[tokio::test]
async fn metrics_are_open_on_loopback_unless_a_key_is_asked_for() {
    let open = Server::start();
    assert_eq!(ask(&open, "GET", "/metrics", None).await.status, 200);
    let forwarded = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")];
    for header in forwarded {
        assert_eq!(ask(&open, "GET", "/metrics", Some(header)).await.status, 401, "{header:?}");
    }
    let closed = Setup::default().env("RECKONER_METRICS", "key").start();
    assert_eq!(ask(&closed, "GET", "/metrics", None).await.status, 401);
    let ingest = key(&closed, &["ingest"]).await;
    let with = async |key: &str| ask(&closed, "GET", "/metrics", Some(("x-apikey", key))).await;
    assert_eq!(with(ingest["key"].as_str().expect("a key")).await.status, 403);
    let answer = with(TEST_KEY).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("http_requests_total{"), "{}", answer.text);
}
