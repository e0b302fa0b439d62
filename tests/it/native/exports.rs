//! Lists as a whole, in every form: each has the rows of the list.
use crate::plans::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup, TEST_KEY};
use reckoner_domain::decimal::Decimal;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Names a Python that has the packages.
const PYTHON: &str = "RECKONER_TEST_PYTHON";
/// More customers than invoices are read at once.
const CUSTOMERS: usize = 103;
/// More aggregations of one day than are read at once.
const DAYS: usize = 507;
const FORMS: [(&str, &str); 4] = [
    ("csv", "text/csv; charset=utf-8"),
    ("json", "application/json"),
    ("ndjson", "application/x-ndjson"),
    ("parquet", "application/vnd.apache.parquet"),
];
const PATHS: [&str; 4] = ["/v1/aggregations", "/v1/invoices", "/v1/invoice-lines", "/v1/audit"];

async fn ask(server: &Server, path: &str, format: &str) -> reqwest::Response {
    let mark = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{mark}format={format}");
    server.request(Method::GET, &path, TEST_KEY).send().await.expect("an answer")
}

async fn export(server: &Server, path: &str, format: &str) -> Vec<u8> {
    let answer = ask(server, path, format).await;
    assert_eq!(answer.status(), 200, "{path} as {format}");
    answer.bytes().await.expect("all of it").to_vec()
}

