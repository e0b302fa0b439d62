//! Services: proving who they are, and what their tokens open.
use super::{described, key};
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};

const GATEWAY: &str = "9f86d081884c7d659a2feaa0c55ad015-gateway";
const READER: &str = "a3bf4f1b2b0b822cd15d6c15b0f00a08-reader!";
const WORKER: &str = "4e07408562bedb8b60ce05c1decfe3ad-worker";
const TOML: &str = r#"
    [services.gateway]
    secret = "9f86d081884c7d659a2feaa0c55ad015-gateway"
    permissions = ["usage:write"]
    [services.reader]
    permissions = ["project:read"]
    [services.worker]
    secret = "4e07408562bedb8b60ce05c1decfe3ad-worker"
    permissions = []
"#;

fn setup() -> Setup {
    Setup::default().toml(TOML).env("RECKONER_SERVICES_READER_SECRET", READER)
}

/// Calls a path with these headers.
async fn call(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.bare(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await).await
}

async fn post(server: &Server, path: &str, token: &str) -> Answer {
    call(server, Method::POST, path, &[("x-service-token", token)]).await
}

async fn ask(server: &Server, name: &str, secret: Option<&str>) -> Answer {
    let mut request = server.bare(Method::POST, "/auth/service/token").json(&json!({"serviceName": name}));
    if let Some(secret) = secret {
        request = request.header("x-service-secret", secret);
    }
    Answer::of(request.send().await).await
}

/// The token in an answer.
fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    let fields: Vec<_> = body.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["token", "expiresIn"]);
    assert_eq!(body["expiresIn"], "24h");
    body["token"].as_str().expect("a token").to_owned()
}

async fn token(server: &Server, name: &str, secret: &str) -> String {
    token_of(&ask(server, name, Some(secret)).await)
}

#[tokio::test]
async fn a_service_gets_renews_and_shows_its_token() {
    let server = setup().start();
    for (name, secret) in [("gateway", GATEWAY), ("reader", READER), ("worker", WORKER)] {
        let first = token(&server, name, secret).await;
        let second = token_of(&post(&server, "/auth/service/refresh", &first).await);
        for token in [&first, &second] {
            let verdict = post(&server, "/auth/service/verify", token).await;
            assert_eq!(verdict.parts(), (200, json!({"valid": true, "serviceName": name})));
        }
    }
    let none = call(&server, Method::POST, "/auth/service/verify", &[]).await;
    for verdict in [none, post(&server, "/auth/service/verify", "x").await] {
        assert_eq!(verdict.parts(), (200, json!({"valid": false})));
    }
    assert_eq!(post(&server, "/auth/service/refresh", "x").await.status, 401);
}

