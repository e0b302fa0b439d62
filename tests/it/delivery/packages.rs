//! The packages that receivers use accept what is delivered.
use super::{SECRET, close_a_day, server_for};
use crate::webhooks::receiver::{Hit, Receiver};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Names the folder of the receivers' npm packages.
const NODE_MODULES: &str = "RECKONER_TEST_NODE_MODULES";
/// Names a Python that has the receivers' packages.
const PYTHON: &str = "RECKONER_TEST_PYTHON";

#[tokio::test]
async fn npm_and_pypi_verify_a_delivery_and_refuse_a_changed_one() {
    let mut receiver = Receiver::start().await;
    let server = server_for(&[(&receiver.url, SECRET)]);
    close_a_day(&server).await;
    let hit = receiver.hit().await;
    let body: Value = serde_json::from_str(&hit.body).expect("JSON");
    assert_eq!(body["type"], "aggregation.completed");
    assert_eq!(body["data"]["events"], json!({"api.calls": 0.1}));
    assert_eq!(body["created"], 1_768_435_200);
    let receivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/receivers");
    let node = |script: &str| (NODE_MODULES, "node".to_owned(), receivers.join(script));
    let python = (PYTHON, variable(PYTHON).unwrap_or_default(), receivers.join("verify.py"));
    for (name, program, script) in [node("verify.mjs"), node("verify-hex.mjs"), python] {
        if variable(name).is_none() {
            println!("skipped {}: {name} is not set; ./test.sh sets it", script.display());
            continue;
        }
        assert!(accepts(&program, &script, &hit, &hit.body), "{} refuses a delivery", script.display());
        let changed = hit.body.replace("0.1", "0.2");
        assert!(!accepts(&program, &script, &hit, &changed), "{} takes a changed body", script.display());
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the packages are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn accepts(program: &str, script: &Path, hit: &Hit, body: &str) -> bool {
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), Value::String(value.to_str().unwrap_or_default().to_owned()))
    };
    let headers: Map<String, Value> = hit.headers.iter().map(text).collect();
    let input = json!({"secret": SECRET, "headers": headers, "body": body});
    let mut child = Command::new(program)
        .arg(script)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("its input").write_all(input.to_string().as_bytes()).expect("written");
    child.wait().expect("ends").success()
}
