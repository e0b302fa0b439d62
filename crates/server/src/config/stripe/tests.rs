use super::super::reader::Sources;
use super::*;

const KEY: &str = "sk_test_51Hb9QkLz0vYw3nTgRcXePq8";

fn read(env: &[(&str, &str)]) -> (Stripe, Vec<String>) {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources = Sources { flags: BTreeMap::new(), env, file: toml::Table::new() };
    let mut reader = Reader::new(&sources);
    let stripe = read_stripe(&mut reader);
    (stripe, reader.problems.into_iter().map(|problem| problem.setting).collect())
}

#[test]
fn an_account_is_read_under_either_name() {
    let (stripe, problems) = read(&[
        ("STRIPE_SECRET_KEY", KEY),
        ("STRIPE_WEBHOOK_SECRET", "whsec_8Kq2mWvN4xTzR7yLbC9dFgHj"),
        ("RECKONER_STRIPE_WEBHOOK_PREVIOUS_SECRET", "whsec_3pZsQe6uVnB1tYwA5rXkMcDo"),
        ("STRIPE_BASIC_PRICE_ID", "price_1"),
        ("RECKONER_STRIPE_PRICES", "pro=price_2, team=price_3"),
    ]);
    assert_eq!(problems, Vec::<String>::new());
    let live = stripe.live.expect("an account");
    assert!(!live.is_live() && stripe.test.is_none());
    let prices: Vec<String> =
        live.prices.iter().map(|(plan, price)| format!("{}={price}", plan.as_str())).collect();
    assert_eq!(
        (prices.join(" "), live.webhook_secrets.len()),
        ("basic=price_1 pro=price_2 team=price_3".into(), 2)
    );
}

#[test]
fn placeholders_count_as_unset() {
    for key in ["sk_test_xxx", "changeme", "sk_live_your_key", "sk_test_..."] {
        let (stripe, problems) = read(&[("STRIPE_SECRET_KEY", key), ("STRIPE_WEBHOOK_SECRET", "whsec_xxx")]);
        assert!(stripe.live.is_none() && problems.is_empty(), "{key}: {problems:?}");
        assert_eq!(stripe.placeholders, ["stripe.secret_key", "stripe.webhook_secret"]);
    }
}

#[test]
fn every_problem_is_noted() {
    let (_, mut problems) = read(&[
        ("STRIPE_SECRET_KEY", "pk_test_51Hb9QkLz0vYw3nTgRcXePq8"),
        ("STRIPE_WEBHOOK_SECRET", "8Kq2mWvN4xTzR7yLbC9dFgHj"),
        ("STRIPE_BASIC_PRICE_ID", "price 1"),
        ("RECKONER_STRIPE_PRICES", "pro"),
        ("RECKONER_STRIPE_TEST_SECRET_KEY", "sk_live_51Hb9QkLz0vYw3nTgRcXePq8"),
        ("RECKONER_STRIPE_BASE_URL", "http://stripe.example.com"),
        ("RECKONER_STRIPE_API_VERSION", "the newest one"),
        ("RECKONER_STRIPE_SUCCESS_URL", "/thanks"),
    ]);
    problems.sort();
    let expected = [
        "stripe.api_version",
        "stripe.base_url",
        "stripe.basic_price_id",
        "stripe.prices",
        "stripe.secret_key",
        "stripe.success_url",
        "stripe.test.secret_key",
        "stripe.webhook_secret",
    ];
    assert_eq!(problems, expected);
    let alone = read(&[("STRIPE_WEBHOOK_SECRET", "whsec_8Kq2mWvN4xTzR7yLbC9dFgHj")]).1;
    assert_eq!(alone, ["stripe.secret_key"]);
}
