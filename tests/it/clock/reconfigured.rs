//! The operator's files change between two starts: the project's time zone, and the kinds of periods.
use super::world::{World, at};
use super::{aggregations, event, on_both_servers, send};
use crate::support::database::on_both;
use crate::support::server::{LIVE_KEY, Server, Setup, TEST_KEY};
use reckoner_domain::period::Period;
use reckoner_server::jobs::change_project_zone;
use reckoner_server::store::project_zones::{self, ProjectZones};
use reckoner_server::store::{Db, SqliteSettings, projects};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn system(periods: &[&str]) -> Value {
    json!({"periods": periods, "events": {"api.calls": {"op": "sum"}}, "webhooks": []})
}

/// Starts again with another time zone.
fn move_to(server: &mut Server, zone: &str) {
    server.set_env("RECKONER_TIME_ZONE", zone);
    server.crash_and_restart();
}

/// Starts again with these kinds of periods.
fn with_periods(server: &mut Server, periods: &[&str]) {
    std::fs::write(server.dir().join("system.json"), system(periods).to_string()).expect("written");
    server.crash_and_restart();
}

/// Key, start, end and sum of a customer's days, in order.
fn days(made: &BTreeMap<String, Value>, customer: &str) -> Vec<String> {
    let own = made.values().filter(|row| row["customer"] == customer && row["period"] == "daily");
    let text = |row: &Value, field: &str, until: usize| {
        row[field].as_str().expect("a text").get(..until).expect("long enough").to_owned()
    };
    let row = |row: &Value| {
        let (key, sum) = (text(row, "period_key", 8), row["values"]["api.calls"].as_str().expect("a sum"));
        format!("{key} {} {} {sum}", text(row, "period_start", 16), text(row, "period_end", 16))
    };
    let mut rows: Vec<String> = own.map(row).collect();
    rows.sort();
    rows
}

on_both_servers!(the_project_moves_to_another_zone);
async fn the_project_moves_to_another_zone(given: Setup) {
    let mut server = given.system(system(&["daily", "monthly"])).start();
    server.freeze("2026-01-10T00:00:00Z").await;
    let own = json!({"external_id": "own", "time_zone": "America/New_York"});
    assert_eq!(server.post("/v1/customers", own).await.status, 201);
    let each_noon = |day: u32| {
        let time = format!("2026-01-{day:02}T20:00:00Z");
        vec![event("a", "api.calls", "1", &time), event("own", "api.calls", "1", &time)]
    };
    for (day, zone) in
        [(10, None), (11, None), (12, Some("Asia/Kolkata")), (13, None), (14, Some("UTC")), (15, None)]
    {
        server.advance(&format!("2026-01-{day}T20:30:00Z")).await;
        send(&server, each_noon(day)).await;
        if let Some(zone) = zone {
            move_to(&mut server, zone);
        }
    }
    server.advance("2026-01-17T00:00:00Z").await;
    let made = aggregations(&server).await;
    let expected = [
        "20260110 2026-01-10T00:00 2026-01-11T00:00 1",
        "20260111 2026-01-11T00:00 2026-01-12T00:00 1",
        // Moved on the evening of the 12th, which ends as it would have.
        "20260112 2026-01-12T00:00 2026-01-13T00:00 1",
        // The 13th of Kolkata has begun already, and ends before that evening's event.
        "20260114 2026-01-13T18:30 2026-01-14T18:30 1",
        // Back again: the 15th of Kolkata lasts until that of UTC is over.
        "20260115 2026-01-14T18:30 2026-01-16T00:00 2",
    ];
    assert_eq!(days(&made, "a"), expected, "those without a zone of their own move");
    let own: Vec<_> = days(&made, "own").into_iter().map(|day| day[20..].to_owned()).collect();
    assert!(own.iter().all(|day| day.contains("T05:00 ")), "those with one stay: {own:?}");
    // A late event lies in the day that its instant was in, and none changes its edges.
    send(&server, vec![event("a", "api.calls", "10", "2026-01-12T23:00:00Z")]).await;
    server.advance("2026-01-17T01:00:00Z").await;
    let late = days(&aggregations(&server).await, "a");
    assert_eq!(late[2], "20260112 2026-01-12T00:00 2026-01-13T00:00 11");
    assert_eq!(late[3..], expected[3..]);
}

