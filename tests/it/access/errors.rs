//! What refusals look like, and what every answer carries.
use crate::support::server::{Answer, Server, TEST_KEY};
use reqwest::Method;
use serde_json::json;

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await).await
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_form_of_its_path() {
    let server = Server::start();
    for path in ["/v1", "/v1/nothing", "/v1/customers/%FF", "/v1/customers/a%00b", "/v1/meters/x/y/z"] {
        let answer = send(server.bare(Method::GET, path)).await;
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), &body["code"]), (404, &json!("not_found")), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(body["request_id"], json!(answer.header("x-request-id")), "{path}");
        assert_eq!(body["status"], 404);
        assert_eq!(body["type"], "/docs#not_found");
    }
    for path in ["/nothing", "/usage", "/usage/a/b", "/usage/%FF", "/v2/events"] {
        let answer = send(server.bare(Method::GET, path)).await;
        assert_eq!(answer.parts(), (404, json!({"error": "no such path"})), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_answered_is_405() {
    let server = Server::start();
    for (method, path, allowed) in [
        (Method::PUT, "/v1/meters", "GET"),
        (Method::DELETE, "/v1/events", "POST"),
        (Method::POST, "/v1/test-clock", "PUT"),
        (Method::DELETE, "/ping", "GET"),
        (Method::GET, "/usagebatch", "POST"),
    ] {
        for key in [None, Some(TEST_KEY)] {
            let request = server.bare(method.clone(), path);
            let answer = send(
                key.map_or(request.try_clone().expect("no body"), |key| request.header("x-apikey", key)),
            )
            .await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
            let allow = answer.header("allow").unwrap_or_default();
            assert!(allow.contains(allowed), "{method} {path} allows {allow:?}");
            let body = answer.json();
            if path.starts_with("/v1") {
                assert_eq!(body["code"], "method_not_allowed");
            } else {
                assert_eq!(body, json!({"error": "this path does not answer this method"}));
            }
        }
    }
}

#[tokio::test]
async fn a_sane_request_id_is_taken_over() {
    let server = Server::start();
    for path in ["/ping", "/v1/meters", "/v1/nothing", "/nothing", "/events"] {
        let with = |id: &str| send(server.bare(Method::GET, path).header("x-request-id", id));
        assert_eq!(with("a-1.B_2:c/d+e=").await.header("x-request-id"), Some("a-1.B_2:c/d+e="), "{path}");
        for bad in ["a b", "a\"b", "<script>", &"x".repeat(129)] {
            let answer = with(bad).await;
            let id = answer.header("x-request-id").expect("an id");
            assert!(id != bad && id.len() == 36, "{path}: {id}");
        }
        let (one, two) =
            (send(server.bare(Method::GET, path)).await, send(server.bare(Method::GET, path)).await);
        assert_ne!(one.header("x-request-id"), two.header("x-request-id"), "{path}");
    }
    let text = server.log();
    assert!(!text.contains("<script>"), "{text}");
}

#[tokio::test]
async fn browsers_are_told_to_guess_and_keep_nothing() {
    let server = Server::start();
    for path in ["/ping", "/v1/meters", "/nothing", "/metrics", "/health"] {
        let answer = send(server.bare(Method::GET, path)).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let docs = send(server.bare(Method::GET, "/docs")).await;
    let policy = docs.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(docs.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn every_fault_of_a_request_is_told_at_once() {
    let server = Server::start();
    let faults = async |method: Method, path: &str, body: Option<serde_json::Value>| {
        let request = server.request(method, path, TEST_KEY);
        let answer = send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.text);
        let body = answer.json();
        assert_eq!(body["code"], "invalid");
        let errors = body["errors"].as_array().expect("errors").clone();
        errors.iter().map(|one| one["field"].as_str().expect("a field").to_owned()).collect::<Vec<_>>()
    };
    let customer = json!({"external_id": 5, "time_zone": 7, "metadata": {"a": 1}, "nickname": "x"});
    let told = faults(Method::POST, "/v1/customers", Some(customer)).await;
    assert_eq!(told, ["external_id", "time_zone", "metadata.a", "nickname"]);
    let customer = json!({"external_id": "cus_1", "time_zone": "Mars", "display_name": "", "metadata": {"a": "x".repeat(501)}});
    let told = faults(Method::POST, "/v1/customers", Some(customer)).await;
    assert_eq!(told, ["external_id", "time_zone", "display_name", "metadata.a"]);
    let told = faults(Method::POST, "/v1/api-keys", Some(json!({"scopes": "read", "nam": 1}))).await;
    assert_eq!(told, ["scopes", "nam"]);
    let key = json!({"name": "", "scopes": ["root"], "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(faults(Method::POST, "/v1/api-keys", Some(key)).await, ["name", "scopes", "expires_at"]);
    let list = "/v1/aggregations?limit=0&cursor=!&period=often&from=soon&to=later";
    assert_eq!(faults(Method::GET, list, None).await, ["limit", "cursor", "period", "from", "to"]);
    assert_eq!(faults(Method::GET, "/v1/customers?limt=1&offset=2", None).await, ["limt", "offset"]);
    assert_eq!(faults(Method::GET, "/v1/customers?limit=1&limit=2", None).await, ["limit"]);
    assert_eq!(faults(Method::GET, "/v1/customers?external_id_prefix=%00", None).await, ["query"]);
    assert_eq!(faults(Method::GET, "/v1/customers?limt=1&limit=0", None).await, ["limt", "limit"]);
    let list = "/v1/aggregations?peroid=x&limit=0&period=often&period=daily";
    assert_eq!(faults(Method::GET, list, None).await, ["peroid", "period", "limit", "period"]);
    let list = "/v1/events?metre=x&limit=0&cursor=!&from=soon&to=later&filter[$.[]=1&meter=a&meter=b";
    let expected = ["metre", "meter", "limit", "cursor", "from", "to", "filter[$.[]"];
    assert_eq!(faults(Method::GET, list, None).await, expected);
    let outcomes = "/v1/events?outcomes=some&outcome=all";
    assert_eq!(faults(Method::POST, outcomes, Some(json!({}))).await, ["outcome", "outcomes"]);
    let query = "/v1/meters/api.calls/query?from=soon&to=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z";
    assert_eq!(faults(Method::GET, query, None).await, ["to", "from"]);
    let deliveries = "/v1/webhook-deliveries?limit=x&state=gone";
    assert_eq!(faults(Method::GET, deliveries, None).await, ["limit", "state"]);
}

#[tokio::test]
async fn faults_of_a_header_are_told_beside_those_of_the_body() {
    let server = Server::start();
    server.post("/v1/customers", json!({"external_id": "a"})).await;
    let hook = json!({"url": "https://example.com/hook"});
    let hook = server.post("/v1/webhook-endpoints", hook).await.json();
    let hook = format!("/v1/webhook-endpoints/{}", hook["id"].as_str().expect("an id"));
    for (path, body, expected) in [
        ("/v1/customers/a", json!({"display_name": 5, "x": 1}), vec!["display_name", "x", "If-Match"]),
        ("/v1/customers/a", json!({"display_name": ""}), vec!["If-Match", "display_name"]),
        (&hook, json!({"enabled": 1}), vec!["enabled", "If-Match"]),
        (&hook, json!({"url": "ftp://x", "event_types": [""]}), vec!["If-Match", "url", "event_types"]),
    ] {
        let request = server.request(Method::PATCH, path, TEST_KEY).header("if-match", "x").json(&body);
        let (status, told) = send(request).await.parts();
        let errors = told["errors"].as_array().expect("errors");
        let fields: Vec<_> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        assert_eq!((status, fields), (422, expected), "{path} {body}");
    }
    let rotate = json!({"overlap_hours": 169, "secret": "short"});
    let (status, told) = server.post(&format!("{hook}/rotate-secret"), rotate).await.parts();
    let fields: Vec<_> =
        told["errors"].as_array().expect("errors").iter().map(|error| error["field"].clone()).collect();
    assert_eq!((status, fields), (422, vec![json!("overlap_hours"), json!("secret")]));
}

#[tokio::test]
async fn a_body_of_which_nothing_is_required_may_be_left_out() {
    let server = Server::start();
    let hook = json!({"url": "https://example.com/hook"});
    let hook = server.post("/v1/webhook-endpoints", hook).await.json();
    let path = format!("/v1/webhook-endpoints/{}/rotate-secret", hook["id"].as_str().expect("an id"));
    let request = || server.request(Method::POST, &path, TEST_KEY);
    for request in [
        request(),
        request().header("content-type", "application/json").body(" \n"),
        request().header("content-type", "application/x-www-form-urlencoded").body(""),
        request().json(&json!(null)),
        request().json(&json!({})),
    ] {
        let answer = send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.json()["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
    }
    for (kind, body, status) in [("application/json", "{", 400), ("text/plain", "{}", 415)] {
        assert_eq!(send(request().header("content-type", kind).body(body)).await.status, status);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_told_why() {
    let server = Server::start();
    let post = |kind: &str, body: &'static [u8]| {
        send(server.request(Method::POST, "/v1/customers", TEST_KEY).header("content-type", kind).body(body))
    };
    for (kind, body, status, code) in [
        ("application/json", &b"{"[..], 400, "malformed"),
        ("application/json", b"", 400, "malformed"),
        ("application/json", b"\xff", 400, "malformed"),
        ("application/json", b"[]", 422, "invalid"),
        ("text/plain", b"{}", 415, "unsupported_media_type"),
    ] {
        let answer = post(kind, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (status, &json!(code)),
            "{}",
            answer.text
        );
    }
    let large = vec![b' '; (1 << 20) + 1];
    let request = server.request(Method::POST, "/v1/customers", TEST_KEY);
    let answer = send(request.header("content-type", "application/json").body(large)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (413, &json!("too_large")));
}
