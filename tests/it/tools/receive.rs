use reckoner_domain::webhook::{signature_v1, standard_signature};
use reckoner_server::cli::receive::{BODY_BYTES_MAX, PATH, Received, Receiver, router};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW_S: i64 = 1_800_000_000;
const BODY: &str = r#"{"type":"aggregation.completed","customerId":"c","period":"daily","data":{"periodKey":"20260112","events":{"api.calls":1500},"eventCount":3},"created":1}"#;

struct Running {
    url: String,
    events: mpsc::Receiver<Received>,
}

async fn start(failures: u32) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}{PATH}", listener.local_addr().expect("an address"));
    let (to_shown, events) = mpsc::channel(16);
    let failures = Arc::new(AtomicU32::new(failures));
    let receiver =
        Receiver { secrets: vec!["old".into(), SECRET.into()], now_s: || NOW_S, failures, to_shown };
    tokio::spawn(async move { axum::serve(listener, router(receiver)).await });
    Running { url, events }
}

/// The headers of a delivery signed at `at_s`, those of both schemes.
fn signed(secret: &str, at_s: i64, body: &str) -> [(&'static str, String); 5] {
    [
        ("X-Webhook-Signature", signature_v1(secret, at_s, body.as_bytes())),
        ("X-Webhook-Timestamp", at_s.to_string()),
        ("webhook-id", "msg_1".to_owned()),
        ("webhook-timestamp", at_s.to_string()),
        ("webhook-signature", standard_signature(secret, "msg_1", at_s, body.as_bytes())),
    ]
}

async fn post(url: &str, headers: &[(&str, String)], body: impl Into<reqwest::Body>) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut request = client.post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("text"))
}

#[tokio::test]
async fn both_signatures_or_either_are_verified() {
    let mut running = start(0).await;
    let all = signed(SECRET, NOW_S - 300, BODY);
    for (headers, names) in [
        (&all[..], &["X-Webhook-Signature", "webhook-signature"][..]),
        (&all[..2], &["X-Webhook-Signature"]),
        (&all[2..], &["webhook-signature"]),
    ] {
        assert_eq!(post(&running.url, headers, BODY).await, (200, r#"{"received":true}"#.into()));
        let Some(Received::Taken(delivery)) = running.events.recv().await else { panic!("not taken") };
        assert_eq!(delivery.signatures.names(), names);
        assert_eq!(delivery.headline(), "aggregation.completed c daily 20260112");
    }
}

/// Headers, body, and the status and words of the answer.
type Case = (Vec<(&'static str, String)>, &'static str, u16, &'static str);

#[tokio::test]
async fn what_is_not_signed_well_is_refused() {
    let mut running = start(0).await;
    let good = signed(SECRET, NOW_S, BODY);
    let [v1, v1_time, id, time, standard] = good.clone();
    let other = signed("whsec_other", NOW_S, BODY);
    let soon = ("X-Webhook-Timestamp", "soon".to_owned());
    let cases: [Case; 9] = [
        (vec![], BODY, 401, "not signed"),
        (good.to_vec(), r#"{"type":"other"}"#, 401, "does not match"),
        (signed(SECRET, NOW_S - 301, BODY).to_vec(), BODY, 401, "too old"),
        (signed(SECRET, NOW_S + 301, BODY).to_vec(), BODY, 401, "in the future"),
        (other.to_vec(), BODY, 401, "does not match"),
        (vec![v1.clone()], BODY, 400, "x-webhook-timestamp is missing"),
        (vec![v1.clone(), soon], BODY, 400, "not a number of seconds"),
        (vec![standard.clone(), time.clone()], BODY, 400, "webhook-id is missing"),
        // One good signature does not make up for a bad one.
        (
            vec![v1, v1_time, id, time, other[4].clone()],
            BODY,
            401,
            "webhook-signature: the signature does not match",
        ),
    ];
    for (headers, body, status, text) in cases {
        let (got, answer) = post(&running.url, &headers, body.to_owned()).await;
        assert!(got == status && answer.contains(text), "{got} {answer}: {text}");
        assert!(
            matches!(running.events.recv().await, Some(Received::Refused(reason)) if reason.contains(text))
        );
    }
    let no_json = signed(SECRET, NOW_S, "<x>");
    assert_eq!(post(&running.url, &no_json, "<x>").await.0, 400);
    assert_eq!(post(&running.url, &good, "x".repeat(BODY_BYTES_MAX + 1)).await.0, 413);
}

#[tokio::test]
async fn the_first_deliveries_fail_when_asked_to() {
    let running = start(2).await;
    let headers = signed(SECRET, NOW_S, BODY);
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(post(&running.url, &headers, BODY).await.0);
    }
    assert_eq!(codes, [500, 500, 200]);
}

#[tokio::test]
async fn a_receiver_that_nobody_looks_at_asks_to_come_later() {
    let Running { url, events } = start(0).await;
    drop(events);
    assert_eq!(post(&url, &signed(SECRET, NOW_S, BODY), BODY).await.0, 503);
}

fn spawn(arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reckoner"))
        .args(arguments)
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    (child, stdout)
}

fn line(stdout: &mut impl BufRead) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

#[tokio::test]
async fn the_command_listens_shows_and_stops() {
    let (mut child, mut stdout) = spawn(&["receive", "--port", "0", "--no-verify", "--json"]);
    let first = line(&mut stdout);
    let url = first.strip_prefix("listening on ").expect("the form others rely on").to_owned();
    assert_eq!(post(&format!("{url}{PATH}"), &[("X-Reckoner-Project", "test".into())], BODY).await.0, 200);
    let shown: Value = serde_json::from_str(&line(&mut stdout)).expect("JSON");
    assert_eq!(shown["body"]["customerId"], "c");
    assert_eq!(shown["project"], "test");
    assert_eq!(shown["estimate"], serde_json::json!({"amount": "1.5", "currency": "USD"}));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
    assert!(child.wait().expect("ends").success());
}

#[test]
fn without_a_secret_it_is_called_wrongly() {
    let (mut child, _) = spawn(&["receive", "--port", "0"]);
    assert_eq!(child.wait().expect("ends").code(), Some(2));
}
