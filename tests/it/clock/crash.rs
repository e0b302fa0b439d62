//! A crash in the middle of an advance over a month loses and doubles nothing.
use super::{aggregations, event, on_both_servers, send};
use crate::support::hook::Hook;
use crate::support::server::{Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CUSTOMERS: usize = 20;
/// One event each so many hours.
const EVERY_HOURS: usize = 8;

/// The month's events, and the ids of the aggregations they come to by the start of February.
fn month() -> (Vec<Value>, BTreeSet<String>) {
    let (mut events, mut expected) = (Vec::new(), BTreeSet::new());
    for customer in (0..CUSTOMERS).map(|number| format!("c{number}")) {
        for hour in (0..31 * 24).step_by(EVERY_HOURS) {
            let (day, hour) = (1 + hour / 24, hour % 24);
            events.push(event(&customer, "api.calls", "0.1", &format!("2026-01-{day:02}T{hour:02}:30:00Z")));
            expected.insert(format!("{customer}_hourly_202601{day:02}{hour:02}"));
            expected.insert(format!("{customer}_daily_202601{day:02}"));
        }
        // The week of 26 January ends in February; the first one began in December.
        expected.extend((1..=4).map(|week| format!("{customer}_weekly_2026{week:02}")));
        expected.insert(format!("{customer}_monthly_202601"));
    }
    (events, expected)
}

on_both_servers!(a_crash_within_an_advance_changes_nothing);
async fn a_crash_within_an_advance_changes_nothing(setup: Setup) {
    let mut server = setup
        .env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true")
        .env("RECKONER_INGEST_FUTURE_S_MAX", "10000000")
        .start();
    let hook = Hook::start().await;
    assert_eq!(server.post("/v1/webhook-endpoints", json!({"url": hook.url})).await.status, 201);
    server.freeze("2026-01-01T00:00:00Z").await;
    let (events, expected) = month();
    send(&server, events).await;
    let target = json!({"frozen_time": "2026-02-01T00:15:00Z"});
    for share in [1, 3] {
        let request = server.request(Method::POST, "/v1/test-clock/advance", TEST_KEY).json(&target);
        let call = tokio::spawn(request.send());
        while aggregations(&server).await.len() < expected.len() * share / 5 && !call.is_finished() {}
        server.kill();
        // It was cut off, or had ended just before.
        let _ = call.await.expect("joined");
        server.restart();
    }
    server.advance("2026-02-01T00:15:00Z").await;
    let made = aggregations(&server).await;
    assert_eq!(made.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for (id, row) in &made {
        assert_eq!((&row["complete"], &row["revision"]), (&json!(true), &json!(1)), "{id}");
    }
    assert_eq!(made["c0_monthly_202601"]["values"]["api.calls"], "9.3");
    let told = hook.by_subject(expected.len()).await;
    assert_eq!(told.len(), expected.len());
    assert!(told.values().all(|messages| messages.len() == 1), "one message each, however often it is sent");
    assert_eq!(server.advance("2026-02-01T00:30:00Z").await, 0);
}
