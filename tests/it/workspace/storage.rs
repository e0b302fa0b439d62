//! What is held: means over time, levels, snapshots.
use super::{ask, prepare, record, storage};
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

/// A month of ups and downs. By hand, in GB times seconds: 10 for 10 days are 8,640,000; 15 for 5.5 days 7,128,000; 3 for
/// 4 days, 18 hours, 30 minutes and 15.5 seconds 1,236,646.5; nothing while more was released than was held; 1 for 6 days
/// 518,400. That is 17,523,046.5 of 2,678,400 seconds.
#[tokio::test]
async fn a_month_of_ups_and_downs_is_the_mean_of_a_hand_calculation() {
    let server = Server::start();
    prepare(&server, "2026-02-02T00:00:00Z").await;
    for (time, gigabytes) in [
        ("2026-01-21T06:30:15.5Z", -4),
        ("2026-01-01T00:00:00Z", 10),
        ("2026-01-26T00:00:00Z", 2),
        ("2026-01-16T12:00:00Z", -12),
        ("2026-01-11T00:00:00Z", 5),
    ] {
        record(&server, storage(time, gigabytes)).await;
    }
    let summary = ask(&server, "summary?workspaceId=w1&period=2026-01").await;
    assert_eq!(summary["storageAvgGB"].to_string(), "6.542356070788530466");
    assert_eq!(summary["storageAvgBytes"].to_string(), "7024801340.705949820788530466");
    assert_eq!(summary["estimatedCost"]["storage"].to_string(), "0.327117803539426523");
    assert_eq!(summary["dailyUsage"][15]["storage"], json!((9_u64 << 30)));
    assert_eq!(summary["dailyUsage"][22]["storage"], 0);
    let path = "/v1/meters/storage.level/query?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&customer=w1";
    let row = &server.get(path).await.json()["data"][0];
    assert_eq!(
        (&row["value"], &row["was_negative"]),
        (&json!("7024801340.705949820788530466"), &json!(true))
    );
}

async fn levels_are_known_at_once_and_written_down_at_midnights(setup: Setup) {
    let server = setup.start();
    prepare(&server, "2026-01-10T12:00:00Z").await;
    for (time, gigabytes) in
        [("2026-01-08T06:00:00Z", 10), ("2026-01-09T00:00:00Z", 5), ("2026-01-10T12:00:00Z", -20)]
    {
        record(&server, storage(time, gigabytes)).await;
    }
    let gone = json!([
        {"id": "g1", "customer": "gone", "meter": "storage.bytes", "value": "7", "time": "2026-01-08T00:00:00Z"},
        {"id": "g2", "customer": "gone", "meter": "storage.bytes", "value": "-7", "time": "2026-01-08T23:59:59.999999Z"},
        {"id": "k1", "customer": "kept", "meter": "storage.bytes", "value": "0.5", "time": "2026-01-09T12:00:00Z"},
    ]);
    assert_eq!(server.post("/v1/events", gone).await.status, 200);
    // More was released than was held: it is kept as it was sent, and said.
    let levels = server.get("/v1/customers/w1/levels").await.json();
    let held = json!({"meter": "storage.level", "subject": "w1", "level": "-5368709120", "is_negative": true,
        "as_of": "2026-01-10T12:00:00.000000Z"});
    assert_eq!(levels, json!({"data": [held], "next_cursor": null}));
    let levels = server.get("/v1/customers/kept/levels?meter=storage.level").await.json();
    assert_eq!((&levels["data"][0]["level"], &levels["data"][0]["subject"]), (&json!("0.5"), &json!(null)));
    for path in ["/v1/customers/w1/levels?subject=other", "/v1/customers/w1/levels?meter=other"] {
        assert_eq!(server.get(path).await.json()["data"], json!([]), "{path}");
    }
    assert_eq!(server.get("/v1/customers/nobody/levels").await.status, 404);

    server.advance("2026-01-12T00:00:00Z").await;
    let shown = |list: &Value| {
        let one = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}", &text("taken_at")[..10], text("customer"), text("subject"), text("level"))
        };
        list["data"].as_array().expect("a list").iter().map(one).collect::<Vec<_>>()
    };
    let all = [
        "2026-01-12 kept - 0.5",
        "2026-01-12 w1 w1 -5368709120",
        "2026-01-11 kept - 0.5",
        "2026-01-11 w1 w1 -5368709120",
        "2026-01-10 kept - 0.5",
        "2026-01-10 w1 w1 16106127360",
        "2026-01-09 w1 w1 10737418240",
    ];
    let first = server.get("/v1/level-snapshots?limit=3").await.json();
    let cursor = first["next_cursor"].as_str().expect("a cursor").to_owned();
    let rest = server.get(&format!("/v1/level-snapshots?limit=1000&cursor={cursor}")).await.json();
    assert_eq!([shown(&first), shown(&rest)].concat(), all);
    assert_eq!(first["data"][1]["is_negative"], true);
    // What arrives late changes no snapshot; nothing is taken twice, and what is missing is.
    record(&server, storage("2026-01-08T07:00:00Z", 1)).await;
    server.advance("2026-01-12T23:59:59Z").await;
    assert_eq!(shown(&server.get("/v1/level-snapshots").await.json()), all);
    server.advance("2026-01-13T00:00:00Z").await;
    let path = "/v1/level-snapshots?customer=w1&subject=w1&meter=storage.level&from=2026-01-12T00:00:00Z";
    let expected = ["2026-01-13 w1 w1 -4294967296", "2026-01-12 w1 w1 -5368709120"];
    assert_eq!(shown(&server.get(path).await.json()), expected);
    let runs = server.get("/v1/jobs/runs?limit=1000").await.json();
    let runs = runs["data"].as_array().expect("a list").iter().filter(|run| run["job"] == "level_snapshots");
    let details: Vec<&str> = runs.filter_map(|run| run["detail"].as_str()).collect();
    assert_eq!(details.len(), 5, "{details:?}");
    assert!(details.contains(&"2026-01-10T00:00:00.000000Z: 2 levels"), "{details:?}");
    // A cursor of another list, and what an erased customer held.
    assert_eq!(server.get("/v1/level-snapshots?cursor=MS5h").await.status, 422);
    assert_eq!(server.post("/v1/clear", json!({"what": "events", "project": "test"})).await.status, 200);
    assert_eq!(shown(&server.get("/v1/level-snapshots").await.json()), Vec::<String>::new());
}
on_both_servers!(levels_are_known_at_once_and_written_down_at_midnights);
