//! What customers are billed, from the outside.
mod credits;
mod debts;
mod discounts;
mod interim;
mod invoices;
mod life;
mod moves;
mod overage;
mod wallets;
mod workers;
mod zones;

use crate::plans::{subscribe, with_analytics};
use crate::support::server::Server;
use serde_json::{Value, json};

/// Records usage of calls.
async fn used(server: &Server, id: &str, customer: &str, calls: i64, time: &str) {
    let event = json!({"id": id, "customer": customer, "meter": "api.calls", "value": calls, "time": time});
    let sent = server.post("/v1/events", event).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
}

/// A subscription's path.
fn path(subscription: &Value, rest: &str) -> String {
    format!("/v1/subscriptions/{}{rest}", subscription["id"].as_str().expect("an id"))
}

/// The final invoices of a customer.
async fn invoices(server: &Server, customer: &str) -> Vec<Value> {
    let list = server.get(&format!("/v1/invoices?customer={customer}")).await.json();
    list["data"].as_array().expect("invoices").clone()
}

/// An invoice as short as can be.
fn shown(invoice: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let lines = invoice["lines"].as_array().expect("lines").iter();
    let lines: Vec<String> = lines
        .map(|line| {
            format!(
                "{} {} {}",
                text(&line["kind"]),
                text(&line["amount"]["amount"]),
                text(&line["description"])
            )
        })
        .collect();
    format!("{} {}: {}", text(&invoice["status"]), text(&invoice["amount_due"]["amount"]), lines.join(", "))
}
