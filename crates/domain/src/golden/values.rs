//! Quotas, credit notes, wallets, adjustments, recurring revenue and catalogues.
use super::{invoices, read, text};
use crate::adjustment::adjustment;
use crate::billing_details::BillTo;
use crate::catalog::CatalogForm;
use crate::coupon::{Coupon, CouponForm};
use crate::credit_note::{CreditedLine, credit};
use crate::currency::Currency;
use crate::invoice::{FinalInvoice, Header};
use crate::money::Money;
use crate::mrr::{Recurring, Revenue};
use crate::problem::Problems;
use crate::proration::BaseFee;
use crate::quota::Limit;
use crate::ratio::Ratio;
use crate::time::Timestamp;
use crate::wallet::{Account, Funding, Wallet};
use crate::window::Window;
use serde_json::{Value, json};

fn currency(given: &Value) -> Currency {
    text(given, "currency").parse().expect("a currency")
}

fn money(amount: &Value, currency: Currency) -> Money {
    Money::parse(amount.as_str().expect("a text"), currency).expect("an amount")
}

fn list<'v>(given: &'v Value, field: &str) -> &'v [Value] {
    given.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn quota(given: &Value) -> Value {
    let units = || text(given, "limit").parse().expect("a number");
    let limit = match text(given, "behaviour") {
        "block" => Limit::Block(units()),
        "overage" => Limit::Overage(units()),
        _ => Limit::Unlimited,
    };
    let used: Ratio = read(&given["used"]);
    json!({
        "remaining": limit.remaining(used).expect("fits"),
        "beyond": limit.beyond(used).expect("fits"),
        "billable": limit.billable(used),
        "percentage": limit.percentage(used).expect("fits").to_string(),
    })
}

/// Credit notes one after the other on the invoice of a case.
pub(super) fn credit_notes(given: &Value) -> Value {
    let header = Header {
        number: 1,
        customer: String::new(),
        period: Window { start: Timestamp::EPOCH, end: Timestamp::EPOCH },
        finalized_at: Timestamp::EPOCH,
        due_at: Timestamp::EPOCH,
        time_zone_data: String::new(),
        bill_to: BillTo::default(),
    };
    let invoice = FinalInvoice::new(invoices::assemble(given), header);
    let currency = currency(given);
    let mut notes = Vec::new();
    for note in list(given, "notes") {
        let part = |part: &Value| CreditedLine {
            line: read(&part["line"]),
            amount: money(&part["amount"], currency),
        };
        let parts: Vec<_> = note.as_array().expect("a list").iter().map(part).collect();
        notes.push(credit(&invoice, &notes, &parts).expect("within the lines"));
    }
    let tax = |note: &crate::credit_note::CreditNote| {
        Money::total(note.taxes.iter().map(|tax| tax.amount), currency).expect("fits").amount()
    };
    json!({
        "total": invoice.totals().total.amount(),
        "taxes": notes.iter().map(tax).collect::<Vec<_>>(),
        "totals": notes.iter().map(|note| note.total.amount()).collect::<Vec<_>>(),
    })
}

/// Steps one after the other; each is an object with one of `add`, `refund`, `deduct`, `hold`,
/// `release`, `expire`.
pub(super) fn wallet(given: &Value) -> Value {
    let currency = currency(given);
    let mut wallet = Wallet::new(currency);
    for step in list(given, "steps") {
        let at: Timestamp = read(&step["at"]);
        let amount = |field: &str| step.get(field).map(|amount| money(amount, currency));
        let change = if let Some(paid) = amount("add") {
            wallet.add(paid, Funding::Payment, at, step.get("expires_at").map(read))
        } else if let Some(given_back) = amount("refund") {
            wallet.add(given_back, Funding::Invoice, at, None)
        } else if let Some(due) = amount("deduct") {
            wallet.deduct(due, at)
        } else if let Some(reserved) = amount("hold") {
            wallet.hold(text(step, "name"), reserved, at)
        } else if let Some(name) = step["release"].as_str() {
            wallet.release(name, at)
        } else {
            wallet.expire(at)
        };
        wallet = change.expect("allowed").wallet;
    }
    let [available, held, payments, invoices, expired] =
        Account::ALL.map(|account| wallet.balance(account).amount());
    json!({"available": available, "held": held, "payments": payments, "invoices": invoices, "expired": expired})
}

pub(super) fn adjust(given: &Value) -> Value {
    let currency = currency(given);
    let billed: Vec<Money> = list(given, "billed").iter().map(|amount| money(amount, currency)).collect();
    let found = adjustment(money(&given["rated_anew"], currency), &billed).expect("fits");
    json!({ "adjustment": found.map(Money::amount) })
}

fn subscription(given: &Value, currency: Currency) -> (&str, BaseFee, Vec<Coupon>) {
    let interval = text(given, "interval").parse().expect("an interval");
    let base = BaseFee { amount: money(&given["amount"], currency), interval };
    let coupon = |form| read::<CouponForm>(form).read(&mut Problems::default()).expect("a coupon");
    (text(given, "customer"), base, list(given, "coupons").iter().map(coupon).collect())
}

fn revenue<'a>(list: &'a [(&'a str, BaseFee, Vec<Coupon>)]) -> Revenue<'a> {
    let recurring = |(customer, base, coupons): &'a (&'a str, BaseFee, Vec<Coupon>)| Recurring {
        customer,
        base: *base,
        coupons,
    };
    Revenue::of(list.iter().map(recurring)).expect("fits")
}

/// Recurring revenue of `subscriptions`, and how it moved since `before`.
pub(super) fn mrr(given: &Value) -> Value {
    let currency = currency(given);
    let read_all = |field: &str| -> Vec<(&str, BaseFee, Vec<Coupon>)> {
        let subscription = |given| subscription(given, currency);
        list(given, field).iter().map(subscription).collect()
    };
    let (now, before) = (read_all("subscriptions"), read_all("before"));
    let (now, before) = (revenue(&now), revenue(&before));
    let moved = now.movements_since(&before, currency).expect("fits");
    json!({
        "mrr": now.totals().expect("fits").first().map(|total| total.amount()),
        "new": moved.new.amount(),
        "expansion": moved.expansion.amount(),
        "contraction": moved.contraction.amount(),
        "churn": moved.churn.amount(),
    })
}

/// The plans and coupons of a catalogue, by key.
pub(super) fn catalog(given: &Value) -> Value {
    let catalog = read::<CatalogForm>(&given["catalog"]).into_catalog().expect("a catalogue");
    json!({
        "plans": catalog.plans.iter().map(|plan| plan.key.to_string()).collect::<Vec<_>>(),
        "coupons": catalog.coupons.iter().map(|coupon| coupon.key.to_string()).collect::<Vec<_>>(),
    })
}

/// What is wrong with a catalogue.
pub(super) fn problems(given: &Value) -> Value {
    let problems = read::<CatalogForm>(&given["catalog"]).into_catalog().expect_err("problems");
    let told = problems.iter().map(|problem| json!({"field": problem.field, "reason": problem.reason}));
    json!({ "errors": told.collect::<Vec<_>>() })
}
