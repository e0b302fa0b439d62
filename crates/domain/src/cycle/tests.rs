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
    BillingCycle::new(interval, zone(name), Alignment::Anniversary(anchor))
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
        let cycle = BillingCycle::new(Interval::Month, TimeZone::UTC, alignment);
        let ends: Vec<_> = cycle.periods_from(at("9999-11-30T00:00:00Z")).map(|period| period.end).collect();
        assert_eq!(ends.last(), Some(&Timestamp::MAX));
        assert!(ends.len() <= 3);
    }
}

#[test]
fn another_zone_takes_over_at_the_end_of_a_period() {
    let months = |cycle: &BillingCycle, from: &str| -> Vec<Timestamp> {
        cycle.periods_from(at(from)).take(3).map(|period| period.end).collect()
    };
    let utc = BillingCycle::new(Interval::Month, TimeZone::UTC, Alignment::Calendar);
    let february = "2026-02-01T00:00:00Z";
    // What is left of New York's January is part of its first month; Kolkata's February has begun before.
    let west = utc.in_zone(&zone("America/New_York"), at(february));
    assert_eq!(
        months(&west, february),
        ["2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z", "2026-05-01T04:00:00Z"].map(at)
    );
    let east = utc.in_zone(&zone("Asia/Kolkata"), at(february));
    assert_eq!(
        months(&east, february),
        ["2026-02-28T18:30:00Z", "2026-03-31T18:30:00Z", "2026-04-30T18:30:00Z"].map(at)
    );
    assert_eq!(west.period_at(at("2026-01-31T23:59:59Z")).map(|period| period.end), Some(at(february)));
    // The day of the anchor comes back after a short month, by the new clock.
    let anchored = anniversary(Interval::Month, at("2026-01-31T02:00:00Z"), "UTC");
    let moved = anchored.in_zone(&zone("America/New_York"), at("2026-02-28T02:00:00Z"));
    assert_eq!(
        months(&moved, "2026-02-28T02:00:00Z"),
        ["2026-03-31T01:00:00Z", "2026-05-01T01:00:00Z", "2026-05-31T01:00:00Z"].map(at)
    );
    assert_eq!(utc.in_zone(&TimeZone::UTC, at(february)), utc);
}

proptest! {
    /// However often the zone changes: each instant lies in one period, and none is much shorter or longer than others.
    #[test]
    fn changes_of_zone_leave_no_gap_and_no_stub(
        picks in prop::collection::vec((0_usize..ZONES.len(), 0_i64..40), 1..5),
        interval in prop::sample::select(Interval::ALL.to_vec()),
        start in 1_300_000_000_i64..1_800_000_000,
        by_calendar in any::<bool>(),
    ) {
        let start = Timestamp::from_micros_clamped(start * 1_000_000);
        let mut cycle = anniversary(interval, start, "UTC");
        if by_calendar {
            cycle.alignment = Alignment::Calendar;
        }
        let mut edge = cycle.period_at(start).expect("begun").end;
        let half = match interval {
            Interval::Day => 1,
            Interval::Week => 7,
            Interval::Month => 28,
            Interval::Quarter => 90,
            Interval::Year => 365,
        } * DAY / 2;
        for (pick, periods) in picks {
            let before = cycle.period_at(edge.plus_micros(-1)).expect("begun");
            cycle = cycle.in_zone(&zone(ZONES[pick]), edge);
            prop_assert_eq!(cycle.period_at(edge.plus_micros(-1)).map(|last| last.end), Some(before.end));
            for _ in 0..=periods {
                let period = cycle.period_at(edge).expect("begun");
                prop_assert_eq!(period.start, edge);
                // A change of the clock by an hour or two may lie in it, of a day in Samoa.
                let length = period.end.micros_since(period.start);
                prop_assert!(length >= half - DAY / 12, "{} {}", length, period.start);
                prop_assert!(length <= 3 * half + 5 * DAY, "{} {}", length, period.start);
                prop_assert_eq!(cycle.period_at(period.end.plus_micros(-1)), Some(period));
                edge = period.end;
            }
        }
    }

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
