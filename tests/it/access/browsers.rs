//! What browsers are told: who may call from which page, and what to do with answers.
use crate::support::server::{Answer, Server, Setup, TEST_KEY};
use reqwest::Method;

const PAGE: &str = "https://app.example.com";
const FRONTEND: &str = "https://billing.example.com:8443";

fn setup() -> Setup {
    Setup::default()
        .env("RECKONER_HTTP_CORS_ORIGINS", &format!("{PAGE}, http://localhost:5173"))
        .env("FRONTEND_URL", &format!("{FRONTEND}/app"))
}

async fn from(server: &Server, method: Method, path: &str, origin: &str, more: &[(&str, &str)]) -> Answer {
    let mut request = server.bare(method, path).header("origin", origin);
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await).await
}

fn cors_headers(answer: &Answer) -> Vec<&str> {
    answer
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

#[tokio::test]
async fn listed_pages_may_read_answers_and_no_others() {
    let server = setup().start();
    for path in ["/v1/meters", "/ping", "/nothing", "/auth/me"] {
        for origin in [PAGE, "http://localhost:5173", FRONTEND] {
            let answer = from(&server, Method::GET, path, origin, &[("x-apikey", TEST_KEY)]).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert!(
                answer.header("access-control-expose-headers").is_some_and(|all| all.contains("retry-after"))
            );
            assert_eq!(answer.header("vary"), Some("origin"));
        }
        for origin in [
            "https://evil.example",
            "https://app.example.com.evil.example",
            "http://app.example.com",
            "https://app.example.com:444",
            "https://APP.example.com",
            "null",
            "*",
            "",
        ] {
            let answer = from(&server, Method::GET, path, origin, &[("x-apikey", TEST_KEY)]).await;
            assert_eq!(cors_headers(&answer), [""; 0], "{origin} {path}");
            assert_eq!(answer.header("vary"), Some("origin"), "caches keep them apart");
        }
    }
}

#[tokio::test]
async fn a_browser_that_asks_before_is_answered_for_listed_pages() {
    let server = setup().start();
    let asks = [("access-control-request-method", "POST"), ("access-control-request-headers", "x-apikey")];
    for path in ["/v1/events", "/auth/login", "/usage/x", "/nothing"] {
        let answer = from(&server, Method::OPTIONS, path, PAGE, &asks).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        assert!(answer.header("access-control-allow-methods").is_some_and(|all| all.contains("PATCH")));
        for name in ["authorization", "x-csrf-token", "idempotency-key", "reckoner-project"] {
            assert!(
                answer.header("access-control-allow-headers").is_some_and(|all| all.contains(name)),
                "{name}"
            );
        }
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        let other = from(&server, Method::OPTIONS, path, "https://evil.example", &asks).await;
        assert!(other.status == 405 || other.status == 404, "{path}: {}", other.status);
        assert_eq!(cors_headers(&other), [""; 0], "{path}");
    }
    let plain = Server::start();
    let answer = from(&plain, Method::OPTIONS, "/v1/events", PAGE, &asks).await;
    assert_eq!((answer.status.as_u16(), cors_headers(&answer), answer.header("vary")), (405, vec![], None));
}

#[tokio::test]
async fn every_answer_tells_browsers_what_to_do_with_it() {
    for (url, transport) in
        [("http://127.0.0.1:1", None), ("https://billing.example.com", Some("max-age=31536000"))]
    {
        let server = Setup::default().env("GATEWAY_URL", url).start();
        for path in ["/ping", "/v1/meters", "/nothing", "/auth/me", "/metrics", "/docs", "/v1/events/%FF"] {
            let answer = from(&server, Method::GET, path, PAGE, &[]).await;
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{path}");
            }
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{path}"
            );
            assert_eq!(answer.header("strict-transport-security"), transport, "{path}");
        }
    }
}

#[tokio::test]
async fn headers_beyond_their_limit_are_refused_and_others_served() {
    let server = Server::start();
    let with = async |number: usize, bytes: usize| {
        let mut request = server.bare(Method::GET, "/ping");
        for index in 0..number {
            request = request.header(format!("x-filler-{index}"), "x".repeat(bytes));
        }
        request.send().await.map(|answer| answer.status().as_u16())
    };
    assert_eq!(with(50, 100).await.ok(), Some(200));
    assert_eq!(with(200, 1).await.ok(), Some(431));
    // A client may be cut off before it has sent all.
    assert!(matches!(with(1, 200_000).await, Ok(431) | Err(_)));
    assert_eq!(with(0, 0).await.ok(), Some(200));
    let long = format!("/v1/customers/{}", "a".repeat(60_000));
    assert_eq!(from(&server, Method::GET, &long, PAGE, &[("x-apikey", TEST_KEY)]).await.status, 404);
    let body = server.bare(Method::POST, "/auth/login").header("content-type", "application/json");
    let answer = Answer::of(body.body(" ".repeat(16 * 1024 + 1)).send().await).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["statusCode"]), (413, &serde_json::json!(413)));
}

#[test]
fn what_is_no_origin_is_refused_at_the_start() {
    for bad in ["*", "app.example.com", "https://app.example.com/", "https://a.example/x", "ftp://a.example"]
    {
        let env = [("RECKONER_HTTP_CORS_ORIGINS", bad)];
        let told = crate::support::command::reckoner(&["config", "check", "--json"], &env).json();
        assert_eq!(told["problems"][0]["setting"], "http.cors_origins", "{bad}: {told}");
    }
}
