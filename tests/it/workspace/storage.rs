//! What is held: means over time, levels, snapshots.
use super::{ask, prepare, record, storage};
use crate::support::server::Server;
use serde_json::json;

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