#[tokio::test]
async fn unknown_services_and_wrong_secrets_are_told_the_same() {
    let server = setup().start();
    let told = json!({"statusCode": 401, "message": "Invalid service credentials", "error": "Unauthorized"});
    let long = GATEWAY.repeat(8);
    for (name, secret) in [
        ("gateway", None),
        ("gateway", Some("")),
        ("gateway", Some(READER)),
        ("gateway", Some(&GATEWAY[1..])),
        ("gateway", Some(long.as_str())),
        ("Gateway", Some(GATEWAY)),
        ("reader", Some(GATEWAY)),
        ("nobody", Some(GATEWAY)),
        ("nobody", None),
        ("", Some(GATEWAY)),
    ] {
        assert_eq!(ask(&server, name, secret).await.parts(), (401, told.clone()), "{name:?} {secret:?}");
    }
    let nameless = server.post("/auth/service/token", json!({})).await;
    assert_eq!((nameless.status.as_u16(), &nameless.json()["statusCode"]), (400, &json!(400)));
    let metrics = server.get("/metrics").await.text;
    token(&server, "gateway", GATEWAY).await;
    for (service, failures) in [("gateway", 5), ("reader", 1), ("unknown", 4)] {
        let line =
            format!("service_auth_attempts_total{{service=\"{service}\",result=\"failure\"}} {failures}\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let line = "service_auth_attempts_total{service=\"gateway\",result=\"success\"} 1\n";
    assert!(server.get("/metrics").await.text.contains(line));
    assert!(!metrics.contains("nobody") && !metrics.contains("Gateway"));
}

#[tokio::test]
async fn each_route_answers_each_service_as_its_permissions_say() {
    let server = setup().start();
    let mut tokens = Vec::new();
    for (name, secret, scope) in
        [("gateway", GATEWAY, "ingest"), ("reader", READER, "read"), ("worker", WORKER, "")]
    {
        tokens.push((name, token(&server, name, secret).await, scope));
    }
    let nothing = format!("none_{}", "0".repeat(32));
    for (method, pattern, needed) in described() {
        let Some(needed) = needed else { continue };
        let mut path = pattern.replace("{event_type}", "api.calls");
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, &nothing);
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        for (name, token, scope) in &tokens {
            let what = format!("{method} {pattern} as {name}");
            let status =
                call(&server, method.clone(), &path, &[("x-service-token", token)]).await.status.as_u16();
            // On loopback everybody reads it.
            let of_services = needed == "service" || needed == format!("service:{scope}");
            if needed == *scope || of_services || pattern == "/metrics" {
                assert!(status != 401 && status != 403 && status < 500, "{what}: {status}");
            } else {
                assert_eq!(status, 403, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_service_acts_in_the_project_that_it_names() {
    let server = setup().start();
    let (gateway, reader) =
        (token(&server, "gateway", GATEWAY).await, token(&server, "reader", READER).await);
    let event = json!({"id": "e1", "customer": "acme", "meter": "api.calls", "value": 3});
    let sent = server
        .bare(Method::POST, "/v1/events")
        .header("x-service-token", &gateway)
        .header("reckoner-project", "test")
        .json(&event);
    assert_eq!(Answer::of(sent.send().await).await.status, 201);
    assert_eq!(server.get("/v1/events/e1").await.status, 200);
    let read = async |headers: &[(&str, &str)]| {
        call(&server, Method::GET, "/v1/events/e1", headers).await.status.as_u16()
    };
    let named = |project| [("x-service-token", reader.as_str()), ("reckoner-project", project)];
    assert_eq!(read(&[("x-service-token", reader.as_str())]).await, 404, "live has none");
    assert_eq!(read(&named("test")).await, 200);
    assert_eq!(read(&named("none")).await, 403);
    assert_eq!(read(&[("x-service-token", "x"), ("reckoner-project", "none")]).await, 401);
}

/// The access token of a user who just registered.
async fn person(server: &Server) -> String {
    let body = json!({"email": "ann@example.com", "password": "correct horse battery"});
    let made = Answer::of(server.bare(Method::POST, "/auth/register").json(&body).send().await).await;
    made.json()["accessToken"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn one_kind_of_token_is_not_taken_for_another() {
    let server = setup().start();
    let (service, person) = (token(&server, "reader", READER).await, person(&server).await);
    let bearer = format!("Bearer {service}");
    let status = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        call(&server, method, path, headers).await.status.as_u16()
    };
    for header in [("authorization", bearer.as_str()), ("x-apikey", &service)] {
        assert_eq!(status(Method::GET, "/v1/meters", &[header]).await, 401, "{header:?}");
    }
    for token in [person.as_str(), TEST_KEY, READER, &service[..service.len() - 1]] {
        let header = ("x-service-token", token);
        assert_eq!(status(Method::GET, "/v1/meters", &[header]).await, 401, "{token}");
        assert_eq!(status(Method::POST, "/auth/service/refresh", &[header]).await, 401, "{token}");
    }
    // With two credentials the service counts, but for the routes of a person.
    let person = format!("Bearer {person}");
    let both = [("x-service-token", service.as_str()), ("authorization", person.as_str())];
    assert_eq!(status(Method::GET, "/v1/meters", &both).await, 200);
    assert_eq!(status(Method::GET, "/auth/me", &both).await, 200);
    assert_eq!(status(Method::GET, "/auth/me", &both[..1]).await, 403);
    let stale = [("x-service-token", "x"), ("x-apikey", TEST_KEY)];
    assert_eq!(status(Method::GET, "/v1/meters", &stale).await, 401);
}

#[tokio::test]
async fn another_secret_ends_the_tokens_of_the_one_before() {
    let mut server = setup().start();
    let (gateway, reader) =
        (token(&server, "gateway", GATEWAY).await, token(&server, "reader", READER).await);
    server.set_env("RECKONER_SERVICES_READER_SECRET", &READER.repeat(2));
    server.crash_and_restart();
    let valid =
        async |token: &str| post(&server, "/auth/service/verify", token).await.json()["valid"].clone();
    assert_eq!((valid(&gateway).await, valid(&reader).await), (json!(true), json!(false)));
    assert_eq!(post(&server, "/auth/service/refresh", &reader).await.status, 401);
    let again = token(&server, "reader", &READER.repeat(2)).await;
    assert_eq!(valid(&again).await, Value::Bool(true));
}

#[tokio::test]
async fn a_service_acts_in_its_projects_only() {
    let of_test = "permissions = [\"project:read\"]\nprojects = [\"test\"]";
    let toml = TOML.replace("permissions = []", of_test);
    let server = setup().toml(&toml).start();
    let worker = token(&server, "worker", WORKER).await;
    let read = async |project: Option<&str>| {
        let mut headers = vec![("x-service-token", worker.as_str())];
        headers.extend(project.map(|project| ("reckoner-project", project)));
        call(&server, Method::GET, "/v1/test-clock", &headers).await.status.as_u16()
    };
    assert_eq!(read(None).await, 200, "it acts on test by itself");
    assert_eq!((read(Some("test")).await, read(Some("live")).await), (200, 403));
    let reader = token(&server, "reader", READER).await;
    let on_live = call(&server, Method::GET, "/v1/test-clock", &[("x-service-token", &reader)]).await;
    assert_eq!(on_live.status, 404, "others act on live");
}

#[tokio::test]
async fn services_are_read_again() {
    let server = setup().start();
    let (gateway, reader, worker) = (
        token(&server, "gateway", GATEWAY).await,
        token(&server, "reader", READER).await,
        token(&server, "worker", WORKER).await,
    );
    let new = WORKER.repeat(2);
    let toml = format!(
        "[services.worker]\nsecret = \"{new}\"\npermissions = []\n[services.reader]\npermissions = [\"usage:write\"]\n\
         [services.added]\nsecret = \"{GATEWAY}\"\npermissions = [\"project:read\"]"
    );
    let file = server.dir().join("reckoner.toml");
    std::fs::write(&file, "[services.worker]\nsecret = \"short\"").expect("written");
    server.signal("HUP");
    server.logged("the configuration stays as it was");
    assert_eq!(post(&server, "/auth/service/refresh", &gateway).await.status, 200);
    std::fs::write(&file, &toml).expect("written");
    server.signal("HUP");
    server.logged("the configuration was read again");
    assert_eq!(ask(&server, "gateway", Some(GATEWAY)).await.status, 401, "it is gone");
    for (token, status) in [(&gateway, 401), (&worker, 401), (&reader, 200)] {
        assert_eq!(post(&server, "/auth/service/refresh", token).await.status, status);
    }
    assert_eq!(ask(&server, "worker", Some(WORKER)).await.status, 401);
    token(&server, "worker", &new).await;
    let added = token(&server, "added", GATEWAY).await;
    let read = async |token: &str| {
        call(&server, Method::GET, "/v1/meters", &[("x-service-token", token)]).await.status.as_u16()
    };
    assert_eq!((read(&added).await, read(&reader).await), (200, 403), "permissions are those of now");
    let entries =
        server.request(Method::GET, "/v1/audit?chain=installation&action=configuration.read_again", LIVE_KEY);
    let entries = Answer::of(entries.send().await).await;
    let shown = &entries.json()["data"][0]["after"]["services"]["known"]["added"];
    assert_eq!(*shown, json!({"permissions": ["project:read"], "projects": []}));
    assert!(!entries.text.contains(GATEWAY) && !entries.text.contains(&new));
}

#[tokio::test]
async fn clients_that_send_no_secret_are_believed_only_where_that_is_set() {
    let server = setup().env("RECKONER_ALLOW_UNPROVEN_SERVICES", "true").start();
    server.logged("allow_unproven_services: whoever names a service gets a token");
    let unproven = token_of(&ask(&server, "gateway", None).await);
    let verdict = post(&server, "/auth/service/verify", &unproven).await.json();
    assert_eq!(verdict, json!({"valid": true, "serviceName": "gateway"}));
    assert_eq!(ask(&server, "gateway", Some(READER)).await.status, 401, "a wrong secret stays wrong");
    assert_eq!(ask(&server, "nobody", None).await.status, 401);
}

#[tokio::test]
async fn secrets_and_tokens_of_services_are_not_logged() {
    let mut server = setup().env("RECKONER_LOG_LEVEL", "trace").start();
    let good = token(&server, "gateway", GATEWAY).await;
    post(&server, "/auth/service/verify", &good).await;
    ask(&server, "gateway", Some(WORKER)).await;
    key(&server, &["read"]).await;
    assert!(server.terminate().success());
    let log = server.log();
    assert!(log.len() > 1_000, "the log says nothing: {log}");
    for secret in [GATEWAY, READER, WORKER, &good] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}
