//! Usage by local time, computed minute by minute and event by event, with nothing shared with the
//! server but the time zone data.
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::collections::BTreeSet;

/// An event as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Timestamp,
    /// Hundredths.
    pub value: i128,
    pub colour: &'static str,
}

/// A range of instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Range {
    fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    fn micros(&self) -> i128 {
        i128::from(self.end.as_microsecond() - self.start.as_microsecond())
    }
}

/// The local midnight, Monday or first of the month that a reading belongs to.
fn label(size: &str, reading: DateTime) -> DateTime {
    let date = reading.date();
    let date = match size {
        "day" => date,
        "week" => date
            .iso_week_date()
            .date()
            .checked_sub(Span::new().days(i64::from(date.weekday().to_monday_zero_offset())))
            .expect("a date"),
        "month" => date.first_of_month(),
        other => panic!("{other}"),
    };
    date.to_datetime(jiff::civil::Time::midnight())
}

/// The windows of `from..to`: a new one whenever the clock, looked at each minute, shows a new day,
/// week or month for the first time, or a full hour.
pub fn windows(size: &str, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Range> {
    const MINUTE: i64 = 60;
    let first = from.as_second().div_euclid(MINUTE) * MINUTE - 3 * 24 * 3_600;
    let mut starts = Vec::new();
    let mut latest: Option<DateTime> = None;
    let mut expected: Option<DateTime> = None;
    for second in (first..=to.as_second()).step_by(60) {
        let at = Timestamp::from_second(second).expect("in range");
        let reading = at.to_zoned(zone.clone()).datetime();
        let begins = if size == "hour" {
            // A full hour between what was to be read and what is read was skipped.
            let lowest = expected.map_or(reading, |expected| expected.min(reading));
            let hour = |reading: DateTime| (reading.date(), reading.hour());
            reading.minute() == 0
                || (lowest < reading && (lowest.minute() == 0 || hour(lowest) != hour(reading)))
        } else {
            let label = label(size, reading);
            let new = latest.is_none_or(|latest| label > latest);
            latest = latest.max(Some(label));
            new
        };
        expected = Some(reading.checked_add(Span::new().minutes(1)).expect("in range"));
        if begins && at > from && at < to {
            starts.push(at);
        }
    }
    let edges: Vec<Timestamp> = std::iter::once(from).chain(starts).chain([to]).collect();
    edges.windows(2).map(|pair| Range { start: pair[0], end: pair[1] }).collect()
}

/// The decimal of `numerator / denominator`, half to even at 18 digits, without trailing zeros.
fn quotient(numerator: i128, denominator: i128) -> String {
    const ONE: i128 = 1_000_000_000_000_000_000;
    let (sign, numerator) = (if numerator < 0 { "-" } else { "" }, numerator.abs());
    let (whole, mut rest) = (numerator / denominator, numerator % denominator);
    let mut fraction = 0;
    for _ in 0..18 {
        rest *= 10;
        fraction = fraction * 10 + rest / denominator;
        rest %= denominator;
    }
    let up = rest * 2 > denominator || (rest * 2 == denominator && fraction % 2 == 1);
    let scaled = whole * ONE + fraction + i128::from(up);
    let text = format!("{}.{:018}", scaled / ONE, scaled % ONE);
    let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if text == "0" { text } else { format!("{sign}{text}") }
}

/// What a window's events come to; `None` where there is no value. `events` are in the order of
/// sending.
pub fn value(aggregation: &str, events: &[Sent], window: Range) -> Option<String> {
    if aggregation == "time_weighted_avg" {
        return Some(level(events, window));
    }
    let mut inside: Vec<&Sent> = events.iter().filter(|event| window.contains(event.at)).collect();
    let count = inside.len() as i128;
    let hundredths = |value: i128| quotient(value, 100);
    let sum: i128 = inside.iter().map(|event| event.value).sum();
    // Sorting keeps the order of sending for the same instant.
    inside.sort_by_key(|event| event.at);
    match aggregation {
        "sum" => Some(hundredths(sum)),
        "count" => Some(count.to_string()),
        "unique_count" => {
            Some(inside.iter().map(|event| event.colour).collect::<BTreeSet<_>>().len().to_string())
        }
        "avg" if count > 0 => Some(quotient(sum, count * 100)),
        "max" => inside.iter().map(|event| event.value).max().map(hundredths),
        "min" => inside.iter().map(|event| event.value).min().map(hundredths),
        "first" => inside.first().map(|event| hundredths(event.value)),
        "last" => inside.last().map(|event| hundredths(event.value)),
        _ => None,
    }
}

/// The nearest-rank percentile of a window's values.
pub fn percentile(share: f64, events: &[Sent], window: Range) -> f64 {
    let mut values: Vec<i128> =
        events.iter().filter(|event| window.contains(event.at)).map(|event| event.value).collect();
    values.sort_unstable();
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.max(1) - 1] as f64 / 100.0
}

/// The mean of the running sum over a window, counted as zero while it is below.
fn level(events: &[Sent], window: Range) -> String {
    let mut sorted: Vec<&Sent> = events.iter().filter(|event| event.at < window.end).collect();
    sorted.sort_by_key(|event| event.at);
    let (mut held, mut since, mut integral) = (0_i128, window.start, 0_i128);
    for event in sorted {
        let at = event.at.max(window.start);
        integral += held.max(0) * Range { start: since, end: at }.micros();
        (held, since) = (held + event.value, at);
    }
    integral += held.max(0) * Range { start: since, end: window.end }.micros();
    quotient(integral, window.micros() * 100)
}
