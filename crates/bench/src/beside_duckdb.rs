//! The same questions to the server and to `DuckDB`, which reads the server's own files.
use crate::Result;
use crate::http::{self, Connection};
use crate::server::KEY;
use crate::soak::query_range;
use crate::soak_events::Plan;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Days asked for: as many as an answer has rows for, of all customers.
const DAYS: i64 = 24;
/// How often each question is asked; the shortest time counts.
const TIMES: u32 = 3;
/// What `DuckDB` does, given the files, both ends of the range and how often: prints seconds and rows of each question.
const SCRIPT: &str = r#"
import sys, time, duckdb
connection = duckdb.connect()
connection.execute("set enable_progress_bar = false")
files, start, end, times = sys.argv[1] + "/events-*.parquet", sys.argv[2], sys.argv[3], int(sys.argv[4])
where = f"from '{files}' where record = 'event' and time >= '{start}' and time < '{end}'"
connection.execute("set timezone = 'UTC'")
for question in [
    f"select customer, date_trunc('day', time), sum(value) {where} group by all",
    f"select properties ->> '$.region', sum(value) {where} group by all",
]:
    best = 1e9
    for _ in range(times):
        began = time.perf_counter()
        connection.execute("create or replace temp table answer as " + question)
        best = min(best, time.perf_counter() - began)
    print(best, connection.execute("select count(*) from answer").fetchone()[0])
"#;

/// Asks both, and prints how long each took and the ratio; an error where they have different rows.
pub async fn run(address: &str, plan: &Plan, python: &Path, files: &Path) -> Result<()> {
    let to = plan.from + SignedDuration::from_hours(24 * DAYS);
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(files)
        .args([plan.from.to_string(), to.to_string(), TIMES.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let printed = String::from_utf8(output.stdout)?;
    let questions = ["window=day&group_by=customer", "group_by=region"];
    for (parameters, line) in questions.into_iter().zip(printed.lines()) {
        let (seconds, rows) = line.split_once(' ').ok_or("DuckDB printed something else")?;
        let (took, found) = ask(address, plan.from, to, parameters).await?;
        let theirs: f64 = seconds.parse()?;
        println!(
            "{DAYS} days, {parameters}: {found} rows in {took:.3?}; DuckDB {theirs:.3} s; ratio {:.2}",
            took.as_secs_f64() / theirs
        );
        if found != rows.parse::<usize>()? {
            return Err(format!("DuckDB has {rows} rows").into());
        }
    }
    time_exports(address).await
}

/// The shortest time of a query, until the last byte of its answer is there, and its rows.
async fn ask(address: &str, from: Timestamp, to: Timestamp, parameters: &str) -> Result<(Duration, usize)> {
    let mut connection = Connection::open(address).await?;
    let mut best = (Duration::MAX, 0);
    for _ in 0..TIMES {
        let (rows, took) = query_range(&mut connection, from, to, parameters).await?;
        best = best.min((took, rows.len()));
    }
    Ok(best)
}

/// Tells how long an export of all events takes in each form.
async fn time_exports(address: &str) -> Result<()> {
    for form in ["application/x-ndjson", "text/csv", "application/vnd.apache.parquet"] {
        let began = Instant::now();
        let bytes = http::download(address, "/v1/events", KEY, form).await?;
        println!("all events as {form}: {} MiB in {:.2?}", bytes / (1024 * 1024), began.elapsed());
    }
    Ok(())
}
