//! Charges that become an invoice.
use super::{read, text};
use crate::billing_period::{Fee, PlanVersion};
use crate::coupon::{Coupon, CouponForm};
use crate::currency::Currency;
use crate::invoice::{Charge, Draft, Metering, TaxMode, Taxes, Terms, draft, fee_charges, usage_charge};
use crate::money::Money;
use crate::plan::PlanForm;
use crate::problem::Problems;
use crate::rate::Usage;
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
    shown(&assemble(given))
}

/// A period of a plan: its usage, and the fees of the next one.
pub(super) fn bill(given: &Value) -> Value {
    let plan = read::<PlanForm>(&given["plan"]).read(1, &mut Problems::default()).expect("a plan");
    let period: Window = read(&given["period"]);
    let next: Window = read(&given["next_period"]);
    let version = PlanVersion { key: plan.key.clone(), version: plan.version };
    let fee = Fee { plan: version, rest: next, whole: next, given_back: false };
    let mut charges = fee_charges(&plan, &fee, &Taxes::default()).expect("fits");
    for price in &plan.prices {
        let Some(meter) = price.meter() else { continue };
        let usage = &given["usage"][meter.as_str()];
        let usage =
            Usage { quantity: read(&usage["quantity"]), events: usage["events"].as_u64().unwrap_or(0) };
        let metering = Metering { usage, meter: None, aggregation: None };
        charges.extend(
            usage_charge(&plan, price, metering, period, Share::WHOLE, &Taxes::default()).expect("fits"),
        );
    }
    let terms = Terms {
        currency: plan.currency,
        coupons: Vec::new(),
        commitment: plan.commitment_in(Share::WHOLE).expect("fits"),
        taxes: Vec::new(),
        tax_mode: TaxMode::Exclusive,
        wallet: Money::zero(plan.currency),
    };
    shown(&draft(charges, &terms).expect("fits"))
}

fn shown(draft: &Draft) -> Value {
    let Draft { lines, totals, .. } = draft;
    let texts = lines.iter().map(|line| {
        let kind = serde_json::to_value(line.kind).expect("a name");
        format!("{} {} {}", kind.as_str().expect("a name"), line.amount.amount(), line.description)
    });
    json!({
        "lines": texts.collect::<Vec<_>>(),
        "nets": lines.iter().filter_map(|line| Some(line.net?.amount())).collect::<Vec<_>>(),
        "subtotal": totals.subtotal.amount(),
        "tax": totals.tax.amount(),
        "total": totals.total.amount(),
        "wallet": totals.wallet.amount(),
        "due": totals.due.amount(),
    })
}
