//! Lists are cut into pages that neither lose nor double a row.
use crate::support::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every row of a list, page by page, and how many pages that took.
async fn all(server: &Server, path: &str, limit: usize) -> (Vec<Value>, usize) {
    let mut rows: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    for pages in 1.. {
        let page = server
            .get(&format!("{path}{}limit={limit}{cursor}", if path.contains('?') { '&' } else { '?' }))
            .await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        let data = page["data"].as_array().expect("a list");
        assert!(data.len() <= limit, "a page of {} rows", data.len());
        rows.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            None => return (rows, pages),
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
    unreachable!("pages end")
}

fn names(rows: &[Value], field: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row[field].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn customers_and_events_beyond_a_thousand_are_all_listed() {
    const ROWS: usize = 2_345;
    let server = Server::start();
    // A frozen clock gives all of them the same time of making.
    server.freeze("2026-01-14T09:30:00Z").await;
    let event = |number: usize| json!({"id": format!("e{number}"), "customer": format!("c{number:04}"), "meter": "api.calls"});
    for chunk in (0..ROWS).collect::<Vec<_>>().chunks(1_000) {
        let batch: Vec<Value> = chunk.iter().map(|number| event(*number)).collect();
        assert_eq!(server.post("/v1/events", json!(batch)).await.status, 200);
    }
    for (path, field, rows, pages) in [
        ("/v1/customers", "external_id", ROWS, 3),
        ("/v1/customers?external_id_prefix=c1", "external_id", 1_000, 1),
        ("/v1/events", "id", ROWS, 3),
    ] {
        let (listed, took) = all(&server, path, 1_000).await;
        assert_eq!((listed.len(), names(&listed, field).len(), took), (rows, rows, pages), "{path}");
        let (small, _) = all(&server, path, 333).await;
        assert_eq!(small, listed, "{path}: the order does not hang on the limit");
    }
    let default = server.get("/v1/customers").await.json();
    assert_eq!(default["data"].as_array().map(Vec::len), Some(50));
    // What comes in meanwhile moves no row that is there.
    let page = server.get("/v1/customers?limit=1000").await.json();
    server.post("/v1/events", json!({"customer": "late", "meter": "api.calls"})).await;
    let next = page["next_cursor"].as_str().expect("more");
    let rest = server.get(&format!("/v1/customers?limit=1000&cursor={next}")).await.json();
    let (first, second) = (page["data"].as_array().expect("rows"), rest["data"].as_array().expect("rows"));
    assert!(names(first, "id").is_disjoint(&names(second, "id")));
}

#[tokio::test]
async fn meters_keys_and_aggregations_are_cut_into_pages() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    for number in 0..7 {
        let meter = json!({"key": format!("m{number}"), "event_type": "api.calls", "aggregation": "sum"});
        assert_eq!(server.post("/v1/meters", meter).await.status, 201);
        assert_eq!(server.post("/v1/api-keys", json!({"scopes": ["read"]})).await.status, 201);
        let event = json!({"customer": format!("c{number}"), "meter": "api.calls"});
        assert_eq!(server.post("/v1/events", event).await.status, 201);
    }
    server.advance("2026-01-14T11:00:00Z").await;
    for (path, field, rows) in [
        ("/v1/meters", "key", 10_usize),
        ("/v1/api-keys", "id", 8),
        ("/v1/aggregations?period=hourly", "id", 7),
    ] {
        let (listed, pages) = all(&server, path, 3).await;
        assert_eq!(
            (listed.len(), names(&listed, field).len(), pages),
            (rows, rows, rows.div_ceil(3)),
            "{path}"
        );
        assert_eq!(all(&server, path, 1_000).await, (listed, 1), "{path}");
    }
    assert_eq!(server.get("/v1/meters?limit=1001").await.status, 422);
}
