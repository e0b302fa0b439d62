//! Months of many customers, every invoice worked out anew by another program from the rules of the guide.
use crate::support::server::{Setup, TEST_KEY};
use std::process::Command;

/// Names a Python that has the packages.
const PYTHON: &str = "RECKONER_TEST_PYTHON";

#[tokio::test]
async fn another_reading_of_the_rules_agrees_with_every_invoice() {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where Python is")]
    let Ok(python) = std::env::var(PYTHON) else {
        println!("skipped: {PYTHON} is not set");
        return;
    };
    let server =
        Setup::default().system(serde_json::json!({"periods": [], "events": {}, "webhooks": []})).start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/recomputation/life.py");
    let url = server.url("");
    let ran = Command::new(python)
        .args([script, &url, TEST_KEY, "--customers", "12", "--months", "14"])
        .output()
        .expect("Python runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ran.status.success(), "{}{}", said(&ran.stdout), said(&ran.stderr));
    println!("{}", said(&ran.stdout));
}
