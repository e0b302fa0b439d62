//! The delivered webhook, to the byte, and what the aggregation says of it.
use super::{eventually, names, send};
use crate::support::server::{Server, Setup};
use crate::webhooks::receiver::{Hit, Receiver, Reply};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Not decodable as base64: the receivers of system A have such secrets.
const SECRET: &str = "whsec_a secret of system A";
/// Set where the receivers' programs are at hand, node among them.
const NODE_MODULES: &str = "RECKONER_TEST_NODE_MODULES";

fn setup(url: &str) -> Setup {
    Setup::default().system(json!({
        "periods": ["daily"],
        "events": {"sum": {"op": "sum"}, "10": {"op": "max"}, "9": {"op": "min"}, "m": {"op": "avg"}},
        "webhooks": [{"url": url, "secret": SECRET, "enabled": true, "project": "test"}],
    }))
}

async fn close_a_day(server: &Server, events: &[(&str, &str)]) {
    server.freeze("2026-01-12T09:30:00Z").await;
    for (event_type, value) in events {
        let body = format!(r#"{{"customerId":"a \"é\u2028","value":{value}}}"#);
        assert_eq!(send(server, &format!("/usage/{event_type}"), &body).await.status, 201, "{body}");
    }
    assert_eq!(server.advance("2026-01-13T00:15:00Z").await, 1);
}

/// Real time in whole seconds: what the sender signed, shown to be recent by verifying.
fn signed_at(hit: &Hit) -> i64 {
    hit.header("X-Webhook-Timestamp").parse().expect("seconds")
}

#[tokio::test]
async fn the_body_and_the_headers_are_those_of_system_a() {
    let mut receiver = Receiver::start().await;
    let server = setup(&receiver.url).start();
    let events = [
        ("sum", "0.1"),
        ("sum", "0.2"),
        ("10", "123456789012345678"),
        ("9", "0.0000001"),
        ("m", "1"),
        ("m", "1"),
        ("m", "0"),
    ];
    close_a_day(&server, &events).await;
    let hit = receiver.hit().await;
    let expected = concat!(
        r#"{"type":"aggregation.completed","customerId":"a \"é"#,
        "\u{2028}",
        r#"","period":"daily","data":{"periodStart":"2026-01-12T00:00:00.000Z","#,
        r#""periodEnd":"2026-01-12T23:59:59.999Z","periodKey":"20260112","timestamp":"2026-01-13T00:00:00.000Z","#,
        r#""events":{"9":1e-7,"10":123456789012345680,"m":0.6666666666666666,"sum":0.3},"#,
        r#""eventCounts":{"9":1,"10":1,"m":3,"sum":2},"eventCount":7},"created":1768262400}"#,
    );
    assert_eq!(hit.body, expected);
    assert_eq!(hit.header("Content-Type"), "application/json");
    assert_eq!(hit.header("X-Reckoner-Project"), "test");
    let seconds = signed_at(&hit);
    assert_eq!(hit.header("webhook-timestamp"), seconds.to_string());
    assert!((1_768_262_400 - 86_400 * 30..).contains(&seconds), "real time signs, not the project's");
    let signature = hit.header("X-Webhook-Signature");
    let hex = signature.strip_prefix("v1=").expect("v1=");
    assert!(hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{signature}");
    assert_eq!(hit.verify_v1(SECRET, seconds), Ok(()));
    assert!(hit.verify_v1("whsec_another", seconds).is_err());
    match printed_again(&hit.body) {
        Some(again) => assert_eq!(again, hit.body),
        None => {
            println!(
                "skipped JSON.stringify(JSON.parse(body)): {NODE_MODULES} is not set; ./test.sh sets it"
            );
        }
    }
}

/// What node makes of a body parsed and printed again.
fn printed_again(body: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment whether node is at hand"
    )]
    std::env::var_os(NODE_MODULES)?;
    let script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))";
    let mut node = Command::new("node")
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    node.stdin.take().expect("its input").write_all(body.as_bytes()).expect("written");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).expect("text"))
}

async fn status(server: &Server, wanted: impl Fn(&Value) -> bool) -> Value {
    let list = eventually(server, "/aggregations", |list| wanted(&list[0]["webhookStatus"])).await;
    list[0]["webhookStatus"].clone()
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 24 && text.ends_with('Z'))
}

#[tokio::test]
async fn an_aggregation_tells_how_its_webhook_fared() {
    let mut receiver = Receiver::start().await;
    receiver.then([Reply::Status(500)]);
    let server = setup(&receiver.url).start();
    server.freeze("2026-01-12T09:30:00Z").await;
    let sent = send(&server, "/usage/sum", r#"{"customerId":"a","value":1}"#).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
    // No further than the day's end, when it is told of: the clock must not pass the retry on its way.
    assert_eq!(server.advance("2026-01-13T00:00:00Z").await, 1);
    receiver.hit().await;
    let failed = status(&server, |status| status["attempts"] == json!(1)).await;
    assert_eq!(names(&failed), ["attempts", "delivered", "lastAttemptAt", "lastError"]);
    assert_eq!(failed["delivered"], json!(false));
    assert!(is_time(&failed["lastAttemptAt"]), "{failed}");
    server.advance("2026-01-13T00:20:00Z").await;
    receiver.hit().await;
    let delivered = status(&server, |status| status["delivered"] == json!(true)).await;
    assert_eq!(names(&delivered), ["attempts", "delivered", "deliveredAt", "lastAttemptAt"]);
    assert_eq!(delivered["attempts"], json!(2));
    assert!(is_time(&delivered["deliveredAt"]), "{delivered}");
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_says_so() {
    for (name, value) in [("RECKONER_DRY_RUN", "true"), ("DRY_RUN", "1")] {
        let receiver = Receiver::start().await;
        let server = setup(&receiver.url).env(name, value).start();
        close_a_day(&server, &[("sum", "1")]).await;
        let shown = status(&server, |status| status["delivered"] == json!(true)).await;
        assert_eq!(
            names(&shown),
            ["attempts", "delivered", "deliveredAt", "dryRun", "lastAttemptAt"],
            "{shown}"
        );
        assert_eq!(shown["dryRun"], json!(true));
        assert!(!receiver.has_more());
        assert!(server.log().contains("aggregation.completed"), "the payload is logged");
    }
}
