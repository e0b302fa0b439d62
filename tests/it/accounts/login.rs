//! Registering and logging in.
use super::{PASSWORD, call, get, login, post, register, text};
use crate::support::server::{LIVE_KEY, Server, TEST_KEY};
use reckoner_domain::time::{DAY, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn days_between(from: &Value, to: &Value) -> i64 {
    let time = |value: &Value| Timestamp::parse(value.as_str().expect("a time")).expect("a time");
    time(to).micros_since(time(from)).div_euclid(DAY)
}

#[tokio::test]
async fn a_user_registers_and_logs_in() {
    let server = Server::start();
    let made = register(&server, " Ann@Example.com ").await;
    assert_eq!(fields(&made), ["user", "accessToken", "refreshToken"]);
    let told = ["id", "email", "role", "subscription_tier", "trial_ends_at", "email_verified"];
    assert_eq!(fields(&made["user"]), told);
    assert_eq!(made["user"]["email"], "ann@example.com");
    assert_eq!(made["user"]["role"], "customer");
    assert_eq!(made["user"]["subscription_tier"], "free_trial");
    assert_eq!(made["user"]["email_verified"], false);
    let found = login(&server, "ANN@example.com", PASSWORD).await;
    assert_eq!(found.status, 200, "{}", found.text);
    let found = found.json();
    assert_eq!(fields(&found), ["user", "accessToken", "refreshToken"]);
    assert_eq!(fields(&found["user"]), told[..5], "login does not tell of the last one");
    assert_eq!(found["user"]["id"], made["user"]["id"]);
    let me = get(&server, "/auth/me", text(&found, "accessToken")).await;
    assert_eq!(me.status, 200, "{}", me.text);
    let me = me.json();
    let told = [
        "id",
        "email",
        "role",
        "subscription_tier",
        "trial_ends_at",
        "subscription_status",
        "current_period_end",
        "created_at",
    ];
    assert_eq!(fields(&me), told);
    assert_eq!((&me["subscription_status"], &me["current_period_end"]), (&json!("trialing"), &Value::Null));
    assert_eq!(me["trial_ends_at"], made["user"]["trial_ends_at"]);
    // The user is there before the trial, and a moment counts.
    assert_eq!(days_between(&me["created_at"], &me["trial_ends_at"]), 7);
    let metrics = server.get("/metrics").await.text;
    for series in ["auth_login_total{result=\"success\"} 1", "auth_registration_total{status=\"created\"} 1"]
    {
        assert!(metrics.contains(series), "{series} in {metrics}");
    }
    let customer = format!("/v1/customers/{}", text(&me, "id"));
    let request = server.request(Method::GET, &customer, LIVE_KEY).send().await.expect("an answer");
    assert_eq!(request.status(), 200, "registration makes the customer");
    assert_eq!(
        server.request(Method::GET, &customer, TEST_KEY).send().await.expect("an answer").status(),
        404
    );
}

#[tokio::test]
async fn a_known_address_is_a_conflict() {
    let server = Server::start();
    register(&server, "ann@example.com").await;
    let again =
        post(&server, "/auth/register", json!({"email": "ANN@example.com", "password": PASSWORD})).await;
    let told =
        json!({"statusCode": 409, "message": "User with this email already exists", "error": "Conflict"});
    assert_eq!(again.parts(), (409, told));
}

#[tokio::test]
async fn of_those_who_register_one_address_at_once_one_gets_it() {
    let server = std::sync::Arc::new(Server::start());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let server = std::sync::Arc::clone(&server);
        all.spawn(async move {
            let body = json!({"email": "ann@example.com", "password": PASSWORD});
            post(&server, "/auth/register", body).await.status.as_u16()
        });
    }
    let mut statuses = all.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn what_is_wrong_is_told_all_at_once() {
    let server = Server::start();
    let both = post(&server, "/auth/register", json!({"email": "ann", "password": "short"})).await;
    let (status, body) = both.parts();
    assert_eq!((status, &body["statusCode"], &body["error"]), (400, &json!(400), &json!("Bad Request")));
    let message = text(&body, "message");
    assert!(message.contains("email must be") && message.contains("password must have"), "{message}");
    for body in [json!({}), json!({"email": 1, "password": null}), json!([]), json!("x")] {
        for path in ["/auth/register", "/auth/login", "/auth/refresh", "/auth/reset-password"] {
            let answer = post(&server, path, body.clone()).await;
            assert_eq!(answer.status, 400, "{path} with {body}: {}", answer.text);
            assert_eq!(answer.json()["statusCode"], 400, "{path}");
        }
    }
    let no_json = server.bare(Method::POST, "/auth/login").body("email=a").send().await.expect("an answer");
    assert_eq!(no_json.status(), 400);
    let form = server.bare(Method::POST, "/auth/login").header("content-type", "text/plain").body("{}");
    assert_eq!(form.send().await.expect("an answer").status(), 415);
    let large = json!({"email": "a@example.com", "password": "x".repeat(20_000)});
    assert_eq!(post(&server, "/auth/login", large).await.status, 413);
    assert_eq!(call(&server, Method::GET, "/auth/login", None, None).await.status, 405);
    assert_eq!(call(&server, Method::GET, "/auth/nothing", None, None).await.json()["statusCode"], 404);
}

#[tokio::test]
async fn known_and_unknown_addresses_are_told_alike() {
    let server = Server::start();
    register(&server, "ann@example.com").await;
    let known = login(&server, "ann@example.com", "wrong password").await;
    let unknown = login(&server, "bob@example.com", "wrong password").await;
    let told = json!({"statusCode": 401, "message": "Invalid email or password", "error": "Unauthorized"});
    assert_eq!(known.parts(), (401, told.clone()));
    assert_eq!(unknown.parts(), (401, told));
    assert_eq!(known.header("www-authenticate"), unknown.header("www-authenticate"));
    let asked = async |email: &str| {
        post(&server, "/auth/request-password-reset", json!({"email": email})).await.parts()
    };
    assert_eq!(asked("ann@example.com").await, asked("bob@example.com").await);
}

#[tokio::test]
async fn registration_in_test_goes_by_its_clock() {
    let server = Server::start();
    server.freeze("2030-01-01T00:00:00Z").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let named = |name: &'static str| {
        server.bare(Method::POST, "/auth/register").header("reckoner-project", name).json(&body)
    };
    assert_eq!(named("none").send().await.expect("an answer").status(), 404);
    register(&server, "bob@example.com").await;
    let elsewhere = server
        .bare(Method::POST, "/auth/login")
        .header("reckoner-project", "test")
        .json(&json!({"email": "bob@example.com", "password": PASSWORD}));
    assert_eq!(elsewhere.send().await.expect("an answer").status(), 403, "a member of live only");
    let made: Value = named("test").send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(made["user"]["trial_ends_at"], "2030-01-08T00:00:00.000000Z");
    let token = text(&made, "accessToken");
    let me = get(&server, "/auth/me", token).await.json();
    assert_eq!(me["subscription_status"], "trialing");
    server.advance("2030-01-08T00:00:00Z").await;
    let me = get(&server, "/auth/me", token).await.json();
    assert_eq!(me["subscription_status"], "expired", "it ends at that very instant");
    let live = server.bare(Method::GET, "/auth/me").bearer_auth(token).header("reckoner-project", "live");
    assert_eq!(live.send().await.expect("an answer").status(), 403, "no member of live");
}

#[tokio::test]
async fn one_client_registers_so_often() {
    let server = crate::support::server::Setup::default().env("RECKONER_AUTH_REGISTRATIONS_MAX", "2").start();
    register(&server, "a@example.com").await;
    register(&server, "b@example.com").await;
    let third =
        post(&server, "/auth/register", json!({"email": "c@example.com", "password": PASSWORD})).await;
    let (status, body) = third.parts();
    assert_eq!((status, &body["statusCode"]), (429, &json!(429)));
    assert!((1..=900).contains(&body["retryAfter"].as_u64().expect("seconds")), "{body}");
    assert_eq!(third.header("retry-after"), Some(body["retryAfter"].to_string().as_str()));
    assert_eq!(fields(&body), ["statusCode", "message", "retryAfter"]);
}
