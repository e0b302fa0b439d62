use super::*;
use crate::calendar::Calendar;
use crate::window::{Window, WindowSize, windows};
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn shown(span: &PeriodSpan) -> String {
    let minute = |edge: Timestamp| edge.to_string()[..16].to_owned();
    format!("{} {} {}", span.key, minute(span.start), minute(span.end))
}

fn span(period: Period, instant: &str, name: &str) -> String {
    shown(&period.span_at(at(instant), &zone(name)))
}

#[test]
fn names_read_back() {
    assert_eq!(Period::ALL.map(Period::as_str), Period::NAMES);
    for name in Period::NAMES {
        assert_eq!(name.parse().map(Period::as_str), Ok(name));
    }
    assert_eq!("minutely".parse::<Period>(), Err(UnknownName));
}

#[test]
fn the_periods_of_an_instant() {
    let instant = "2026-01-14T09:30:00Z";
    for (period, expected) in Period::ALL.into_iter().zip([
        "2026011409 2026-01-14T09:00 2026-01-14T10:00",
        "20260114 2026-01-14T00:00 2026-01-15T00:00",
        "202603 2026-01-12T00:00 2026-01-19T00:00",
        "202601 2026-01-01T00:00 2026-02-01T00:00",
        "2026 2026-01-01T00:00 2027-01-01T00:00",
    ]) {
        assert_eq!(span(period, instant, "UTC"), expected);
    }
}

#[test]
fn zones_move_all_but_hours() {
    let instant = "2025-12-31T18:30:00Z";
    for (period, expected) in Period::ALL.into_iter().zip([
        "2025123118 2025-12-31T18:00 2025-12-31T19:00",
        "20260101 2025-12-31T18:30 2026-01-01T18:30",
        "202601 2025-12-28T18:30 2026-01-04T18:30",
        "202601 2025-12-31T18:30 2026-01-31T18:30",
        "2026 2025-12-31T18:30 2026-12-31T18:30",
    ]) {
        assert_eq!(span(period, instant, "Asia/Kolkata"), expected);
    }
    assert_eq!(
        span(Period::Daily, "2025-12-31T18:29:59.999999Z", "Asia/Kolkata"),
        "20251231 2025-12-30T18:30 2025-12-31T18:30"
    );
}

#[test]
fn changes_of_the_clock() {
    for (instant, name, expected) in [
        ("2026-03-08T12:00:00Z", "America/New_York", "20260308 2026-03-08T05:00 2026-03-09T04:00"),
        ("2026-11-02T04:59:59Z", "America/New_York", "20261101 2026-11-01T04:00 2026-11-02T05:00"),
        ("2018-11-04T03:00:00Z", "America/Sao_Paulo", "20181104 2018-11-04T03:00 2018-11-05T02:00"),
        ("2018-11-04T02:59:59Z", "America/Sao_Paulo", "20181103 2018-11-03T03:00 2018-11-04T03:00"),
        ("2026-11-01T05:30:00Z", "America/Havana", "20261101 2026-11-01T04:00 2026-11-02T05:00"),
        ("2010-11-07T02:35:00Z", "America/St_Johns", "20101107 2010-11-07T02:30 2010-11-08T03:30"),
        ("2011-12-30T09:59:59Z", "Pacific/Apia", "20111229 2011-12-29T10:00 2011-12-30T10:00"),
        ("2011-12-30T10:00:00Z", "Pacific/Apia", "20111231 2011-12-30T10:00 2011-12-31T10:00"),
    ] {
        assert_eq!(span(Period::Daily, instant, name), expected);
    }
}

#[test]
fn weeks_belong_to_the_year_of_their_thursday() {
    for (instant, expected) in [
        ("2021-01-03T23:59:59Z", "202053 2020-12-28T00:00 2021-01-04T00:00"),
        ("2021-01-04T00:00:00Z", "202101 2021-01-04T00:00 2021-01-11T00:00"),
        ("2024-12-30T00:00:00Z", "202501 2024-12-30T00:00 2025-01-06T00:00"),
        ("2027-01-01T00:00:00Z", "202653 2026-12-28T00:00 2027-01-04T00:00"),
    ] {
        assert_eq!(span(Period::Weekly, instant, "UTC"), expected);
    }
}

#[test]
fn keys_are_read_strictly() {
    let utc = TimeZone::UTC;
    for (period, key, start) in [
        (Period::Hourly, "2024022923", "2024-02-29T23:00:00Z"),
        (Period::Daily, "20240229", "2024-02-29T00:00:00Z"),
        (Period::Weekly, "202053", "2020-12-28T00:00:00Z"),
        (Period::Monthly, "202412", "2024-12-01T00:00:00Z"),
        (Period::Yearly, "0001", "0001-01-01T00:00:00Z"),
    ] {
        let span = period.span_of_key(key, &utc).expect("a key");
        assert_eq!((span.key.as_str(), span.start), (key, at(start)));
    }
    for (period, keys) in [
        (Period::Hourly, ["2024022924", "2024023000", "2024130100"]),
        (Period::Daily, ["20230229", "20240100", "00000101"]),
        (Period::Weekly, ["202153", "202600", "202654"]),
        (Period::Monthly, ["202413", "202400", "000012"]),
        (Period::Yearly, ["0000", "0000", "0000"]),
    ] {
        for key in keys {
            assert_eq!(period.span_of_key(key, &utc), Err(PeriodKeyError::NoSuchDate), "{key}");
        }
        for key in ["", "20", "2024-1", "+024", "2024012", "２０２６", "20240229230", "2026 1", "-20260101"]
        {
            let syntax = matches!(period.span_of_key(key, &utc), Err(PeriodKeyError::Syntax { .. }));
            assert!(syntax, "{key}");
        }
    }
    let apia = zone("Pacific/Apia");
    assert_eq!(Period::Daily.span_of_key("20111230", &apia), Err(PeriodKeyError::Skipped));
    assert!(Period::Daily.span_of_key("20111230", &utc).is_ok());
}

