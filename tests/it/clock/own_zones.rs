//! Customers with a time zone of their own have days and months of their own; hours stay UTC.
use super::{aggregations, event, ids, on_both_servers, send};
use crate::support::server::Setup;
use serde_json::{Value, json};

on_both_servers!(days_and_months_follow_the_customer);
async fn days_and_months_follow_the_customer(setup: Setup) {
    let server = setup
        .system(json!({
            "periods": ["hourly", "daily", "monthly"], "events": {"api.calls": {"op": "sum"}}, "webhooks": [],
        }))
        .start();
    server.freeze("2026-01-31T12:00:00Z").await;
    for (customer, zone) in [("k", "Asia/Kolkata"), ("l", "Asia/Kolkata"), ("n", "America/New_York")] {
        let made = server.post("/v1/customers", json!({"external_id": customer, "time_zone": zone})).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    // One event before and one after Kolkata's midnight, for everyone.
    let mut events = Vec::new();
    for customer in ["k", "l", "n", "u"] {
        events.push(event(customer, "api.calls", "1", "2026-01-30T18:29:59.999999Z"));
        events.push(event(customer, "api.calls", "10", "2026-01-30T18:30:00Z"));
    }
    send(&server, events).await;
    server.advance("2026-01-31T18:30:00Z").await;
    let made = aggregations(&server).await;
    let of = |customer: &str| -> Vec<&str> {
        ids(&made).into_iter().filter_map(|id| id.strip_prefix(&format!("{customer}_"))).collect()
    };
    let kolkata = ["daily_20260130", "daily_20260131", "hourly_2026013018", "monthly_202601"];
    assert_eq!((of("k"), of("l")), (kolkata.to_vec(), kolkata.to_vec()));
    let day = ["daily_20260130", "hourly_2026013018"];
    assert_eq!((of("u"), of("n")), (day.to_vec(), day.to_vec()));
    let value = |id: &str| made[id]["values"]["api.calls"].clone();
    assert_eq!((value("k_daily_20260130"), value("k_daily_20260131")), (json!("1"), json!("10")));
    assert_eq!((value("k_hourly_2026013018"), value("u_daily_20260130")), (json!("11"), json!("11")));
    let edges = |row: &Value| (row["period_start"].clone(), row["period_end"].clone());
    assert_eq!(
        edges(&made["k_monthly_202601"]),
        (json!("2025-12-31T18:30:00.000000Z"), json!("2026-01-31T18:30:00.000000Z"))
    );
    assert_eq!(made["k_monthly_202601"]["created_at"], "2026-01-31T18:30:00.000000Z");
    server.advance("2026-02-01T05:00:00Z").await;
    let made = aggregations(&server).await;
    assert_eq!(made["u_monthly_202601"]["created_at"], "2026-02-01T00:00:00.000000Z");
    assert_eq!(made["n_monthly_202601"]["created_at"], "2026-02-01T05:00:00.000000Z");
    // Late, on Kolkata's side of midnight.
    send(&server, vec![event("k", "api.calls", "100", "2026-01-30T18:30:00.000001Z")]).await;
    server.advance("2026-02-01T05:15:00Z").await;
    let made = aggregations(&server).await;
    let told = |id: &str| (made[id]["values"]["api.calls"].clone(), made[id]["revision"].clone());
    assert_eq!(told("k_daily_20260130"), (json!("1"), json!(1)));
    assert_eq!(told("k_daily_20260131"), (json!("110"), json!(2)));
    assert_eq!(told("k_monthly_202601"), (json!("111"), json!(2)));
    assert_eq!(told("l_daily_20260131"), (json!("10"), json!(1)));
}
