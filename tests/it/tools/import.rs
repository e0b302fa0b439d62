use super::standin::{Asked, Standin, all_accepted};
use super::{KEY, code};
use clap::Parser;
use reckoner_server::cli::client::RetryPolicy;
use reckoner_server::cli::error::CliError;
use reckoner_server::cli::import::run_with;
use reckoner_server::cli::{Cli, Command};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// As patient as a user would be, but without pauses.
const EAGER: RetryPolicy =
    RetryPolicy { attempts_max: 5, pause_first: Duration::ZERO, pause_max: Duration::ZERO };

async fn import(standin: &Standin, file: &Path, more: &[&str]) -> (Value, Result<(), CliError>) {
    let file = file.to_str().expect("text");
    let line = ["reckoner", "import", file, "--json", "--url", &standin.url, "--api-key", KEY];
    let Command::Import(args) = Cli::try_parse_from(line.iter().chain(more)).expect("a command").command
    else {
        panic!("another command");
    };
    let mut out = Vec::new();
    let result = run_with(args, EAGER, &mut out).await;
    (serde_json::from_slice(&out).unwrap_or_default(), result)
}

fn file(dir: &tempfile::TempDir, text: &str) -> std::path::PathBuf {
    let path = dir.path().join("usage");
    std::fs::write(&path, text).expect("written");
    path
}

fn good(asked: &Asked) -> (u16, String) {
    if asked.path == "/ping" { (200, "{}".into()) } else { all_accepted(asked) }
}

/// `rows` rows of CSV, of which every tenth says the same.
fn csv(rows: usize) -> String {
    let mut text = "customer,meter,value,time,properties.region\n".to_owned();
    for row in 0..rows {
        let _ = writeln!(text, "c,api.calls,{},2026-01-14T09:30:00Z,eu", if row % 10 == 0 { 0 } else { row });
    }
    text
}

#[tokio::test]
async fn chunks_of_a_thousand_with_ids_made_of_content() {
    let dir = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(|asked, _| good(asked)).await;
    let path = file(&dir, &csv(2_345));
    for _ in 0..2 {
        let (report, result) = import(&standin, &path, &[]).await;
        assert!(result.is_ok());
        assert_eq!((&report["rows"], &report["accepted"]), (&json!(2_345), &json!(2_345)));
    }
    let asked = standin.asked("/v1/events");
    let sizes: Vec<usize> = asked.iter().map(|asked| asked.lines().len()).collect();
    assert_eq!(sizes, [1_000, 1_000, 345, 1_000, 1_000, 345]);
    let (first, second) = asked.split_at(3);
    assert!(first.iter().zip(second).all(|(first, second)| first.body == second.body));
    let ids: HashSet<String> = first
        .iter()
        .flat_map(Asked::lines)
        .map(|event| event["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), 2_345);
    let event = &first[0].lines()[1];
    assert_eq!(event["properties"], json!({"region": "eu"}));
    assert_eq!(event["time"], "2026-01-14T09:30:00.000000Z");
}

#[tokio::test]
async fn what_is_not_answered_whole_is_sent_again() {
    let dir = tempfile::tempdir().expect("a directory");
    // After the first contact: busy, cut short in two ways, and then taken.
    let standin = Standin::start(|asked, before| match before {
        1 => (503, "{}".into()),
        2 => (200, "{\"committed\":1}\n".into()),
        3 => (200, "{\"committed\":1}\n{\"acce".into()),
        _ => good(asked),
    })
    .await;
    let (report, result) = import(&standin, &file(&dir, &csv(3)), &[]).await;
    assert!(result.is_ok());
    assert_eq!(report["accepted"], json!(3));
    let asked = standin.asked("/v1/events");
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|again| again.body == asked[0].body));
}

#[tokio::test]
async fn a_server_that_stays_busy_ends_the_import_with_a_report() {
    let dir = tempfile::tempdir().expect("a directory");
    let standin =
        Standin::start(|asked, before| if before < 2 { good(asked) } else { (503, String::new()) }).await;
    let (report, result) = import(&standin, &file(&dir, &csv(1_500)), &[]).await;
    let error = result.expect_err("not all was sent");
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("HTTP 503") && error.to_string().contains("Run it again"), "{error}");
    assert_eq!(report["accepted"], json!(1_000));
    assert_eq!(standin.asked("/v1/events").len(), 1 + 5);
}

