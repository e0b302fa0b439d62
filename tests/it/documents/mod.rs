//! Invoices as people read them: pages and PDF, and the mails that bring them.
mod html;
mod mails;
mod pdf;
mod routes;
mod settings;

use reckoner_domain::billing_details::BillTo;
use reckoner_domain::billing_period::{Fee, PlanVersion};
use reckoner_domain::invoice::{
    Charge, Draft, FinalInvoice, Header, InvoiceStatus, LineKind, Metering, TaxMode, TaxRate, Taxes, Terms,
    draft, fee_charges, usage_charge,
};
use reckoner_domain::key::TaxKey;
use reckoner_domain::money::Money;
use reckoner_domain::percent::Percent;
use reckoner_domain::plan::PlanForm;
use reckoner_domain::problem::Problems;
use reckoner_domain::rate::Usage;
use reckoner_domain::ratio::Ratio;
use reckoner_domain::share::Share;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use reckoner_server::config::Seller;
use reckoner_server::documents::{Customer, View};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Names a Python that has the packages.
const PYTHON: &str = "RECKONER_TEST_PYTHON";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn january() -> Window {
    Window { start: at("2026-01-01T00:00:00Z"), end: at("2026-02-01T00:00:00Z") }
}

fn vat() -> TaxRate {
    TaxRate {
        key: TaxKey::parse("vat").expect("a key"),
        name: "VAT".into(),
        percent: Percent::parse("19").expect("a rate"),
    }
}

/// Something that is charged for.
fn charge(kind: LineKind, description: &str, amount: &str) -> Charge {
    Charge {
        kind,
        description: description.to_owned(),
        period: january(),
        share: Share::WHOLE,
        measured: None,
        details: Vec::new(),
        exact: Ratio::parse(amount).expect("an amount"),
        minimum: None,
        tax: Some(vat().key),
        source: None,
    }
}

/// What charges come to, all taxed at one rate.
fn drafted(currency: &str, charges: Vec<Charge>, tax_mode: TaxMode, wallet: &str) -> Draft {
    let currency = currency.parse().expect("a currency");
    let terms = Terms {
        currency,
        coupons: Vec::new(),
        commitment: None,
        taxes: vec![vat()],
        tax_mode,
        wallet: Money::parse(wallet, currency).expect("an amount"),
    };
    draft(charges, &terms).expect("fits")
}

fn finalized(draft: Draft) -> FinalInvoice {
    let header = Header {
        number: 42,
        customer: "acme".into(),
        period: january(),
        finalized_at: at("2026-02-01T01:00:00Z"),
        due_at: at("2026-02-15T01:00:00Z"),
        time_zone_data: "2026a".into(),
        bill_to: BillTo::default(),
    };
    FinalInvoice::new(draft, header)
}

/// A plan's month: its fee, usage in three tiers, and what the wallet pays of it.
fn tiered() -> FinalInvoice {
    let text = r#"{"key":"pro","name":"Pro <Team>","currency":"USD","base_price":"49","interval":"month",
        "prices":[{"model":"graduated","meter":"api.calls","included":"100","tiers":[{"up_to":"1000","unit_price":"0.01"},
            {"up_to":"10000","unit_price":"0.005","flat_fee":"2"},{"unit_price":"0.001","flat_fee":"5"}]}]}"#;
    let form: PlanForm = serde_json::from_str(text).expect("a form");
    let plan = form.read(1, &mut Problems::default()).expect("a plan");
    let taxes = Taxes { mode: TaxMode::Exclusive, rates: vec![vat()] };
    let version = PlanVersion { key: plan.key.clone(), version: plan.version };
    let fee = Fee { plan: version, rest: january(), whole: january(), given_back: false };
    let mut charges = fee_charges(&plan, &fee, &taxes).expect("fits");
    let usage = Usage { quantity: Ratio::from_count(12_445), events: 12_445 };
    let metering = Metering { usage, meter: None, aggregation: None };
    let used = usage_charge(&plan, &plan.prices[0], metering, january(), Share::WHOLE, &taxes);
    charges.extend(used.expect("fits"));
    charges.push(charge(LineKind::Adjustment, "api.calls, 2025-12-01 to 2026-01-01", "-2.25"));
    finalized(drafted("USD", charges, TaxMode::Exclusive, "10.00"))
}

fn seller() -> Seller {
    Seller {
        name: Some("Müller & Söhne GmbH".into()),
        address: vec!["Hauptstraße 1".into(), "10115 Berlin".into()],
        tax_id: Some("DE123456789".into()),
        email: Some("billing@example.com".into()),
        logo: None,
        note: vec!["Please pay by transfer.".into()],
    }
}

fn buyer() -> Customer {
    Customer {
        id: "acme".into(),
        name: Some("Acme <script>alert(1)</script> Ltd".into()),
        address: vec!["1 Long Road".into()],
        tax_id: Some("GB999".into()),
    }
}

/// An invoice that is to be paid, with everything there is to show.
fn shown(invoice: &FinalInvoice) -> View {
    View::of_final(invoice, InvoiceStatus::Finalized, &buyer(), &seller())
}

/// What pypdf finds in a file; `None`, with a line that says so, where there is none.
fn read_pdf(bytes: &[u8]) -> Option<Value> {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where Python is")]
    let Ok(python) = std::env::var(PYTHON) else {
        println!("skipped: {PYTHON} is not set; ./test.sh sets it");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/receivers/pdf.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    child.stdin.take().expect("its input").write_all(bytes).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "pypdf refuses the file");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// The lines of all pages.
fn lines(read: &Value) -> Vec<String> {
    let pages = read["pages"].as_array().expect("pages").iter();
    let lines = pages.flat_map(|page| page.as_array().expect("lines"));
    lines.map(|line| line.as_str().expect("text").trim().to_owned()).collect()
}
