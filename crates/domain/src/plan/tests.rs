use super::*;
use crate::problem::Problems;

fn read(text: &str) -> Result<Plan, Vec<String>> {
    let form: PlanForm = serde_json::from_str(text).expect("a form");
    let mut problems = Problems::default();
    let plan = form.read(3, &mut problems);
    problems.into_result(plan).map_err(|list| list.iter().map(ToString::to_string).collect())
}

const WHOLE: &str = r#"{"key":"team","name":"Team","currency":"KWD","base_price":"10.500","interval":"quarter","billing":"calendar","trial_days":14,"commitment":"100.000","entitlements":[{"feature":"sso","type":"boolean"},{"feature":"calls","type":"metered","meter":"api.calls","behaviour":"overage","limit":"10","thresholds":[80],"reset":"billing_period"}],"prices":[{"key":"calls","model":"per_unit","meter":"api.calls","unit_price":"0.0005","included":"10"},{"key":"seat","model":"flat","amount":"1.000"}]}"#;

#[test]
fn a_whole_plan_reads_back_as_it_is_written() {
    let plan = read(WHOLE).expect("a plan");
    assert_eq!(serde_json::to_string(&PlanForm::from(&plan)).ok().as_deref(), Some(WHOLE));
    assert_eq!((plan.version, plan.base_fee().interval), (3, Interval::Quarter));
    let short = read(r#"{"key":"free","currency":"USD","interval":"month"}"#).expect("a plan");
    assert_eq!((short.name.as_str(), short.base_price.amount().as_str()), ("free", "0.00"));
    assert_eq!((short.billing, short.trial_days, short.commitment), (Billing::Anniversary, 0, None));
}

#[test]
fn features_quotas_and_kinds_of_usage() {
    let plan = read(WHOLE).expect("a plan");
    let feature = |name| FeatureKey::parse(name).expect("a key");
    assert_eq!(plan.grant(&feature("sso")), Some(&Grant::Boolean));
    assert_eq!(plan.grant(&feature("audit")), None);
    let meter = |name| MeterKey::parse(name).expect("a key");
    assert_eq!(plan.usage_kind(&meter("api.calls")), UsageKind::Overage);
    assert_eq!(plan.usage_kind(&meter("traffic.bytes")), UsageKind::Usage);
    assert!(plan.quota(&meter("traffic.bytes")).is_none());
}

#[test]
fn a_commitment_is_scaled_by_time_and_rounded_as_its_line_is() {
    let plan = read(WHOLE).expect("a plan");
    let paid = |part_s| plan.commitment_in(Share { part_s, whole_s: 3 }).expect("fits").map(Money::amount);
    assert_eq!((paid(3).as_deref(), paid(2).as_deref()), (Some("100.000"), Some("66.667")));
    assert_eq!(Plan { commitment: None, ..plan }.commitment_in(Share::WHOLE), Ok(None));
}

#[test]
fn versions_that_say_the_same_differ_in_number_alone() {
    let plan = read(WHOLE).expect("a plan");
    assert!(plan.says_the_same(&Plan { version: 4, ..plan.clone() }));
    assert!(!plan.says_the_same(&Plan { trial_days: 15, ..plan.clone() }));
}

#[test]
fn names_are_given_once_and_overage_has_a_price() {
    let twice = r#"{"key":"p","currency":"USD","interval":"month",
        "entitlements":[{"feature":"a","type":"boolean"},{"feature":"a","type":"boolean"}],
        "prices":[{"model":"per_unit","meter":"m","unit_price":"1"},{"model":"per_unit","meter":"m","unit_price":"2"}]}"#;
    assert_eq!(
        read(twice),
        Err(vec![
            "entitlements[1].feature: must be named once".into(),
            "prices[1].key: must be named once".into()
        ])
    );
    let quotas = r#"{"key":"p","currency":"USD","interval":"month",
        "entitlements":[{"feature":"a","type":"metered","meter":"m","behaviour":"unlimited"},
                        {"feature":"b","type":"metered","meter":"m","behaviour":"block","limit":"1"}]}"#;
    assert_eq!(read(quotas), Err(vec!["entitlements[1].meter: must have one quota".into()]));
    let unpriced = r#"{"key":"p","currency":"USD","interval":"month",
        "entitlements":[{"feature":"a","type":"metered","meter":"m","behaviour":"overage","limit":"1"}]}"#;
    assert_eq!(read(unpriced), Err(vec!["entitlements[0].behaviour: needs a price for the meter".into()]));
    let bad = r#"{"key":"","name":"","currency":"JPY","base_price":"0.5","interval":"month","billing":"never","commitment":"-1"}"#;
    let expected = [
        "key: must be 1 to 128 bytes without spaces, control characters, '/', '?' or '#'",
        "name: must be 1 to 128 bytes",
        "billing: is not known (one of anniversary, calendar)",
        "base_price: must have at most 0 digits after the decimal point: JPY has no finer unit",
        "commitment: must not be negative",
    ];
    assert_eq!(read(bad), Err(expected.map(ToOwned::to_owned).to_vec()));
}

#[test]
fn what_another_version_changes_is_told_field_by_field() {
    let before = read(WHOLE).expect("a plan");
    let changed = WHOLE
        .replace("10.500", "12.000")
        .replace(r#""limit":"10""#, r#""limit":"20""#)
        .replace(r#","commitment":"100.000""#, "")
        .replace(r#"{"feature":"sso","type":"boolean"},"#, "")
        .replace(r#""unit_price":"0.0005""#, r#""unit_price":"0.0004","maximum":"9.000""#);
    let after = read(&changed).expect("a plan");
    let told: Vec<String> = differences(&before, &after)
        .into_iter()
        .map(|d| {
            format!("{}: {} -> {}", d.field, d.before.unwrap_or("-".into()), d.after.unwrap_or("-".into()))
        })
        .collect();
    let expected = [
        "base_price: 10.500 -> 12.000",
        "commitment: 100.000 -> -",
        "entitlements[calls].limit: 10 -> 20",
        "entitlements[sso].feature: sso -> -",
        "entitlements[sso].type: boolean -> -",
        "prices[calls].maximum: - -> 9.000",
        "prices[calls].unit_price: 0.0005 -> 0.0004",
    ];
    assert_eq!(told, expected);
    assert_eq!(differences(&before, &Plan { version: 9, ..before.clone() }), []);
}
