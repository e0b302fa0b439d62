//! Billing periods and changes within them.
use super::text;
use crate::cycle::{Alignment, BillingCycle};
use crate::money::Money;
use crate::proration::{BaseFee, Timing, change, timing};
use crate::share::Share;
use crate::time::Timestamp;
use serde_json::{Value, json};

fn at(given: &Value, field: &str) -> Timestamp {
    text(given, field).parse().expect("an instant")
}

fn cycle(given: &Value, interval: &str) -> BillingCycle {
    let by_calendar = given["calendar"].as_bool().unwrap_or(false);
    let zone = jiff::tz::TimeZone::get(text(given, "zone")).expect("a zone");
    let alignment =
        if by_calendar { Alignment::Calendar } else { Alignment::Anniversary(at(given, "anchor")) };
    let since = given["since"].as_str().map(|since| since.parse().expect("an instant"));
    BillingCycle { since, ..BillingCycle::new(interval.parse().expect("an interval"), zone, alignment) }
}

/// As many periods as edges are expected, from that of `from` on.
pub(super) fn run(given: &Value) -> Value {
    let count = given["expect"]["edges"].as_array().map_or(1, |edges| edges.len() - 1);
    let cycle = cycle(given, text(given, "interval"));
    let periods: Vec<_> = cycle.periods_from(at(given, "from")).take(count).collect();
    let edges = periods.iter().map(|period| period.start).chain(periods.last().map(|period| period.end));
    json!({
        "edges": edges.map(|edge| edge.to_string()).collect::<Vec<_>>(),
        "seconds": periods.iter().map(|period| period.micros() / 1_000_000).collect::<Vec<_>>(),
    })
}

pub(super) fn change_plan(given: &Value) -> Value {
    let currency = text(given, "currency").parse().expect("a currency");
    let fee = |plan: &Value| BaseFee {
        amount: Money::parse(text(plan, "amount"), currency).expect("an amount"),
        interval: text(plan, "interval").parse().expect("an interval"),
    };
    let (old, new, instant) = (fee(&given["old"]), fee(&given["new"]), at(given, "at"));
    let cycle = cycle(given, old.interval.as_str());
    let share = Share::left(instant, cycle.period_at(instant).expect("begun"));
    let lines = change(old, new, &cycle, instant).expect("fits").expect("begun");
    let rounded = |exact| Money::rounded(exact, currency).expect("fits").amount();
    json!({
        "timing": if timing(old, new).expect("one currency") == Timing::Now { "now" } else { "period_end" },
        "left_s": share.part_s,
        "period_s": share.whole_s,
        "credit": lines.credit,
        "credit_line": rounded(lines.credit),
        "charge": lines.charge,
        "charge_line": rounded(lines.charge),
        "credited_until": lines.credited.end.to_string(),
        "charged_until": lines.charged.end.to_string(),
    })
}
