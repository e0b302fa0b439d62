use super::*;
use crate::cycle::Alignment;
use crate::interval::Interval;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Timestamp::parse(&text).expect("an instant")
}

fn monthly(anchor: &str) -> BillingCycle {
    BillingCycle {
        interval: Interval::Month,
        zone: TimeZone::UTC,
        alignment: Alignment::Anniversary(at(anchor)),
    }
}

fn calendar() -> BillingCycle {
    BillingCycle { interval: Interval::Month, zone: TimeZone::UTC, alignment: Alignment::Calendar }
}

fn phase(starts_at: &str, plan: &str, status: SubscriptionStatus, cycle: &BillingCycle) -> Phase {
    let plan = PlanVersion { key: PlanKey::parse(plan).expect("a key"), version: 1 };
    Phase { starts_at: at(starts_at), plan, status, cycle: cycle.clone() }
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// Period, its opening, its changes and its parts, as short as can be.
fn shown(period: Option<BillingPeriod>) -> String {
    let Some(period) = period else { return "none".to_owned() };
    let opening = period.opening.as_ref().map_or("-", |plan| plan.key.as_str());
    let changes = period.changes.iter().map(|change| {
        let sign = if change.given_back { '-' } else { '+' };
        format!(" {sign}{}@{}", change.plan.key.as_str(), day(change.rest.start))
    });
    let parts = period.parts.iter().map(|part| {
        let days = |seconds: u64| seconds / 86_400;
        let share = format!("{}/{}", days(part.share.part_s), days(part.share.whole_s));
        format!(" [{} {} {share}]", part.plan.key.as_str(), day(part.window.end))
    });
    let (changes, parts): (String, String) = (changes.collect(), parts.collect());
    format!("{}..{} {opening}{changes}{parts}", day(period.window.start), day(period.window.end))
}

use SubscriptionStatus::{Active, Canceled, Expired, PastDue, Paused, Trialing};

/// Every period, from the first on.
fn all(phases: &[Phase], count: usize) -> Vec<String> {
    let mut from = phases[0].starts_at;
    let mut periods = Vec::new();
    while periods.len() < count {
        let period = billing_period_from(phases, from);
        let Some(end) = period.as_ref().map(|period| period.window.end) else { break };
        from = end;
        periods.push(shown(period));
    }
    periods
}

#[test]
fn periods_follow_each_other_and_a_late_payment_changes_nothing() {
    let cycle = monthly("2026-01-31");
    let phases = [
        phase("2026-01-31", "pro", Active, &cycle),
        phase("2026-03-05", "pro", PastDue, &cycle),
        phase("2026-03-09", "pro", Active, &cycle),
    ];
    assert_eq!(
        all(&phases, 3),
        [
            "2026-01-31..2026-02-28 pro [pro 2026-02-28 28/28]",
            "2026-02-28..2026-03-31 pro [pro 2026-03-31 31/31]",
            "2026-03-31..2026-04-30 pro [pro 2026-04-30 30/30]",
        ]
    );
}

#[test]
fn a_trial_is_no_billing_period() {
    let cycle = monthly("2026-01-08");
    let trial = phase("2026-01-01", "pro", Trialing, &cycle);
    assert_eq!(shown(billing_period_from(std::slice::from_ref(&trial), trial.starts_at)), "none");
    let goes_on = [trial.clone(), phase("2026-01-08", "pro", Active, &cycle)];
    assert_eq!(all(&goes_on, 1), ["2026-01-08..2026-02-08 pro [pro 2026-02-08 31/31]"]);
    let expires = [trial, phase("2026-01-08", "pro", Expired, &cycle)];
    assert_eq!(all(&expires, 1), [""; 0]);
}

#[test]
fn the_first_period_of_the_calendar_is_part_of_one() {
    let cycle = calendar();
    let phases = [phase("2026-01-11", "pro", Active, &cycle)];
    let first = billing_period_from(&phases, at("2026-01-11")).expect("a period");
    let (rest, share) = first.opening_share();
    assert_eq!((rest, share.part_s / 86_400), (first.window, 21));
    assert_eq!(shown(Some(first)), "2026-01-11..2026-02-01 pro [pro 2026-02-01 21/31]");
    assert_eq!(all(&phases, 2)[1], "2026-02-01..2026-03-01 pro [pro 2026-03-01 28/28]");
}

#[test]
fn an_upgrade_splits_the_period() {
    let cycle = monthly("2026-04-01");
    let phases = [
        phase("2026-04-01", "basic", Active, &cycle),
        phase("2026-04-11", "pro", Active, &cycle),
        phase("2026-05-01", "free", Active, &cycle),
    ];
    assert_eq!(
        all(&phases, 2),
        [
            "2026-04-01..2026-05-01 basic -basic@2026-04-11 +pro@2026-04-11 [basic 2026-04-11 10/30] [pro 2026-05-01 20/30]",
            "2026-05-01..2026-06-01 free [free 2026-06-01 31/31]",
        ]
    );
}

#[test]
fn another_interval_ends_the_period_and_gives_the_rest_back() {
    let (month, year) =
        (monthly("2026-02-01"), BillingCycle { interval: Interval::Year, ..monthly("2026-02-15") });
    let phases = [phase("2026-02-01", "pro", Active, &month), phase("2026-02-15", "yearly", Active, &year)];
    assert_eq!(
        all(&phases, 2),
        [
            "2026-02-01..2026-02-15 pro -pro@2026-02-15 [pro 2026-02-15 14/28]",
            "2026-02-15..2027-02-15 yearly [yearly 2027-02-15 365/365]",
        ]
    );
}

#[test]
fn whoever_leaves_has_paid_for_the_whole_period() {
    let cycle = monthly("2026-04-01");
    let phases = [
        phase("2026-04-01", "basic", Active, &cycle),
        phase("2026-04-11", "pro", Active, &cycle),
        phase("2026-04-16", "pro", Canceled, &cycle),
    ];
    assert_eq!(
        all(&phases, 2),
        [
            "2026-04-01..2026-04-16 basic -basic@2026-04-11 +pro@2026-04-11 [basic 2026-04-11 10/30] [pro 2026-04-16 20/30]"
        ]
    );
    let at_the_end = [phases[0].clone(), phase("2026-05-01", "basic", Canceled, &cycle)];
    assert_eq!(all(&at_the_end, 2), ["2026-04-01..2026-05-01 basic [basic 2026-05-01 30/30]"]);
}

#[test]
fn a_pause_gives_the_rest_back_and_is_not_billed() {
    let cycle = monthly("2026-04-01");
    let phases = [
        phase("2026-04-01", "pro", Active, &cycle),
        phase("2026-04-21", "pro", Paused, &cycle),
        phase("2026-06-11", "pro", Active, &cycle),
    ];
    assert_eq!(
        all(&phases, 3),
        [
            "2026-04-01..2026-05-01 pro -pro@2026-04-21 [pro 2026-04-21 20/30]",
            "2026-05-01..2026-06-01 -",
            "2026-06-01..2026-07-01 - +pro@2026-06-11 [pro 2026-07-01 20/30]",
        ]
    );
}

#[test]
fn of_what_begins_at_one_instant_the_last_counts() {
    let cycle = monthly("2026-04-01");
    let phases = [
        phase("2026-04-01", "basic", Active, &cycle),
        phase("2026-04-01", "pro", Active, &cycle),
        phase("2026-04-16", "basic", Active, &cycle),
        phase("2026-04-16", "pro", Active, &cycle),
    ];
    assert_eq!(all(&phases, 1), ["2026-04-01..2026-05-01 pro [pro 2026-05-01 30/30]"]);
    let gone = [phases[0].clone(), phase("2026-04-01", "basic", Canceled, &cycle)];
    assert_eq!(all(&gone, 1), [""; 0]);
}

proptest! {
    /// Whatever happens, periods leave no gap, parts lie in their period, and the fees of every instant
    /// that is billed were charged once: for each period, fees charged less those given back are the
    /// seconds in force, unless the subscription ended in it.
    #[test]
    fn fees_and_parts_cover_what_is_billed(
        steps in prop::collection::vec((1_i64..40 * 86_400, 0_usize..5), 0..8),
        is_calendar in any::<bool>(),
    ) {
        let cycle = if is_calendar { calendar() } else { monthly("2026-01-05") };
        let mut phases = vec![phase("2026-01-05", "a", Active, &cycle)];
        for (seconds, kind) in steps {
            let last = phases.last().expect("one");
            let starts_at = last.starts_at.plus_micros(seconds * 1_000_000);
            let (plan, status) = match kind {
                0 => ("a", Active),
                1 => ("b", Active),
                2 => ("a", PastDue),
                3 => ("a", Paused),
                _ => ("b", Paused),
            };
            phases.push(Phase { starts_at, ..phase("2026-01-05", plan, status, &cycle) });
        }
        let mut from = phases[0].starts_at;
        for _ in 0..12 {
            let period = billing_period_from(&phases, from).expect("it goes on");
            prop_assert_eq!(period.window.start, from);
            from = period.window.end;
            let seconds = |window: Window| i128::from(Share::of(window, period.whole).part_s);
            let mut paid = period.opening.as_ref().map_or(0, |_| seconds(period.opening_share().0));
            for change in &period.changes {
                paid += if change.given_back { -seconds(change.rest) } else { seconds(change.rest) };
            }
            let rated: i128 = period.parts.iter().map(|part| i128::from(part.share.part_s)).sum();
            prop_assert_eq!(paid, rated);
            let mut last_end = period.window.start;
            for part in &period.parts {
                prop_assert!(last_end <= part.window.start && part.window.end <= period.window.end);
                prop_assert_eq!(Share::of(part.window, period.whole), part.share);
                last_end = part.window.end;
            }
        }
    }
}

#[test]
fn closings_begin_follow_each_other_and_settle_what_came_late() {
    let cycle = monthly("2026-04-01");
    let phases = [phase("2026-04-01", "pro", Active, &cycle), phase("2026-05-16", "pro", Canceled, &cycle)];
    let mut until = None;
    let mut shown = Vec::new();
    while let Some(closing) = Closing::next(&phases, until) {
        let what = |period: &Option<BillingPeriod>| {
            period.as_ref().map_or("-".to_owned(), |one| day(one.window.start))
        };
        shown.push(format!("{}: {} {}", day(closing.at), what(&closing.period), what(&closing.next)));
        until = Some(closing.at);
    }
    assert_eq!(
        shown,
        [
            "2026-04-01: - 2026-04-01",
            "2026-05-01: 2026-04-01 2026-05-01",
            "2026-05-16: 2026-05-01 -",
            "2026-06-21: - -",
        ]
    );
    let expired = [phase("2026-04-01", "pro", Trialing, &cycle), phase("2026-04-08", "pro", Expired, &cycle)];
    assert_eq!(Closing::next(&expired, None), None);
}
