use super::*;
use crate::cycle::Alignment;
use crate::interval::Interval;
use jiff::tz::TimeZone;

fn units(number: i32) -> Decimal {
    Decimal::from_i32(number)
}

fn used(text: &str) -> Ratio {
    Ratio::parse(text).expect("a number")
}

fn quota(limit: Limit) -> Quota {
    let meter = MeterKey::parse("api.calls").expect("a key");
    Quota { meter, limit, thresholds: DEFAULT_THRESHOLDS.to_vec(), reset: Reset::Month }
}

#[test]
fn a_blocking_limit_is_exact() {
    let block = Limit::Block(units(1000));
    let allows = |limit: Limit, before, more| limit.allows(used(before), used(more)).expect("fits");
    assert!(allows(block, "999", "1"));
    assert!(!allows(block, "1000", "1"));
    assert!(!allows(block, "999.5", "0.500000000000000001"));
    assert!(allows(block, "1200", "-1") && allows(block, "1200", "0"));
    assert!(!allows(Limit::Block(units(0)), "0", "1"));
    assert!(allows(Limit::Overage(units(1000)), "1000", "1") && allows(Limit::Unlimited, "1000", "1"));
}

#[test]
fn remaining_beyond_and_billable() {
    for (limit, remaining, beyond, billable) in [
        (Limit::Block(units(100)), Some("0"), "20.5", "100"),
        (Limit::Overage(units(100)), Some("0"), "20.5", "120.5"),
        (Limit::Overage(units(200)), Some("79.5"), "0", "120.5"),
        (Limit::Unlimited, None, "0", "120.5"),
    ] {
        let use_now = used("120.5");
        assert_eq!(limit.remaining(use_now), Ok(remaining.map(used)), "{limit:?}");
        assert_eq!(limit.beyond(use_now), Ok(used(beyond)), "{limit:?}");
        assert_eq!(limit.billable(use_now), used(billable), "{limit:?}");
    }
}

#[test]
fn percentages_have_two_decimals_and_no_cap() {
    for (limit, number, shown) in [
        (Limit::Overage(units(100_000)), "5000", "5"),
        (Limit::Overage(units(3)), "1", "33.33"),
        (Limit::Overage(units(3)), "5", "166.67"),
        (Limit::Block(units(20_000)), "1", "0"),
        (Limit::Block(units(20_000)), "3", "0.02"),
        (Limit::Block(units(0)), "1", "100"),
        (Limit::Block(units(0)), "0", "0"),
        (Limit::Unlimited, "5000", "0"),
    ] {
        assert_eq!(
            limit.percentage(used(number)).map(|p| p.to_string()).as_deref(),
            Some(shown),
            "{limit:?}"
        );
    }
}

#[test]
fn thresholds_are_reached_once() {
    let calls = quota(Limit::Overage(units(1000)));
    let reached = |number, fired| calls.reached(used(number), fired).expect("fits");
    assert_eq!(reached("799.999", None), [0_u32; 0]);
    assert_eq!(reached("800", None), [80]);
    assert_eq!(reached("900", Some(80)), [0_u32; 0]);
    assert_eq!(reached("1000", Some(80)), [EXCEEDED_PERCENT]);
    assert_eq!(reached("5000", None), [80, 100]);
    assert_eq!(reached("5000", Some(100)), [0_u32; 0]);
    let nothing = quota(Limit::Block(units(0)));
    assert_eq!(nothing.reached(Ratio::ZERO, None), Ok(vec![]));
    assert_eq!(nothing.reached(used("1"), None), Ok(vec![80, 100]));
    assert_eq!(quota(Limit::Unlimited).reached(used("1"), None), Ok(vec![]));
}

#[test]
fn resets_follow_the_billing_zone_or_the_billing_period() {
    let at = |text: &str| Timestamp::parse(text).expect("an instant");
    let cycle = BillingCycle {
        interval: Interval::Month,
        zone: TimeZone::get("Asia/Kolkata").expect("a zone"),
        alignment: Alignment::Anniversary(at("2026-01-10T00:00:00+05:30")),
    };
    let window = |reset: Reset| reset.window_at(at("2026-01-31T20:00:00Z"), &cycle).expect("begun");
    for (reset, start, end) in [
        (Reset::Day, "2026-02-01T00:00:00+05:30", "2026-02-02T00:00:00+05:30"),
        (Reset::Month, "2026-02-01T00:00:00+05:30", "2026-03-01T00:00:00+05:30"),
        (Reset::BillingPeriod, "2026-01-10T00:00:00+05:30", "2026-02-10T00:00:00+05:30"),
    ] {
        assert_eq!(window(reset), Window { start: at(start), end: at(end) }, "{}", reset.as_str());
    }
    assert_eq!(Reset::BillingPeriod.window_at(at("2026-01-01T00:00:00Z"), &cycle), None);
}
