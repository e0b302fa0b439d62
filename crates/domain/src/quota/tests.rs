use super::*;
use crate::calendar::ZoneChange;
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
    let zone = TimeZone::get("Asia/Kolkata").expect("a zone");
    let alignment = Alignment::Anniversary(at("2026-01-10T00:00:00+05:30"));
    let cycle = BillingCycle::new(Interval::Month, zone.clone(), alignment);
    let calendars = Calendars::new(&zone, &[]);
    let resets = Resets::new(&calendars, Some(cycle));
    for (reset, start, end) in [
        (Reset::Day, "2026-02-01T00:00:00+05:30", "2026-02-02T00:00:00+05:30"),
        (Reset::Month, "2026-02-01T00:00:00+05:30", "2026-03-01T00:00:00+05:30"),
        (Reset::BillingPeriod, "2026-01-10T00:00:00+05:30", "2026-02-10T00:00:00+05:30"),
    ] {
        let window = resets.window_at(reset, at("2026-01-31T20:00:00Z"));
        assert_eq!(window, Window { start: at(start), end: at(end) }, "{}", reset.as_str());
    }
    let month = Window { start: at("2026-01-01T00:00:00+05:30"), end: at("2026-02-01T00:00:00+05:30") };
    let before_the_anchor = at("2026-01-01T00:00:00Z");
    let unbilled = Resets::new(&calendars, None);
    assert_eq!(unbilled.window_at(Reset::BillingPeriod, before_the_anchor), month);
    let until_the_anchor = Window { end: at("2026-01-10T00:00:00+05:30"), ..month };
    assert_eq!(resets.window_at(Reset::BillingPeriod, before_the_anchor), until_the_anchor);
    assert_eq!(resets.window_at(Reset::Month, before_the_anchor), month);
}

#[test]
fn a_count_never_loses_an_instant_when_the_zone_changes() {
    let at = |text: &str| Timestamp::parse(text).expect("an instant");
    let zone = |name: &str| TimeZone::get(name).expect("a zone");
    let change = ZoneChange { at: at("2026-02-20T12:00:00Z"), zone: zone("America/New_York") };
    let resets = Resets::new(&Calendars::new(&TimeZone::UTC, &[change]), None);
    // The day and the month that are open last until the new clock shows the next one.
    for (reset, first, second, third) in [
        (Reset::Day, "2026-02-20T00:00:00Z", "2026-02-21T05:00:00Z", "2026-02-22T05:00:00Z"),
        (Reset::Month, "2026-02-01T00:00:00Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"),
    ] {
        let open = resets.window_at(reset, at("2026-02-20T23:00:00Z"));
        assert_eq!(open, Window { start: at(first), end: at(second) });
        assert_eq!(resets.window_at(reset, open.end), Window { start: at(second), end: at(third) });
    }
}
