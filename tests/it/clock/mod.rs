//! The test clock, periods, the aggregation job and time zones, from the outside.
mod archived;
mod clearing;
mod crash;
mod downtime;
mod isolation;
mod naive;
mod own_zones;
mod periods;
mod queries;
mod reconfigured;
mod retention;
mod rezoning;
mod setting;
mod turns;
mod workers;
pub(crate) mod world;
mod zones;

use crate::support::on_both_servers;
use crate::support::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most rows of a page.
const PAGE: usize = 1_000;

/// Every row of a list, page by page.
async fn all(server: &Server, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let page = server.get(&format!("{path}{mark}limit={PAGE}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        rows.extend(page["data"].as_array().expect("a list").iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return rows };
        cursor = format!("&cursor={next}");
    }
}

/// Every aggregation by its id; none is there twice.
async fn aggregations(server: &Server) -> BTreeMap<String, Value> {
    let rows = all(server, "/v1/aggregations").await;
    let count = rows.len();
    let by_id: BTreeMap<String, Value> =
        rows.into_iter().map(|row| (row["id"].as_str().expect("an id").to_owned(), row)).collect();
    assert_eq!(by_id.len(), count);
    by_id
}

/// Sends events and sees them accepted.
async fn send(server: &Server, events: Vec<Value>) {
    for part in events.chunks(PAGE) {
        let answer = server.post("/v1/events", json!(part)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["accepted"], part.len(), "{}", answer.text);
    }
}

/// An event with a time.
fn event(customer: &str, meter: &str, value: &str, time: &str) -> Value {
    json!({"customer": customer, "meter": meter, "value": value, "time": time})
}

/// The ids of these, in order.
fn ids(by_id: &BTreeMap<String, Value>) -> Vec<&str> {
    by_id.keys().map(String::as_str).collect()
}
