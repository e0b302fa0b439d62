use super::*;
use crate::meter::MeterKey;
use crate::quota::Limit;

fn problems(text: &str) -> Vec<String> {
    let form: CatalogForm = serde_json::from_str(text).expect("a form");
    form.into_catalog().expect_err("problems").iter().map(ToString::to_string).collect()
}

/// Key, base price, trial days, and behaviour, limit and reset of each quota.
fn shown(catalog: &Catalog) -> Vec<String> {
    let plan = |plan: &Plan| {
        let quotas = plan.entitlements.iter().filter_map(|e| match &e.grant {
            crate::entitlement::Grant::Metered(quota) => Some(quota),
            _ => None,
        });
        let quotas: Vec<String> = quotas
            .map(|q| {
                let limit = q.limit.units().map_or("-".to_owned(), |units| units.to_string());
                format!("{} {} {limit}/{}", q.meter, q.limit.behaviour(), q.reset.as_str())
            })
            .collect();
        format!("{} {} {}d: {}", plan.key, plan.base_price, plan.trial_days, quotas.join(", "))
    };
    catalog.plans.iter().map(plan).collect()
}

#[test]
fn the_analytics_sample() {
    let catalog = sample("analytics").expect("a catalogue");
    let expected = [
        "free 0.00 USD 0d: api.calls block 1000/month",
        "pro 49.00 USD 0d: api.calls overage 100000/billing_period",
        "enterprise 500.00 USD 0d: api.calls unlimited -/billing_period",
    ];
    assert_eq!(shown(&catalog), expected);
    let calls = MeterKey::parse("api.calls").expect("a key");
    let pro = &catalog.plans[1];
    assert_eq!(
        pro.quota(&calls).map(|quota| quota.limit),
        Some(Limit::Overage("100000".parse().expect("a number")))
    );
    let price = serde_json::to_value(crate::price::PriceForm::from(&pro.prices[0])).expect("a form");
    assert_eq!((&price["unit_price"], &price["included"]), (&"0.001".into(), &"100000".into()));
    assert!(catalog.plans[0].prices.is_empty() && catalog.plans[2].prices.is_empty());
}

#[test]
fn the_auth_and_billing_sample() {
    let catalog = sample("auth_billing").expect("a catalogue");
    let expected = [
        "free_trial 0.00 USD 7d: llm_tokens block 1000/day, memory_storage block 1073741824/month, messages block 100/month, agent_minutes block 0/month",
        "basic 9.00 USD 0d: llm_tokens block 50000/day, memory_storage block 10737418240/month, messages block 5000/month, agent_minutes block 60/month",
        "pro 29.00 USD 0d: llm_tokens unlimited -/day, memory_storage unlimited -/month, messages unlimited -/month, agent_minutes unlimited -/month",
        "free_restricted 0.00 USD 0d: llm_tokens block 0/day, memory_storage block 0/month, messages block 0/month, agent_minutes block 0/month",
    ];
    assert_eq!(shown(&catalog), expected);
    assert_eq!(sample("none"), None);
}

#[test]
fn the_workspace_sample_prices_each_of_its_meters() {
    let catalog = sample("workspace").expect("a catalogue");
    let meters: Vec<&str> =
        catalog.plans[0].prices.iter().filter_map(|price| Some(price.meter()?.as_str())).collect();
    assert_eq!(meters, ["traffic.bytes", "storage.level", "compute.units"]);
    let form: CatalogForm = serde_json::from_str(SAMPLES[2].1).expect("a form");
    let keys: Vec<&str> = form.meters.iter().filter_map(|meter| meter["key"].as_str()).collect();
    assert_eq!(keys, meters);
}

#[test]
fn every_problem_is_told_at_once() {
    let text = r#"{"plans":[
        {"key":"a","currency":"USD","interval":"month","prices":[{"model":"per_unit","meter":"m","unit_price":"-1"}]},
        {"key":"a","currency":"usd","interval":"fortnight","trial_days":731},
        {"key":"a","currency":"USD","interval":"month","base_price":"1"}],
        "coupons":[{"key":"c","percent":"5"},{"key":"c","percent":"500"},{"key":"c","percent":"5"}]}"#;
    let expected = [
        "plans[0].prices[0].unit_price: must be a decimal of at least 0 with at most 18 digits before and 12 after the decimal point",
        "plans[1].interval: is not known (one of day, week, month, quarter, year)",
        "plans[1].trial_days: must be at most 730",
        "plans[1].currency: must be the ISO 4217 code of a currency in use, such as USD",
        "coupons[1].percent: must be a percentage from 0 to 100 with at most 6 digits after the decimal point, such as 2.9",
        "coupons[2].key: must be named once",
    ];
    assert_eq!(problems(text), expected);
    let twice = r#"{"plans":[{"key":"a","currency":"USD","interval":"month"},{"key":"a","currency":"USD","interval":"month"}]}"#;
    assert_eq!(problems(twice), ["plans[1].key: must be named once"]);
}
