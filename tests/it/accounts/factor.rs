//! Second factors: enrolled, asked for, used once, and taken away.
use super::{PASSWORD, call, login, register, text};
use crate::support::server::{Answer, LIVE_KEY, Server};
use reckoner_domain::time::Timestamp;
use reckoner_domain::totp::{SECRET_BYTES, code, step_at};
use reqwest::Method;
use serde_json::{Value, json};

const EMAIL: &str = "ann@example.com";

/// Somebody with an authenticator.
struct Ann {
    server: Server,
    token: String,
    secret: [u8; SECRET_BYTES],
    recovery: Vec<String>,
}

fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    step_at(Timestamp::from_micros_clamped(i64::try_from(since.as_micros()).expect("fits")))
}

fn from_base32(text: &str) -> [u8; SECRET_BYTES] {
    let bits: String = text
        .bytes()
        .map(|letter| if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter - b'A' })
        .map(|value| format!("{value:05b}"))
        .collect();
    let bytes: Vec<u8> =
        (0..SECRET_BYTES).map(|n| u8::from_str_radix(&bits[n * 8..n * 8 + 8], 2).expect("bits")).collect();
    bytes.try_into().expect("as long as a secret")
}

fn digits(secret: &[u8; SECRET_BYTES], step: u64) -> String {
    format!("{:06}", code(secret, step))
}

async fn post(server: &Server, path: &str, token: &str, body: Value) -> Answer {
    call(server, Method::POST, path, Some(token), Some(body)).await
}

async fn log_in(server: &Server, code: &str) -> Answer {
    let body = json!({"email": EMAIL, "password": PASSWORD, "code": code});
    call(server, Method::POST, "/auth/login", None, Some(body)).await
}

/// Enrols and confirms with the present code: that of the next step is still to be used.
async fn enrolled() -> Ann {
    let server = Server::start();
    let token = text(&register(&server, EMAIL).await, "accessToken").to_owned();
    let made = post(&server, "/auth/second-factor", &token, json!({"password": PASSWORD})).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let made = made.json();
    let url = text(&made, "otpauthUrl");
    assert!(url.starts_with("otpauth://totp/Reckoner:ann@example.com?secret="), "{url}");
    let secret = from_base32(text(&made, "secret"));
    assert_eq!(login(&server, EMAIL, PASSWORD).await.status, 200, "nothing is asked for yet");
    let wrong = post(&server, "/auth/second-factor/confirm", &token, json!({"code": "000000"})).await;
    assert_eq!(wrong.status, 401);
    let confirmed =
        post(&server, "/auth/second-factor/confirm", &token, json!({"code": digits(&secret, now())})).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let recovery: Vec<String> =
        serde_json::from_value(confirmed.json()["recoveryCodes"].clone()).expect("codes");
    Ann { server, token, secret, recovery }
}

#[tokio::test]
async fn a_login_asks_for_a_code_and_takes_it_once() {
    let Ann { server, token, secret, recovery } = enrolled().await;
    assert!(recovery.len() == 10 && recovery.iter().all(|code| code.len() == 19), "{recovery:?}");
    let sessions = call(&server, Method::GET, "/auth/sessions", Some(&token), None).await.json();
    assert_eq!(sessions["data"].as_array().map(Vec::len), Some(1), "those without a code have ended");
    let asked = login(&server, EMAIL, PASSWORD).await;
    let needed = json!({"statusCode": 401, "message": "A code of the authenticator is required", "error": "Unauthorized"});
    assert_eq!(asked.parts(), (401, needed));
    let next = digits(&secret, now() + 1);
    assert_eq!(log_in(&server, &next).await.status, 200);
    for used in [&next, &digits(&secret, now())] {
        let again = log_in(&server, used).await;
        assert_eq!((again.status.as_u16(), &again.json()["message"]), (401, &json!("Invalid code")));
    }
    let mut both = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let body = json!({"email": EMAIL, "password": PASSWORD, "code": recovery[0]});
        let request = server.bare(Method::POST, "/auth/session").json(&body);
        both.spawn(async move { request.send().await.expect("an answer").status().as_u16() });
    }
    let mut statuses = both.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "of two at once one gets in");
}

