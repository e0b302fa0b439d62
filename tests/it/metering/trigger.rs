//! `POST /aggregations/trigger`.
use super::{PATIENCE, count, eventually, send};
use crate::support::server::{Answer, LIVE_KEY, Server};
use reckoner_domain::time::Timestamp;
use reckoner_server::jobs::AGGREGATE;
use reckoner_server::store::leases::{self, Lease};
use reckoner_server::store::projects::TEST;
use reckoner_server::store::{Db, SqliteSettings};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/aggregations/trigger";

fn queued(created: u64, updated: u64, customers: u64, events: u64) -> Value {
    json!({
        "message": "Aggregation jobs queued for processing",
        "jobsCreated": created,
        "jobsUpdated": updated,
        "jobsQueued": created + updated,
        "customersFound": customers,
        "periodsConfigured": 5,
        "eventsScanned": events,
        "aggregationsCreated": created,
    })
}

#[tokio::test]
async fn open_periods_are_aggregated_now() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    let nothing = json!({"message": "No events to aggregate", "jobsQueued": 0});
    assert_eq!(send(&server, PATH, "").await.parts(), (200, nothing));
    server.post("/usage/api.calls", json!({"customerId": "a", "value": 1})).await;
    assert_eq!(send(&server, PATH, "{}").await.parts(), (202, queued(5, 0, 1, 1)));
    let list = eventually(&server, "/aggregations", |list| count(list) == 5).await;
    let periods: Vec<&str> =
        list.as_array().expect("a list").iter().filter_map(|one| one["period"].as_str()).collect();
    assert_eq!(periods.len(), 5);
    for period in ["hourly", "daily", "weekly", "monthly", "yearly"] {
        assert!(periods.contains(&period), "{periods:?}");
    }
    // An open period says no word to receivers; it is completed once it has ended.
    server.post("/usage/api.calls", json!({"customerId": "a", "value": 2})).await;
    server.post("/usage/api.calls", json!({"customerId": "b", "value": 4})).await;
    assert_eq!(send(&server, PATH, "").await.parts(), (202, queued(5, 5, 2, 3)));
    let list = eventually(&server, "/aggregations?period=daily", |list| {
        count(list) == 2 && list[0]["eventCount"].as_u64().max(list[1]["eventCount"].as_u64()) == Some(2)
    })
    .await;
    let of_a =
        list.as_array().and_then(|list| list.iter().find(|one| one["customerId"] == "a")).expect("a's");
    assert_eq!(of_a["events"], json!({"api.calls": 3}));
    let stored = server.get("/v1/aggregations/a_daily_20260114").await.json();
    assert_eq!(stored["complete"], json!(false), "{stored}");
    server.advance("2026-01-15T00:15:00Z").await;
    let stored = server.get("/v1/aggregations/a_daily_20260114").await.json();
    assert_eq!((&stored["complete"], &stored["revision"]), (&json!(true), &json!(1)), "{stored}");
}

/// Triggers that come while others run are answered, and their results come too.
#[tokio::test]
async fn no_trigger_is_lost() {
    let server = Server::start();
    server.freeze("2026-01-14T09:30:00Z").await;
    for number in 1..=20_u64 {
        let event = json!({"customerId": "a", "value": 1});
        let (captured, triggered, advanced) = tokio::join!(
            server.post("/usage/api.calls", event),
            send(&server, PATH, ""),
            server.post(
                "/v1/test-clock/advance",
                json!({"frozen_time": format!("2026-01-14T09:30:{number:02}Z")})
            ),
        );
        assert_eq!((captured.status.as_u16(), advanced.status.as_u16()), (201, 200));
        assert!([200, 202].contains(&triggered.status.as_u16()), "{}", triggered.text);
        assert_eq!(send(&server, PATH, "").await.status, 202);
        eventually(&server, "/aggregations?period=daily", |list| list[0]["eventCount"] == json!(number))
            .await;
    }
}

/// Takes the jobs of project `test`, as another worker would that does not come to an end.
async fn keep_busy(server: &Server) {
    let settings = SqliteSettings::new(server.data_dir().join("control.sqlite"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    let at = |text| Timestamp::parse(text).expect("a time");
    let lease = Lease { project: TEST, name: AGGREGATE, holder: "another" };
    // The run of the start may have them still.
    while !leases::claim(&db, lease, at("2026-01-01T00:00:00Z"), at("2100-01-01T00:00:00Z"))
        .await
        .expect("asked")
    {}
    db.close().await;
}

#[tokio::test]
async fn a_project_whose_jobs_are_under_way_delays_no_other() {
    let server = Server::start();
    let live = async |method: Method, path: &str, body: Value| {
        Answer::of(server.request(method, path, LIVE_KEY).json(&body).send().await).await
    };
    let event = json!({"customerId": "a", "value": 1});
    server.post("/usage/api.calls", event.clone()).await;
    assert_eq!(live(Method::POST, "/usage/api.calls", event).await.status, 201);
    keep_busy(&server).await;
    assert_eq!(server.post(PATH, json!({})).await.status, 202);
    assert_eq!(live(Method::POST, PATH, json!({})).await.status, 202);
    let made = async { while count(&live(Method::GET, "/aggregations", json!({})).await.json()) < 5 {} };
    tokio::time::timeout(PATIENCE, made).await.expect("it comes in time");
    assert_eq!(server.get("/aggregations").await.json(), json!([]));
}