/// Every row of a list, page by page.
async fn listed(server: &Server, path: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    let mark = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = server.get(&format!("{path}{mark}limit={limit}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        rows.extend(page["data"].as_array().expect("rows").iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return rows };
        cursor = format!("&cursor={next}");
    }
}

/// What a row of a list has in a column of a table; nothing for null.
fn cell(row: &Value, column: &str) -> Option<String> {
    let value = match column {
        "currency" if row["total"].is_object() => &row["total"]["currency"],
        "currency" => &row["amount"]["currency"],
        "share_part_s" => &row["share"]["part_s"],
        "share_whole_s" => &row["share"]["whole_s"],
        _ if row[column]["amount"].is_string() => &row[column]["amount"],
        _ => &row[column],
    };
    match value {
        Value::Null if ["before", "after"].contains(&column) => Some("null".to_owned()),
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn same(row: &Value, (column, kind): (&str, &str), found: Option<&str>) {
    let expected = cell(row, column);
    let equal = match (kind, expected.as_deref(), found) {
        ("DECIMAL(38,18)", Some(expected), Some(found)) => {
            Decimal::parse(expected).expect("a decimal") == Decimal::parse(found).expect("a decimal")
        }
        (_, Some(expected), Some(found)) if expected.starts_with(['{', '[']) => {
            serde_json::from_str::<Value>(expected).ok() == serde_json::from_str(found).ok()
        }
        (_, expected, found) => expected == found,
    };
    assert!(equal, "{column}: {expected:?} is {found:?} in {row}");
}

/// A column's name and type.
type Column = (String, String);
/// A row as text.
type Row = Vec<Option<String>>;

/// The columns of a Parquet file, and its rows; `None` where nobody can read it.
fn read_parquet(file: &[u8]) -> Option<(Vec<Column>, Vec<Row>)> {
    let Some(python) = variable(PYTHON) else {
        println!("skipped: {PYTHON} is not set; ./test.sh sets it");
        return None;
    };
    let mut kept = tempfile::NamedTempFile::new().expect("a file");
    kept.write_all(file).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/receivers/tables.py");
    let output = Command::new(python).arg(script).arg(kept.path()).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let columns = serde_json::from_value(read["columns"].clone()).expect("columns");
    Some((columns, serde_json::from_value(read["rows"].clone()).expect("rows")))
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the packages are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Every form of a list has these rows.
async fn has_rows(server: &Server, path: &str, rows: &[Value]) {
    let array: Value = serde_json::from_slice(&export(server, path, "json").await).expect("JSON");
    assert_eq!(array, json!(rows), "{path}");
    let lines = String::from_utf8(export(server, path, "ndjson").await).expect("text");
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines, rows, "{path}");
    let table = export(server, path, "csv").await;
    let mut reader = csv::Reader::from_reader(table.as_slice());
    let head: Vec<String> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(records.len(), rows.len(), "{path}");
    for (record, row) in records.iter().zip(rows) {
        for (column, found) in head.iter().zip(record) {
            same(row, (column, "VARCHAR"), Some(found).filter(|found| !found.is_empty()));
        }
    }
    let Some((columns, read)) = read_parquet(&export(server, path, "parquet").await) else { return };
    assert_eq!(columns.iter().map(|(name, _)| name).collect::<Vec<_>>(), head.iter().collect::<Vec<_>>());
    assert_eq!(read.len(), rows.len(), "{path}");
    for (found, row) in read.iter().zip(rows) {
        for ((column, kind), found) in columns.iter().zip(found) {
            same(row, (column, kind), found.as_deref().filter(|found| !found.is_empty()));
        }
    }
}

/// The 12th of January of a customer, or an hour of it.
fn imported(customer: &str, hour: Option<usize>) -> Value {
    let at = |hour: usize| format!("2026-01-12T{hour:02}:00:00Z");
    let (period, key, start, end) = match hour {
        None => ("daily", "20260112".to_owned(), at(0), "2026-01-13T00:00:00Z".to_owned()),
        Some(hour) => ("hourly", format!("20260112{hour:02}"), at(hour), at(hour + 1)),
    };
    json!({
        "customer": customer, "period": period, "period_key": key, "period_start": start, "period_end": end,
        "values": {"api.calls": "0.30", "other": -7}, "event_counts": {"api.calls": 2, "other": 1}, "event_count": 3,
    })
}

async fn used(server: &Server, calls: u32, time: &str) {
    let event = json!({"customer": "acme", "meter": "api.calls", "value": calls, "time": time});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
}

/// Aggregations, invoices and entries, more of each than are read at once.
async fn fill(server: &Server) {
    with_analytics(server).await;
    let details = json!({
        "name": "Acme, \"Inc\"", "address": ["1 Road", "Town"], "tax_id": "X1", "tax_mode": "exclusive",
        "taxes": [{"key": "vat", "name": "VAT", "percent": "19"}],
    });
    server.post("/v1/customers", json!({"external_id": "acme"})).await;
    let put = server.put("/v1/customers/acme/billing-details", details).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let first = subscribe(server, "acme", "pro").await;
    for number in 1..CUSTOMERS {
        subscribe(server, &format!("c{number}"), "pro").await;
    }
    server.advance("2026-01-20T12:00:00Z").await;
    used(server, 50_000, "2026-01-15T00:00:00Z").await;
    let changed = format!("/v1/subscriptions/{}/change-plan", first["id"].as_str().expect("an id"));
    assert_eq!(server.post(&changed, json!({"plan": "enterprise"})).await.status, 200);
    server.advance("2026-02-10T13:00:00Z").await;
    let paid = server.get("/v1/invoices?limit=1").await.json()["data"][0]["id"].clone();
    server.post(&format!("/v1/invoices/{}/pay", paid.as_str().expect("an id")), json!({})).await;
    let days = (0..DAYS).map(|number| imported(&format!("d,\"{number}"), None));
    let hours = (0..23).map(|hour| imported("hours", Some(hour)));
    let all: Vec<Value> = days.chain(hours).collect();
    let answer = server.post("/v1/aggregations/import", json!({"aggregations": all})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

on_both_servers!(every_form_has_the_rows_of_the_list);
async fn every_form_has_the_rows_of_the_list(setup: Setup) {
    let server = setup.start();
    fill(&server).await;
    for (path, least) in PATHS.into_iter().zip([DAYS + 23, 2 * CUSTOMERS, 2 * CUSTOMERS, 200]) {
        let rows = listed(&server, path, 1_000).await;
        assert!(rows.len() >= least, "{path}: {} rows", rows.len());
        assert_eq!(listed(&server, path, 97).await, rows, "{path}: the order does not hang on the limit");
        has_rows(&server, path, &rows).await;
    }
    let lines: Vec<Value> = listed(&server, "/v1/invoices", 1_000)
        .await
        .iter()
        .flat_map(|invoice| invoice["lines"].as_array().expect("lines").clone())
        .collect();
    let own = listed(&server, "/v1/invoice-lines", 3).await;
    assert_eq!(own.len(), lines.len());
    for (own, line) in own.iter().zip(&lines) {
        let fields = line.as_object().expect("fields").iter();
        assert!(fields.clone().all(|(name, value)| own[name] == *value), "{own} has not all of {line}");
    }
    assert!(own.iter().any(|line| line["exact"].as_str().is_some_and(|exact| exact.contains('/'))));
    for (query, some) in [
        ("/v1/aggregations?customer=hours&from=2026-01-12T05:00:00Z&to=2026-01-12T09:00:00Z", 4),
        ("/v1/aggregations?period=hourly&customer=hours", 23),
        ("/v1/aggregations?customer=cus_00000000000000000000000000000000", 0),
        ("/v1/invoices?status=paid", 1),
        ("/v1/invoices?from=2026-02-01T00:00:00Z", CUSTOMERS),
        ("/v1/invoices?to=2026-02-01T00:00:00Z&customer=c7", 1),
        ("/v1/invoices?customer=nobody", 0),
        ("/v1/invoice-lines?to=2026-02-01T00:00:00Z&customer=acme", 2),
        ("/v1/invoice-lines?subscription=none", 0),
        ("/v1/audit?action=invoice.paid", 1),
    ] {
        let rows = listed(&server, query, 1_000).await;
        assert_eq!(rows.len(), some, "{query}");
        has_rows(&server, query, &rows).await;
    }
}

#[tokio::test]
async fn an_export_of_nothing_says_what_there_would_be() {
    let server = Server::start();
    for path in
        PATHS.map(|path| format!("{path}?from=2030-01-01T00:00:00Z")).iter().chain([&"/v1/events".to_owned()])
    {
        has_rows(&server, path, &[]).await;
        assert_eq!(export(&server, path, "json").await, b"[]", "{path}");
        assert_eq!(export(&server, path, "ndjson").await, b"", "{path}");
        let head = String::from_utf8(export(&server, path, "csv").await).expect("text");
        assert!(head.ends_with("\r\n") && head.matches('\n').count() == 1, "{path}: {head}");
        let Some((columns, rows)) = read_parquet(&export(&server, path, "parquet").await) else { continue };
        assert!(columns.len() > 10 && rows.is_empty(), "{path}");
        for (name, kind) in columns {
            let expected = match name.as_str() {
                "amount" | "net" | "subtotal" | "total" | "wallet" | "amount_due" | "amount_left"
                | "value" => "DECIMAL(38,18)",
                "tax" if path.starts_with("/v1/invoices") => "DECIMAL(38,18)",
                "complete" => "BOOLEAN",
                "number" | "invoice_number" | "line" | "revision" | "version" | "plan_version"
                | "event_count" | "share_part_s" | "share_whole_s" | "sequence" => "BIGINT",
                "time" | "project_time" => "TIMESTAMP WITH TIME ZONE",
                name if ["_at", "_start", "_end"].iter().any(|end| name.ends_with(end)) => {
                    "TIMESTAMP WITH TIME ZONE"
                }
                _ => "VARCHAR",
            };
            assert_eq!(kind, expected, "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn exports_are_asked_for_by_name_or_by_type() {
    let server = Server::start();
    for path in PATHS.iter().chain(&["/v1/events"]) {
        let name = path.trim_start_matches("/v1/");
        for (format, kind) in FORMS {
            let answer = ask(&server, path, format).await;
            let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
            let file = format!("attachment; filename=\"{name}.{format}\"");
            assert_eq!((header("content-type"), header("content-disposition")), (kind.to_owned(), file));
            let by_type = server.request(Method::GET, path, TEST_KEY).header("accept", kind).send().await;
            let by_type = by_type.expect("an answer");
            assert_eq!(by_type.headers()["content-type"], kind, "{path}");
            let is_page = by_type.headers().get("content-disposition").is_none();
            assert_eq!(is_page, format == "json", "{path}: JSON alone is that of pages");
        }
        let wrong = server.get(&format!("{path}?format=csv&limit=0&cursor=x&from=soon&what=1")).await;
        assert_eq!(
            (wrong.status.as_u16(), fields(&wrong)),
            (422, "what limit cursor from".to_owned()),
            "{path}"
        );
        let wrong = server.get(&format!("{path}?format=xml&limit=0&cursor=!&to=soon")).await;
        let mut told: Vec<String> = fields(&wrong).split(' ').map(str::to_owned).collect();
        told.sort_unstable();
        assert_eq!(
            (wrong.status.as_u16(), told.join(" ")),
            (422, "cursor format limit to".to_owned()),
            "{path}"
        );
        let allowed = &wrong.json()["errors"][0]["allowed"];
        assert_eq!(*allowed, json!(["csv", "json", "ndjson", "parquet"]), "{path}");
    }
    let wrong =
        server.get("/v1/invoices?format=pdf&status=open&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z");
    assert_eq!(fields(&wrong.await), "format status to");
    let other = server.get("/v1/invoice-lines?cursor=MC54").await;
    assert_eq!((other.status.as_u16(), fields(&other)), (422, "cursor".to_owned()));
}

fn fields(answer: &Answer) -> String {
    let problem = answer.json();
    let errors = problem["errors"].as_array().expect("errors").iter();
    errors.map(|error| error["field"].as_str().expect("a name")).collect::<Vec<_>>().join(" ")
}

/// The row that comes last is spoiled in the database: whoever reads the stream must see that its end
/// is missing.
#[tokio::test]
async fn an_export_that_fails_on_its_way_breaks_off_in_every_form() {
    let mut server = Server::start();
    server.freeze("2026-02-01T00:00:00Z").await;
    let mut all: Vec<Value> = (0..700).map(|number| imported(&format!("d{number}"), None)).collect();
    let last = json!({"period": "monthly", "period_key": "202512",
                      "period_start": "2025-12-01T00:00:00Z", "period_end": "2026-01-01T00:00:00Z"});
    let mut first_month = imported("d1", None);
    last.as_object().expect("fields").iter().for_each(|(name, value)| first_month[name] = value.clone());
    all.push(first_month);
    let answer = server.post("/v1/aggregations/import", json!({"aggregations": all})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(server.terminate().success());
    let script = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); \
        d.execute(\"update aggregations set data = 'spoiled' where period = 'monthly'\"); d.commit()";
    let file = server.data_dir().join("control.sqlite");
    let python = Command::new("python3").args(["-c", script]).arg(file).status();
    assert!(python.is_ok_and(|status| status.success()));
    server.restart();
    for (format, _) in FORMS {
        let mut answer = ask(&server, "/v1/aggregations", format).await;
        assert_eq!(answer.status(), 200, "{format}");
        let mut bytes = Vec::new();
        let broken = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => bytes.extend(chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(broken, "{format}: {} bytes, and then an end as if all were there", bytes.len());
        assert!(serde_json::from_slice::<Value>(&bytes).is_err(), "{format}");
    }
    server.logged_times("an export broke off", FORMS.len());
    // What fails before the first rows are there is answered as a failure.
    for (format, _) in FORMS {
        let refused = Answer::of(Ok(ask(&server, "/v1/aggregations?period=monthly", format).await)).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (500, &json!("internal")), "{format}");
    }
}
