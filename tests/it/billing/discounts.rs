//! Coupons and taxes on invoices.
use super::{invoices, path, shown, used};
use crate::plans::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

async fn coupon(server: &Server, form: Value) {
    let made = server.post("/v1/coupons", form).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

async fn give(server: &Server, subscription: &Value, key: &str) -> u16 {
    server.post(&path(subscription, "/coupons"), json!({"coupon": key})).await.status.as_u16()
}

async fn mrr(server: &Server) -> Value {
    server.get("/v1/revenue").await.json()["data"][0]["mrr"]["amount"].clone()
}

/// What invoices come to: what is due, and the sum of the adjustments.
fn totals(all: &[Value]) -> Vec<(&str, f64)> {
    let amount = |value: &Value| value["amount"]["amount"].as_str().expect("an amount").parse::<f64>();
    let adjusted = |invoice: &Value| {
        let lines = invoice["lines"].as_array().expect("lines").iter();
        lines
            .filter(|line| line["kind"] == json!("adjustment"))
            .map(|line| amount(line).expect("a number"))
            .sum()
    };
    all.iter().map(|one| (one["amount_due"]["amount"].as_str().expect("an amount"), adjusted(one))).collect()
}

on_both_servers!(coupons_take_off_as_many_invoices_as_they_are_for);
async fn coupons_take_off_as_many_invoices_as_they_are_for(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    coupon(&server, json!({"key": "half", "percent": "50", "periods": 1})).await;
    coupon(&server, json!({"key": "ten", "amount": "10.00", "currency": "USD"})).await;
    coupon(&server, json!({"key": "euros", "amount": "10.00", "currency": "EUR"})).await;
    coupon(&server, json!({"key": "gone", "percent": "5"})).await;
    assert_eq!(server.delete("/v1/coupons/gone").await.status, 204);
    let pro = subscribe(&server, "acme", "pro").await;
    for (key, status) in
        [("half", 201), ("ten", 201), ("ten", 409), ("euros", 409), ("gone", 422), ("no", 422)]
    {
        assert_eq!(give(&server, &pro, key).await, status, "{key}");
    }
    assert_eq!(mrr(&server).await, json!("39.00"), "what is given once does not count");
    let draft = server.get(&path(&pro, "/upcoming-invoice")).await.json();
    assert_eq!(
        shown(&draft),
        "draft 14.50: base 49.00 Pro, discount -24.50 half: 50 % off, discount -10.00 ten: 10.00 off"
    );
    server.advance("2026-01-20T00:00:00Z").await;
    used(&server, "a", "acme", 105_000, "2026-01-20T00:00:00Z").await;
    server.advance("2026-02-10T14:00:00Z").await;
    used(&server, "late", "acme", 2_000, "2026-01-21T00:00:00Z").await;
    let taken = server.delete(&path(&pro, "/coupons/ten")).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(server.delete(&path(&pro, "/coupons/ten")).await.status, 404);
    assert_eq!(server.delete(&path(&pro, "/coupons/half")).await.status, 404, "it is used up");
    server.advance("2026-03-10T14:00:00Z").await;
    let all = invoices(&server, "acme").await;
    assert_eq!(
        shown(&all[1]),
        "finalized 44.00: base 49.00 Pro, overage 5.00 api.calls, discount -10.00 ten: 10.00 off"
    );
    // The discount was of the whole invoice: what is adjusted of its lines comes to the late usage.
    assert_eq!(totals(&all), [("14.50", 0.0), ("44.00", 0.0), ("51.00", 2.0)]);
    let given = server.get(&path(&pro, "/coupons")).await.json();
    let ended: Vec<(&Value, &Value)> = given["data"]
        .as_array()
        .expect("coupons")
        .iter()
        .map(|one| (&one["coupon"], &one["ended_at"]))
        .collect();
    assert_eq!(
        ended,
        [
            (&json!("half"), &json!("2026-01-10T12:00:00.000000Z")),
            (&json!("ten"), &json!("2026-02-10T14:00:00.000000Z")),
        ]
    );
    assert_eq!(mrr(&server).await, json!("49.00"));
}

on_both_servers!(customers_are_taxed_at_their_rates);
async fn customers_are_taxed_at_their_rates(setup: Setup) {
    let server = setup.start();
    server.freeze("2026-01-10T12:00:00Z").await;
    let plan = json!({"key": "pro", "name": "Pro", "currency": "EUR", "base_price": "49.00", "interval": "month",
        "prices": [{"model": "per_unit", "meter": "books", "unit_price": "0.5", "tax": "reduced"},
                   {"key": "gift", "model": "flat", "amount": "1.00", "tax": "none"}]});
    let catalog = json!({"meters": [{"key": "books", "aggregation": "sum"}], "plans": [plan]});
    assert_eq!(server.post("/v1/catalog/apply", catalog).await.status, 200);
    let vat = json!([{"key": "vat", "name": "VAT", "percent": "19"}, {"key": "reduced", "name": "VAT", "percent": "7"}]);
    let details =
        json!({"name": "Müller GmbH", "address": ["Weg 1", "12345 Ort"], "tax_id": "DE 1", "taxes": vat});
    for customer in ["added", "contained", "untaxed"] {
        subscribe(&server, customer, "pro").await;
    }
    let of = |customer: &str| format!("/v1/customers/{customer}/billing-details");
    let none = server.get(&of("added")).await.json();
    assert_eq!(none, json!({"tax_mode": "exclusive", "version": 0}));
    let put = server.put(&of("added"), details.clone()).await;
    assert_eq!((put.status.as_u16(), &put.json()["version"]), (200, &json!(1)), "{}", put.text);
    let mut inclusive = details.clone();
    inclusive["tax_mode"] = json!("inclusive");
    assert_eq!(server.put(&of("contained"), inclusive).await.status, 200);
    let bad = json!({"name": "", "tax_mode": "both", "taxes": [{"key": "a", "name": "A", "percent": "101"}]});
    let refused = server.put(&of("untaxed"), bad).await;
    assert_eq!(refused.status, 422);
    let body = refused.json();
    let fields = body["errors"].as_array().expect("errors").iter().map(|one| one["field"].clone());
    assert_eq!(fields.collect::<Vec<_>>(), [json!("name"), json!("tax_mode"), json!("taxes[0].percent")]);
    assert_eq!(server.put("/v1/customers/nobody/billing-details", json!({})).await.status, 404);

    server.advance("2026-01-10T12:00:01Z").await;
    for customer in ["added", "contained", "untaxed"] {
        let event = json!({"id": customer, "customer": customer, "meter": "books", "value": 30});
        assert_eq!(server.post("/v1/events", event).await.status, 201);
    }
    server.advance("2026-02-10T14:00:00Z").await;
    let mut seen = Vec::new();
    for customer in ["added", "contained", "untaxed"] {
        seen.push(shown(&invoices(&server, customer).await[1]));
    }
    assert_eq!(
        seen,
        [
            "finalized 75.36: base 49.00 Pro, base 1.00 gift, usage 15.00 books, tax 9.31 VAT 19 %, tax 1.05 VAT 7 %",
            "finalized 65.00: base 49.00 Pro, base 1.00 gift, usage 15.00 books, tax 7.82 VAT 19 %, tax 0.98 VAT 7 %",
            "finalized 65.00: base 49.00 Pro, base 1.00 gift, usage 15.00 books",
        ]
    );
    let invoice = &invoices(&server, "added").await[1];
    assert_eq!(
        invoice["bill_to"],
        json!({"name": "Müller GmbH", "address": ["Weg 1", "12345 Ort"], "tax_id": "DE 1"})
    );
    // What comes late is taxed as what it belongs to, and final invoices stay as they were.
    let event = json!({"id": "late", "customer": "added", "meter": "books", "value": 10, "time": "2026-02-01T00:00:00Z"});
    assert_eq!(server.post("/v1/events", event).await.status, 201);
    let moved = json!({"name": "Müller AG", "taxes": vat});
    assert_eq!(server.put(&of("added"), moved).await.status, 200);
    server.advance("2026-03-10T14:00:00Z").await;
    let all = invoices(&server, "added").await;
    assert_eq!(&all[1], invoice);
    assert_eq!(
        shown(&all[2]),
        "finalized 64.66: base 49.00 Pro, base 1.00 gift, usage 0.00 books, adjustment 5.00 books, 2026-01-10 to 2026-02-10, \
         tax 9.31 VAT 19 %, tax 0.35 VAT 7 %"
    );
    assert_eq!(all[2]["bill_to"], json!({"name": "Müller AG"}));
}
