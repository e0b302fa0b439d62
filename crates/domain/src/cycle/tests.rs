use super::*;
use proptest::prelude::*;

const ZONES: [&str; 8] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Pacific/Apia",
    "America/Havana",
    "Africa/Casablanca",
];

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn anniversary(interval: Interval, anchor: Timestamp, name: &str) -> BillingCycle {
    BillingCycle { interval, zone: zone(name), alignment: Alignment::Anniversary(anchor) }
}

#[test]
fn there_is_no_period_before_the_anchor() {
    let cycle = anniversary(Interval::Month, at("2026-01-31T10:00:00Z"), "UTC");
    assert_eq!(cycle.period_at(at("2026-01-31T09:59:59.999999Z")), None);
    assert_eq!(cycle.period_at(at("2026-01-31T10:00:00Z")).map(|p| p.end), Some(at("2026-02-28T10:00:00Z")));
}

#[test]
fn a_date_that_never_was_has_no_period() {
    let cycle = anniversary(Interval::Day, at("2011-12-28T20:00:00Z"), "Pacific/Apia");
    let starts: Vec<_> = cycle.periods_from(at("2011-12-28T20:00:00Z")).take(4).map(|p| p.start).collect();
    assert_eq!(starts, [28, 29, 30, 31].map(|day| at(&format!("2011-12-{day}T20:00:00Z"))));
}

#[test]
fn periods_end_with_time() {
    for alignment in [Alignment::Calendar, Alignment::Anniversary(at("9999-10-31T00:00:00Z"))] {
        let cycle = BillingCycle { interval: Interval::Month, zone: TimeZone::UTC, alignment };
        let ends: Vec<_> = cycle.periods_from(at("9999-11-30T00:00:00Z")).map(|period| period.end).collect();
        assert_eq!(ends.last(), Some(&Timestamp::MAX));
        assert!(ends.len() <= 3);
    }
}

proptest! {
    #[test]
    fn periods_follow_each_other_and_hold_their_instants(
        pick in 0_usize..ZONES.len(),
        interval in prop::sample::select(Interval::ALL.to_vec()),
        start in 1_300_000_000_i64..1_800_000_000,
        after in 0_i64..200_000_000,
        by_calendar in any::<bool>(),
    ) {
        let instant = |seconds: i64| Timestamp::from_micros_clamped(seconds * 1_000_000);
        let mut cycle = anniversary(interval, instant(start), ZONES[pick]);
        if by_calendar {
            cycle.alignment = Alignment::Calendar;
        }
        let moment = instant(start + after);
        let period = cycle.period_at(moment).expect("after the anchor");
        prop_assert!(period.contains(moment));
        prop_assert_eq!(cycle.period_at(period.start), Some(period));
        prop_assert_eq!(cycle.period_at(period.end).map(|next| next.start), Some(period.end));
        prop_assert_eq!(cycle.period_at(period.end.plus_micros(-1)), Some(period));
    }

    #[test]
    fn wall_times_are_those_of_the_zone_library(
        pick in 0_usize..ZONES.len(),
        minute in 20_000_000_i64..32_000_000,
    ) {
        let reading = minute * 60_000_000;
        let shown = jiff::Timestamp::from_microsecond(reading).expect("in range").to_zoned(TimeZone::UTC).datetime();
        let expected = zone(ZONES[pick]).to_ambiguous_timestamp(shown).compatible().expect("in range");
        prop_assert_eq!(instant_of_wall_time(&zone(ZONES[pick]), reading), expected.as_microsecond());
    }
}
