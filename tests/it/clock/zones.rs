//! Windows of a zone agree with a recomputation over the raw events, across every change of clocks.
use super::naive::{Range, Sent, percentile, value, windows};
use super::send;
use crate::support::server::{Server, Setup};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write;

/// Each zone with the day its clocks change, and the seed of its events.
const CASES: [(&str, &str, u64); 6] = [
    ("Asia/Kolkata", "2026-03-08T07:00:00Z", 1),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", 2),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", 3),
    ("America/New_York", "2026-03-08T07:00:00Z", 4),
    ("America/New_York", "2026-11-01T06:00:00Z", 5),
    ("Pacific/Apia", "2011-12-30T10:00:00Z", 6),
];
const AGGREGATIONS: [&str; 9] =
    ["sum", "count", "avg", "min", "max", "first", "last", "unique_count", "time_weighted_avg"];
const PERCENTILES: [(&str, f64); 2] = [("p50", 0.5), ("p95", 0.95)];
const EVENTS: usize = 600;

/// A small generator of numbers (Knuth's constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        let mut bits = 0;
        for _ in 0..2 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // The low bits of such a generator repeat soon.
            bits = bits << 31 | self.0 >> 33;
        }
        bits % bound
    }
}

/// Events around a change: half of them within a day and a half of it, some at full quarters of an
/// hour, some at one instant.
fn events(change: Timestamp, seed: u64) -> Vec<Sent> {
    const DAY: i64 = 86_400_000_000;
    let mut dice = Dice(seed);
    let mut sent: Vec<Sent> = Vec::new();
    for number in 0..EVENTS {
        let reach = if number % 2 == 0 { 3 * DAY / 2 } else { 40 * DAY };
        let offset = dice.below(2 * reach as u64) as i64 - reach;
        let mut micros = change.as_microsecond() + offset;
        match dice.below(4) {
            0 => micros -= micros.rem_euclid(900_000_000),
            1 => micros = sent.last().map_or(micros, |last| last.at.as_microsecond()),
            _ => {}
        }
        let value = i128::from(dice.below(200_000)) - 40_000;
        let colour = ["red", "green", "blue", "grey"][dice.below(4) as usize];
        sent.push(Sent { at: Timestamp::from_microsecond(micros).expect("in range"), value, colour });
    }
    sent
}

fn decimal(hundredths: i128) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
}

fn micros(at: Timestamp) -> String {
    format!("{at:.6}")
}

async fn query(
    server: &Server,
    aggregation: &str,
    size: &str,
    zone: &str,
    customer: &str,
    range: Range,
) -> Vec<Value> {
    let mut path =
        format!("/v1/meters/{aggregation}/query?window={size}&time_zone={zone}&customer={customer}");
    write!(path, "&from={}&to={}", micros(range.start), micros(range.end)).expect("written");
    let answer = server.get(&path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()["data"].as_array().expect("rows").clone()
}

/// The ranges asked for: days around the change by hours and days, months around it by the rest.
/// Their ends are no full minute.
fn asked(change: Timestamp) -> Vec<(&'static str, Range)> {
    let at = |hours: i64, micros: i64| {
        Timestamp::from_microsecond(change.as_microsecond() + hours * 3_600_000_000 + micros)
            .expect("in range")
    };
    let near = Range { start: at(-40, 123_456_789), end: at(41, 7) };
    let far = Range { start: at(-24 * 45, 123_456_789), end: at(24 * 45, 1) };
    vec![("hour", near), ("day", near), ("day", far), ("week", far), ("month", far)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_agree_with_local_time() {
    let server = Setup::default().start();
    server.freeze("2027-06-01T00:00:00Z").await;
    for name in AGGREGATIONS.iter().copied().chain(PERCENTILES.iter().map(|(name, _)| *name)) {
        let property = (name == "unique_count").then_some("$.colour");
        let meter =
            json!({"key": name, "event_type": "use", "aggregation": name, "value_property": property});
        let made = server.post("/v1/meters", meter).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let mut rows = 0;
    for (zone, change, seed) in CASES {
        let change: Timestamp = change.parse().expect("a time");
        let customer = format!("c{seed}");
        let sent = events(change, seed);
        let body = |event: &Sent| {
            json!({
                "customer": customer, "meter": "use", "value": decimal(event.value),
                "time": micros(event.at), "properties": {"colour": event.colour},
            })
        };
        send(&server, sent.iter().map(body).collect()).await;
        let zone_data = TimeZone::get(zone).expect("a zone");
        for (size, range) in asked(change) {
            let windows = windows(size, &zone_data, range.start, range.end);
            for aggregation in AGGREGATIONS {
                let shown = query(&server, aggregation, size, zone, &customer, range).await;
                let expected = expected(aggregation, &sent, &windows, &customer);
                assert_eq!(shown, expected, "{aggregation} by {size} in {zone} around {change}");
                rows += shown.len();
            }
            for (name, share) in PERCENTILES {
                check_percentile(
                    &query(&server, name, size, zone, &customer, range).await,
                    share,
                    &sent,
                    &windows,
                );
            }
        }
    }
    assert!(rows > 5_000, "{rows} rows are too few to prove anything");
}

/// Windows with events; for levels those since the first event.
fn expected(aggregation: &str, sent: &[Sent], windows: &[Range], customer: &str) -> Vec<Value> {
    let first = sent.iter().map(|event| event.at).min();
    let shown = |window: &&Range| {
        if aggregation == "time_weighted_avg" {
            first.is_some_and(|first| first < window.end)
        } else {
            value("count", sent, **window).is_some_and(|count| count != "0")
        }
    };
    let row = |window: &Range| {
        json!({
            "value": value(aggregation, sent, *window), "window_start": micros(window.start),
            "window_end": micros(window.end), "customer": customer,
        })
    };
    windows.iter().filter(shown).map(row).collect()
}

fn check_percentile(shown: &[Value], share: f64, sent: &[Sent], windows: &[Range]) {
    let with_events: Vec<&Range> = windows
        .iter()
        .filter(|window| value("count", sent, **window).is_some_and(|count| count != "0"))
        .collect();
    assert_eq!(shown.len(), with_events.len());
    for (row, window) in shown.iter().zip(with_events) {
        assert_eq!(row["window_start"], micros(window.start));
        let shown: f64 = row["value"].as_str().expect("a value").parse().expect("a number");
        let exact = percentile(share, sent, *window);
        assert!((shown - exact).abs() <= exact.abs() * 0.01 + 1e-9, "{shown} is not {exact} within 1 %");
    }
}
