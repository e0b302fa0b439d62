//! Periods end, are aggregated and told of once; late events revise them (PRODUCT 2, RULES 15).
use super::{aggregations, event, ids, on_both_servers, send};
use crate::support::hook::{Hook, Told};
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The last period of each kind that ended with the year 2028, whose last day is a Sunday.
const ENDED: [&str; 5] =
    ["a_daily_20281231", "a_hourly_2028123123", "a_monthly_202812", "a_weekly_202852", "a_yearly_2028"];

fn with_file_hook(setup: Setup, hook: &Hook) -> Setup {
    setup.env("RECKONER_WEBHOOKS_ALLOW_PRIVATE", "true").system(json!({
        "periods": ["hourly", "daily", "weekly", "monthly", "yearly"],
        "events": {"api.calls": {"op": "sum"}, "storage.bytes": {"op": "max"}},
        "webhooks": [{"url": hook.url, "secret": "whsec_0123456789abcdef0123456789abcdef", "enabled": true, "project": "test"}],
    }))
}

async fn api_hook(server: &Server) -> Hook {
    let hook = Hook::start().await;
    let made = server.post("/v1/webhook-endpoints", json!({"url": hook.url})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    hook
}

fn named(kind: &str, ids: &[&str]) -> Vec<String> {
    let mut named: Vec<String> = ids.iter().map(|id| format!("{kind} {id}")).collect();
    named.sort_unstable();
    named
}

fn check_completed(told: &[Told]) {
    for Told { body, project, .. } in told {
        // 2029-01-01T00:00:00Z, by the project's clock.
        assert_eq!(body["created"], 1_861_920_000, "{body}");
        assert_eq!(body["data"]["timestamp"], "2029-01-01T00:00:00.000Z");
        assert_eq!(body["data"]["periodEnd"], "2028-12-31T23:59:59.999Z");
        assert_eq!(body["data"]["events"], json!({"api.calls": 0.3, "storage.bytes": 7}));
        assert_eq!(body["data"]["eventCounts"], json!({"api.calls": 2, "storage.bytes": 1}));
        assert_eq!((&body["data"]["eventCount"], &body["data"]["revision"]), (&json!(3), &Value::Null));
        assert_eq!(project, "test");
    }
    let messages: BTreeSet<&str> = told.iter().map(|told| told.message.as_str()).collect();
    assert_eq!(messages.len(), told.len());
}

on_both_servers!(each_period_is_told_of_once);
async fn each_period_is_told_of_once(setup: Setup) {
    let file = Hook::start().await;
    let server = with_file_hook(setup, &file).start();
    let api = api_hook(&server).await;
    server.freeze("2028-12-31T23:30:00Z").await;
    send(
        &server,
        vec![
            event("a", "api.calls", "0.1", "2028-12-31T23:00:00Z"),
            event("a", "api.calls", "0.2", "2028-12-31T23:29:59.999999Z"),
            event("a", "storage.bytes", "7", "2028-12-31T23:10:00Z"),
        ],
    )
    .await;
    assert_eq!(server.advance("2028-12-31T23:59:59.999999Z").await, 0);
    assert_eq!(ids(&aggregations(&server).await), Vec::<&str>::new());
    assert_eq!(server.advance("2029-01-01T00:00:00Z").await, 1);
    let made = aggregations(&server).await;
    assert_eq!(ids(&made), ENDED);
    for row in made.values() {
        assert_eq!(row["values"], json!({"api.calls": "0.3", "storage.bytes": "7"}));
        assert_eq!((&row["complete"], &row["revision"]), (&json!(true), &json!(1)));
        assert_eq!(row["period_end"], "2029-01-01T00:00:00.000000Z");
        assert_eq!(row["created_at"], "2029-01-01T00:00:00.000000Z");
    }
    for hook in [&file, &api] {
        check_completed(&hook.wait_for(5).await);
    }
    for target in ["2029-01-01T00:00:00Z", "2029-01-01T00:05:00Z", "2029-01-01T00:05:00Z"] {
        assert_eq!(server.advance(target).await, 0);
    }
    assert_eq!(aggregations(&server).await, made);
    late_events_revise_once(&server, &api).await;
    assert_eq!(server.advance("2029-01-02T00:00:00Z").await, 0);
    let completed = named("aggregation.completed", &ENDED);
    assert_eq!(file.subjects(), completed, "a file endpoint hears of completion only");
    let updated = named("aggregation.updated", &ENDED);
    let all: BTreeSet<String> = completed.into_iter().chain(updated).collect();
    assert_eq!(api.subjects(), all.into_iter().collect::<Vec<_>>());
}

/// Two late events and one job run: one revision and one message each.
async fn late_events_revise_once(server: &Server, api: &Hook) {
    let late = |value| event("a", "api.calls", value, "2028-12-31T23:45:00Z");
    send(server, vec![late("1"), late("2")]).await;
    assert_eq!(server.advance("2029-01-01T00:14:59Z").await, 0);
    assert_eq!(server.advance("2029-01-01T00:15:00Z").await, 1);
    let revised = aggregations(server).await;
    assert_eq!(ids(&revised), ENDED);
    for row in revised.values() {
        assert_eq!(row["values"]["api.calls"], "3.3");
        assert_eq!((&row["revision"], &row["event_count"]), (&json!(2), &json!(5)));
        assert_eq!(row["updated_at"], "2029-01-01T00:15:00.000000Z");
        assert_eq!(row["created_at"], "2029-01-01T00:00:00.000000Z");
    }
    let told = api.wait_for(10).await;
    let updates: Vec<&Told> = told.iter().filter(|told| told.body["type"] == "aggregation.updated").collect();
    assert_eq!(updates.len(), 5);
    for Told { body, .. } in updates {
        assert_eq!(body["data"]["revision"], 2);
        assert_eq!(body["created"], 1_861_920_900);
        assert_eq!(body["data"]["events"]["api.calls"], 3.3);
    }
}

on_both_servers!(what_a_trigger_made_is_completed_once);
async fn what_a_trigger_made_is_completed_once(setup: Setup) {
    let hook = Hook::start().await;
    let server = with_file_hook(setup, &hook).start();
    server.freeze("2028-12-31T23:30:00Z").await;
    assert_eq!(server.post("/aggregations/trigger", json!({})).await.json()["jobsQueued"], 0);
    send(&server, vec![event("a", "api.calls", "5", "2028-12-31T23:10:00Z")]).await;
    let fired = server.post("/aggregations/trigger", json!({})).await;
    assert_eq!(fired.status, 202, "{}", fired.text);
    let counts = fired.json();
    assert_eq!(
        (&counts["jobsCreated"], &counts["jobsUpdated"], &counts["jobsQueued"]),
        (&json!(5), &json!(0), &json!(5))
    );
    let made = loop {
        let made = aggregations(&server).await;
        if made.len() == 5 {
            break made;
        }
    };
    assert_eq!(ids(&made), ENDED);
    assert!(made.values().all(|row| row["complete"] == false && row["revision"] == 1));
    let counts = server.post("/aggregations/trigger", json!({})).await.json();
    assert_eq!((&counts["jobsCreated"], &counts["jobsUpdated"]), (&json!(0), &json!(5)));
    send(&server, vec![event("a", "api.calls", "6", "2028-12-31T23:20:00Z")]).await;
    assert_eq!(server.advance("2029-01-01T00:00:00Z").await, 1);
    let made = aggregations(&server).await;
    assert_eq!(ids(&made), ENDED);
    for row in made.values() {
        assert_eq!((&row["complete"], &row["revision"]), (&json!(true), &json!(1)));
        assert_eq!(row["values"], json!({"api.calls": "11"}));
    }
    hook.wait_for(5).await;
    assert_eq!(server.advance("2029-01-01T06:00:00Z").await, 0);
    assert_eq!(hook.subjects(), named("aggregation.completed", &ENDED));
}

#[tokio::test]
async fn the_end_of_january_ends_a_month_and_no_week() {
    let server = Server::start();
    server.freeze("2026-01-31T23:30:00Z").await;
    send(&server, vec![event("a", "api.calls", "1", "2026-01-31T23:00:00Z")]).await;
    assert_eq!(server.advance("2026-02-01T12:00:00Z").await, 1);
    let made = aggregations(&server).await;
    assert_eq!(ids(&made), ["a_daily_20260131", "a_hourly_2026013123", "a_monthly_202601"]);
    // A late event for an hour that has ended belongs to a week that has not.
    send(&server, vec![event("b", "api.calls", "1", "2026-01-31T22:59:59.999999Z")]).await;
    assert_eq!(server.advance("2026-02-02T00:00:00Z").await, 2);
    let made = aggregations(&server).await;
    assert_eq!(
        ids(&made),
        [
            "a_daily_20260131",
            "a_hourly_2026013123",
            "a_monthly_202601",
            "a_weekly_202605",
            "b_daily_20260131",
            "b_hourly_2026013122",
            "b_monthly_202601",
            "b_weekly_202605",
        ]
    );
    assert_eq!(made["b_monthly_202601"]["created_at"], "2026-02-01T12:15:00.000000Z");
    assert_eq!(made["b_weekly_202605"]["created_at"], "2026-02-02T00:00:00.000000Z");
}

#[tokio::test]
async fn a_late_change_of_a_level_revises_what_came_after_it() {
    let server = Server::start();
    let level = json!({"key": "level", "event_type": "bytes", "aggregation": "time_weighted_avg"});
    assert_eq!(server.post("/v1/meters", level).await.status, 201);
    server.freeze("2026-01-20T00:00:00Z").await;
    send(
        &server,
        vec![
            event("a", "bytes", "10", "2026-01-05T00:00:00Z"),
            event("a", "bytes", "2", "2026-01-14T12:00:00Z"),
            event("b", "bytes", "1", "2026-01-14T12:00:00Z"),
        ],
    )
    .await;
    server.advance("2026-01-20T00:15:00Z").await;
    let value = async |id: &str| aggregations(&server).await[id]["values"]["level"].clone();
    assert_eq!(value("a_daily_20260114").await, "11");
    send(&server, vec![event("a", "bytes", "100", "2026-01-06T00:00:00Z")]).await;
    server.advance("2026-01-20T00:30:00Z").await;
    assert_eq!(value("a_daily_20260114").await, "111");
    let made = aggregations(&server).await;
    assert_eq!(
        (&made["a_daily_20260114"]["revision"], &made["a_hourly_2026011412"]["revision"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (&made["b_daily_20260114"]["revision"], &made["a_daily_20260105"]["revision"]),
        (&json!(1), &json!(1))
    );
}
