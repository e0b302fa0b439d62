use super::{invoices, path, shown, subscribe, used, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

on_both_servers!(each_period_makes_one_invoice_that_never_changes);
async fn each_period_makes_one_invoice_that_never_changes(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let pro = subscribe(&server, "acme", "pro").await;
    subscribe(&server, "idle", "free").await;
    // Billing begins: the first base fee, in advance.
    server.advance("2026-01-10T12:00:01Z").await;
    let first = invoices(&server, "acme").await;
    assert_eq!(first.iter().map(shown).collect::<Vec<_>>(), ["finalized 49.00: base 49.00 Pro"]);
    assert_eq!(
        (&first[0]["number"], &first[0]["due_at"]),
        (&json!(1), &json!("2026-01-24T12:00:00.000000Z"))
    );
    used(&server, "a", "acme", 100_000, "2026-01-10T12:00:01Z").await;
    server.advance("2026-02-10T12:00:00Z").await;
    // A period that is over stays open for an hour.
    used(&server, "b", "acme", 5_000, "2026-02-10T11:59:59Z").await;
    used(&server, "next", "acme", 7, "2026-02-10T12:00:00Z").await;
    server.advance("2026-02-10T12:59:59Z").await;
    let draft = server.get(&path(&pro, "/upcoming-invoice")).await.json();
    assert_eq!(shown(&draft), "draft 54.00: base 49.00 Pro, overage 5.00 api.calls");
    assert_eq!((&draft["number"], &draft["hash"]), (&Value::Null, &Value::Null));
    server.advance("2026-02-10T13:00:00Z").await;
    let both = invoices(&server, "acme").await;
    assert_eq!(both[0], first[0]);
    let second = &both[1];
    assert_eq!(shown(second), "finalized 54.00: base 49.00 Pro, overage 5.00 api.calls");
    assert_eq!(
        (&second["number"], &second["period_start"], &second["period_end"], &second["finalized_at"]),
        (
            &json!(2),
            &json!("2026-01-10T12:00:00.000000Z"),
            &json!("2026-02-10T12:00:00.000000Z"),
            &json!("2026-02-10T13:00:00.000000Z")
        )
    );
    let overage = &second["lines"][1];
    assert_eq!(
        (&overage["units"], &overage["included"], &overage["exact"], &overage["plan_version"]),
        (&json!("105000"), &json!("100000"), &json!("5"), &json!(1))
    );
    assert!(overage["meter"].as_str().is_some_and(|id| id.starts_with("mtr_")), "{overage}");
    // The next period holds what came at its first instant, and nothing is made twice.
    let draft = server.get(&path(&pro, "/upcoming-invoice")).await.json();
    assert_eq!(draft["lines"][1]["units"], json!("7"));
    server.advance("2026-02-11T00:00:00Z").await;
    assert_eq!(invoices(&server, "acme").await, both);
    assert_eq!(
        invoices(&server, "idle").await,
        Vec::<Value>::new(),
        "nothing is due, so there is no invoice"
    );
    let by_id = server.get(&format!("/v1/invoices/{}", second["id"].as_str().expect("an id"))).await.json();
    assert_eq!(by_id, *second);
}

on_both_servers!(what_comes_late_is_adjusted_on_the_next_invoice_once);
async fn what_comes_late_is_adjusted_on_the_next_invoice_once(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "pro").await;
    used(&server, "a", "acme", 105_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-02-10T14:00:00Z").await;
    used(&server, "late", "acme", 2_250, "2026-02-01T00:00:00Z").await;
    server.advance("2026-03-10T14:00:00Z").await;
    let all = invoices(&server, "acme").await;
    assert_eq!(
        all.iter().map(shown).collect::<Vec<_>>(),
        [
            "finalized 49.00: base 49.00 Pro",
            "finalized 54.00: base 49.00 Pro, overage 5.00 api.calls",
            "finalized 51.25: base 49.00 Pro, overage 0.00 api.calls, adjustment 2.25 api.calls, 2026-01-10 to 2026-02-10",
        ]
    );
    assert_eq!(all[2]["lines"][2]["period_start"], "2026-01-10T12:00:00.000000Z");
    // A void gives back what it was billed, and the next invoice knows of both.
    assert_eq!(server.delete("/v1/events/late").await.status, 200);
    server.advance("2026-04-10T14:00:00Z").await;
    let last = invoices(&server, "acme").await.pop().expect("an invoice");
    assert_eq!(
        shown(&last),
        "finalized 46.75: base 49.00 Pro, overage 0.00 api.calls, adjustment -2.25 api.calls, 2026-01-10 to 2026-02-10"
    );
}

#[tokio::test]
async fn an_upgrade_splits_the_period_and_each_part_has_its_lines() {
    let server = Server::start();
    with_analytics(&server).await;
    server.advance("2026-04-01T00:00:00Z").await;
    let subscription = subscribe(&server, "acme", "pro").await;
    server.advance("2026-04-11T00:00:00Z").await;
    used(&server, "a", "acme", 50_000, "2026-04-05T00:00:00Z").await;
    server.post(&path(&subscription, "/change-plan"), json!({"plan": "enterprise"})).await;
    used(&server, "b", "acme", 1_000_000, "2026-04-11T00:00:00Z").await;
    server.advance("2026-05-01T01:00:00Z").await;
    let last = invoices(&server, "acme").await.pop().expect("an invoice");
    // 10 of 30 days of 100,000 calls are included: 16,666.67 calls are beyond.
    assert_eq!(
        shown(&last),
        "finalized 817.33: base -32.67 Pro, given back, base 333.33 Enterprise, base 500.00 Enterprise, overage 16.67 api.calls"
    );
    assert_eq!(last["lines"][3]["share"], json!({"part_s": 864_000, "whole_s": 2_592_000}));
    assert_eq!(last["lines"][3]["exact"], "50/3");
}

#[tokio::test]
async fn whoever_leaves_is_billed_what_was_used_and_nothing_more() {
    let server = Server::start();
    with_analytics(&server).await;
    let gone = subscribe(&server, "gone", "pro").await;
    let leaving = subscribe(&server, "leaving", "pro").await;
    server.post(&path(&leaving, "/cancel"), json!({})).await;
    used(&server, "a", "gone", 101_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-01-20T12:00:00Z").await;
    server.post(&path(&gone, "/cancel"), json!({"when": "now"})).await;
    server.advance("2026-04-20T12:00:00Z").await;
    assert_eq!(
        invoices(&server, "gone").await.iter().map(shown).collect::<Vec<_>>(),
        ["finalized 49.00: base 49.00 Pro", "finalized 1.00: overage 1.00 api.calls"]
    );
    assert_eq!(
        invoices(&server, "leaving").await.iter().map(shown).collect::<Vec<_>>(),
        ["finalized 49.00: base 49.00 Pro"]
    );
    let upcoming = server.get(&path(&gone, "/upcoming-invoice")).await;
    assert_eq!(upcoming.status, 404);
}

#[tokio::test]
async fn what_comes_late_after_the_end_has_an_invoice_of_its_own() {
    let server = Server::start();
    with_analytics(&server).await;
    let gone = subscribe(&server, "gone", "pro").await;
    used(&server, "a", "gone", 101_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-01-20T12:00:00Z").await;
    server.post(&path(&gone, "/cancel"), json!({"when": "now"})).await;
    server.advance("2026-02-01T00:00:00Z").await;
    used(&server, "late", "gone", 2_000, "2026-01-19T00:00:00Z").await;
    used(&server, "after", "gone", 5_000, "2026-01-20T12:00:00Z").await;
    server.advance("2026-02-25T11:59:59Z").await;
    assert_eq!(invoices(&server, "gone").await.len(), 2);
    server.advance("2026-06-01T00:00:00Z").await;
    assert_eq!(
        invoices(&server, "gone").await.iter().map(shown).collect::<Vec<_>>(),
        [
            "finalized 49.00: base 49.00 Pro",
            "finalized 1.00: overage 1.00 api.calls",
            "finalized 2.00: adjustment 2.00 api.calls, 2026-01-10 to 2026-01-20"
        ]
    );
}

#[tokio::test]
async fn a_trial_is_free_and_billing_begins_at_its_end() {
    let server = Server::start();
    with_analytics(&server).await;
    let tried = json!({"customer": "acme", "plan": "pro", "trial_days": 7});
    let tried = server.post("/v1/subscriptions", tried).await.json();
    assert_eq!(server.get(&path(&tried, "/upcoming-invoice")).await.status, 404);
    used(&server, "free", "acme", 500_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-02-17T13:00:00Z").await;
    let all = invoices(&server, "acme").await;
    assert_eq!(
        all.iter().map(shown).collect::<Vec<_>>(),
        ["finalized 49.00: base 49.00 Pro", "finalized 49.00: base 49.00 Pro, overage 0.00 api.calls"]
    );
    assert_eq!(all[1]["period_start"], "2026-01-17T12:00:00.000000Z");
}

on_both_servers!(an_invoice_is_paid_withdrawn_or_given_up_on);
async fn an_invoice_is_paid_withdrawn_or_given_up_on(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    for customer in ["a", "b", "c"] {
        subscribe(&server, customer, "pro").await;
    }
    server.advance("2026-01-10T12:00:01Z").await;
    let list = server.get("/v1/invoices").await.json();
    let mut numbers: Vec<_> =
        list["data"].as_array().expect("all").iter().map(|one| one["number"].clone()).collect();
    numbers.sort_by_key(Value::to_string);
    assert_eq!(numbers, [json!(1), json!(2), json!(3)]);
    let path = |index: usize, what: &str| {
        format!("/v1/invoices/{}/{what}", list["data"][index]["id"].as_str().expect("an id"))
    };
    let paid = server.post(&path(0, "pay"), json!({})).await.json();
    assert_eq!((&paid["status"], &paid["version"]), (&json!("paid"), &json!(2)));
    let again = server.post(&path(0, "pay"), json!({})).await;
    assert_eq!((again.status.as_u16(), &again.json()["code"]), (409, &json!("invoice_state")));
    assert_eq!(server.post(&path(1, "void"), json!({})).await.json()["status"], "void");
    assert_eq!(server.post(&path(2, "write-off"), json!({})).await.json()["status"], "uncollectible");
    assert_eq!(server.post(&path(2, "pay"), json!({})).await.json()["status"], "paid");
    let paid = server.get("/v1/invoices?status=paid").await.json();
    assert_eq!(paid["data"].as_array().map(Vec::len), Some(2));
    let told = server.get("/v1/audit?action=invoice.paid").await.json();
    assert_eq!(told["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.get("/v1/invoices/inv_1").await.status, 404);
    let wrong = server.get("/v1/invoices?status=open").await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["field"]), (422, &json!("status")));
}

/// Lines name the aggregation of exactly their time; what is billed for ever takes no figures from elsewhere.
#[tokio::test]
async fn a_line_leads_to_its_aggregation_and_its_time_is_locked() {
    let periods = json!({"periods": ["daily", "monthly"], "events": {"api.calls": {"op": "sum"}}});
    let server = Setup::default().system(periods).start();
    server.freeze("2026-01-01T00:00:00Z").await;
    let plan = json!({
        "key": "calls", "currency": "USD", "interval": "month", "base_price": "0", "billing": "calendar",
        "prices": [{"model": "per_unit", "meter": "api.calls", "unit_price": "0.01"}],
    });
    assert_eq!(server.post("/v1/plans", plan).await.status, 201);
    subscribe(&server, "acme", "calls").await;
    used(&server, "a", "acme", 300, "2026-01-01T00:00:00Z").await;
    server.advance("2026-02-01T02:00:00Z").await;
    let invoice = invoices(&server, "acme").await.pop().expect("an invoice");
    assert_eq!(shown(&invoice), "finalized 3.00: usage 3.00 api.calls");
    let id = invoice["lines"][0]["aggregation"].as_str().expect("an aggregation");
    assert_eq!(id, "acme_monthly_202601");
    let aggregation = server.get(&format!("/v1/aggregations/{id}")).await.json();
    assert_eq!((&aggregation["values"]["api.calls"], &aggregation["revision"]), (&json!("300"), &json!(1)));
    // Known too late: it is an adjustment, and the aggregation stays what the invoice was made of.
    used(&server, "late", "acme", 50, "2026-01-15T00:00:00Z").await;
    server.advance("2026-02-01T03:00:00Z").await;
    assert_eq!(server.get(&format!("/v1/aggregations/{id}")).await.json(), aggregation);
    let of_day = |day: u32| {
        json!({"customer": "acme", "period": "daily", "period_key": format!("202601{day:02}"),
            "period_start": format!("2026-01-{day:02}T00:00:00Z"), "period_end": format!("2026-01-{:02}T00:00:00Z", day + 1),
            "values": {"api.calls": "7"}, "event_counts": {"api.calls": 1}, "event_count": 1})
    };
    let sent = json!({"aggregations": [of_day(20), of_day(21)]});
    let refused = server.post("/v1/aggregations/import", sent).await;
    let (status, problem) = refused.parts();
    assert_eq!((status, &problem["code"]), (409, &json!("BILLING_PERIOD_LOCKED")), "{problem}");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.get("/v1/aggregations/acme_daily_20260120").await.status, 404);
    server.advance("2026-03-01T02:00:00Z").await;
    let next = invoices(&server, "acme").await.pop().expect("an invoice");
    let adjusted =
        "finalized 0.50: usage 0.00 api.calls, adjustment 0.50 api.calls, 2026-01-01 to 2026-02-01";
    assert_eq!(shown(&next), adjusted);
    assert_eq!(next["lines"][1]["aggregation"], id);
}

/// However late it is: of a period that ended months ago, and once.
#[tokio::test]
async fn what_comes_months_late_is_adjusted_too() {
    let server = Server::start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "pro").await;
    subscribe(&server, "other", "pro").await;
    used(&server, "a", "acme", 105_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-06-11T00:00:00Z").await;
    let before = invoices(&server, "acme").await.len();
    used(&server, "late", "acme", 2_250, "2026-02-01T00:00:00Z").await;
    used(&server, "later", "acme", 1_000, "2026-02-01T00:00:00Z").await;
    assert!(server.delete("/v1/events/later").await.status.is_success());
    server.advance("2026-07-10T14:00:00Z").await;
    let all = invoices(&server, "acme").await;
    let adjusted = "finalized 51.25: base 49.00 Pro, overage 0.00 api.calls, adjustment 2.25 api.calls, 2026-01-10 to 2026-02-10";
    assert_eq!(all[before..].iter().map(shown).collect::<Vec<_>>(), [adjusted]);
    // A void of it is given back.
    assert!(server.delete("/v1/events/late").await.status.is_success());
    server.advance("2026-09-10T14:00:00Z").await;
    let all = invoices(&server, "acme").await;
    let amounts: Vec<_> = all[before..].iter().map(|one| one["amount_due"]["amount"].clone()).collect();
    assert_eq!(amounts, ["51.25", "46.75", "49.00"]);
    let other = invoices(&server, "other").await;
    assert!(other.iter().all(|one| one["amount_due"]["amount"] == "49.00"), "{other:?}");
}

/// Also of a subscription that is over and settled: by an invoice of its own, as soon as anybody is billed.
#[tokio::test]
async fn what_comes_late_of_who_has_left_long_ago_is_billed_by_an_invoice_of_its_own() {
    let server = Server::start();
    with_analytics(&server).await;
    let gone = subscribe(&server, "gone", "pro").await;
    subscribe(&server, "other", "pro").await;
    used(&server, "a", "gone", 105_000, "2026-01-10T12:00:00Z").await;
    server.advance("2026-01-20T12:00:00Z").await;
    server.post(&path(&gone, "/cancel"), json!({"when": "now"})).await;
    server.advance("2026-06-11T00:00:00Z").await;
    let before = invoices(&server, "gone").await.len();
    used(&server, "late", "gone", 2_250, "2026-01-15T00:00:00Z").await;
    server.advance("2026-07-20T00:00:00Z").await;
    let all = invoices(&server, "gone").await;
    let late = "finalized 2.25: adjustment 2.25 api.calls, 2026-01-10 to 2026-01-20";
    assert_eq!(all[before..].iter().map(shown).collect::<Vec<_>>(), [late]);
    assert_eq!(all[before]["finalized_at"], "2026-07-10T13:00:00.000000Z", "with those of the other");
    // A void of it is given back, and nothing more is to come.
    assert!(server.delete("/v1/events/late").await.status.is_success());
    server.advance("2026-11-20T00:00:00Z").await;
    let all = invoices(&server, "gone").await;
    let back =
        "paid 0.00: adjustment -2.25 api.calls, 2026-01-10 to 2026-01-20, wallet 2.25 Credited to the wallet";
    assert_eq!(all[before + 1..].iter().map(shown).collect::<Vec<_>>(), [back]);
}

/// Also where the next closing is a year away, since the subscription has another interval by now.
#[tokio::test]
async fn what_comes_late_for_shorter_periods_is_adjusted_at_the_end_of_a_longer_one() {
    let server = Server::start();
    with_analytics(&server).await;
    let plan = |key: &str, interval: &str| {
        json!({
            "key": key, "currency": "USD", "interval": interval, "base_price": "0",
            "prices": [{"model": "per_unit", "meter": "api.calls", "unit_price": "0.01"}],
        })
    };
    for (key, interval) in [("weekly", "week"), ("yearly", "year")] {
        assert_eq!(server.post("/v1/plans", plan(key, interval)).await.status, 201);
    }
    let acme = subscribe(&server, "acme", "weekly").await;
    subscribe(&server, "other", "weekly").await;
    server.advance("2026-01-31T14:00:00Z").await;
    let yearly = json!({"plan": "yearly", "when": "now"});
    assert_eq!(server.post(&path(&acme, "/change-plan"), yearly).await.status, 200);
    server.advance("2026-02-12T00:00:00Z").await;
    used(&server, "late", "acme", 300, "2026-01-20T00:00:00Z").await;
    // The other one's closings look at what is late.
    server.advance("2027-02-01T14:00:00Z").await;
    let all = invoices(&server, "acme").await;
    let late: Vec<_> = all.iter().filter(|one| shown(one).contains("adjustment")).map(shown).collect();
    assert_eq!(late.len(), 1, "{all:?}");
    assert!(late[0].contains("adjustment 3.00 api.calls, 2026-01-17 to 2026-01-24"), "{late:?}");
}
