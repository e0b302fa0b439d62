//! Golden cases: what is given and what must come of it, in `tests/golden/` and in `docs/BILLING.md`.
//!
//! The expected figures were worked out apart from this code. A case says only what it is about: of a
//! result's fields those are compared that `expect` names.
pub(crate) mod invoices;
mod periods;
mod rates;
mod values;

use serde_json::Value;

/// What comes of a case of this kind.
fn run(kind: &str, given: &Value) -> Value {
    match kind {
        "adjustment" => values::adjust(given),
        "bill" => invoices::bill(given),
        "catalog" => values::catalog(given),
        "credit_notes" => values::credit_notes(given),
        "invoice" => invoices::run(given),
        "mrr" => values::mrr(given),
        "period" => periods::run(given),
        "problems" => values::problems(given),
        "proration" => periods::change_plan(given),
        "quota" => values::quota(given),
        "rate" => rates::run(given),
        "wallet" => values::wallet(given),
        _ => panic!("no such kind of case: {kind}"),
    }
}

/// Runs a list of cases and reports every difference.
fn check(kind: &str, text: &str) {
    let cases: Vec<Value> = serde_json::from_str(text).expect("a list of cases");
    let differences: Vec<String> = cases.iter().flat_map(|case| differences(kind, case)).collect();
    assert!(!cases.is_empty() && differences.is_empty(), "{}", differences.join("\n"));
}

fn differences(kind: &str, case: &Value) -> Vec<String> {
    let expected = case["expect"].as_object().expect("what is expected");
    let got = run(kind, case);
    let name = case["name"].as_str().unwrap_or(kind);
    let wrong = expected.iter().filter(|(field, value)| got[field.as_str()] != **value);
    wrong
        .map(|(field, value)| format!("{name}: {field} is {}, expected {value}", got[field.as_str()]))
        .collect()
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} must be a text: {value}"))
}

#[test]
fn rates() {
    check("rate", include_str!("../tests/golden/rates.json"));
}

#[test]
fn periods() {
    check("period", include_str!("../tests/golden/periods.json"));
}

#[test]
fn prorations() {
    check("proration", include_str!("../tests/golden/prorations.json"));
}

#[test]
fn invoices() {
    check("invoice", include_str!("../tests/golden/invoices.json"));
}

/// The fenced blocks of the guide that name a kind of case after their language.
#[test]
fn the_examples_of_the_guide() {
    let guide = include_str!("../../../docs/BILLING.md");
    let mut examples = 0;
    let mut wrong = Vec::new();
    for block in guide.split("\n```").skip(1).step_by(2) {
        let (fence, body) = block.split_once('\n').expect("a fence ends its line");
        let Some((language, kind)) = fence.split_once(' ') else { continue };
        let case: Value = match language {
            "json" => serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")),
            "toml" => toml::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")),
            _ => panic!("no such language of examples: {language}"),
        };
        wrong.extend(differences(kind, &case));
        examples += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(examples > 20, "only {examples} examples were found");
}
