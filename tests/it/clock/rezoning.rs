//! A customer's time zone changes: the open periods end as they would or later, the next ones are
//! the new zone's, and what is past stays.
use super::world::{LIVE, World, at};
use super::{aggregations, event, on_both_servers, send};
use crate::support::database::on_both;
use crate::support::server::{Server, Setup};
use reckoner_domain::id::CustomerId;
use reckoner_domain::period::Period;
use reckoner_domain::time::{HOUR, MINUTE, Timestamp};
use reckoner_server::billing::subscriptions::SubscriptionError;
use reckoner_server::store::customers::{self, Details};
use reckoner_server::store::{Db, StoreError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most events that `GET /events` shows.
const EVENTS_MAX: usize = 10_000;
const PERIODS: [&str; 3] = ["daily", "weekly", "monthly"];

/// The kinds of periods whose edges a zone moves.
fn setup(setup: Setup) -> Setup {
    setup.system(json!({"periods": PERIODS, "events": {"api.calls": {"op": "sum"}}, "webhooks": []}))
}

async fn change(server: &Server, customer: &str, zone: Value) {
    let answer = server.patch(&format!("/v1/customers/{customer}"), json!({"time_zone": zone})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["time_zone"]), (200, &zone), "{}", answer.text);
}

/// Moves the clock, with the jobs that fall due or without them.
async fn go(server: &Server, time: &str, with_jobs: bool) {
    if with_jobs {
        server.advance(time).await;
    } else {
        server.freeze(time).await;
    }
}

/// An event each half hour of a range, worth 1.
async fn use_between(server: &Server, customer: &str, from: &str, to: &str) -> u64 {
    let (mut time, to) = (at(from), at(to));
    let mut events = Vec::new();
    while time < to {
        events.push(event(customer, "api.calls", "1", &time.to_string()));
        time = time.plus_micros(30 * MINUTE);
    }
    let count = events.len() as u64;
    send(server, events).await;
    count
}

/// Each aggregation of a kind: key, start, end and sum, in order.
fn of_kind(made: &BTreeMap<String, Value>, period: &str) -> Vec<(String, Timestamp, Timestamp, u64)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let row = |row: &Value| {
        assert_eq!(row["complete"], true, "{row}");
        let sum = text(&row["values"]["api.calls"]).parse().expect("a number");
        let (start, end) = (at(&text(&row["period_start"])), at(&text(&row["period_end"])));
        (text(&row["period_key"]), start, end, sum)
    };
    let mut rows: Vec<_> = made.values().filter(|row| row["period"] == period).map(row).collect();
    rows.sort();
    rows
}

fn shown(rows: &[(String, Timestamp, Timestamp, u64)]) -> Vec<String> {
    let minute = |edge: Timestamp| edge.to_string()[..16].to_owned();
    rows.iter().map(|(key, start, end, _)| format!("{key} {} {}", minute(*start), minute(*end))).collect()
}

/// A customer of an event; its zone goes east, west, further and back while events come in.
async fn travel(server: &Server, with_jobs: bool) -> BTreeMap<String, Value> {
    server.freeze("2026-01-12T00:00:00Z").await;
    let mut sent = 0;
    let mut from = "2026-01-12T00:00:00Z";
    for (time, zone) in [
        ("2026-01-14T09:00:00Z", json!("Asia/Kolkata")),
        ("2026-01-20T06:00:00Z", json!("America/New_York")),
        ("2026-02-03T12:00:00Z", json!("Pacific/Apia")),
        ("2026-02-03T13:00:00Z", json!("Australia/Lord_Howe")),
        ("2026-02-20T01:10:00Z", Value::Null),
    ] {
        go(server, time, with_jobs).await;
        sent += use_between(server, "a", from, time).await;
        change(server, "a", zone).await;
        from = time;
    }
    go(server, "2026-03-01T00:00:00Z", with_jobs).await;
    sent += use_between(server, "a", from, "2026-03-01T00:00:00Z").await;
    server.advance("2026-03-02T00:15:00Z").await;
    let made = aggregations(server).await;
    for period in PERIODS {
        let rows = of_kind(&made, period);
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0 && a.2 == b.1), "{period}: {:?}", shown(&rows));
        let start = if period == "monthly" { "2026-01-01T00:00:00Z" } else { "2026-01-12T00:00:00Z" };
        assert_eq!(
            (rows[0].1, rows.last().map(|row| row.2 >= at("2026-03-01T00:00:00Z"))),
            (at(start), Some(true))
        );
        assert_eq!(rows.iter().map(|row| row.3).sum::<u64>(), sent, "{period}");
    }
    made
}