fn overlapping(period: Period, from: Timestamp, to: Timestamp, zone: &TimeZone) -> Vec<PeriodSpan> {
    Calendar::new(period, zone.clone(), &[]).spans_overlapping(from, to).collect()
}

#[test]
fn overlapping_spans_are_whole() {
    let list = |period: Period, from, to| overlapping(period, at(from), at(to), &zone("Pacific/Apia"));
    let days: Vec<String> =
        list(Period::Daily, "2011-12-29T12:00:00Z", "2011-12-31T10:00:00Z").iter().map(shown).collect();
    assert_eq!(
        days,
        ["20111229 2011-12-29T10:00 2011-12-30T10:00", "20111231 2011-12-30T10:00 2011-12-31T10:00"]
    );
    let (from, to) = ("2011-12-29T12:00:00Z", "2012-01-05T10:00:00Z");
    assert_eq!(list(Period::Daily, to, from), []);
    assert_eq!(list(Period::Daily, from, from), []);
    assert_eq!(list(Period::Yearly, from, to).len(), 2);
}

#[test]
fn the_ends_of_time() {
    for name in ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"] {
        let zone = zone(name);
        for period in Period::ALL {
            for (instant, edge) in [(Timestamp::MIN, "0001"), (Timestamp::MAX, "9999")] {
                let span = period.span_at(instant, &zone);
                assert!(span.key.starts_with(edge), "{name} {span:?}");
                assert!(
                    span.start <= instant && instant <= span.end && span.start < span.end,
                    "{name} {span:?}"
                );
                assert_eq!(period.span_of_key(&span.key, &zone), Ok(span));
            }
            let first = overlapping(period, Timestamp::MIN, Timestamp::MIN.plus_micros(HOUR), &zone);
            assert_eq!(first.len(), 1);
            let last = overlapping(period, Timestamp::MAX.plus_micros(-HOUR), Timestamp::MAX, &zone);
            assert!((1..=2).contains(&last.len()));
        }
        assert!(EventKeys::at(Timestamp::MAX, &zone).minute.starts_with("9999"));
    }
}

#[test]
fn keys_of_an_event() {
    let keys = EventKeys::at(at("2026-01-04T18:45:10Z"), &zone("Asia/Kolkata"));
    let expected = ["202601041845", "2026010418", "20260105", "202602", "202601", "2026"];
    assert_eq!([keys.minute, keys.hour, keys.day, keys.week, keys.month, keys.year], expected);
}

fn instants() -> impl Strategy<Value = (TimeZone, Timestamp, Timestamp)> {
    const ZONES: [&str; 8] = [
        "UTC",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/New_York",
        "Pacific/Apia",
        "America/Havana",
        "Pacific/Kwajalein",
        "America/St_Johns",
    ];
    let instant = Timestamp::MIN.as_micros()..Timestamp::MAX.as_micros();
    let recent = 0..80 * 365 * DAY;
    (0..ZONES.len(), prop_oneof![instant, recent], 0..800 * DAY, 0_u32..4).prop_map(
        |(name, from, length, shrink)| {
            let from = Timestamp::from_micros_clamped(from);
            (zone(ZONES[name]), from, from.plus_micros(length / 20_i64.pow(shrink)))
        },
    )
}

proptest! {
    #[test]
    fn spans_windows_and_keys_agree((zone, from, to) in instants()) {
        for period in Period::ALL {
            let to = if period == Period::Hourly { to.min(from.plus_micros(DAY)) } else { to };
            let spans = overlapping(period, from, to, &zone);
            for span in &spans {
                prop_assert_eq!(period.span_of_key(&span.key, &zone), Ok(span.clone()));
                prop_assert_eq!(&period.span_at(span.start, &zone), span);
                prop_assert_eq!(&period.span_at(span.end.plus_micros(-1), &zone), span);
                let keys = EventKeys::at(span.start, &zone);
                let key = match period {
                    Period::Hourly => keys.hour,
                    Period::Daily => keys.day,
                    Period::Weekly => keys.week,
                    Period::Monthly => keys.month,
                    Period::Yearly => keys.year,
                };
                prop_assert_eq!(&key, &span.key);
            }
            prop_assert!(spans.is_sorted_by(|a, b| a.end == b.start));
            let size = [WindowSize::Hour, WindowSize::Day, WindowSize::Week, WindowSize::Month, WindowSize::Year][period as usize];
            let clock = if period == Period::Hourly { TimeZone::UTC } else { zone.clone() };
            let clipped: Vec<Window> = spans.iter().map(|span| Window { start: span.start.max(from), end: span.end.min(to) }).collect();
            prop_assert_eq!(Ok(clipped), windows(size, &clock, from, to, 2_000));
        }
    }
}
