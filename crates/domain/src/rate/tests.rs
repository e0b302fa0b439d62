use super::*;
use crate::currency::Currency;
use crate::money::Money;
use crate::percent::Percent;
use crate::price::{Charges, PriceForm};
use proptest::prelude::*;

const TIERS: &str = r#""tiers":[{"up_to":"10","unit_price":"1.5"},{"up_to":"25.5","unit_price":"0.75"},{"unit_price":"0.125"}]"#;

fn dollars() -> Currency {
    "USD".parse().expect("a currency")
}

fn money(amount: &str) -> Money {
    Money::parse(amount, dollars()).expect("an amount")
}

fn metered(fields: &str) -> Metered {
    let form: PriceForm = serde_json::from_str(&format!(r#"{{"meter":"m",{fields}}}"#)).expect("a form");
    match form.into_price(dollars()).expect("a price").charges {
        Charges::Metered { metered, .. } => metered,
        Charges::Flat { .. } => panic!("a flat price has no usage"),
    }
}

fn amount(metered: &Metered, quantity: Ratio, events: u64) -> Ratio {
    rate(metered, Usage { quantity, events }, Share::WHOLE).expect("fits").amount
}

/// Quantities with up to 18 fractional digits.
fn quantity() -> impl Strategy<Value = Ratio> {
    prop_oneof![
        (0_i128..40_000_000_000_000_000_000)
            .prop_map(|units| Ratio::from_parts(units, 18).expect("a fraction")),
        (0_i128..10_000_000).prop_map(|units| Ratio::from_parts(units, 0).expect("a fraction")),
    ]
}

fn tiny() -> Ratio {
    Ratio::from_parts(1, 36).expect("a fraction")
}

#[test]
fn commitments_are_drawn_in_order_until_they_are_used_up() {
    let lines = ["30", "-5", "0", "50", "40"].map(money);
    let draws = draw(money("100"), &lines).expect("fits");
    assert_eq!(draws, ["30", "0", "0", "50", "20"].map(money));
    assert_eq!(draw(money("0"), &lines[..1]), Ok(vec![money("0")]));
    let euro = Money::zero("EUR".parse().expect("a currency"));
    assert!(matches!(draw(euro, &lines), Err(MoneyError::Currencies(..))));
}

#[test]
fn a_hundred_gigabytes_for_half_a_month_are_fifty_gigabyte_months() {
    use crate::level::Levels;
    use crate::meter::Input;
    use crate::sum::Sum;
    use crate::time::{DAY, Timestamp};
    let day = |day: i64| Timestamp::from_micros_clamped(day * DAY);
    let held = Sum::ZERO.plus("107374182400".parse().expect("a number")).expect("fits");
    let mut levels = Levels::new(Input::Delta, day(0), Sum::ZERO);
    levels.apply(day(15), held).expect("in order");
    let month = levels.close(day(30)).expect("in order");
    let mean = month.integral.per_micros(30 * DAY as u64).map(Ratio::try_from);
    let price = metered(r#""model":"per_unit","unit_price":"0.05","unit_size":"1073741824""#);
    let exact = amount(&price, mean.expect("a month").expect("fits"), 0);
    assert_eq!(exact.to_string(), "2.5");
}

#[test]
fn what_does_not_fit_is_an_error() {
    let price = metered(r#""model":"per_unit","unit_price":"100000000000000000""#);
    let huge = Ratio::parse("999999999999999999").expect("a number");
    let rated =
        rate(&price, Usage { quantity: huge, events: 0 }, Share::WHOLE).expect("exact amounts have room");
    assert_eq!(settle(rated.amount, &[], None, dollars()), Err(MoneyError::TooLarge));
}

proptest! {
    #[test]
    fn parts_of_usage_cost_what_the_whole_does(parts in prop::collection::vec(quantity(), 1..8)) {
        let whole = parts.iter().try_fold(Ratio::ZERO, |sum, part| sum.plus(*part)).expect("fits");
        for fields in [
            r#""model":"per_unit","unit_price":"0.000123456789","unit_size":"3""#,
            r#""model":"percentage","percent":"2.9","event_fee":"0.3""#,
        ] {
            let price = metered(fields);
            let events = parts.len() as u64;
            let sum = parts.iter().map(|part| amount(&price, *part, 1));
            let sum = sum.fold(Ratio::ZERO, |sum, part| sum.plus(part).expect("fits"));
            prop_assert_eq!(sum, amount(&price, whole, events));
        }
    }

    #[test]
    fn graduated_amounts_are_continuous_and_never_fall(units in quantity(), bound in prop::sample::select(vec!["10", "25.5"])) {
        let price = metered(&format!(r#""model":"graduated",{TIERS}"#));
        let more = amount(&price, units.plus(tiny()).expect("fits"), 0);
        let step = more.minus(amount(&price, units, 0)).expect("fits");
        let most = tiny().times(Ratio::parse("1.5").expect("a number")).expect("fits");
        prop_assert!(Ratio::ZERO < step && step <= most);
        let bound = Ratio::parse(bound).expect("a number");
        let across = amount(&price, bound.plus(tiny()).expect("fits"), 0).minus(amount(&price, bound, 0));
        prop_assert!(across.is_ok_and(|step| step <= most));
    }

    #[test]
    fn tiers_of_equal_price_are_no_tiers(units in quantity()) {
        let tiers = r#""tiers":[{"up_to":"7","unit_price":"0.3"},{"unit_price":"0.3"}]"#;
        let plain = amount(&metered(r#""model":"per_unit","unit_price":"0.3""#), units, 0);
        for model in ["graduated", "volume"] {
            prop_assert_eq!(amount(&metered(&format!(r#""model":"{model}",{tiers}"#)), units, 0), plain);
        }
    }

    #[test]
    fn details_add_up_to_what_their_formula_says(units in quantity(), events in 0_u64..1000) {
        for fields in [
            format!(r#""model":"graduated","included":"3",{TIERS}"#),
            format!(r#""model":"volume","included":"3",{TIERS}"#),
            r#""model":"package","package_size":"7","package_price":"0.01""#.to_owned(),
            r#""model":"percentage","percent":"2.9","event_fee":"0.3""#.to_owned(),
        ] {
            let rated = rate(&metered(&fields), Usage { quantity: units, events }, Share::WHOLE).expect("fits");
            let mut sum = Ratio::ZERO;
            for detail in &rated.details {
                let formula = detail.quantity.times(detail.price).and_then(|part| part.plus(detail.flat_fee));
                prop_assert_eq!(formula, Ok(detail.amount));
                sum = sum.plus(detail.amount).expect("fits");
            }
            prop_assert_eq!(sum, rated.amount);
        }
    }

    #[test]
    fn a_line_and_its_discounts_are_the_rounded_rest(
        exact in -1_000_000_i128..1_000_000,
        percents in prop::collection::vec(0_u32..=100, 0..4),
        least in 0_i128..500,
    ) {
        let exact = Ratio::from_parts(exact, 4).expect("a fraction");
        let percents: Vec<_> = percents.iter().map(|p| Percent::parse(&p.to_string()).expect("in range")).collect();
        let least = Ratio::from_parts(least, 1).expect("a fraction");
        let settled = settle(exact, &percents, Some(least), dollars()).expect("fits");
        let rest = percents.iter().try_fold(exact, |rest, percent| percent.off(rest)).expect("fits");
        prop_assert_eq!(settled.net, Money::rounded(rest, dollars()).expect("fits"));
        let lines = [settled.amount].into_iter().chain(settled.discounts.iter().copied());
        prop_assert_eq!(Money::total(lines, dollars()), Ok(settled.net));
        let least = Money::rounded(least, dollars()).expect("fits");
        let due = settled.net.plus(settled.missing).expect("fits");
        prop_assert_eq!(due.minor(), settled.net.minor().max(least.minor()));
    }
}
