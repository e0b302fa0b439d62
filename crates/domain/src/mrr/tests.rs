use super::*;
use crate::coupon::CouponForm;
use crate::interval::Interval;
use crate::problem::Problems;

fn fee(amount: &str, code: &str, interval: Interval) -> BaseFee {
    let currency: Currency = code.parse().expect("a currency");
    BaseFee { amount: Money::parse(amount, currency).expect("an amount"), interval }
}

fn coupon(text: &str) -> Coupon {
    let form: CouponForm = serde_json::from_str(text).expect("a form");
    form.read(&mut Problems::default()).expect("a coupon")
}

fn plain(customer: &'static str, base: BaseFee) -> Recurring<'static> {
    Recurring { customer, base, coupons: &[] }
}

fn totals(list: Vec<Recurring<'_>>) -> Vec<String> {
    Revenue::of(list)
        .and_then(|revenue| revenue.totals())
        .expect("fits")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_interval_counts_by_the_month_and_the_sum_is_rounded_once() {
    // 100/12 + 100/3 + 10 x 52/12 + 1 x 365/12 + 49 = 164.41666...
    let list = vec![
        plain("a", fee("100", "USD", Interval::Year)),
        plain("b", fee("100", "USD", Interval::Quarter)),
        plain("c", fee("10", "USD", Interval::Week)),
        plain("d", fee("1", "USD", Interval::Day)),
        plain("e", fee("49", "USD", Interval::Month)),
    ];
    assert_eq!(totals(list), ["164.42 USD"]);
    // Three times 10/12 = 2.5; each alone would be 0.83.
    let thirds = ["a", "b", "c"].map(|customer| plain(customer, fee("10", "USD", Interval::Year)));
    assert_eq!(totals(thirds.to_vec()), ["2.50 USD"]);
    let year = Revenue::of(thirds).and_then(|revenue| revenue.annual("USD".parse().expect("a currency")));
    assert_eq!(year.expect("fits").to_string(), "30.00 USD");
}

#[test]
fn currencies_are_apart() {
    let list = vec![
        plain("a", fee("1000", "JPY", Interval::Month)),
        plain("a", fee("10", "EUR", Interval::Month)),
        plain("b", fee("5", "EUR", Interval::Month)),
    ];
    assert_eq!(totals(list), ["15.00 EUR", "1000 JPY"]);
}

#[test]
fn recurring_discounts_come_off_before_the_month_is_made() {
    let coupons =
        [coupon(r#"{"key":"a","amount":"20.00","currency":"USD"}"#), coupon(r#"{"key":"p","percent":"50"}"#)];
    // (120 x 50 % - 20) / 12
    let year = Recurring { customer: "a", base: fee("120", "USD", Interval::Year), coupons: &coupons };
    assert_eq!(totals(vec![year]), ["3.33 USD"]);
    let small = Recurring { customer: "a", base: fee("30", "USD", Interval::Month), coupons: &coupons };
    assert_eq!(totals(vec![small]), ["0.00 USD"]);
}

#[test]
fn movements_hold_each_customer_against_itself() {
    let month = |amount| fee(amount, "USD", Interval::Month);
    let before = Revenue::of(vec![
        plain("stays", month("10")),
        plain("grows", month("10")),
        plain("shrinks", month("49")),
        plain("moves", month("10")),
        plain("moves", month("20")),
        plain("leaves", month("29")),
        plain("abroad", fee("7", "EUR", Interval::Month)),
    ]);
    let after = Revenue::of(vec![
        plain("stays", month("10")),
        plain("grows", month("49")),
        plain("shrinks", month("9")),
        plain("moves", month("35")),
        plain("comes", month("500")),
        plain("free", month("0")),
    ]);
    let (before, after) = (before.expect("fits"), after.expect("fits"));
    let money = |amount| month(amount).amount;
    let moved = after.movements_since(&before, money("0").currency()).expect("fits");
    let expected =
        Movements { new: money("500"), expansion: money("44"), contraction: money("40"), churn: money("29") };
    assert_eq!(moved, expected);
    let customers = after.customers_since(&before, money("0").currency());
    assert_eq!(customers, Customers { before: 5, now: 5, lost: 1 });
    assert_eq!(after.annual(money("0").currency()), Ok(money("7236")));
    let euro = fee("7", "EUR", Interval::Month).amount;
    let nothing = Money::zero(euro.currency());
    let moved = after.movements_since(&before, euro.currency());
    assert_eq!(moved, Ok(Movements { new: nothing, expansion: nothing, contraction: nothing, churn: euro }));
}
