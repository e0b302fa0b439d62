use super::*;
use crate::time::{DAY, HOUR, MINUTE};
use jiff::civil::DateTime;
use proptest::prelude::*;
use std::collections::HashSet;

const ZONES: [&str; 16] = [
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Europe/Dublin",
    "Asia/Gaza",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn local(zone: &TimeZone, micros: i64) -> DateTime {
    zone.to_datetime(jiff::Timestamp::from_microsecond(micros).expect("in range"))
}

/// Where the windows of a range begin, as UTC to the minute, and the end of the last.
fn edges(size: WindowSize, name: &str, from: &str, to: &str) -> String {
    let list = windows(size, &zone(name), at(from), at(to), 100).expect("few");
    assert!(list.is_sorted_by(|a, b| a.end == b.start));
    let edges = list.iter().map(|window| window.start).chain(list.last().map(|window| window.end));
    edges.map(|edge| edge.to_string()[5..16].to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn names_read_back() {
    for name in WindowSize::NAMES {
        assert_eq!(name.parse().map(WindowSize::as_str), Ok(name));
    }
    assert_eq!("Day".parse::<WindowSize>(), Err(UnknownName));
}

#[test]
fn edges_are_clipped_and_none_is_one() {
    let day = |from, to| edges(WindowSize::Day, "Asia/Kolkata", from, to);
    assert_eq!(day("2026-01-13T20:00:00Z", "2026-01-15T06:00:00Z"), "01-13T20:00 01-14T18:30 01-15T06:00");
    assert_eq!(day("2026-01-13T18:30:00Z", "2026-01-14T18:30:00Z"), "01-13T18:30 01-14T18:30");
    assert_eq!(day("2026-01-13T18:29:00Z", "2026-01-13T18:31:00Z"), "01-13T18:29 01-13T18:30 01-13T18:31");
    assert_eq!(day("2026-01-13T18:30:00Z", "2026-01-13T18:30:00Z"), "");
    assert_eq!(day("2026-01-14T18:30:00Z", "2026-01-13T18:30:00Z"), "");
    let none = edges(WindowSize::None, "Asia/Kolkata", "2026-01-13T20:00:00Z", "2026-03-15T06:00:00Z");
    assert_eq!(none, "01-13T20:00 03-15T06:00");
}

#[test]
fn half_hour_zones_have_their_own_hours() {
    assert_eq!(
        edges(WindowSize::Hour, "Asia/Kolkata", "2026-01-14T09:00:00Z", "2026-01-14T11:00:00Z"),
        "01-14T09:00 01-14T09:30 01-14T10:30 01-14T11:00"
    );
}

#[test]
fn lord_howe_moves_its_clock_by_half_an_hour() {
    // Forward at 02:00 to 02:30: the skipped reading of 02:00 begins a window of half an hour.
    assert_eq!(
        edges(WindowSize::Hour, "Australia/Lord_Howe", "2025-10-04T13:30:00Z", "2025-10-04T17:00:00Z"),
        "10-04T13:30 10-04T14:30 10-04T15:30 10-04T16:00 10-04T17:00"
    );
    // Back at 02:00 to 01:30: 01:00 to 02:00 lasts 90 minutes.
    assert_eq!(
        edges(WindowSize::Hour, "Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-04T16:30:00Z"),
        "04-04T13:00 04-04T14:00 04-04T15:30 04-04T16:30"
    );
    assert_eq!(
        edges(WindowSize::Day, "Australia/Lord_Howe", "2026-04-03T13:00:00Z", "2026-04-05T13:30:00Z"),
        "04-03T13:00 04-04T13:00 04-05T13:30"
    );
}

#[test]
fn new_york_skips_one_hour_and_repeats_another() {
    assert_eq!(
        edges(WindowSize::Hour, "America/New_York", "2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z"),
        "03-08T06:00 03-08T07:00 03-08T08:00"
    );
    assert_eq!(
        edges(WindowSize::Hour, "America/New_York", "2026-11-01T05:00:00Z", "2026-11-01T08:00:00Z"),
        "11-01T05:00 11-01T06:00 11-01T07:00 11-01T08:00"
    );
    assert_eq!(
        edges(WindowSize::Day, "America/New_York", "2026-03-07T05:00:00Z", "2026-03-09T04:00:00Z"),
        "03-07T05:00 03-08T05:00 03-09T04:00"
    );
    assert_eq!(
        edges(WindowSize::Day, "America/New_York", "2026-10-31T04:00:00Z", "2026-11-02T05:00:00Z"),
        "10-31T04:00 11-01T04:00 11-02T05:00"
    );
    assert_eq!(
        edges(WindowSize::Month, "America/New_York", "2026-02-01T05:00:00Z", "2026-12-01T05:00:00Z"),
        "02-01T05:00 03-01T05:00 04-01T04:00 05-01T04:00 06-01T04:00 07-01T04:00 08-01T04:00 09-01T04:00 \
         10-01T04:00 11-01T04:00 12-01T05:00"
    );
}

#[test]
fn a_date_that_never_was_has_no_window() {
    assert_eq!(
        edges(WindowSize::Day, "Pacific/Apia", "2011-12-28T10:00:00Z", "2012-01-01T10:00:00Z"),
        "12-28T10:00 12-29T10:00 12-30T10:00 12-31T10:00 01-01T10:00"
    );
    let all = windows(
        WindowSize::Day,
        &zone("Pacific/Apia"),
        at("2011-12-01T10:00:00Z"),
        at("2011-12-31T10:00:00Z"),
        99,
    );
    assert_eq!(all.map(|list| list.len()), Ok(30));
    assert_eq!(
        edges(WindowSize::Week, "Pacific/Apia", "2011-12-26T10:00:00Z", "2012-01-08T10:00:00Z"),
        "12-26T10:00 01-01T10:00 01-08T10:00"
    );
    // The whole skipped day of 24 full hours begins one window, at the change.
    assert_eq!(
        edges(WindowSize::Hour, "Pacific/Apia", "2011-12-30T08:00:00Z", "2011-12-30T12:00:00Z"),
        "12-30T08:00 12-30T09:00 12-30T10:00 12-30T11:00 12-30T12:00"
    );
}

#[test]
fn a_skipped_midnight_begins_the_day_at_the_change() {
    assert_eq!(
        edges(WindowSize::Day, "America/Sao_Paulo", "2018-11-03T03:00:00Z", "2018-11-05T02:00:00Z"),
        "11-03T03:00 11-04T03:00 11-05T02:00"
    );
    // Back at 00:00 to 23:00: midnight is read once, an hour later.
    assert_eq!(
        edges(WindowSize::Day, "America/Sao_Paulo", "2018-02-17T02:00:00Z", "2018-02-19T03:00:00Z"),
        "02-17T02:00 02-18T03:00 02-19T03:00"
    );
    assert_eq!(
        edges(WindowSize::Day, "Asia/Beirut", "2026-03-27T22:00:00Z", "2026-03-30T21:00:00Z"),
        "03-27T22:00 03-28T22:00 03-29T21:00 03-30T21:00"
    );
    // Toronto put its clock forward at 23:30 (1919-03-30), so the 31st begins at 00:30.
    assert_eq!(
        edges(WindowSize::Day, "America/Toronto", "1919-03-30T05:00:00Z", "1919-04-01T04:00:00Z"),
        "03-30T05:00 03-31T04:30 04-01T04:00"
    );
}

#[test]
fn of_two_midnights_the_first_counts() {
    assert_eq!(
        edges(WindowSize::Day, "America/Havana", "2026-10-31T04:00:00Z", "2026-11-02T05:00:00Z"),
        "10-31T04:00 11-01T04:00 11-02T05:00"
    );
    assert_eq!(
        edges(WindowSize::Month, "America/Havana", "2026-10-01T04:00:00Z", "2026-12-01T05:00:00Z"),
        "10-01T04:00 11-01T04:00 12-01T05:00"
    );
    assert_eq!(
        edges(WindowSize::Hour, "America/Havana", "2026-11-01T04:00:00Z", "2026-11-01T07:00:00Z"),
        "11-01T04:00 11-01T05:00 11-01T06:00 11-01T07:00"
    );
    // St. John's put its clock back at 00:01, to 23:01 of the day before.
    assert_eq!(
        edges(WindowSize::Day, "America/St_Johns", "2010-11-06T02:30:00Z", "2010-11-08T03:30:00Z"),
        "11-06T02:30 11-07T02:30 11-08T03:30"
    );
}

#[test]
fn a_date_begins_once_however_often_the_clock_changes() {
    // On 1 March back at 00:10 to 23:10, and forward at 23:30 to 00:30: midnight is read, then skipped.
    let zone = TimeZone::posix("AAA0BBB1,J60/0:10,J59/23:30").expect("a zone");
    let (from, to) = (at("2026-02-28T00:00:00Z"), at("2026-03-02T12:00:00Z"));
    let days = windows(WindowSize::Day, &zone, from, to, 9).expect("few");
    let edges: Vec<String> = days.iter().map(|day| day.start.to_string()[5..16].to_owned()).collect();
    assert_eq!(edges, ["02-28T00:00", "03-01T00:00", "03-02T00:00"]);
}

#[test]
fn leap_years_and_iso_weeks() {
    let year = |size, year: i64| {
        let start = |year: i64| at(&format!("{year}-01-01T00:00:00Z"));
        windows(size, &TimeZone::UTC, start(year), start(year + 1), 400).map(|list| list.len())
    };
    assert_eq!((year(WindowSize::Day, 2024), year(WindowSize::Day, 2026)), (Ok(366), Ok(365)));
    assert_eq!((year(WindowSize::Day, 2000), year(WindowSize::Day, 2100)), (Ok(366), Ok(365)));
    assert_eq!((year(WindowSize::Month, 2024), year(WindowSize::Year, 2024)), (Ok(12), Ok(1)));
    assert_eq!(
        edges(WindowSize::Week, "UTC", "2020-12-28T00:00:00Z", "2021-01-11T00:00:00Z"),
        "12-28T00:00 01-04T00:00 01-11T00:00"
    );
    assert_eq!(
        edges(WindowSize::Month, "UTC", "2024-01-31T00:00:00Z", "2024-03-01T00:00:00Z"),
        "01-31T00:00 02-01T00:00 03-01T00:00"
    );
}

#[test]
fn too_many_are_refused_before_they_are_made() {
    let all = |size, max| windows(size, &zone("America/New_York"), Timestamp::MIN, Timestamp::MAX, max);
    assert_eq!(all(WindowSize::Minute, 1_000), Err(TooManyWindows { max: 1_000 }));
    assert_eq!(all(WindowSize::None, 0), Err(TooManyWindows { max: 0 }));
    // The first hours of the year 1 and of 10000 are other years in New York.
    assert_eq!(all(WindowSize::Year, 20_000).map(|list| list.len()), Ok(10_000));
    let kolkata = windows(WindowSize::Year, &zone("Asia/Kolkata"), Timestamp::MIN, Timestamp::MAX, 20_000);
    assert_eq!(kolkata.map(|list| list.len()), Ok(10_000));
    for size in WindowSize::NAMES {
        let size: WindowSize = size.parse().expect("a name");
        let late = Timestamp::MAX.plus_micros(-3 * HOUR);
        for name in ZONES {
            let list = windows(size, &zone(name), late, Timestamp::MAX, 200).expect("few");
            assert_eq!(list.last().map(|window| window.end), Some(Timestamp::MAX));
            let list = windows(size, &zone(name), Timestamp::MIN, Timestamp::MIN.plus_micros(3 * HOUR), 200);
            assert_eq!(list.expect("few").first().map(|window| window.start), Some(Timestamp::MIN));
        }
    }
}

/// Where windows begin by the letter of the rules, told from the clock's reading at every minute.
fn naive_edges(size: WindowSize, zone: &TimeZone, from: i64, to: i64) -> Vec<i64> {
    let unit = if size == WindowSize::Minute { MINUTE } else { HOUR };
    let reading = |micros: i64| {
        micros
            + i64::from(
                zone.to_offset(jiff::Timestamp::from_microsecond(micros).expect("in range")).seconds(),
            ) * 1_000_000
    };
    let mut edges = Vec::new();
    let mut names = HashSet::new();
    let mut last = None;
    let mut instant = (from - 4 * DAY).div_euclid(MINUTE) * MINUTE;
    while instant < to {
        let now = reading(instant);
        let date = local(zone, instant).date();
        let begins = match size {
            WindowSize::None => false,
            WindowSize::Minute | WindowSize::Hour => {
                let skipped = last.is_some_and(|last: i64| {
                    let next = last + MINUTE;
                    next + (-next).rem_euclid(unit) < now
                });
                now.rem_euclid(unit) == 0 || skipped
            }
            // A longer unit begins when a date of it is read for the first time.
            WindowSize::Day => names.insert((date.year(), date.day_of_year())),
            WindowSize::Week => {
                names.insert((date.iso_week_date().year(), i16::from(date.iso_week_date().week())))
            }
            WindowSize::Month => names.insert((date.year(), i16::from(date.month()))),
            WindowSize::Year => names.insert((date.year(), 0)),
        };
        if begins && instant > from {
            edges.push(instant);
        }
        last = Some(now);
        instant += MINUTE;
    }
    edges
}

/// A range in one of the zones, as often as not near one of its changes. Offsets of whole minutes only.
fn range() -> impl Strategy<Value = (TimeZone, i64, i64)> {
    let instant = 6 * 365 * DAY..80 * 365 * DAY;
    let near = prop::option::of(-30 * HOUR..30 * HOUR);
    (0..ZONES.len(), instant, near, 0..9 * DAY).prop_map(|(name, instant, near, length)| {
        let zone = zone(ZONES[name]);
        let start = jiff::Timestamp::from_microsecond(instant).expect("in range");
        let change = zone.following(start).next().map(|change| change.timestamp().as_microsecond());
        let from = match (near, change) {
            (Some(near), Some(change)) => change + near,
            _ => instant,
        };
        (zone, from, from + length)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn windows_agree_with_reading_the_clock_every_minute((zone, from, to) in range()) {
        let instant = |micros| Timestamp::from_micros(micros).expect("in range");
        for name in WindowSize::NAMES {
            let size: WindowSize = name.parse().expect("a name");
            let (from, to) = if size == WindowSize::Minute { (from, to.min(from + 6 * HOUR)) } else { (from, to) };
            let list = windows(size, &zone, instant(from), instant(to), 100_000).expect("few");
            let mut edges: Vec<i64> = list.iter().map(|window| window.start.as_micros()).collect();
            edges.extend(list.last().map(|window| window.end.as_micros()));
            let mut expected = vec![from];
            expected.extend(naive_edges(size, &zone, from, to));
            expected.push(to);
            if from == to {
                expected.clear();
            }
            prop_assert_eq!(edges, expected, "{}", name);
            prop_assert!(list.is_sorted_by(|a, b| a.end == b.start));
        }
    }
}

/// Whole days last from half a day to two, whatever the clock does.
#[test]
fn days_around_every_change_of_every_zone() {
    let (from, to) = (at("1800-01-01T00:00:00Z").as_micros(), at("2045-01-01T00:00:00Z").as_micros());
    let start = jiff::Timestamp::from_microsecond(from).expect("in range");
    for name in jiff::tz::db().available() {
        let zone = zone(name.as_str());
        let changes = zone.following(start).map(|change| change.timestamp().as_microsecond());
        for change in changes.take_while(|change| *change < to) {
            let (from, to) = (change - 3 * DAY, change + 3 * DAY);
            let instant = Timestamp::from_micros_clamped;
            let days = windows(WindowSize::Day, &zone, instant(from), instant(to), 9).expect("few");
            // A repeated date makes one of the days twice as long.
            assert!((5..=8).contains(&days.len()), "{name} {change}: {days:?}");
            for day in &days[1..days.len() - 1] {
                let hours = day.micros() / HOUR as u64;
                assert!((12..=49).contains(&hours), "{name} {change}: a day of {hours} hours");
            }
        }
    }
}