on_both_servers!(a_kind_of_periods_that_is_new_gets_its_past);
async fn a_kind_of_periods_that_is_new_gets_its_past(given: Setup) {
    let mut server = given.system(system(&["monthly"])).start();
    server.freeze("2025-12-30T00:00:00Z").await;
    for (time, value) in
        [("2025-12-30T10:00:00Z", "1"), ("2026-01-14T10:00:00Z", "2"), ("2026-02-02T10:00:00Z", "4")]
    {
        server.advance(time).await;
        send(&server, vec![event("a", "api.calls", value, time)]).await;
    }
    server.advance("2026-02-02T12:00:00Z").await;
    let ids = |made: BTreeMap<String, Value>| {
        let row =
            |(id, row): (String, Value)| format!("{id} {} {}", row["values"]["api.calls"], row["revision"]);
        made.into_iter().map(row).collect::<Vec<_>>()
    };
    let months = ["a_monthly_202512 \"1\" 1", "a_monthly_202601 \"2\" 1"];
    assert_eq!(ids(aggregations(&server).await), months);
    with_periods(&mut server, &["monthly", "daily"]);
    assert_eq!(server.advance("2026-02-02T13:00:00Z").await, 1, "one run makes them, and there is no other");
    let days = ["a_daily_20251230 \"1\" 1", "a_daily_20260114 \"2\" 1"];
    assert_eq!(ids(aggregations(&server).await), [days, months].concat());
    // A kind that is left out for a while misses nothing.
    with_periods(&mut server, &["monthly"]);
    send(&server, vec![event("a", "api.calls", "8", "2026-01-14T11:00:00Z")]).await;
    server.advance("2026-02-04T12:00:00Z").await;
    with_periods(&mut server, &["daily", "monthly"]);
    server.advance("2026-02-04T13:00:00Z").await;
    let expected = [
        "a_daily_20251230 \"1\" 1",
        "a_daily_20260114 \"10\" 2",
        "a_daily_20260202 \"4\" 1",
        "a_monthly_202512 \"1\" 1",
        "a_monthly_202601 \"10\" 2",
    ];
    assert_eq!(ids(aggregations(&server).await), expected);
    assert_eq!(server.advance("2026-02-04T23:00:00Z").await, 0, "nothing is left to do");
}

on_both!(a_zone_set_before_anything_is_aggregated_is_that_of_all_times);
async fn a_zone_set_before_anything_is_aggregated_is_that_of_all_times(db: Db) {
    let world = World::new(db, "2026-01-14T12:00:00Z").await;
    let project = projects::get(&world.db, projects::LIVE).await.expect("there");
    world.send(&[("a".to_owned(), at("2026-01-12T20:00:00Z"))]).await;
    for zone in ["America/New_York", "Asia/Kolkata"] {
        change_project_zone((&world.db, &world.clock), &world.billing().subscriptions, &project, zone)
            .await
            .expect("changed");
    }
    let worker = world.worker("w", &[Period::Daily]);
    worker.run_aggregate(projects::LIVE, false).await.expect("ran").expect("its turn");
    let made = world.aggregations().await;
    assert_eq!(made.keys().collect::<Vec<_>>(), ["a_daily_20260113"]);
    let span = &made["a_daily_20260113"].span;
    assert_eq!((span.start, span.end), (at("2026-01-12T18:30:00Z"), at("2026-01-13T18:30:00Z")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_refused_moves_no_project() {
    let mut server = Setup::default().system(system(&["daily"])).start();
    server.freeze("2026-01-14T00:00:00Z").await;
    send(&server, vec![event("a", "api.calls", "1", "2026-01-13T20:00:00Z")]).await;
    server.advance("2026-01-14T01:00:00Z").await;
    assert_eq!(aggregations(&server).await.len(), 1);
    assert!(server.terminate().success());
    server.set_env("RECKONER_TIME_ZONE", "Asia/Kolkata");
    // Each is the key of the other project.
    server.set_env("RECKONER_BOOTSTRAP_API_KEY", TEST_KEY);
    server.set_env("RECKONER_BOOTSTRAP_TEST_API_KEY", LIVE_KEY);
    let (code, said) = server.refused_start();
    assert_eq!(code, Some(1), "{said}");
    let settings = SqliteSettings::new(server.data_dir().join("control.sqlite"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    let zones = project_zones::get(&db, projects::TEST).await.expect("read");
    assert_eq!(zones, ProjectZones::fixed("UTC"));
}
