use super::*;
use crate::meter::UnknownName;
use crate::plan::PlanForm;
use crate::problem::Problems;
use SubscriptionEvent::{Activate, Cancel, Expire, Paid, Pause, PaymentDue, Resume};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn plan(fields: &str) -> Plan {
    let text = format!(r#"{{"key":"pro","currency":"USD","base_price":"49","interval":"month"{fields}}}"#);
    let form: PlanForm = serde_json::from_str(&text).expect("a form");
    form.read(2, &mut Problems::default()).expect("a plan")
}

#[test]
fn only_the_table_happens() {
    let events = [Activate, Expire, PaymentDue, Paid, Pause, Resume, Cancel];
    let rows = SubscriptionStatus::ALL.map(|status| {
        let after = events.map(|event| status.after(event).map_or("-", SubscriptionStatus::as_str));
        (status.as_str(), status.is_over(), status.is_recurring(), after.join(" "))
    });
    let expected = [
        ("trialing", false, false, "active expired - - - - canceled"),
        ("active", false, true, "- - past_due - paused - canceled"),
        ("past_due", false, true, "- - - active - - canceled"),
        ("paused", false, false, "- - - - - active canceled"),
        ("canceled", true, false, "- - - - - - -"),
        ("expired", true, false, "- - - - - - -"),
    ];
    assert_eq!(
        rows,
        expected.map(|(name, over, recurring, after)| (name, over, recurring, after.to_owned()))
    );
    for name in SubscriptionStatus::NAMES {
        assert_eq!(name.parse().map(SubscriptionStatus::as_str), Ok(name));
    }
    assert_eq!("cancelled".parse::<SubscriptionStatus>(), Err(UnknownName));
}

#[test]
fn billing_begins_with_the_start_or_with_the_end_of_the_trial() {
    let start = at("2026-01-24T10:00:00Z");
    let now = Subscription::start(&plan(""), start, TimeZone::UTC, Collection::Reckoner);
    assert_eq!((now.status, now.plan_version), (SubscriptionStatus::Active, 2));
    assert_eq!(now.cycle.period_at(start).map(|period| period.end), Some(at("2026-02-24T10:00:00Z")));
    let tried = Subscription::start(&plan(r#","trial_days":7"#), start, TimeZone::UTC, Collection::Reckoner);
    assert_eq!(tried.status, SubscriptionStatus::Trialing);
    assert_eq!(tried.trial_ends_at, Some(at("2026-01-31T10:00:00Z")));
    assert_eq!(
        tried.cycle.period_at(at("2026-02-01T00:00:00Z")).map(|period| period.end),
        Some(at("2026-02-28T10:00:00Z"))
    );
    let calendar =
        Subscription::start(&plan(r#","billing":"calendar""#), start, TimeZone::UTC, Collection::Reckoner);
    assert_eq!(calendar.cycle.period_at(start).map(|period| period.end), Some(at("2026-02-01T00:00:00Z")));
}

#[test]
fn a_trial_entitles_until_its_very_end() {
    let start = at("2026-01-24T10:00:00Z");
    let goes_on =
        Subscription::start(&plan(r#","trial_days":7"#), start, TimeZone::UTC, Collection::Reckoner);
    assert!(goes_on.entitles_at(at("2026-01-31T10:00:00Z")));
    let tried = Subscription { after_trial: AfterTrial::Expire, ..goes_on };
    assert!(tried.entitles_at(at("2026-01-31T09:59:59.999999Z")));
    assert!(!tried.entitles_at(at("2026-01-31T10:00:00Z")));
    let active = tried.after(Activate).expect("ends");
    assert!(active.entitles_at(at("2026-01-31T10:00:00Z")));
    let paused = active.after(Pause).expect("stops");
    assert!(!paused.entitles_at(at("2026-02-01T00:00:00Z")));
}

#[test]
fn what_is_scheduled_waits_for_the_end_of_the_period() {
    let start = at("2026-01-31T10:00:00Z");
    let active = Subscription::start(&plan(""), start, TimeZone::UTC, Collection::Reckoner);
    let change = ScheduledAction::Change { plan: PlanKey::parse("free").expect("a key"), version: 1 };
    let changing = active.schedule(change.clone(), at("2026-02-10T00:00:00Z")).expect("active");
    assert_eq!(changing.at_period_end, Some(Scheduled { at: at("2026-02-28T10:00:00Z"), action: change }));
    let leaving = changing.schedule(ScheduledAction::Cancel, at("2026-03-10T00:00:00Z")).expect("active");
    assert_eq!(leaving.at_period_end.as_ref().map(|s| s.at), Some(at("2026-03-31T10:00:00Z")));
    let gone = leaving.after(Cancel).expect("active");
    assert_eq!((gone.status, &gone.at_period_end), (SubscriptionStatus::Canceled, &None));
    assert!(gone.schedule(ScheduledAction::Cancel, at("2026-03-10T00:00:00Z")).is_err());
    let error = gone.after(Resume).expect_err("over");
    assert_eq!(error.to_string(), "a subscription that is canceled cannot be resumed");
    let tried = Subscription::start(&plan(r#","trial_days":7"#), start, TimeZone::UTC, Collection::Reckoner);
    let leaving = tried.schedule(ScheduledAction::Cancel, at("2026-02-01T00:00:00Z")).expect("trialing");
    assert_eq!(leaving.at_period_end.map(|s| s.at), Some(at("2026-02-07T10:00:00Z")));
}

#[test]
fn with_stripe_only_usage_and_overage_are_charged_here() {
    let kinds = [LineKind::Base, LineKind::Usage, LineKind::Overage, LineKind::Minimum];
    let charged = |collection: Collection| kinds.map(|kind| collection.charges(kind));
    assert_eq!(charged(Collection::Stripe), [false, true, true, false]);
    assert_eq!(charged(Collection::Reckoner), [true; 4]);
    assert_eq!([Collection::Reckoner, Collection::Stripe].map(Collection::as_str), Collection::NAMES);
}
