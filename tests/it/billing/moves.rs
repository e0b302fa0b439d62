//! Many subscriptions that get another version of their plan.
use super::{invoices, path, shown, subscribe, used, with_analytics};
use crate::plans::analytics;
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use serde_json::{Value, json};

async fn moved(server: &Server, body: Value) -> Answer {
    server.post("/v1/subscriptions/move", body).await
}

/// Pro at 59 with a dearer price per call.
async fn dearer(server: &Server) {
    let mut catalog = analytics();
    let plans = catalog["plans"].as_array_mut().expect("plans");
    let pro = plans.iter_mut().find(|plan| plan["key"] == "pro").expect("pro");
    pro["base_price"] = json!("59.00");
    pro["prices"][0]["unit_price"] = json!("0.002");
    let applied = server.post("/v1/catalog/apply", catalog).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
}

/// Each outcome with what the next invoice was and becomes.
fn outcomes(answer: &Value) -> Vec<String> {
    let amount = |value: &Value| value["amount"].as_str().unwrap_or("-").to_owned();
    let one = |one: &Value| {
        format!(
            "{} {} {} {}",
            one["customer"].as_str().unwrap_or_default(),
            one["outcome"].as_str().unwrap_or_default(),
            amount(&one["next_invoice_before"]),
            amount(&one["next_invoice_after"])
        )
    };
    answer["data"].as_array().expect("a list").iter().map(one).collect()
}

on_both_servers!(a_move_shows_what_it_changes_first);
async fn a_move_shows_what_it_changes_first(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    for customer in ["a", "b", "c", "d"] {
        subscribe(&server, customer, "pro").await;
    }
    let list = server.get("/v1/subscriptions?plan=pro").await.json();
    let of = |number: usize| list["data"][number].clone();
    server.post(&path(&of(1), "/cancel"), json!({})).await;
    server.post(&path(&of(2), "/change-plan"), json!({"plan": "free"})).await;
    dearer(&server).await;
    subscribe(&server, "new", "pro").await;
    used(&server, "x", "a", 102_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-01-26T00:00:00Z").await;

    let asked = json!({"plan": "pro", "when": "period_end"});
    let look = moved(&server, asked.clone()).await.json();
    assert_eq!(
        (&look["dry_run"], &look["to_version"], &look["next_cursor"]),
        (&json!(true), &json!(2), &json!(null))
    );
    let from = &look["from"];
    assert_eq!((from[0]["plan_version"].as_u64(), from[0]["subscriptions"].as_u64()), (Some(1), Some(4)));
    let fields: Vec<&str> = from[0]["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    assert_eq!(fields, ["base_price", "prices[api.calls].unit_price"]);
    assert_eq!(
        (&look["monthly_base_before"]["amount"], &look["monthly_base_after"]["amount"]),
        (&json!("196.00"), &json!("236.00"))
    );
    // Usage of the period is rated as it was; the fee of the next one is the new one.
    let expected = ["a scheduled 51.00 61.00", "b skipped - -", "c skipped - -", "d scheduled 49.00 59.00"];
    assert_eq!(outcomes(&look), expected);
    assert_eq!(look["data"][0]["scheduled_at"], "2026-02-10T12:00:00.000000Z");
    // At once: 15.5 of 31 days of the dearer fee, and the rest of the usage rated by each version in its part.
    let now = moved(&server, json!({"plan": "pro", "when": "now"})).await.json();
    assert_eq!(outcomes(&now)[3], "d moved 49.00 64.00");
    assert_eq!(
        server.get("/v1/subscriptions?plan=pro").await.json()["data"][0]["version"],
        1,
        "nothing has changed"
    );

    let done = moved(&server, json!({"plan": "pro", "when": "period_end", "dry_run": false})).await.json();
    let expected = ["a scheduled - -", "b skipped - -", "c skipped - -", "d scheduled - -"];
    assert_eq!((outcomes(&done), &done["dry_run"]), (expected.map(str::to_owned).to_vec(), &json!(false)));
    // Again, by whoever lost the answer: what is scheduled stays.
    let again = moved(&server, json!({"plan": "pro", "when": "period_end", "dry_run": false})).await.json();
    assert_eq!(outcomes(&again), ["a skipped - -", "b skipped - -", "c skipped - -", "d skipped - -"]);
    server.advance("2026-02-10T13:00:00Z").await;
    let invoice = invoices(&server, "a").await.pop().expect("an invoice");
    assert_eq!(shown(&invoice), "finalized 61.00: base 59.00 Pro, overage 2.00 api.calls");
    let left = moved(&server, asked).await.json();
    assert_eq!((&left["from"], &left["data"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_move_goes_page_by_page_and_one_that_fails_keeps_no_other() {
    let server = Server::start();
    with_analytics(&server).await;
    for customer in ["a", "b", "c"] {
        subscribe(&server, customer, "pro").await;
    }
    dearer(&server).await;
    let mut body = json!({"plan": "pro", "plan_version": 1, "when": "now", "dry_run": false, "limit": 2});
    let first = moved(&server, body.clone()).await.json();
    assert_eq!(outcomes(&first), ["a moved - -", "b moved - -"]);
    body["cursor"] = first["next_cursor"].clone();
    let second = moved(&server, body).await.json();
    assert_eq!((outcomes(&second), &second["next_cursor"]), (vec!["c moved - -".to_owned()], &json!(null)));
    let versions = server.get("/v1/subscriptions?plan=pro").await.json();
    let versions: Vec<_> =
        versions["data"].as_array().expect("a list").iter().map(|one| one["plan_version"].clone()).collect();
    assert_eq!(versions, [2, 2, 2]);
    let audit = server.get("/v1/audit?action=subscription.updated").await.json();
    assert_eq!(audit["data"].as_array().map(Vec::len), Some(3));
    // To another plan, which is cheaper: at the end of the period, which is billed already.
    server.advance("2026-01-11T00:00:00Z").await;
    let down = moved(&server, json!({"plan": "pro", "to_plan": "free"})).await.json();
    assert_eq!(outcomes(&down)[0], "a scheduled 59.00 0.00");
}

#[tokio::test]
async fn what_is_wrong_with_a_move_is_told() {
    let server = Server::start();
    with_analytics(&server).await;
    server.post("/v1/plans", json!({"key": "euro", "currency": "EUR", "interval": "month"})).await;
    subscribe(&server, "a", "pro").await;
    let wrong = json!({"plan": "x y", "to_plan": "", "when": "soon", "limit": 0, "cursor": "?"});
    let refused = moved(&server, wrong).await.json();
    let fields: Vec<&Value> =
        refused["errors"].as_array().expect("errors").iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, ["limit", "cursor", "when", "plan", "to_plan"]);
    for (body, field) in [
        (json!({"plan": "gold"}), "plan"),
        (json!({"plan": "pro", "plan_version": 7}), "plan"),
        (json!({"plan": "pro", "to_plan": "gold"}), "to_plan"),
        (json!({"plan": "pro", "to_version": 7}), "to_version"),
    ] {
        let refused = moved(&server, body).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["field"]), (422, &json!(field)));
    }
    let other = moved(&server, json!({"plan": "pro", "to_plan": "euro", "dry_run": false})).await;
    assert_eq!((other.status.as_u16(), &other.json()["code"]), (409, &json!("currency_differs")));
}
