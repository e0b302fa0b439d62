//! Credit notes on final invoices.
use super::{invoices, path, shown};
use crate::plans::{subscribe, with_analytics};
use crate::support::on_both_servers;
use crate::support::server::{Answer, Server, Setup};
use serde_json::{Value, json};

async fn credit(server: &Server, invoice: &Value, body: Value) -> Answer {
    let id = invoice["id"].as_str().expect("an id");
    server.post(&format!("/v1/invoices/{id}/credit-notes"), body).await
}

fn split(note: &Value) -> [&Value; 4] {
    ["total", "off_invoice", "to_wallet", "outside"].map(|field| &note[field]["amount"])
}

async fn available(server: &Server, customer: &str) -> Value {
    server.get(&format!("/v1/customers/{customer}/wallet")).await.json()["available"]["amount"].clone()
}

async fn standing(server: &Server) -> Value {
    server.get("/v1/customers/acme/billing-status").await.json()["status"].clone()
}

/// What cannot be given back after 9.00 of the only line of 49.00.
async fn refused_parts(server: &Server, first: &Value) {
    for (body, field) in [
        (json!({"lines": []}), "lines"),
        (json!({"lines": [{"line": 0, "amount": "40.01"}]}), "lines"),
        (json!({"lines": [{"line": 1, "amount": "1.00"}]}), "lines"),
        (json!({"lines": [{"line": 0, "amount": "0.00"}]}), "lines"),
        (json!({"lines": [{"line": 0, "amount": "1.001"}]}), "lines[0].amount"),
        (json!({"lines": [{"line": 0, "amount": "1.00"}], "refund": "cash"}), "refund"),
    ] {
        let refused = credit(server, first, body.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["errors"][0]["field"]),
            (422, &json!(field)),
            "{body}"
        );
    }
}

on_both_servers!(what_is_given_back_goes_off_what_is_left_then_into_the_wallet);
async fn what_is_given_back_goes_off_what_is_left_then_into_the_wallet(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    let vat = json!([{"key": "vat", "name": "VAT", "percent": "19"}]);
    let pro = subscribe(&server, "acme", "pro").await;
    let details = json!({"name": "Acme", "taxes": vat});
    assert_eq!(server.put("/v1/customers/acme/billing-details", details).await.status, 200);
    server.advance("2026-01-10T12:00:01Z").await;
    let first = invoices(&server, "acme").await[0].clone();
    assert_eq!(shown(&first), "finalized 58.31: base 49.00 Pro, tax 9.31 VAT 19 %");

    let note =
        credit(&server, &first, json!({"lines": [{"line": 0, "amount": "9.00"}], "reason": "an outage"}))
            .await;
    assert_eq!(note.status, 201, "{}", note.text);
    let note = note.json();
    assert_eq!(split(&note), [&json!("10.71"), &json!("10.71"), &json!("0.00"), &json!("0.00")]);
    assert_eq!(
        (
            &note["number"],
            &note["invoice_number"],
            &note["taxes"][0]["amount"]["amount"],
            &note["bill_to"]["name"]
        ),
        (&json!(1), &json!(1), &json!("1.71"), &json!("Acme"))
    );
    let after = invoices(&server, "acme").await[0].clone();
    assert_eq!(
        (&after["amount_left"]["amount"], &after["amount_due"], &after["hash"], &after["status"]),
        (&json!("47.60"), &first["amount_due"], &first["hash"], &json!("finalized"))
    );
    let standing = server.get("/v1/customers/acme/billing-status").await.json();
    assert_eq!(standing["unpaid"][0]["amount_due"]["amount"], json!("47.60"));

    refused_parts(&server, &first).await;
    let id = first["id"].as_str().expect("an id");
    let void = server.post(&format!("/v1/invoices/{id}/void"), json!({})).await;
    assert_eq!((void.status.as_u16(), &void.json()["code"]), (409, &json!("invoice_state")));

    // Paid: what is given back then goes into the wallet, or out by other means.
    assert_eq!(server.post(&format!("/v1/invoices/{id}/pay"), json!({})).await.status, 200);
    let note = credit(&server, &first, json!({"lines": [{"line": 0, "amount": "20.00"}]})).await.json();
    assert_eq!(split(&note), [&json!("23.80"), &json!("0.00"), &json!("23.80"), &json!("0.00")]);
    assert_eq!(available(&server, "acme").await, json!("23.80"));
    let body = json!({"lines": [{"line": 0, "amount": "20.00"}], "refund": "outside"});
    let note = credit(&server, &first, body).await.json();
    assert_eq!(split(&note), [&json!("23.80"), &json!("0.00"), &json!("0.00"), &json!("23.80")]);
    assert_eq!(note["number"], json!(3));
    let listed = server.get(&format!("/v1/credit-notes?invoice={id}&limit=2")).await.json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2));
    let rest =
        format!("/v1/credit-notes?invoice={id}&cursor={}", listed["next_cursor"].as_str().expect("more"));
    assert_eq!(server.get(&rest).await.json()["data"], json!([note]));
    let by_id = server.get(&format!("/v1/credit-notes/{}", note["id"].as_str().expect("an id"))).await;
    assert_eq!(by_id.json(), note);
    // The next invoice draws on it.
    let draft = server.get(&path(&pro, "/upcoming-invoice")).await.json();
    assert_eq!(
        shown(&draft),
        "draft 34.51: base 49.00 Pro, overage 0.00 api.calls, tax 9.31 VAT 19 %, wallet -23.80 Paid from the wallet"
    );
}

on_both_servers!(an_invoice_of_which_nothing_is_left_is_paid);
async fn an_invoice_of_which_nothing_is_left_is_paid(setup: Setup) {
    let server = setup.start();
    with_analytics(&server).await;
    subscribe(&server, "acme", "pro").await;
    server.advance("2026-02-08T00:00:00Z").await;
    let first = invoices(&server, "acme").await[0].clone();
    assert_eq!(standing(&server).await, json!("suspended"));
    let note = credit(&server, &first, json!({"lines": [{"line": 0, "amount": "49.00"}]})).await.json();
    assert_eq!(split(&note), [&json!("49.00"), &json!("49.00"), &json!("0.00"), &json!("0.00")]);
    let after = invoices(&server, "acme").await[0].clone();
    assert_eq!((&after["status"], &after["amount_left"]["amount"]), (&json!("paid"), &json!("0.00")));
    assert_eq!(standing(&server).await, json!("active"));
}
