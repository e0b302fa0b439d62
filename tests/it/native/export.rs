//! Events as one stream.
use crate::support::command::reckoner;
use crate::support::server::{Answer, Server, TEST_KEY};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use std::os::unix::fs::FileExt;

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const PARQUET: &str = "application/vnd.apache.parquet";
const ROWS: usize = 2_345;

fn request(server: &Server, parameters: &str, accept: &str) -> reqwest::RequestBuilder {
    server.request(Method::GET, &format!("/v1/events?{parameters}"), TEST_KEY).header("accept", accept)
}

/// A listed event as exports have it: only lists say where it arose.
fn exported(mut listed: Value) -> Value {
    listed.as_object_mut().and_then(|fields| fields.remove("context")).expect("said where it arose");
    listed
}

async fn export(server: &Server, parameters: &str, accept: &str) -> Answer {
    Answer::of(request(server, parameters, accept).send().await).await
}

/// What a row of a Parquet file is held against: id, value in units of 10^-18, microseconds.
type Row = (String, i128, i64);

fn as_row(event: &Value) -> Row {
    let text = |name: &str| event[name].as_str().expect("a text").to_owned();
    let value = Decimal::parse(&text("value")).expect("a number").units();
    let time: Timestamp = text("time").parse().expect("a time");
    (text("id"), value, time.as_micros())
}

async fn export_bytes(server: &Server, parameters: &str) -> bytes::Bytes {
    let answer = request(server, parameters, PARQUET).send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], PARQUET);
    answer.bytes().await.expect("a whole file")
}

fn read_parquet(file: bytes::Bytes) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader") {
        let batch = batch.expect("rows");
        let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
        let (ids, values, times) = (column("id"), column("value"), column("time"));
        for row in 0..batch.num_rows() {
            rows.push((
                ids.as_string::<i32>().value(row).to_owned(),
                values.as_primitive::<Decimal128Type>().value(row),
                times.as_primitive::<TimestampMicrosecondType>().value(row),
            ));
        }
    }
    rows
}

/// A server with more events than two pages have, the first of them the oldest.
async fn filled() -> Server {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    let event = |number: usize| {
        let time = format!("2026-01-14T{:02}:{:02}:{:02}Z", number / 3_600, number / 60 % 60, number % 60);
        let region = if number.is_multiple_of(2) { "eu" } else { "us" };
        json!({"id": format!("e{number}"), "customer": "acme", "meter": "api.calls", "time": time,
               "properties": {"region": region}})
    };
    for chunk in (0..ROWS).collect::<Vec<_>>().chunks(1_000) {
        let batch: Vec<Value> = chunk.iter().map(|number| event(*number)).collect();
        assert_eq!(server.post("/v1/events", json!(batch)).await.status, 200);
    }
    server
}

