use super::*;
use crate::time::{DAY, HOUR, MINUTE};
use proptest::prelude::*;

const ZONES: [&str; 10] = [
    "UTC",
    "Asia/Kolkata",
    "America/New_York",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Kiritimati",
    "Pacific/Midway",
    "Etc/GMT+12",
    "America/Sao_Paulo",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn changes(made: &[(&str, &str)]) -> Vec<ZoneChange> {
    made.iter().map(|(time, name)| ZoneChange { at: at(time), zone: zone(name) }).collect()
}

/// The periods of a range, each as key, start and end to the minute.
fn shown(period: Period, first: &str, made: &[(&str, &str)], from: &str, to: &str) -> Vec<String> {
    let minute = |edge: Timestamp| edge.to_string()[..16].to_owned();
    Calendar::new(period, zone(first), &changes(made))
        .spans_overlapping(at(from), at(to))
        .map(|span| format!("{} {} {}", span.key, minute(span.start), minute(span.end)))
        .collect()
}

#[test]
fn eastward_the_next_period_is_shorter() {
    let made = [("2026-01-14T09:00:00Z", "Asia/Kolkata")];
    assert_eq!(
        shown(Period::Daily, "UTC", &made, "2026-01-14T00:00:00Z", "2026-01-16T00:00:00Z"),
        [
            "20260114 2026-01-14T00:00 2026-01-15T00:00",
            "20260115 2026-01-15T00:00 2026-01-15T18:30",
            "20260116 2026-01-15T18:30 2026-01-16T18:30",
        ]
    );
    assert_eq!(
        shown(Period::Monthly, "UTC", &made, "2026-01-31T00:00:00Z", "2026-03-01T00:00:00Z"),
        [
            "202601 2026-01-01T00:00 2026-02-01T00:00",
            "202602 2026-02-01T00:00 2026-02-28T18:30",
            "202603 2026-02-28T18:30 2026-03-31T18:30",
        ]
    );
}

#[test]
fn westward_the_ending_period_is_longer() {
    let made = [("2026-03-07T12:00:00Z", "America/New_York")];
    assert_eq!(
        shown(Period::Daily, "Asia/Kolkata", &made, "2026-03-06T20:00:00Z", "2026-03-10T00:00:00Z"),
        [
            "20260307 2026-03-06T18:30 2026-03-08T05:00",
            "20260308 2026-03-08T05:00 2026-03-09T04:00",
            "20260309 2026-03-09T04:00 2026-03-10T04:00",
        ]
    );
    // More than a day: the clock shows the date before the ending one, which was there already.
    let made = [("2026-03-07T08:00:00Z", "Etc/GMT+12")];
    assert_eq!(
        shown(Period::Daily, "Pacific/Kiritimati", &made, "2026-03-06T12:00:00Z", "2026-03-10T00:00:00Z"),
        [
            "20260307 2026-03-06T10:00 2026-03-08T12:00",
            "20260308 2026-03-08T12:00 2026-03-09T12:00",
            "20260309 2026-03-09T12:00 2026-03-10T12:00",
        ]
    );
}

#[test]
fn of_several_changes_before_the_end_the_last_counts() {
    let range = ("2026-01-14T00:00:00Z", "2026-01-16T00:00:00Z");
    let there = ("2026-01-14T09:00:00Z", "Asia/Kolkata");
    let list = |made: &[(&str, &str)]| shown(Period::Daily, "UTC", made, range.0, range.1);
    let (plain, moved) = (list(&[]), list(&[there]));
    assert_ne!(plain, moved);
    assert_eq!(list(&[there, ("2026-01-14T23:59:59Z", "UTC")]), plain);
    assert_eq!(list(&[("2026-01-14T01:00:00Z", "America/New_York"), there]), moved);
    // At the end itself it is too late: that is the next day.
    let late = list(&[there, ("2026-01-15T00:00:00Z", "Europe/Berlin")]);
    assert_eq!((&late[0], late[1].as_str()), (&plain[0], "20260115 2026-01-15T00:00 2026-01-15T23:00"));
}

#[test]
fn a_change_in_the_longer_part_takes_effect_at_its_end() {
    let west = ("2026-01-14T09:00:00Z", "America/New_York");
    let list = |second: &[(&str, &str)]| {
        let made: Vec<_> = [west].into_iter().chain(second.iter().copied()).collect();
        shown(Period::Daily, "UTC", &made, "2026-01-14T00:00:00Z", "2026-01-16T00:00:00Z")
    };
    assert_eq!(list(&[])[0], "20260114 2026-01-14T00:00 2026-01-15T05:00");
    // Back where it came from: the day goes on to the end it has by now.
    assert_eq!(
        list(&[("2026-01-15T02:00:00Z", "UTC")]),
        ["20260114 2026-01-14T00:00 2026-01-15T05:00", "20260115 2026-01-15T05:00 2026-01-16T00:00"]
    );
    // Further west still: longer again.
    let further = ("2026-01-15T02:00:00Z", "Pacific/Midway");
    assert_eq!(list(&[further])[0], "20260114 2026-01-14T00:00 2026-01-15T11:00");
    // Of two, the second.
    let back = ("2026-01-15T03:00:00Z", "America/New_York");
    assert_eq!(list(&[further, back]), list(&[]));
}

#[test]
fn hours_are_those_of_utc() {
    let made = [("2026-01-14T09:10:00Z", "Asia/Kolkata"), ("2026-01-14T10:10:00Z", "America/New_York")];
    let (from, to) = ("2026-01-14T08:00:00Z", "2026-01-14T13:00:00Z");
    assert_eq!(shown(Period::Hourly, "UTC", &made, from, to), shown(Period::Hourly, "UTC", &[], from, to));
}

#[test]
fn the_ends_of_time_are_reached() {
    for (first, second) in [("UTC", "Etc/GMT+12"), ("Etc/GMT+12", "Pacific/Kiritimati")] {
        for instant in [Timestamp::MIN, Timestamp::MAX.plus_micros(-1), Timestamp::MAX] {
            let made = [ZoneChange { at: instant, zone: zone(second) }];
            for period in Period::ALL {
                let calendar = Calendar::new(period, zone(first), &made);
                let last = calendar.span_at(Timestamp::MAX.plus_micros(-1));
                assert_eq!(last.end, Timestamp::MAX, "{period:?}");
                assert_eq!(calendar.span_at(Timestamp::MIN).start, Timestamp::MIN, "{period:?}");
                let ends = calendar.spans_overlapping(Timestamp::MAX.plus_micros(-2 * DAY), Timestamp::MAX);
                assert!(ends.count() <= 72, "{period:?}");
            }
        }
    }
}

/// The same by walking from period to period and asking at each end which zone counts.
fn walked(
    period: Period,
    first: &TimeZone,
    changes: &[ZoneChange],
    from: Timestamp,
    to: Timestamp,
) -> Vec<PeriodSpan> {
    let mut spans = Vec::new();
    let mut zone = first;
    let mut span = period.span_at(from, zone);
    while span.start < to {
        // A longer period may take up further changes.
        while let Some(change) = changes.iter().rfind(|change| change.at < span.end) {
            if change.zone == *zone {
                break;
            }
            zone = &change.zone;
            while period.span_at(span.end, zone).key <= span.key {
                span.end = period.span_at(span.end, zone).end;
            }
        }
        let next = PeriodSpan { start: span.end, ..period.span_at(span.end, zone) };
        spans.push(std::mem::replace(&mut span, next));
    }
    spans
}

/// A zone, changes within some days, and the range around them.
fn histories() -> impl Strategy<Value = (TimeZone, Vec<ZoneChange>, Timestamp, Timestamp)> {
    // Around New York's and Lord Howe's changes of clocks, and Apia's skipped day.
    let bases =
        ["2026-03-06T00:00:00Z", "2026-10-30T00:00:00Z", "2026-04-02T00:00:00Z", "2011-12-27T00:00:00Z"];
    let change = (0..9 * 24 * 4_i64, 0..ZONES.len(), prop_oneof![Just(1_i64), Just(12)]);
    let made = proptest::collection::vec(change, 0..12);
    (proptest::sample::select(bases.to_vec()), 0..ZONES.len(), made).prop_map(|(base, first, made)| {
        let base = at(base);
        let mut changes: Vec<ZoneChange> = made
            .into_iter()
            .map(|(quarter, name, spread)| ZoneChange {
                at: base.plus_micros(quarter * spread * 15 * MINUTE),
                zone: zone(ZONES[name]),
            })
            .collect();
        changes.sort_by_key(|change| change.at);
        (zone(ZONES[first]), changes, base.plus_micros(-3 * DAY), base.plus_micros(130 * DAY))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_instant_lies_in_one_period_with_a_key_of_its_own((first, changes, from, to) in histories()) {
        for period in [Period::Daily, Period::Weekly, Period::Monthly, Period::Yearly] {
            let calendar = Calendar::new(period, first.clone(), &changes);
            let spans: Vec<PeriodSpan> = calendar.spans_overlapping(from, to).collect();
            prop_assert!(spans.iter().all(|span| span.start < span.end), "{spans:?}");
            prop_assert!(spans.is_sorted_by(|a, b| a.end == b.start && a.key < b.key), "{spans:?}");
            for span in &spans {
                let middle = span.start.plus_micros(span.end.micros_since(span.start) / 2);
                for instant in [span.start, middle, span.end.plus_micros(-1)] {
                    prop_assert_eq!(&calendar.span_at(instant), span);
                }
            }
            prop_assert_eq!(spans, walked(period, &first, &changes, from, to));
        }
    }

    #[test]
    fn a_change_leaves_what_ended_before_it((first, changes, from, _) in histories()) {
        for (index, change) in changes.iter().enumerate() {
            let (before, after) = (&changes[..index], &changes[..=index]);
            for period in Period::ALL {
                let from = if period == Period::Hourly { change.at.plus_micros(-DAY) } else { from };
                let [old, new] = [before, after].map(|made| Calendar::new(period, first.clone(), made));
                let open = old.span_at(change.at);
                let past = |calendar: &Calendar| -> Vec<PeriodSpan> {
                    calendar.spans_overlapping(from, change.at.plus_micros(1)).filter(|span| span.end <= change.at).collect()
                };
                prop_assert_eq!(past(&old), past(&new));
                let changed = new.span_at(change.at);
                prop_assert_eq!((&changed.key, changed.start), (&open.key, open.start));
                // What waits is replaced, so it may end earlier than before, but never in the past.
                prop_assert!(changed.end > change.at);
            }
        }
    }

    #[test]
    fn keys_are_those_of_the_periods((first, changes, from, to) in histories()) {
        let calendars = Calendars::new(&first, &changes);
        let mut instant = from;
        while instant < to {
            let keys = calendars.keys_at(instant);
            let expected = Period::ALL.map(|period| calendars.of(period).span_at(instant).key);
            prop_assert_eq!([keys.hour, keys.day, keys.week, keys.month, keys.year], expected);
            instant = instant.plus_micros(7 * HOUR + 11 * MINUTE);
        }
    }
}
