//! Charges that become an invoice.
use super::{read, text};
use crate::coupon::{Coupon, CouponForm};
use crate::currency::Currency;
use crate::invoice::{Charge, Draft, TaxMode, Terms, draft};
use crate::money::Money;
use crate::problem::Problems;
use crate::share::Share;
use crate::time::Timestamp;
use crate::window::Window;
use serde_json::{Value, json};

fn charge(given: &Value) -> Charge {
    let optional = |field: &str| given.get(field).cloned().unwrap_or_default();
    Charge {
        kind: read(&given["kind"]),
        description: text(given, "description").to_owned(),
        period: Window { start: Timestamp::EPOCH, end: Timestamp::MAX },
        share: Share::WHOLE,
        measured: None,
        details: Vec::new(),
        exact: read(&given["amount"]),
        minimum: read(&optional("minimum")),
        tax: read(&optional("tax")),
        source: None,
    }
}

fn coupon(form: &Value) -> Coupon {
    read::<CouponForm>(form).read(&mut Problems::default()).expect("a coupon")
}

/// The draft that a case describes.
pub(crate) fn assemble(given: &Value) -> Draft {
    let currency: Currency = text(given, "currency").parse().expect("a currency");
    let money = |field: &str| {
        let amount = given.get(field).and_then(Value::as_str)?;
        Some(Money::parse(amount, currency).expect("an amount"))
    };
    let list = |field: &str| given.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let terms = Terms {
        currency,
        coupons: list("coupons").iter().map(coupon).collect(),
        commitment: money("commitment"),
        taxes: list("taxes").iter().map(read).collect(),
        tax_mode: given.get("tax_mode").map_or(TaxMode::Exclusive, read),
        wallet: money("wallet").unwrap_or(Money::zero(currency)),
    };
    draft(list("charges").iter().map(charge).collect(), &terms).expect("fits")
}

pub(super) fn run(given: &Value) -> Value {
    let Draft { lines, totals, .. } = assemble(given);
    let shown = lines.iter().map(|line| {
        let kind = serde_json::to_value(line.kind).expect("a name");
        format!("{} {} {}", kind.as_str().expect("a name"), line.amount.amount(), line.description)
    });
    json!({
        "lines": shown.collect::<Vec<_>>(),
        "nets": lines.iter().filter_map(|line| Some(line.net?.amount())).collect::<Vec<_>>(),
        "subtotal": totals.subtotal.amount(),
        "tax": totals.tax.amount(),
        "total": totals.total.amount(),
        "wallet": totals.wallet.amount(),
        "due": totals.due.amount(),
    })
}