#[tokio::test]
async fn an_export_has_every_event_once_as_the_list_has_it() {
    let server = filled().await;
    let mut listed: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/v1/events?limit=1000{cursor}")).await.json();
        listed.extend(page["data"].as_array().expect("a list").iter().cloned().map(exported));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let lines = |all: &Answer| -> Vec<Value> {
        all.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    };
    let ordered = lines(&export(&server, "order=time", NDJSON).await);
    assert_eq!(ordered.len(), ROWS);
    assert_eq!(ordered, listed);
    let all = export(&server, "", NDJSON).await;
    assert_eq!((all.status.as_u16(), all.header("content-type")), (200, Some(NDJSON)));
    let mut lines = lines(&all);
    let by_sequence = |event: &Value| event["sequence"].as_u64();
    lines.sort_by_key(by_sequence);
    listed.sort_by_key(by_sequence);
    assert_eq!(lines, listed);
    let array = export(&server, "format=json&order=time", "*/*").await;
    assert_eq!(array.json(), json!(ordered));
    assert_eq!(read_parquet(export_bytes(&server, "").await), listed.iter().map(as_row).collect::<Vec<_>>());
    let some = export_bytes(&server, "filter[region]=eu&customer=acme").await;
    assert_eq!(read_parquet(some).len(), ROWS.div_ceil(2));
    assert_eq!(read_parquet(export_bytes(&server, "customer=nobody").await), Vec::<Row>::new());
    let table = export(&server, "", CSV).await;
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(table.text.lines().count(), ROWS + 1);
    // The filters of a list hold, across pages too.
    let some = export(&server, "filter[region]=eu&from=2026-01-14T00:10:00Z", NDJSON).await;
    assert_eq!(some.text.lines().count(), (600..ROWS).filter(|number| number.is_multiple_of(2)).count());
    assert_eq!(export(&server, "id=e7", NDJSON).await.text.lines().count(), 1);
    assert_eq!(export(&server, "customer=nobody", NDJSON).await.text, "");
    let id = server.get("/v1/customers/acme").await.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(export(&server, &format!("customer={id}"), NDJSON).await.text.lines().count(), ROWS);
    let refused = export(&server, "limit=5&cursor=1.2&from=soon", CSV).await;
    let fields: Vec<Value> = refused.json()["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["field"].clone())
        .collect();
    assert_eq!(
        (refused.status.as_u16(), fields),
        (422, vec![json!("limit"), json!("cursor"), json!("from")])
    );
}

#[tokio::test]
async fn a_line_stays_a_line_and_a_cell_a_cell() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    let body = "{\"id\":\"a,\\\"b\",\"customer\":\"acme\",\"meter\":\"api.calls\",\"value\":\"1.50\",\"subject\":\"two, \\\"ways\\\"\",\n\
                \"properties\":{\n  \"a\": \"x\\ny\",\r\n  \"b\": [1,\n2]\n},\"source_context\":{\"type\":\n\"admin\"}}";
    let sent =
        server.request(Method::POST, "/v1/events", TEST_KEY).header("content-type", "application/json");
    assert_eq!(Answer::of(sent.body(body).send().await).await.status, 201);
    let lines = export(&server, "", NDJSON).await.text;
    assert_eq!(lines.matches('\n').count(), 1, "{lines}");
    let event: Value = serde_json::from_str(&lines).expect("JSON");
    assert_eq!(event, exported(server.get("/v1/events").await.json()["data"][0].take()));
    assert_eq!(event["properties"], json!({"a": "x\ny", "b": [1, 2]}));
    let table = export(&server, "", CSV).await.text;
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let head: Vec<&str> =
        "id,customer,meter,value,time,subject,properties,source_context,received_at,sequence,amended_at"
            .split(',')
            .collect();
    assert_eq!(reader.headers().expect("a head").iter().collect::<Vec<_>>(), head);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let [row] = rows.as_slice() else { panic!("{table}") };
    for (name, cell) in head.iter().zip(row) {
        match &event[*name] {
            Value::Null => assert_eq!(cell, "", "{name}"),
            Value::String(text) => assert_eq!(cell, text, "{name}"),
            other => assert_eq!(&serde_json::from_str::<Value>(cell).expect("JSON"), other, "{name}"),
        }
    }
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    let event = |value: u32| json!({"id": "e", "customer": "acme", "meter": "api.calls", "value": value, "time": "2026-01-14T09:00:00Z"});
    assert_eq!(server.post("/v1/events", event(1)).await.status, 201);
    let amended = server.put("/v1/events/e", event(2)).await;
    assert_eq!(amended.status, 200, "{}", amended.text);
    for format in ["csv", "ndjson", "json"] {
        let text = export(&server, &format!("format={format}"), "*/*").await.text;
        assert!(text.contains("amended_at"), "{text}");
        let file = server.dir().join(format!("events.{format}"));
        std::fs::write(&file, text).expect("written");
        let ended = reckoner(&["import", &file.display().to_string(), "--dry-run", "--json"], &[]);
        assert_eq!((ended.code, &ended.json()["accepted"]), (0, &json!(1)), "{format}: {ended:?}");
    }
}

/// The oldest events, which come last, are spoiled on the disk: who reads the stream must see that
/// its end is missing.
#[tokio::test]
async fn an_export_that_fails_on_its_way_breaks_off() {
    let server = filled().await;
    let dir = server.data_dir().join("events");
    let names = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let segment = names.filter(|path| !path.to_string_lossy().contains("prepared"));
    let segment = segment.max_by_key(|path| std::fs::metadata(path).map_or(0, |file| file.len()));
    let file = std::fs::File::options().write(true).open(segment.expect("a segment")).expect("opened");
    file.write_all_at(&[0xff; 8_192], 4_096).expect("written");
    for accept in [NDJSON, CSV] {
        let mut answer = request(&server, "order=time", accept).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut text = Vec::new();
        let broken = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => text.extend(chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        let lines = String::from_utf8_lossy(&text).matches('\n').count();
        assert!(broken && (1_000..ROWS).contains(&lines), "{accept}: {lines} lines, broken: {broken}");
    }
    server.logged_times("an export broke off", 2);
    let refused = export(&server, "id=e0", NDJSON).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (500, &json!("internal")));
}
