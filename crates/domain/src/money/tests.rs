use super::*;
use proptest::prelude::*;

fn currency(code: &str) -> Currency {
    code.parse().expect("a currency")
}

fn money(amount: &str, code: &str) -> Money {
    Money::parse(amount, currency(code)).expect("an amount")
}

#[test]
fn reads_and_prints_with_the_digits_of_the_currency() {
    for (amount, code, shown) in [
        ("49", "USD", "49.00"),
        ("49.5", "USD", "49.50"),
        ("-0.05", "USD", "-0.05"),
        ("-0", "USD", "0.00"),
        ("49.000", "USD", "49.00"),
        ("1200", "JPY", "1200"),
        ("0", "JPY", "0"),
        ("1.234", "KWD", "1.234"),
        ("0.0001", "CLF", "0.0001"),
        ("999999999999999999.99", "USD", "999999999999999999.99"),
    ] {
        assert_eq!(money(amount, code).amount(), shown, "{amount} {code}");
    }
    assert_eq!(money("49", "USD").to_string(), "49.00 USD");
}

#[test]
fn refuses() {
    let parse = |amount: &str, code| Money::parse(amount, currency(code)).map(Money::amount);
    for amount in ["", "-", "1e3", "+1", "01", "1.", ".5", "1,5", "1/2", " 1", "0x1", "USD", &"1".repeat(80)]
    {
        assert_eq!(parse(amount, "USD"), Err(MoneyError::Syntax), "{amount}");
    }
    for (amount, code) in [("0.001", "USD"), ("0.5", "JPY"), ("0.0005", "KWD")] {
        let (currency, digits) = (currency(code), currency(code).digits());
        assert_eq!(parse(amount, code), Err(MoneyError::TooPrecise { currency, digits }));
    }
    assert_eq!(parse("1000000000000000000", "USD"), Err(MoneyError::TooLarge));
    assert_eq!(parse("1000000000000000000", "JPY"), Err(MoneyError::TooLarge));
}

#[test]
fn amounts_of_two_currencies_do_not_add_up() {
    let (dollar, euro) = (money("1", "USD"), money("1", "EUR"));
    let error = Err(MoneyError::Currencies(dollar.currency(), euro.currency()));
    assert_eq!(dollar.plus(euro), error);
    assert_eq!(dollar.minus(euro), error);
    assert_eq!(dollar.least(euro), error);
    assert_eq!(Money::total([euro], dollar.currency()), error);
    assert_eq!(dollar.plus(dollar), Ok(money("2", "USD")));
}

#[test]
fn an_amount_never_wraps() {
    let most = money("999999999999999999.99", "USD");
    assert_eq!(most.plus(money("0.01", "USD")), Err(MoneyError::TooLarge));
    assert_eq!(most.negated().minus(money("0.01", "USD")), Err(MoneyError::TooLarge));
    assert_eq!(Money::from_minor(i128::MIN, currency("USD")), Err(MoneyError::TooLarge));
}

#[test]
fn rounding_is_half_to_even_in_each_currency() {
    for (exact, code, shown) in [
        ("0.005", "USD", "0.00"),
        ("0.015", "USD", "0.02"),
        ("-0.025", "USD", "-0.02"),
        ("0.5", "JPY", "0"),
        ("1.5", "JPY", "2"),
        ("0.0005", "KWD", "0.000"),
        ("0.0015", "KWD", "0.002"),
        ("2/3", "KWD", "0.667"),
    ] {
        let rounded = Money::rounded(Ratio::parse(exact).expect("a number"), currency(code));
        assert_eq!(rounded.map(Money::amount), Ok(shown.to_owned()), "{exact} {code}");
    }
}

#[test]
fn json_is_an_object_of_texts() {
    let text = r#"{"amount":"49.00","currency":"USD"}"#;
    assert_eq!(serde_json::to_string(&money("49", "USD")).ok().as_deref(), Some(text));
    assert_eq!(serde_json::from_str::<Money>(text).ok(), Some(money("49", "USD")));
    for bad in
        [r#"{"amount":49,"currency":"USD"}"#, r#"{"amount":"49","currency":"usd"}"#, r#"{"amount":"49"}"#]
    {
        assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
    }
}

#[test]
fn unit_prices_have_twelve_decimals() {
    for (text, shown) in
        [("0", "0"), ("0.001", "0.001"), ("0.000000000001", "0.000000000001"), ("10.50", "10.5")]
    {
        assert_eq!(UnitPrice::parse(text).map(|price| price.to_string()), Ok(shown.to_owned()), "{text}");
    }
    for text in ["-1", "0.0000000000001", "1e-3", "", "1000000000000000000"] {
        assert_eq!(UnitPrice::parse(text), Err(UnitPriceError), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(minor in -10_i128.pow(18)..10_i128.pow(18), pick in 0_usize..165) {
        let currency = Currency::all().nth(pick).expect("a currency");
        let money = Money::from_minor(minor, currency).expect("fits");
        prop_assert_eq!(Money::parse(&money.amount(), currency), Ok(money));
        prop_assert_eq!(Money::rounded(money.exact(), currency), Ok(money));
    }

    #[test]
    fn rounding_moves_by_half_a_minor_unit_at_most(above in any::<i64>(), below in 1_u32.., pick in 0_usize..165) {
        let currency = Currency::all().nth(pick).expect("a currency");
        let exact = Ratio::parse(&format!("{above}/{below}")).expect("a fraction");
        let rounded = Money::rounded(exact, currency).expect("fits").exact();
        let moved = rounded.minus(exact).expect("fits");
        let half = Ratio::from_parts(5, currency.digits() + 1).expect("a fraction");
        prop_assert!(moved <= half && moved >= half.negated().expect("fits"));
    }
}
