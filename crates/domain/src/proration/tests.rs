use super::*;
use crate::currency::Currency;
use crate::cycle::Alignment;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn fee(amount: &str, currency: &str, interval: Interval) -> BaseFee {
    let currency: Currency = currency.parse().expect("a currency");
    BaseFee { amount: Money::parse(amount, currency).expect("an amount"), interval }
}

fn monthly() -> BillingCycle {
    let alignment = Alignment::Anniversary(at("2026-01-31T10:00:00Z"));
    BillingCycle::new(Interval::Month, TimeZone::UTC, alignment)
}

#[test]
fn a_pause_credits_what_is_left_and_its_end_charges_what_is_left() {
    let period = monthly().period_at(at("2026-03-01T00:00:00Z")).expect("begun");
    let base = fee("31", "USD", Interval::Month).amount;
    let credit = credit_from(at("2026-03-07T10:00:00Z"), base, period).map(|c| c.to_string());
    let charge = charge_from(at("2026-03-21T10:00:00Z"), base, period).map(|c| c.to_string());
    assert_eq!((credit, charge), (Ok("-24".to_owned()), Ok("10".to_owned())));
}

#[test]
fn plans_of_two_currencies_do_not_follow_each_other() {
    let (old, new) = (fee("9", "USD", Interval::Month), fee("9", "EUR", Interval::Month));
    assert!(matches!(timing(old, new), Err(MoneyError::Currencies(..))));
    assert!(matches!(
        change(old, new, &monthly(), at("2026-02-01T00:00:00Z")),
        Err(MoneyError::Currencies(..))
    ));
    assert_eq!(change(old, old, &monthly(), at("2026-01-01T00:00:00Z")), Ok(None));
}

#[test]
fn a_period_is_cut_at_its_changes() {
    let period = monthly().period_at(at("2026-03-01T00:00:00Z")).expect("begun");
    let changes = [period.start, at("2026-03-10T10:00:00Z"), at("2026-03-20T10:00:00Z"), period.end];
    let parts = parts(period, &changes);
    let days: Vec<_> = parts.iter().map(|(_, share)| share.part_s / 86_400).collect();
    assert_eq!(days, [10, 10, 11]);
    assert!(parts.is_sorted_by(|a, b| a.0.end == b.0.start));
    assert_eq!(parts.iter().map(|(_, share)| share.part_s).sum::<u64>(), parts[0].1.whole_s);
}

proptest! {
    #[test]
    fn used_and_left_make_the_fee_and_a_change_to_the_same_costs_nothing(
        cents in 0_i128..10_000_000,
        seconds in 0_i64..100_000_000,
    ) {
        let currency = "USD".parse().expect("a currency");
        let base = BaseFee { amount: Money::from_minor(cents, currency).expect("fits"), interval: Interval::Month };
        let instant = at("2026-01-31T10:00:00Z").plus_micros(seconds * 1_000_000);
        let period = monthly().period_at(instant).expect("begun");
        let used = flat(base.amount, Share::of(Window { start: period.start, end: instant }, period)).expect("fits");
        let left = charge_from(instant, base.amount, period).expect("fits");
        prop_assert_eq!(used.plus(left), Ok(base.amount.exact()));
        let same = change(base, base, &monthly(), instant).expect("fits").expect("begun");
        prop_assert_eq!(same.credit.plus(same.charge), Ok(Ratio::ZERO));
    }
}
