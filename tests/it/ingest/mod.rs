//! Events from the outside: forms, repeats, limits, hostile input, and what survives.
mod fields;
mod forms;
mod full_disk;
mod hostile;
mod kill;
mod limits;
mod rejected;
mod repair;
mod repeats;
mod slow;
mod stopping;
mod stream;
mod wire;

use crate::support::server::{Answer, Server, TEST_KEY};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use std::io::Write;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json";

/// Sends a body of a media type to `/v1/events`.
async fn send(server: &Server, kind: &str, body: impl Into<Body>) -> Answer {
    send_with(server, "/v1/events", kind, &[], body).await
}

/// Sends a body with further headers to a path.
async fn send_with(
    server: &Server,
    path: &str,
    kind: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = server.request(Method::POST, path, TEST_KEY).header("content-type", kind);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.body(body).send().await).await
}

/// An event with an id.
fn event(id: &str) -> Value {
    json!({"id": id, "customer": "acme", "meter": "api.calls", "value": "1"})
}

/// The lines of an answer in NDJSON.
fn lines(answer: &Answer) -> Vec<Value> {
    answer.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The sum of the meter `api.calls` over all customers and times.
async fn total(server: &Server) -> String {
    let path = "/v1/meters/api.calls/query?from=2020-01-01T00:00:00Z&to=2090-01-01T00:00:00Z";
    let answer = server.get(path).await;
    answer.json()["data"][0]["value"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

/// The ids of all events, in the order of the list.
async fn ids(server: &Server) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/events?limit=1000{cursor}")).await.json();
        for event in page["data"].as_array().expect("a list") {
            found.push(event["id"].as_str().expect("an id").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// Compresses as `Content-Encoding` names it.
fn pack(encoding: &str, text: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::fast();
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(text).and_then(|()| encoder.finish()).expect("packed")
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(text).and_then(|()| encoder.finish()).expect("packed")
        }
        _ => zstd::encode_all(text, 1).expect("packed"),
    }
}
