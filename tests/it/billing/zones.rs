//! A customer's time zone changes: its billing periods and quotas follow from the next one on.
use super::{invoices, path, shown, subscribe, used, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

async fn move_to(server: &Server, customer: &str, zone: Value) {
    let moved = server.patch(&format!("/v1/customers/{customer}"), json!({"time_zone": zone})).await;
    assert_eq!((moved.status.as_u16(), &moved.json()["time_zone"]), (200, &zone), "{}", moved.text);
}

/// The period of a subscription, its zone, and the next one.
async fn period(server: &Server, subscription: &Value) -> [Value; 4] {
    let read = server.get(&path(subscription, "")).await.json();
    ["current_period_start", "current_period_end", "time_zone", "next_time_zone"]
        .map(|field| read[field].clone())
}

/// What a customer used of its calls, and until when they add up.
async fn counted(server: &Server, customer: &str) -> (Value, Value) {
    let asked = json!({"customer": customer, "meter": "api.calls", "value": "1"});
    let answer = server.post("/v1/entitlements/check", asked).await.json();
    (answer["used"].clone(), answer["resets_at"].clone())
}

fn instant(hour: &str) -> Value {
    json!(format!("2026-{hour}:00:00.000000Z"))
}

on_both_servers!(billing_follows_a_customers_zone_from_the_next_period_on);
async fn billing_follows_a_customers_zone_from_the_next_period_on(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    server.advance("2026-01-15T10:00:00Z").await;
    let subscription = subscribe(&server, "acme", "pro").await;
    server.advance("2026-02-20T00:00:00Z").await;
    let open = [instant("02-15T10"), instant("03-15T10")];
    let [start, end] = open.clone();
    assert_eq!(period(&server, &subscription).await, [start, end, json!("UTC"), Value::Null]);
    // Of several changes the last one counts.
    move_to(&server, "acme", json!("Asia/Kolkata")).await;
    move_to(&server, "acme", json!("America/New_York")).await;
    let [start, end] = open;
    assert_eq!(
        period(&server, &subscription).await,
        [start, end.clone(), json!("UTC"), json!("America/New_York")]
    );
    server.advance("2026-03-15T11:00:00Z").await;
    // Five in the morning by the clock of its anchor, which has gone forward since.
    assert_eq!(
        period(&server, &subscription).await,
        [end, instant("04-15T09"), json!("America/New_York"), Value::Null]
    );
    server.advance("2026-05-15T10:00:00Z").await;
    let all = invoices(&server, "acme").await;
    let ends: Vec<_> = all.iter().map(|invoice| invoice["period_end"].clone()).collect();
    assert_eq!(ends[1..], ["02-15T10", "03-15T10", "04-15T09", "05-15T09"].map(instant));
    // Each period costs what a period costs, however long its hours are.
    let due: Vec<_> = all.iter().map(|invoice| invoice["amount_due"]["amount"].clone()).collect();
    assert_eq!(due, vec!["49.00"; 5]);
    let phases = server.get(&path(&subscription, "/phases")).await.json();
    let starts: Vec<_> =
        phases["data"].as_array().expect("phases").iter().map(|one| one["starts_at"].clone()).collect();
    assert_eq!(starts, ["01-15T10", "03-15T10"].map(instant));
}

on_both_servers!(quotas_follow_a_customers_zone_and_keep_their_count);
async fn quotas_follow_a_customers_zone_and_keep_their_count(setup: Setup) {
    let server = setup.toml("[billing]\ndefault_plan = \"free\"\n").start();
    with_analytics(&server).await;
    server.advance("2026-02-20T00:00:00Z").await;
    // One has a subscription, the other what everybody has.
    subscribe(&server, "acme", "free").await;
    for (number, customer) in ["acme", "other"].into_iter().enumerate() {
        used(&server, &format!("early {number}"), customer, 7, "2026-02-10T00:00:00Z").await;
        assert_eq!(counted(&server, customer).await, (json!("7"), instant("03-01T00")));
        move_to(&server, customer, json!("America/New_York")).await;
        // February lasts until it is over in New York.
        assert_eq!(counted(&server, customer).await, (json!("7"), instant("03-01T05")));
        used(&server, &format!("late {number}"), customer, 5, "2026-02-20T00:00:00Z").await;
    }
    server.advance("2026-03-01T04:59:59Z").await;
    for customer in ["acme", "other"] {
        assert_eq!(counted(&server, customer).await, (json!("12"), instant("03-01T05")));
    }
    server.advance("2026-03-01T05:00:00Z").await;
    for customer in ["acme", "other"] {
        assert_eq!(counted(&server, customer).await, (json!("0"), instant("04-01T04")));
    }
}

on_both_servers!(what_is_billed_under_a_limit_is_what_the_quota_counted);
async fn what_is_billed_under_a_limit_is_what_the_quota_counted(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let capped = json!({"plans": [{
        "key": "capped", "name": "Capped", "currency": "USD", "base_price": "0", "interval": "month", "billing": "calendar",
        "entitlements": [{"feature": "calls", "type": "metered", "meter": "api.calls", "limit": "1000", "behaviour": "block", "reset": "month"}],
        "prices": [{"key": "calls", "meter": "api.calls", "model": "per_unit", "unit_price": "0.01"}],
    }]});
    let applied = server.post("/v1/catalog/apply", capped).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    server.advance("2026-02-01T00:00:00Z").await;
    subscribe(&server, "acme", "capped").await;
    server.advance("2026-02-20T00:00:00Z").await;
    used(&server, "a", "acme", 800, "2026-02-10T00:00:00Z").await;
    move_to(&server, "acme", json!("America/New_York")).await;
    server.advance("2026-03-01T02:00:00Z").await;
    // Billed with March, and counted with New York's February, in which 200 were left.
    used(&server, "b", "acme", 500, "2026-03-01T02:00:00Z").await;
    server.advance("2026-03-02T00:00:00Z").await;
    used(&server, "c", "acme", 50, "2026-03-02T00:00:00Z").await;
    server.advance("2026-04-01T06:00:00Z").await;
    let all = invoices(&server, "acme").await;
    let usage: Vec<String> = all.iter().map(shown).filter(|shown| shown.contains("usage")).collect();
    assert_eq!(usage, ["finalized 8.00: usage 8.00 calls", "finalized 2.50: usage 2.50 calls"]);
}

on_both_servers!(a_projects_zone_is_that_of_customers_who_have_none);
async fn a_projects_zone_is_that_of_customers_who_have_none(setup: Setup) {
    let mut server = setup.start();
    with_analytics(&server).await;
    server.advance("2026-01-15T10:00:00Z").await;
    let [follows, stays] =
        [subscribe(&server, "follows", "pro").await, subscribe(&server, "stays", "pro").await];
    move_to(&server, "stays", json!("UTC")).await;
    used(&server, "a", "follows", 1, "2026-01-15T10:00:00Z").await;
    assert!(server.terminate().success());
    server.set_env("RECKONER_TIME_ZONE", "America/New_York");
    server.restart();
    let next = json!("America/New_York");
    assert_eq!(period(&server, &follows).await[2..], [json!("UTC"), next.clone()]);
    assert_eq!(period(&server, &stays).await[2..], [json!("UTC"), Value::Null]);
    server.advance("2026-03-15T11:00:00Z").await;
    assert_eq!(
        period(&server, &follows).await,
        [instant("03-15T09"), instant("04-15T09"), next, Value::Null]
    );
    assert_eq!(period(&server, &stays).await[..2], ["03-15T10", "04-15T10"].map(instant));
}