/// What `GET /events` shows as keys is where the events are counted.
async fn check_keys(server: &Server, made: &BTreeMap<String, Value>) {
    let events = server.get(&format!("/events?customerId=a&limit={EVENTS_MAX}")).await.json();
    for (field, period) in [("day", "daily"), ("week", "weekly"), ("month", "monthly")] {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for event in events.as_array().expect("a list") {
            *counts.entry(event[field].as_str().expect("a key").to_owned()).or_default() += 1;
        }
        let counted: BTreeMap<String, u64> =
            of_kind(made, period).into_iter().map(|(key, _, _, sum)| (key, sum)).collect();
        assert_eq!(counts, counted, "{field}");
    }
}

on_both_servers!(periods_follow_each_change);
async fn periods_follow_each_change(given: Setup) {
    let server = setup(given).start();
    let made = travel(&server, true).await;
    let days = shown(&of_kind(&made, "daily"));
    for day in [
        "20260114 2026-01-14T00:00 2026-01-15T00:00",
        // East: shorter.
        "20260115 2026-01-15T00:00 2026-01-15T18:30",
        "20260116 2026-01-15T18:30 2026-01-16T18:30",
        // West: longer.
        "20260120 2026-01-19T18:30 2026-01-21T05:00",
        "20260121 2026-01-21T05:00 2026-01-22T05:00",
        // Of two changes of a day the second.
        "20260203 2026-02-03T05:00 2026-02-04T05:00",
        "20260204 2026-02-04T05:00 2026-02-04T13:00",
        "20260220 2026-02-19T13:00 2026-02-21T00:00",
        "20260221 2026-02-21T00:00 2026-02-22T00:00",
    ] {
        assert!(days.iter().any(|shown| shown == day), "{day} {days:?}");
    }
    assert_eq!(
        shown(&of_kind(&made, "weekly"))[..4],
        [
            "202603 2026-01-12T00:00 2026-01-19T00:00",
            "202604 2026-01-19T00:00 2026-01-26T05:00",
            "202605 2026-01-26T05:00 2026-02-02T05:00",
            "202606 2026-02-02T05:00 2026-02-09T05:00",
        ]
    );
    assert_eq!(
        shown(&of_kind(&made, "monthly")),
        ["202601 2026-01-01T00:00 2026-02-01T05:00", "202602 2026-02-01T05:00 2026-03-01T05:00"]
    );
    check_keys(&server, &made).await;
}

on_both_servers!(what_is_caught_up_is_the_same);
async fn what_is_caught_up_is_the_same(given: Setup) {
    let content = |made: BTreeMap<String, Value>| PERIODS.map(|period| of_kind(&made, period));
    let running = setup(Setup::default()).start();
    let expected = content(travel(&running, true).await);
    // No job runs between the changes.
    let server = setup(given).start();
    assert_eq!(content(travel(&server, false).await), expected);
    // Cleared and made again.
    assert_eq!(
        server.post("/v1/clear", json!({"project": "test", "what": "aggregations"})).await.status,
        200
    );
    assert!(aggregations(&server).await.is_empty());
    server.advance("2026-03-02T00:30:00Z").await;
    assert_eq!(content(aggregations(&server).await), expected);
}

