//! Summaries, aggregations and the dashboard.
use super::{ask, prepare, record, storage};
use crate::support::on_both_servers;
use crate::support::server::{LIVE_KEY, Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

fn traffic(workspace: &str, time: &str, bytes: u64) -> Value {
    json!({"workspaceId": workspace, "organizationId": "org", "resourceType": "traffic", "units": bytes, "source": "api",
        "timestamp": time})
}

fn job(workspace: &str, time: &str, kind: &str) -> Value {
    json!({"workspaceId": workspace, "organizationId": "org", "resourceType": "compute", "units": 1, "source": "job",
        "timestamp": time, "metadata": {"jobType": kind}})
}

async fn a_month_is_summed_to_the_last_digit(setup: Setup) {
    let server = setup.start();
    prepare(&server, "2026-02-10T00:00:00Z").await;
    record(&server, traffic("w1", "2026-01-05T23:59:59.999999Z", 3 << 30)).await;
    record(&server, traffic("w2", "2026-01-06T00:00:00Z", 1)).await;
    record(&server, traffic("w2", "2026-02-01T00:00:00Z", 77)).await;
    record(&server, job("w1", "2026-01-06T10:00:00Z", "ai_code_review")).await;
    record(&server, job("w2", "2026-01-06T11:00:00Z", "project_read")).await;
    let summary = ask(&server, "summary?organizationId=org&period=2026-01").await;
    let shown = |name: &str| summary[name].to_string();
    assert_eq!(shown("period"), "\"2026-01\"");
    assert_eq!((shown("trafficTotalBytes").as_str(), shown("eventCount").as_str()), ("3221225473", "4"));
    assert_eq!(shown("trafficTotalGB"), "3.000000000931322575");
    assert_eq!((shown("storageAvgBytes").as_str(), shown("computeTotalUnits").as_str()), ("0", "20.5"));
    let cost =
        r#"{"traffic":0.300000000093132257,"storage":0,"compute":0.0205,"total":0.320500000093132257}"#;
    assert_eq!(shown("estimatedCost"), cost);
    let breakdown = json!({"bySource": {"api": 2, "job": 2}, "byResourceType": {"traffic": 2, "compute": 2},
        "byWorkspace": {"w1": 2, "w2": 2}});
    assert_eq!(summary["breakdown"], breakdown);
    let days = summary["dailyUsage"].as_array().expect("a list");
    assert_eq!(days.len(), 31);
    assert_eq!(
        days[4],
        json!({"date": "2026-01-05", "traffic": 3_221_225_472_u64, "storage": 0, "compute": 0})
    );
    assert_eq!(days[5], json!({"date": "2026-01-06", "traffic": 1, "storage": 0, "compute": 20.5}));
    // The present month, of one workspace; days that have not begun are left out.
    let summary = ask(&server, "summary?workspaceId=w2").await;
    assert_eq!((&summary["period"], &summary["trafficTotalBytes"]), (&json!("2026-02"), &json!(77)));
    assert_eq!(summary["dailyUsage"].as_array().map(Vec::len), Some(10));
}
on_both_servers!(a_month_is_summed_to_the_last_digit);

#[tokio::test]
async fn months_are_those_of_the_customers_time_zone_and_rates_those_of_the_configuration() {
    let setup = Setup::default()
        .env("USAGE_RATE_TRAFFIC_GB", "2")
        .env("RECKONER_WORKSPACE_RATE_COMPUTE_UNIT", "0.25");
    let server = setup.start();
    prepare(&server, "2026-02-10T00:00:00Z").await;
    let customer = json!({"external_id": "org", "time_zone": "Asia/Kolkata"});
    assert_eq!(server.post("/v1/customers", customer).await.status, 201);
    // 00:30 on 1 February in Kolkata.
    record(&server, traffic("w1", "2026-01-31T19:00:00Z", 1 << 29)).await;
    record(&server, job("w1", "2026-02-01T00:00:00Z", "export")).await;
    let january = ask(&server, "summary?organizationId=org&period=2026-01").await;
    assert_eq!(january["eventCount"], 0);
    let february = ask(&server, "summary?organizationId=org&period=2026-02").await;
    assert_eq!(february["dailyUsage"][0]["traffic"], 1 << 29);
    assert_eq!(
        february["estimatedCost"].to_string(),
        r#"{"traffic":1,"storage":0,"compute":2.5,"total":3.5}"#
    );
}

#[tokio::test]
async fn aggregations_are_the_months_since_the_first_event() {
    let server = Server::start();
    prepare(&server, "2026-03-15T00:00:00Z").await;
    assert_eq!(ask(&server, "aggregations?workspaceId=w1").await, json!({"documents": [], "total": 0}));
    record(&server, storage("2026-01-16T12:00:00Z", 31)).await;
    let listed = ask(&server, "aggregations?workspaceId=w1").await;
    let of = |period: &str, storage: f64| {
        let id = format!("w1_monthly_{}", period.replace('-', ""));
        json!({"$id": id, "workspaceId": "w1", "period": period, "trafficTotalGB": 0, "storageAvgGB": storage,
            "computeTotalUnits": 0, "isFinalized": false})
        .to_string()
        .replace(".0,", ",")
    };
    let shown: Vec<String> =
        listed["documents"].as_array().expect("a list").iter().map(Value::to_string).collect();
    assert_eq!(shown, [of("2026-03", 31.0), of("2026-02", 31.0), of("2026-01", 15.5)]);
    for (query, periods) in [
        ("limit=1&offset=1", "2026-02"),
        ("period=2026-01", "2026-01"),
        ("startPeriod=2026-02", "2026-03 2026-02"),
        ("endPeriod=2026-02&startPeriod=2025-01", "2026-02 2026-01"),
        ("startPeriod=2026-04", ""),
    ] {
        let listed = ask(&server, &format!("aggregations?workspaceId=w1&{query}")).await;
        let found: Vec<&str> = listed["documents"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| one["period"].as_str())
            .collect();
        assert_eq!(found.join(" "), periods, "{query}");
    }
    let path = "/api/usage/aggregations/calculate";
    let made = server.post(path, json!({"workspaceId": "w1", "period": "2026-01"})).await;
    assert_eq!((made.status.as_u16(), made.json()["data"].to_string()), (201, of("2026-01", 15.5)));
    for (body, told) in [
        (json!({"period": "2026-01"}), "Either workspaceId or organizationId is required"),
        (json!({"workspaceId": "w1"}), "period is required: it must be a month such as 2026-01"),
        (json!({"workspaceId": "w1", "period": "2026-1"}), "period must be a month such as 2026-01"),
        (json!({"workspaceId": "w1", "period": "2026-04"}), "period must not be in the future"),
    ] {
        assert_eq!(server.post(path, body).await.parts(), (400, json!({"error": told})));
    }
}

#[tokio::test]
async fn the_dashboard_shows_events_summary_and_alerts_of_the_own_project() {
    let server = Server::start();
    prepare(&server, "2026-02-10T00:00:00Z").await;
    record(&server, traffic("w1", "2026-02-05T00:00:00Z", 5)).await;
    record(&server, traffic("w1", "2026-01-05T00:00:00Z", 7)).await;
    let dashboard = ask(&server, "dashboard?workspaceId=w1").await;
    assert_eq!(
        (&dashboard["events"]["total"], &dashboard["events"]["documents"][0]["units"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(dashboard["summary"]["trafficTotalBytes"], 5);
    assert_eq!(dashboard["alerts"], json!({"documents": [], "total": 0}));
    let january = ask(&server, "dashboard?organizationId=org&period=2026-01").await;
    assert_eq!(
        (&january["events"]["total"], &january["summary"]["trafficTotalBytes"]),
        (&json!(1), &json!(7))
    );
    // The other project has the same names and none of the usage.
    let applied = server.request(Method::POST, "/v1/catalog/apply", LIVE_KEY).json(&super::catalogue());
    assert_eq!(applied.send().await.expect("an answer").status(), 200);
    for path in ["events", "dashboard", "summary", "aggregations", "events/export?format=json&x"] {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("/api/usage/{path}{mark}organizationId=org");
        let answer = server.request(Method::GET, &path, LIVE_KEY).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let text = answer.text().await.expect("a body");
        assert!(!text.contains("w1") && !text.contains("\"units\""), "{path}: {text}");
    }
}