#[tokio::test]
async fn a_recovery_code_works_once_however_it_is_written() {
    let Ann { server, token, recovery, .. } = enrolled().await;
    assert_eq!(log_in(&server, &recovery[0]).await.status, 200);
    assert_eq!(log_in(&server, &recovery[0]).await.status, 401);
    assert_eq!(log_in(&server, &recovery[1].to_uppercase().replace('-', " ")).await.status, 200);
    let state = call(&server, Method::GET, "/auth/second-factor", Some(&token), None).await;
    assert_eq!(state.json(), json!({"enabled": true, "recoveryCodes": 8}));
    let proof = |code: &str| json!({"password": PASSWORD, "code": code});
    let path = "/auth/second-factor/recovery-codes";
    let new = post(&server, path, &token, proof(&recovery[2])).await;
    assert_eq!(new.status, 200, "{}", new.text);
    assert_eq!(log_in(&server, &recovery[3]).await.status, 401, "the old ones are gone");
    let new = new.json()["recoveryCodes"][0].as_str().expect("a code").to_owned();
    assert_eq!(log_in(&server, &new).await.status, 200);
}

#[tokio::test]
async fn wrong_codes_lock_as_wrong_passwords_do() {
    let Ann { server, token, .. } = enrolled().await;
    // The password alone neither counts nor forgets what was wrong.
    for _ in 0..4 {
        assert_eq!(log_in(&server, "000000").await.status, 401);
        assert_eq!(login(&server, EMAIL, PASSWORD).await.status, 401);
    }
    let mut status = 0;
    for _ in 0..2 {
        status = log_in(&server, "aaaa-bbbb-cccc-dddd").await.status.as_u16();
    }
    assert_eq!(status, 429);
    let disable =
        post(&server, "/auth/second-factor/disable", &token, json!({"password": PASSWORD, "code": "1"}))
            .await;
    assert_eq!(disable.status, 429, "there too");
    let entries = server.request(Method::GET, "/v1/audit?chain=installation&action=login.locked", LIVE_KEY);
    let entries = Answer::of(entries.send().await).await.json();
    assert_eq!(entries["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn it_is_taken_away_with_password_and_code() {
    let Ann { server, token, secret, recovery } = enrolled().await;
    let disable = async |password: &str, code: &str| {
        let body = json!({"password": password, "code": code});
        post(&server, "/auth/second-factor/disable", &token, body).await.status.as_u16()
    };
    assert_eq!(post(&server, "/auth/second-factor", &token, json!({"password": PASSWORD})).await.status, 409);
    assert_eq!(post(&server, "/auth/second-factor/confirm", &token, json!({"code": "1"})).await.status, 409);
    assert_eq!(disable("wrong, all of it", &recovery[0]).await, 401);
    assert_eq!(disable(PASSWORD, "123").await, 401);
    assert_eq!(disable(PASSWORD, &digits(&secret, now() + 1)).await, 200);
    assert_eq!(disable(PASSWORD, &recovery[0]).await, 409);
    assert_eq!(login(&server, EMAIL, PASSWORD).await.status, 200);
    let state = call(&server, Method::GET, "/auth/second-factor", Some(&token), None).await;
    assert_eq!(state.json(), json!({"enabled": false, "recoveryCodes": 0}));
    let entries = server.request(Method::GET, "/v1/audit?chain=installation", LIVE_KEY);
    let entries = Answer::of(entries.send().await).await;
    let actions: Vec<Value> =
        entries.json()["data"].as_array().expect("entries").iter().map(|one| one["action"].clone()).collect();
    assert_eq!(actions[..2], [json!("second_factor.disabled"), json!("second_factor.enabled")]);
    for hidden in [&recovery[0], &reckoner_domain::totp::to_base32(&secret)] {
        assert!(!entries.text.contains(hidden.as_str()) && !server.log().contains(hidden.as_str()));
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_the_secrets_refuses_the_start() {
    let Ann { mut server, secret, .. } = enrolled().await;
    assert!(server.terminate().success());
    let file = std::fs::read(server.data_dir().join("control.sqlite")).expect("read");
    let shown = reckoner_domain::totp::to_base32(&secret);
    assert!(!file.windows(shown.len()).any(|part| part == shown.as_bytes()));
    assert!(!file.windows(secret.len()).any(|part| part == secret));
    server.set_env("RECKONER_SECRET_KEY", "another key, which opens nothing that is stored");
    let (code, said) = server.refused_start();
    assert!(
        code == Some(1) && said.contains("1 secret(s) of webhook endpoints and authenticators"),
        "{said}"
    );
}
