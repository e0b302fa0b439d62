use super::*;
use crate::price::TIERS_MAX;

fn read(text: &str) -> Result<Price, Vec<String>> {
    let form: PriceForm = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
    let price = form.into_price("USD".parse().expect("a currency"));
    price.map_err(|problems| {
        problems.iter().map(|problem| format!("{}: {}", problem.field, problem.reason)).collect()
    })
}

#[test]
fn every_model_reads_back_as_it_is_written() {
    for text in [
        r#"{"key":"support","model":"flat","amount":"10.00"}"#,
        r#"{"key":"calls","model":"per_unit","meter":"api.calls","unit_price":"0.001","included":"100000"}"#,
        r#"{"key":"gb","model":"per_unit","meter":"traffic.bytes","unit_price":"0.1","unit_size":"1073741824"}"#,
        r#"{"key":"mails","model":"package","meter":"mails","package_size":"1000","package_price":"2.5"}"#,
        r#"{"key":"g","model":"graduated","meter":"m","tiers":[{"up_to":"10","unit_price":"1","flat_fee":"5"},{"unit_price":"0.5"}]}"#,
        r#"{"key":"v","model":"volume","meter":"m","tiers":[{"unit_price":"0.5"}],"minimum":"1.00","maximum":"9.00"}"#,
        r#"{"key":"p","model":"percentage","meter":"paid","percent":"2.9","event_fee":"0.3"}"#,
    ] {
        let price = read(text).expect("a price");
        assert_eq!(serde_json::to_string(&PriceForm::from(&price)).ok().as_deref(), Some(text));
    }
    let named = read(r#"{"model":"per_unit","meter":"api.calls","unit_price":"0"}"#).expect("a price");
    assert_eq!(named.key.as_str(), "api.calls");
}

#[test]
fn every_problem_is_told_at_once() {
    let nameless = read(r#"{"model":"per_unit","amount":"1"}"#);
    let expected = [
        "amount: must be absent: a per_unit price has none",
        "meter: is required",
        "unit_price: is required",
    ];
    assert_eq!(nameless, Err(expected.map(ToOwned::to_owned).to_vec()));
    let nameless = read(r#"{"model":"flat","meter":"m"}"#);
    let expected =
        ["key: is required", "meter: must be absent: a flat price has no usage", "amount: is required"];
    assert_eq!(nameless, Err(expected.map(ToOwned::to_owned).to_vec()));
    let problems = read(
        r#"{"model":"graduated","meter":"a b","included":"-1","minimum":"5","maximum":"0.001","unit_size":"0",
            "tiers":[{"up_to":"10","unit_price":"x"},{"up_to":"0","unit_price":"1"},{"unit_price":"1"},{"up_to":"30"}]}"#,
    );
    let expected = [
        "meter: must be 1 to 128 bytes without spaces, control characters, '/', '?' or '#'",
        "tiers[0].unit_price: must be a decimal of at least 0 with at most 18 digits before and 12 after the decimal point",
        "tiers[1].up_to: must be greater than 0",
        "tiers[2].up_to: is required: only the last tier is open",
        "tiers[3].up_to: must be absent: the last tier is open",
        "tiers[3].unit_price: is required where there is no flat_fee",
        "unit_size: must be greater than 0",
        "included: must not be negative",
        "maximum: must have at most 2 digits after the decimal point: USD has no finer unit",
    ];
    assert_eq!(problems, Err(expected.map(ToOwned::to_owned).to_vec()));
}

#[test]
fn bounds_rise_and_the_last_is_open() {
    let tiers = |tiers: &str| read(&format!(r#"{{"model":"volume","meter":"m","tiers":{tiers}}}"#));
    assert_eq!(tiers("[]"), Err(vec!["tiers: must be 1 to 100 tiers".to_owned()]));
    let equal = r#"[{"up_to":"10","unit_price":"1"},{"up_to":"10","unit_price":"1"},{"unit_price":"1"}]"#;
    assert_eq!(tiers(equal), Err(vec!["tiers[1].up_to: must be greater than 10".to_owned()]));
    let many = vec![r#"{"unit_price":"1"}"#; TIERS_MAX + 1].join(",");
    assert_eq!(tiers(&format!("[{many}]")), Err(vec!["tiers: must be 1 to 100 tiers".to_owned()]));
}

#[test]
fn models_refuse_what_is_not_theirs() {
    for (text, expected) in [
        (r#"{"model":"tiered","meter":"m"}"#, "model: is not known"),
        (
            r#"{"key":"k","model":"flat","meter":"m","amount":"1"}"#,
            "meter: must be absent: a flat price has no usage",
        ),
        (r#"{"key":"k","model":"flat","amount":"-1"}"#, "amount: must not be negative"),
        (
            r#"{"key":"k","model":"flat","amount":"1","included":"1"}"#,
            "included: must be absent: a flat price has none",
        ),
        (
            r#"{"model":"package","meter":"m","package_size":"0","package_price":"1"}"#,
            "package_size: must be greater than 0",
        ),
        (
            r#"{"model":"package","meter":"m","package_size":"1","package_price":"1","unit_size":"2"}"#,
            "unit_size: must be absent: a package price has none",
        ),
        (
            r#"{"model":"percentage","meter":"m","percent":"101"}"#,
            "percent: must be a percentage from 0 to 100 with at most 6 digits after the decimal point, such as 2.9",
        ),
        (
            r#"{"model":"per_unit","meter":"m","unit_price":"1","minimum":"2","maximum":"1"}"#,
            "maximum: must not be less than the minimum",
        ),
        (r#"{"model":"per_unit","meter":"m","unit_price":1}"#, "invalid type"),
        (r#"{"model":"per_unit","meter":"m","unit_prise":"1"}"#, "unknown field `unit_prise`"),
    ] {
        let problems = read(text).expect_err(text);
        assert!(problems[0].starts_with(expected), "{text}: {problems:?}");
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    }
}
