use super::*;
use crate::billing_details::BillTo;
use crate::billing_period::{Fee, PlanVersion};
use crate::golden::invoices::assemble;
use crate::id::MeterId;
use crate::money::Money;
use crate::rate::Usage;
use crate::ratio::Ratio;
use crate::share::Share;
use crate::time::Timestamp;
use crate::window::Window;
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn header() -> Header {
    Header {
        number: 7,
        customer: "acme".to_owned(),
        period: Window { start: at("2026-01-01T00:00:00Z"), end: at("2026-02-01T00:00:00Z") },
        finalized_at: at("2026-02-01T01:00:00Z"),
        due_at: at("2026-02-15T01:00:00Z"),
        time_zone_data: "2026a".to_owned(),
        bill_to: BillTo::default(),
    }
}

fn given() -> Value {
    json!({
        "currency": "EUR",
        "charges": [
            {"kind": "base", "amount": "49", "description": "Pro", "tax": "vat"},
            {"kind": "overage", "amount": "10/3", "description": "API calls", "tax": "vat"},
        ],
        "taxes": [{"key": "vat", "name": "VAT", "percent": "19"}],
    })
}

#[test]
fn what_is_final_reads_back_and_nothing_else_does() {
    let invoice = FinalInvoice::new(assemble(&given()), header());
    assert_eq!(FinalInvoice::read(invoice.text(), invoice.hash()), Ok(invoice.clone()));
    assert_eq!((invoice.header(), invoice.lines().len()), (&header(), 3));
    assert_eq!(invoice.totals().due.to_string(), "62.27 EUR");
    let changed = invoice.text().replace("62.27", "62.28");
    assert_eq!(FinalInvoice::read(&changed, invoice.hash()), Err(TamperedInvoice::Hash));
    let own_hash = |text: &str| {
        use sha2::Digest;
        sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    for other in
        [format!("{} ", invoice.text()), "{}".to_owned(), invoice.text().replacen('{', r#"{"more":1,"#, 1)]
    {
        assert_eq!(FinalInvoice::read(&other, &own_hash(&other)), Err(TamperedInvoice::Content), "{other}");
    }
}

#[test]
fn content_and_hash_stay_what_they_are() {
    let invoice = FinalInvoice::new(assemble(&given()), header());
    assert_eq!(invoice.text(), include_str!("../../tests/golden/final_invoice.json").trim_end());
    // sha256sum of the file without its last line break.
    assert_eq!(invoice.hash(), "4e8a646eba7e12e5cf16a8693127f079033769a7c56ca6ff2d252ed5a299909a");
}

#[test]
fn only_the_wallet_is_paid_to_when_credits_exceed() {
    let case = json!({"currency": "USD", "charges": [{"kind": "adjustment", "amount": "-5", "description": "Late"}]});
    let totals = assemble(&case).totals;
    assert!(totals.due.is_zero() && totals.wallet.is_positive());
}

fn charges() -> impl Strategy<Value = Vec<Value>> {
    let kind = prop::sample::select(vec!["base", "usage", "overage", "adjustment"]);
    let tax = prop::option::of(prop::sample::select(vec!["vat", "reduced"]));
    let charge = (kind, -20_000_i64..200_000, 1_u32..9, prop::option::of(0_u32..300), tax);
    let charge = charge.prop_map(|(kind, above, below, minimum, tax)| {
        let mut value = json!({"kind": kind, "amount": format!("{above}/{below}"), "description": kind});
        if let Some(minimum) = minimum.filter(|_| kind == "usage") {
            value["minimum"] = json!(minimum.to_string());
        }
        if let Some(tax) = tax {
            value["tax"] = json!(tax);
        }
        value
    });
    prop::collection::vec(charge, 0..7)
}

proptest! {
    #[test]
    fn lines_add_up_and_nothing_is_due_below_zero(
        charges in charges(),
        percent in 0_u32..=100,
        off in 1_u32..50_000,
        commitment in prop::option::of(0_u32..50_000),
        wallet in 0_u32..50_000,
        inclusive in any::<bool>(),
        code in prop::sample::select(vec!["JPY", "USD", "KWD"]),
    ) {
        let mut case = json!({
            "currency": code,
            "charges": charges,
            "coupons": [{"key": "p", "percent": percent.to_string()}, {"key": "a", "amount": off.to_string(), "currency": code}],
            "taxes": [{"key": "vat", "name": "VAT", "percent": "19"}, {"key": "reduced", "name": "VAT", "percent": "7"}],
            "tax_mode": if inclusive { "inclusive" } else { "exclusive" },
            "wallet": wallet.to_string(),
        });
        if let Some(commitment) = commitment {
            case["commitment"] = json!(commitment.to_string());
        }
        let Draft { lines, totals, .. } = assemble(&case);
        let currency = totals.due.currency();
        let sum = |kinds: &dyn Fn(LineKind) -> bool| {
            Money::total(lines.iter().filter(|line| kinds(line.kind)).map(|line| line.amount), currency).expect("fits")
        };
        prop_assert!(lines.is_sorted_by_key(|line| line.kind));
        prop_assert!(!totals.due.is_negative());
        prop_assert!(totals.wallet.negated().minor() <= i128::from(wallet) * 10_i128.pow(currency.digits()));
        prop_assert_eq!(sum(&|kind| kind < LineKind::Tax), totals.subtotal);
        let contained = if inclusive { totals.tax } else { Money::zero(currency) };
        prop_assert_eq!(sum(&|_| true).minus(contained), Ok(totals.due));
        let nets = Money::total(lines.iter().filter_map(|line| line.net), currency);
        prop_assert_eq!(nets, Ok(totals.subtotal));
        let charges_alone = |kind| kind <= LineKind::Minimum;
        let before = sum(&charges_alone);
        let reduced = before.plus(sum(&|kind| kind == LineKind::Discount)).expect("fits");
        prop_assert!(!before.is_positive() || !reduced.is_negative());
    }

    #[test]
    fn the_order_of_charges_does_not_change_the_totals(mut charges in charges(), percent in 0_u32..=100) {
        let case = |charges: &[Value]| json!({
            "currency": "USD",
            "charges": charges,
            "coupons": [{"key": "p", "percent": percent.to_string()}],
            "taxes": [{"key": "vat", "name": "VAT", "percent": "19"}, {"key": "reduced", "name": "VAT", "percent": "7"}],
            "commitment": "100",
        });
        let one = assemble(&case(&charges)).totals;
        charges.reverse();
        let other = assemble(&case(&charges)).totals;
        // The commitment is drawn in the order of lines, so that with two rates taxes may differ.
        let single_rate = charges.iter().all(|charge| charge.get("tax") == charges[0].get("tax"));
        prop_assert_eq!(one.subtotal, other.subtotal);
        prop_assert!(!single_rate || one == other);
    }
}

#[test]
fn a_plan_charges_fees_in_advance_and_usage_in_arrears() {
    let text = r#"{"key":"team","name":"Team","currency":"USD","base_price":"31","interval":"month","commitment":"62",
        "entitlements":[{"feature":"calls","type":"metered","meter":"api.calls","behaviour":"overage","limit":"1000"}],
        "prices":[{"model":"per_unit","meter":"api.calls","unit_price":"0.01","included":"1000"},
                  {"model":"per_unit","meter":"mails","unit_price":"1"},
                  {"key":"support","model":"flat","amount":"15.50"}]}"#;
    let form: crate::plan::PlanForm = serde_json::from_str(text).expect("a form");
    let plan = form.read(4, &mut crate::problem::Problems::default()).expect("a plan");
    let period = Window { start: at("2026-01-01T00:00:00Z"), end: at("2026-02-01T00:00:00Z") };
    let rest = Window { start: at("2026-01-11T00:00:00Z"), end: period.end };
    let share = Share::of(rest, period);
    let fee = Fee {
        plan: PlanVersion { key: plan.key.clone(), version: plan.version },
        rest,
        whole: period,
        given_back: false,
    };
    let fees = fee_charges(&plan, &fee, &Taxes::default()).expect("fits");
    let shown: Vec<_> =
        fees.iter().map(|fee| format!("{:?} {} {}", fee.kind, fee.description, fee.exact)).collect();
    assert_eq!(shown, ["Base Team 21", "Base Prepaid commitment 42", "Base support 10.5"]);

    let metering = |quantity: &str| Metering {
        usage: Usage { quantity: Ratio::parse(quantity).expect("a number"), events: 0 },
        meter: Some(MeterId::from_bits(1)),
        aggregation: Some("acme_monthly_202601".to_owned()),
    };
    let charge = |index: usize, quantity| {
        usage_charge(&plan, &plan.prices[index], metering(quantity), rest, share, &Taxes::default())
            .expect("fits")
    };
    let calls = charge(0, "3100").expect("metered");
    // 1000 x 21/31 calls are included.
    assert_eq!((calls.kind, calls.exact.to_string()), (LineKind::Overage, "751/31".to_owned()));
    let source = calls.source.expect("a source");
    assert_eq!(
        (source.plan.as_str(), source.plan_version, source.meter),
        ("team", 4, Some(MeterId::from_bits(1)))
    );
    assert_eq!(source.price.map(String::from).as_deref(), Some("api.calls"));
    assert_eq!(source.aggregation.as_deref(), Some("acme_monthly_202601"));
    let mails = charge(1, "-2").expect("metered");
    assert_eq!(
        (mails.kind, mails.measured.map(|measured| measured.was_negative)),
        (LineKind::Usage, Some(true))
    );
    assert_eq!(charge(2, "1"), None);
}