#[tokio::test]
async fn rejected_rows_are_kept_with_their_lines_and_reasons() {
    let dir = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(|asked, _| match asked.path.as_str() {
        "/ping" => (404, String::new()),
        _ => {
            let refusal =
                r#"{"index":1,"id":"b","status":"conflict","errors":[{"field":"id","reason":"is taken"}]}"#;
            (200, format!("{refusal}\n{{\"accepted\":1,\"duplicate\":1,\"rejected\":1}}\n"))
        }
    })
    .await;
    let text = r#"{"id":"a","customer":"c","meter":"m"}
{"customer":"c"}
{"id":"b","customer":"c","meter":"m"}
not JSON
{"id":"d","customer":"c","meter":"m"}
"#;
    let rejects = dir.path().join("rejects");
    let more = ["--format", "ndjson", "--rejects", rejects.to_str().expect("text")];
    let (report, result) = import(&standin, &file(&dir, text), &more).await;
    assert_eq!(code(&result), 1);
    let counts =
        ["rows", "accepted", "duplicate", "rejected"].map(|name| report[name].as_u64().expect("a count"));
    assert_eq!(counts, [5, 1, 1, 3]);
    let kept = std::fs::read_to_string(rejects).expect("a file");
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let lines: Vec<&Value> = kept.iter().map(|row| &row["line"]).collect();
    assert_eq!(lines, [&json!(2), &json!(3), &json!(4)]);
    assert_eq!(kept[0]["reasons"], json!(["meter is required"]));
    assert_eq!(kept[1]["reasons"], json!(["id is taken"]));
    assert_eq!(kept[1]["row"], r#"{"id":"b","customer":"c","meter":"m","value":1}"#);
    assert_eq!(kept[2]["row"], "not JSON");
}

#[tokio::test]
async fn a_dry_run_asks_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(|_, _| (500, String::new())).await;
    let text = r#"[{"_id":"a","customerId":"c","eventType":"m","value":1,"receivedAt":"2026-01-14T09:30:00.000Z"},
        {"_id":"b","customerId":"c","eventType":"m","value":"x"}]"#;
    let (report, result) = import(&standin, &file(&dir, text), &["--dry-run"]).await;
    assert_eq!(code(&result), 1);
    assert_eq!((&report["accepted"], &report["rejected"]), (&json!(1), &json!(1)));
    assert!(standin.asked("/ping").is_empty() && standin.asked("/v1/events").is_empty());
}

#[tokio::test]
async fn unknown_columns_and_missing_files_are_wrong_calls() {
    let dir = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(|asked, _| good(asked)).await;
    let (_, result) = import(&standin, &file(&dir, "customer,meter,vaule\nc,m,1\n"), &[]).await;
    assert_eq!(code(&result), 2);
    let (_, result) = import(&standin, &dir.path().join("none"), &[]).await;
    assert_eq!(code(&result), 2);
    assert!(standin.asked("/v1/events").is_empty());
}

/// A document of the metering webhook system for a customer's 12th of January.
fn document(customer: &str) -> Value {
    json!({
        "_id": format!("{customer}_daily_20260112"), "customerId": customer, "period": "daily",
        "periodKey": "20260112", "periodStart": {"$date": {"$numberLong": "1768176000000"}},
        "periodEnd": {"$date": "2026-01-12T23:59:59.999Z"}, "timestamp": {"$date": "2026-01-13T00:00:01Z"},
        "events": {"api.calls": {"$numberInt": "5"}}, "eventCounts": {"api.calls": 2}, "eventCount": 2,
        "webhookStatus": {"delivered": false, "attempts": 3, "lastError": "HTTP 500"},
        "createdAt": {"$date": "2026-01-13T00:00:02Z"}, "__v": 0,
    })
}

#[tokio::test]
async fn refused_aggregations_are_left_out_and_the_rest_is_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(|asked, _| match asked.path.as_str() {
        "/v1/aggregations/import" => match asked.json()["aggregations"].as_array().map(Vec::len) {
            Some(4) => (
                422,
                json!({"errors": [{"field": "aggregations[2].values.api.calls", "reason": "is bad"},
                {"field": "aggregations[2].event_count", "reason": "is worse"}]})
                .to_string(),
            ),
            Some(3) => {
                (409, json!({"errors": [{"field": "aggregations[0]", "reason": "is there"}]}).to_string())
            }
            _ => (200, json!({"imported": 1, "unchanged": 1}).to_string()),
        },
        _ => good(asked),
    })
    .await;
    let documents = ["a", "b", "c", "d"].map(document);
    let event =
        json!({"customer": "a", "meter": "api.calls", "time": {"$date": {"$numberLong": "1768176000000"}}});
    let lines: String = documents.iter().chain([&event]).map(|one| format!("{one}\n")).collect();
    let (report, result) = import(&standin, &file(&dir, &lines), &[]).await;
    assert_eq!(code(&result), 1);
    let counts =
        ["rows", "accepted", "duplicate", "rejected"].map(|name| report[name].as_u64().expect("a count"));
    assert_eq!(counts, [5, 2, 1, 2], "{report}");
    let rejected: Vec<_> = report["first_rejected"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (&row["line"], &row["reasons"]))
        .collect();
    let (conflict, invalid) =
        (json!(["is there"]), json!(["values.api.calls is bad", "event_count is worse"]));
    assert_eq!(rejected, [(&json!(1), &conflict), (&json!(3), &invalid)]);
    assert_eq!(standin.asked("/v1/aggregations/import").len(), 3);
    assert_eq!(standin.asked("/v1/events")[0].lines()[0]["time"], "2026-01-12T00:00:00.000000Z");
    // A refusal that names no row ends the import.
    let standin =
        Standin::start(|asked, _| if asked.path == "/ping" { good(asked) } else { (403, "{}".into()) }).await;
    let (_, result) = import(&standin, &file(&dir, &documents[0].to_string()), &[]).await;
    assert!(result.expect_err("refused").to_string().contains("403"));
}
