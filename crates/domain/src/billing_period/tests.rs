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
    BillingCycle::new(Interval::Month, TimeZone::UTC, Alignment::Anniversary(at(anchor)))
}

fn calendar() -> BillingCycle {
    BillingCycle::new(Interval::Month, TimeZone::UTC, Alignment::Calendar)
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

fn micros(window: Window) -> i64 {
    i64::try_from(window.micros()).expect("fits")
}

/// When a closing is, the beginning of its period, and its fees.
fn closed(closing: &Closing) -> String {
    let period = closing.period.as_ref().map_or("-".to_owned(), |one| day(one.window.start));
    let fees = closing.fees.iter().map(|fee| {
        let sign = if fee.given_back { '-' } else { '+' };
        format!(" {sign}{}@{}", fee.plan.key.as_str(), day(fee.rest.start))
    });
    format!("{}: {period}{}", day(closing.at), fees.collect::<String>())
}

use SubscriptionStatus::{Active, Canceled, Expired, PastDue, Paused, Trialing};

/// Every period, from the first on.
fn all(phases: &[Phase], count: usize) -> Vec<String> {
    let mut from = phases[0].starts_at;
    let mut periods = Vec::new();
    while periods.len() < count {
        let period = billing_period_from(phases, from, 0);
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
    assert_eq!(shown(billing_period_from(std::slice::from_ref(&trial), trial.starts_at, 0)), "none");
    let goes_on = [trial.clone(), phase("2026-01-08", "pro", Active, &cycle)];
    assert_eq!(all(&goes_on, 1), ["2026-01-08..2026-02-08 pro [pro 2026-02-08 31/31]"]);
    let expires = [trial, phase("2026-01-08", "pro", Expired, &cycle)];
    assert_eq!(all(&expires, 1), [""; 0]);
}

#[test]
fn the_first_period_of_the_calendar_is_part_of_one() {
    let cycle = calendar();
    let phases = [phase("2026-01-11", "pro", Active, &cycle)];
    let first = billing_period_from(&phases, at("2026-01-11"), 0).expect("a period");
    let opening = first.opening_fee().expect("a fee");
    assert_eq!((opening.rest, opening.whole), (first.window, first.whole));
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
            let period = billing_period_from(&phases, from, 0).expect("it goes on");
            prop_assert_eq!(period.window.start, from);
            from = period.window.end;
            let seconds = |window: Window| i128::from(Share::of(window, period.whole).part_s);
            let mut paid = period.opening_fee().map_or(0, |fee| seconds(fee.rest));
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
    let mut billed = None;
    let mut shown = Vec::new();
    while let Some(closing) = Closing::next(&phases, billed) {
        shown.push(closed(&closing));
        billed = Some(closing.billed);
    }
    assert_eq!(
        shown,
        [
            "2026-04-01: - +pro@2026-04-01",
            "2026-05-01: 2026-04-01 +pro@2026-05-01",
            "2026-05-16: 2026-05-01",
            "2026-06-21: -",
        ]
    );
    let expired = [phase("2026-04-01", "pro", Trialing, &cycle), phase("2026-04-08", "pro", Expired, &cycle)];
    assert_eq!(Closing::next(&expired, None), None);
}

#[test]
fn an_interim_closing_bills_what_changed_and_the_next_one_leaves_it_out() {
    let cycle = monthly("2026-04-01");
    let mut phases = vec![phase("2026-04-01", "basic", Active, &cycle)];
    let first = Closing::next(&phases, None).expect("one");
    phases.push(phase("2026-04-11", "pro", Active, &cycle));
    let interim = Closing::interim(&phases, first.billed, at("2026-04-11"));
    assert_eq!(closed(&interim), "2026-04-11: - -basic@2026-04-11 +pro@2026-04-11");
    assert_eq!(interim.billed, Billed { phases: 2, ..first.billed });
    phases.push(phase("2026-04-21", "max", Active, &cycle));
    let next = Closing::next(&phases, Some(interim.billed)).expect("one");
    assert_eq!(closed(&next), "2026-05-01: 2026-04-01 -pro@2026-04-21 +max@2026-04-21 +max@2026-05-01");
    let parts = next.period.map_or(0, |period| period.parts.len());
    assert_eq!((parts, next.billed), (3, Billed { until: at("2026-05-01"), phases: 3 }));
    // Had nobody asked for it earlier, it would all be on one invoice.
    let next = Closing::next(&phases, Some(first.billed)).expect("one");
    let all = "2026-05-01: 2026-04-01 -basic@2026-04-11 +pro@2026-04-11 -pro@2026-04-21 +max@2026-04-21 +max@2026-05-01";
    assert_eq!(closed(&next), all);
}

#[test]
fn an_interim_closing_of_another_interval_begins_its_first_period() {
    let (month, year) =
        (monthly("2026-02-01"), BillingCycle { interval: Interval::Year, ..monthly("2026-02-15") });
    let phases = [phase("2026-02-01", "pro", Active, &month), phase("2026-02-15", "yearly", Active, &year)];
    let first = Closing::next(&phases[..1], None).expect("one");
    let interim = Closing::interim(&phases, first.billed, at("2026-02-15"));
    assert_eq!(closed(&interim), "2026-02-15: - -pro@2026-02-15 +yearly@2026-02-15");
    let cut = Closing::next(&phases, Some(interim.billed)).expect("one");
    assert_eq!(closed(&cut), "2026-02-15: 2026-02-01");
    let next = Closing::next(&phases, Some(cut.billed)).expect("one");
    assert_eq!(closed(&next), "2027-02-15: 2026-02-15 +yearly@2027-02-15");
}

#[test]
fn what_changes_at_the_instant_of_a_closing_is_on_the_next_one() {
    let cycle = monthly("2026-04-01");
    let mut phases = vec![phase("2026-04-01", "basic", Active, &cycle)];
    let first = Closing::next(&phases, None).expect("one");
    phases.push(phase("2026-04-01", "pro", Active, &cycle));
    let next = Closing::next(&phases, Some(first.billed)).expect("one");
    assert_eq!(closed(&next), "2026-05-01: 2026-04-01 -basic@2026-04-01 +pro@2026-04-01 +pro@2026-05-01");
    assert_eq!(next.period.map_or(0, |period| period.parts.len()), 1);
    let year = BillingCycle { interval: Interval::Year, ..cycle.clone() };
    phases[1] = phase("2026-04-01", "yearly", Active, &year);
    let next = Closing::next(&phases, Some(first.billed)).expect("one");
    assert_eq!(closed(&next), "2026-04-01: - -basic@2026-04-01 +yearly@2026-04-01");
    let next = Closing::next(&phases, Some(next.billed)).expect("one");
    assert_eq!(closed(&next), "2027-04-01: 2026-04-01 +yearly@2027-04-01");
    phases[1] = phase("2026-04-01", "basic", Canceled, &cycle);
    let next = Closing::next(&phases, Some(first.billed)).expect("one");
    assert_eq!(closed(&next), "2026-05-07: -");
}

proptest! {
    /// Whenever what is billed, and whatever happens at one instant with it: the fees of a plan that were charged
    /// less those that were given back are those of the time that it was in force.
    #[test]
    fn fees_are_charged_once_however_often_they_are_billed(
        steps in prop::collection::vec((0_i64..3, 0_usize..6, any::<bool>(), any::<bool>()), 0..14),
    ) {
        let mut month = monthly("2026-01-05");
        let mut year = BillingCycle { interval: Interval::Year, ..month.clone() };
        let mut zones = ["America/New_York", "Asia/Kolkata", "Pacific/Apia"].into_iter().cycle();
        let mut phases = vec![phase("2026-01-05", "a", Active, &month)];
        let first = Closing::next(&phases, None).expect("one");
        let (mut now, mut billed, mut fees) = (first.at, first.billed, first.fees);
        let mut close = |phases: &[Phase], now: Timestamp, is_interim: bool, billed: &mut Billed| {
            while let Some(closing) = Closing::next(phases, Some(*billed)).filter(|next| next.at <= now) {
                fees.extend(closing.fees);
                *billed = closing.billed;
            }
            if is_interim {
                let closing = Closing::interim(phases, *billed, now);
                fees.extend(closing.fees);
                *billed = closing.billed;
            }
            fees.clone()
        };
        for (tenths, kind, is_interim, closes) in steps {
            now = now.plus_micros(tenths * 3 * DAY + tenths / 2 * 22 * DAY);
            // Another zone takes over at the end of the period.
            if kind == 5 && let (Some(zone), Some(last)) = (zones.next(), phases.last()) {
                let zone = TimeZone::get(zone).expect("a zone");
                let end = last.cycle.period_at(now).expect("begun").end;
                let of = |cycle: &BillingCycle| cycle.in_zone(&zone, end);
                let is_year = last.cycle.interval == Interval::Year;
                let cycle = of(&last.cycle);
                phases.push(Phase { starts_at: end, cycle: cycle.clone(), ..last.clone() });
                if is_year { year = cycle } else { month = cycle }
                now = end;
                continue;
            }
            let cycle = if kind == 3 { &year } else { &month };
            let (plan, status) = [("a", Active), ("b", Active), ("a", Paused), ("y", Active), ("b", Paused)][kind];
            // Whoever changes at the instant of a period's end does so after it was closed, or before.
            if closes {
                close(&phases, now, false, &mut billed);
            }
            phases.push(Phase { starts_at: now, ..phase("2026-01-05", plan, status, cycle) });
            if is_interim {
                close(&phases, now, true, &mut billed);
            }
        }
        let end = now.plus_micros(800 * DAY);
        let fees = close(&phases, end, false, &mut billed);
        let opened = billing_period_from(&phases, billed.until, billed.phases).expect("it goes on").whole.end;
        for plan in ["a", "b", "y"] {
            let of_plan = fees.iter().filter(|fee| fee.plan.key.as_str() == plan);
            let charged: i64 = of_plan
                .map(|fee| if fee.given_back { -micros(fee.rest) } else { micros(fee.rest) })
                .sum();
            let ends = phases.iter().skip(1).map(|phase| phase.starts_at).chain([opened]);
            let in_force: i64 = phases
                .iter()
                .zip(ends)
                .filter(|(phase, _)| phase.plan.key.as_str() == plan && phase.status == Active)
                .map(|(phase, end)| micros(Window { start: phase.starts_at, end }))
                .sum();
            prop_assert_eq!(charged, in_force, "{} {:?}", plan, fees);
        }
    }
}