on_both_servers!(a_late_event_goes_where_its_instant_was_cut);
async fn a_late_event_goes_where_its_instant_was_cut(given: Setup) {
    let mut server = setup(given).start();
    server.freeze("2026-01-12T00:00:00Z").await;
    for day in ["12", "13", "14", "15"] {
        server.advance(&format!("2026-01-{day}T12:00:00Z")).await;
        send(&server, vec![event("a", "api.calls", "1", &format!("2026-01-{day}T12:00:00Z"))]).await;
    }
    let before = aggregations(&server).await;
    change(&server, "a", json!("Asia/Kolkata")).await;
    server.advance("2026-01-17T12:00:00Z").await;
    let made = aggregations(&server).await;
    for (id, row) in &before {
        assert_eq!(&made[id], row, "{id}");
    }
    assert!(server.terminate().success());
    server.restart();
    // In Kolkata the first is one of the 15th, and the second of the 17th.
    let late = ["2026-01-14T20:00:00Z", "2026-01-16T20:00:00Z"];
    send(&server, late.map(|time| event("a", "api.calls", "10", time)).to_vec()).await;
    server.advance("2026-01-18T00:00:00Z").await;
    let told = |row: &Value| (row["values"]["api.calls"].clone(), row["revision"].clone());
    let made = aggregations(&server).await;
    assert_eq!(told(&made["a_daily_20260114"]), (json!("11"), json!(2)));
    assert_eq!(made["a_daily_20260114"]["period_end"], "2026-01-15T00:00:00.000000Z");
    assert_eq!(told(&made["a_daily_20260115"]), (json!("1"), json!(1)));
    assert_eq!(told(&made["a_daily_20260117"]), (json!("10"), json!(1)));
    assert_eq!(made["a_daily_20260117"]["period_start"], "2026-01-16T18:30:00.000000Z");
    assert!(!made.contains_key("a_daily_20260116"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zone_is_read_strictly_and_changed_under_a_version() {
    let server = setup(Setup::default()).start();
    server.freeze("2026-01-14T09:00:00Z").await;
    send(&server, vec![event("a", "api.calls", "1", "2026-01-14T09:00:00Z")]).await;
    let path = "/v1/customers/a";
    for bad in [json!("Mars/Olympus"), json!(""), json!(5), json!(["UTC"])] {
        let answer = server.patch(path, json!({"time_zone": bad})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["errors"][0]["field"]),
            (422, &json!("time_zone")),
            "{bad}"
        );
    }
    let patch = async |version: &str, body: Value| {
        let request = server.request(reqwest::Method::PATCH, path, crate::support::server::TEST_KEY);
        crate::support::server::Answer::of(request.header("if-match", version).json(&body).send().await).await
    };
    assert_eq!(patch("2", json!({"time_zone": "Asia/Kolkata"})).await.status, 409);
    let changed = patch("1", json!({"time_zone": "Asia/Kolkata", "display_name": "A"})).await.json();
    let fields = |customer: &Value| {
        (customer["version"].clone(), customer["time_zone"].clone(), customer["display_name"].clone())
    };
    assert_eq!(fields(&changed), (json!(2), json!("Asia/Kolkata"), json!("A")));
    let stale = patch("1", json!({"time_zone": null})).await;
    assert_eq!((stale.status.as_u16(), &stale.json()["code"]), (409, &json!("stale")));
    let kept = patch("2", json!({"display_name": "B"})).await.json();
    assert_eq!(fields(&kept), (json!(3), json!("Asia/Kolkata"), json!("B")), "what is not named stays");
    let back = patch("3", json!({"time_zone": null})).await.json();
    assert_eq!(fields(&back), (json!(4), Value::Null, json!("B")));
    // Of many at once under one version, one wins.
    let all = ["UTC", "Asia/Kolkata", "Pacific/Apia", "Europe/Berlin"]
        .map(|zone| patch("4", json!({"time_zone": zone})));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_a_time_that_was_set_back_are_forgotten() {
    let server = setup(Setup::default()).start();
    server.freeze("2026-06-01T00:00:00Z").await;
    assert_eq!(server.post("/v1/customers", json!({"external_id": "a"})).await.status, 201);
    change(&server, "a", json!("Asia/Kolkata")).await;
    server.freeze("2026-01-14T09:00:00Z").await;
    send(&server, vec![event("a", "api.calls", "1", "2026-01-14T09:00:00Z")]).await;
    let day = async || server.get("/events").await.json()[0]["day"].clone();
    change(&server, "a", json!("America/New_York")).await;
    assert_eq!(day().await, "20260114");
    server.advance("2026-01-15T05:00:00Z").await;
    let made = aggregations(&server).await;
    assert_eq!(made["a_daily_20260114"]["period_start"], "2026-01-13T18:30:00.000000Z");
    assert_eq!(made["a_daily_20260114"]["period_end"], "2026-01-15T05:00:00.000000Z");
}

async fn make(world: &World, customer: &str) -> (CustomerId, u32) {
    let make_id = || CustomerId::from_bits(1);
    customers::ensure_many(&world.db, LIVE, &[customer], world.clock.real(), make_id).await.expect("made");
    let made = customers::find(&world.db, LIVE, customer).await.expect("there");
    (made.id, made.version)
}

fn zoned(name: &str) -> Details {
    Details { time_zone: Some(name.to_owned()), ..Details::default() }
}

on_both!(an_open_aggregation_is_completed_at_its_later_end);
async fn an_open_aggregation_is_completed_at_its_later_end(db: Db) {
    let world = World::new(db, "2026-01-14T12:00:00Z").await;
    let (id, version) = make(&world, "a").await;
    world.send(&[("a".into(), at("2026-01-14T11:00:00Z"))]).await;
    let worker = world.worker("one", &[Period::Daily]);
    worker.run_aggregate(LIVE, true).await.expect("runs").expect("has its turn");
    let edges = async || {
        let made = world.aggregations().await;
        let row = &made["a_daily_20260114"];
        assert_eq!(made.len(), 1);
        (row.span.start, row.span.end, row.complete, row.event_count)
    };
    let start = at("2026-01-14T00:00:00Z");
    assert_eq!(edges().await, (start, at("2026-01-15T00:00:00Z"), false, 1));
    worker.change_zone(&"a test", (LIVE, &id), version, &zoned("America/New_York")).await.expect("changed");
    world.clock.move_real(12 * HOUR);
    world.send(&[("a".into(), at("2026-01-15T00:00:00Z"))]).await;
    // Where the day ended before is nothing due; open aggregations learn of the new end.
    worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    assert_eq!(edges().await, (start, at("2026-01-15T00:00:00Z"), false, 1));
    worker.run_aggregate(LIVE, true).await.expect("runs").expect("has its turn");
    assert_eq!(edges().await, (start, at("2026-01-15T05:00:00Z"), false, 2));
    world.clock.move_real(5 * HOUR);
    worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    assert_eq!(edges().await, (start, at("2026-01-15T05:00:00Z"), true, 2));
    world.check_told(LIVE).await;
}

on_both!(a_clock_that_lags_behind_a_run_changes_nothing_closed);
async fn a_clock_that_lags_behind_a_run_changes_nothing_closed(db: Db) {
    let world = World::new(db, "2026-01-15T00:00:00Z").await;
    let (id, version) = make(&world, "a").await;
    world.send(&[("a".into(), at("2026-01-14T11:00:00Z"))]).await;
    let worker = world.worker("one", &[Period::Daily]);
    worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    // The machine's clock is set back into the day that was closed.
    world.clock.move_real(-HOUR);
    let changed = worker
        .change_zone(&"a test", (LIVE, &id), version, &zoned("America/New_York"))
        .await
        .expect("changed");
    assert_eq!(changed.version, version + 1);
    let stale = worker.change_zone(&"a test", (LIVE, &id), version, &zoned("Asia/Kolkata")).await;
    assert!(matches!(stale, Err(SubscriptionError::Store(StoreError::Stale))), "{stale:?}");
    world.clock.move_real(31 * HOUR);
    world.send(&[("a".into(), at("2026-01-14T23:30:00Z")), ("a".into(), at("2026-01-15T00:30:00Z"))]).await;
    worker.run_aggregate(LIVE, false).await.expect("runs").expect("has its turn");
    let made = world.aggregations().await;
    let told = |key: &str| {
        let row = &made[&format!("a_daily_{key}")];
        (row.span.start, row.span.end, row.figures["sum"].value.clone(), row.revision)
    };
    let [first, second, third] =
        ["2026-01-14T00:00:00Z", "2026-01-15T00:00:00Z", "2026-01-16T05:00:00Z"].map(at);
    assert_eq!(told("20260114"), (first, second, "2".to_owned(), 2));
    assert_eq!(told("20260115"), (second, third, "1".to_owned(), 1));
    world.check_told(LIVE).await;
}
