//! What happens to a subscription by itself, at instants that are known before.
use super::{ScheduledAction, Subscription, SubscriptionEvent, SubscriptionStatus};
use crate::cycle::BillingCycle;
use crate::key::PlanKey;
use crate::meter::UnknownName;
use crate::plan::Plan;
use crate::time::Timestamp;
use std::borrow::Borrow;
use std::str::FromStr;

/// What follows a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AfterTrial {
    /// Billing begins: the subscription goes on without a gap.
    Activate,
    /// It expires.
    Expire,
}

/// A subscription as it is from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Since when.
    pub at: Timestamp,
    /// What it is then.
    pub subscription: Subscription,
}

impl AfterTrial {
    /// Both, as named in the API.
    pub const NAMES: [&'static str; 2] = ["activate", "expire"];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Expire => "expire",
        }
    }
}

impl FromStr for AfterTrial {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Self::Activate, Self::Expire].into_iter().find(|one| one.as_str() == name).ok_or(UnknownName)
    }
}

impl Subscription {
    /// The next instant at which something happens by itself.
    pub fn due_at(&self) -> Option<Timestamp> {
        let trial = self.trial_ends_at.filter(|_| self.status == SubscriptionStatus::Trialing);
        let scheduled = self.at_period_end.as_ref().map(|scheduled| scheduled.at);
        let due = trial.into_iter().chain(scheduled).chain(self.rezoned_at()).min();
        due.filter(|_| !self.status.is_over())
    }

    /// What falls due until `now`, included, step by step; nothing when nothing does. `plan` finds
    /// versions of plans: a change to one that it does not find waits.
    pub fn steps_until<P: Borrow<Plan>>(
        &self,
        now: Timestamp,
        plan: impl Fn(&PlanKey, u32) -> Option<P>,
    ) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        loop {
            let last = steps.last().map_or(self, |step| &step.subscription);
            let Some(at) = last.due_at().filter(|at| *at <= now) else { break };
            let Some(subscription) = last.at_due(at, &plan) else { break };
            steps.push(Step { at, subscription });
        }
        steps
    }

    /// The subscription after the first thing that falls due. What begins there begins in the zone that takes over;
    /// what is scheduled for the end of a trial comes before what would follow it by itself.
    fn at_due<P: Borrow<Plan>>(
        &self,
        at: Timestamp,
        plan: &impl Fn(&PlanKey, u32) -> Option<P>,
    ) -> Option<Self> {
        if let Some(change) = self.next_zone.as_ref().filter(|_| self.rezoned_at() == Some(at)) {
            let cycle = match self.status {
                // Nothing was billed by the clock before.
                SubscriptionStatus::Trialing => {
                    BillingCycle { zone: change.zone.clone(), ..self.cycle.clone() }
                }
                _ => self.cycle.in_zone(&change.zone, at),
            };
            return Some(Self { cycle, next_zone: None, ..self.clone() });
        }
        let scheduled = self.at_period_end.as_ref().filter(|scheduled| scheduled.at <= at);
        match scheduled.map(|scheduled| &scheduled.action) {
            Some(ScheduledAction::Cancel) => self.after(SubscriptionEvent::Cancel).ok(),
            Some(ScheduledAction::Change { plan: key, version }) => {
                self.moved_to(plan(key, *version)?.borrow(), at).ok()
            }
            None => {
                let event = match self.after_trial {
                    AfterTrial::Activate => SubscriptionEvent::Activate,
                    AfterTrial::Expire => SubscriptionEvent::Expire,
                };
                self.after(event).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Collection, Scheduled};
    use super::*;
    use crate::plan::PlanForm;
    use crate::problem::Problems;
    use jiff::tz::TimeZone;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("an instant")
    }

    fn plan(key: &str, fields: &str) -> Plan {
        let text =
            format!(r#"{{"key":"{key}","currency":"USD","base_price":"49","interval":"month"{fields}}}"#);
        let form: PlanForm = serde_json::from_str(&text).expect("a form");
        form.read(1, &mut Problems::default()).expect("a plan")
    }

    fn none(_: &PlanKey, _: u32) -> Option<Plan> {
        None
    }

    fn trial() -> Subscription {
        trial_of(&plan("pro", r#","trial_days":7"#))
    }

    fn trial_of(plan: &Plan) -> Subscription {
        Subscription::start(plan, at("2026-01-24T10:00:00Z"), TimeZone::UTC, Collection::Reckoner)
    }

    #[test]
    fn a_trial_is_followed_by_billing_or_by_nothing() {
        let end = at("2026-01-31T10:00:00Z");
        assert_eq!(trial().due_at(), Some(end));
        assert_eq!(trial().steps_until(at("2026-01-31T09:59:59Z"), none), []);
        let active = trial().steps_until(end, none);
        assert_eq!(
            active.iter().map(|s| (s.at, s.subscription.status)).collect::<Vec<_>>(),
            [(end, SubscriptionStatus::Active)]
        );
        let ending = Subscription { after_trial: AfterTrial::Expire, ..trial() };
        let expired = ending.steps_until(at("2027-01-01T00:00:00Z"), none);
        assert_eq!(
            expired.iter().map(|s| (s.at, s.subscription.status)).collect::<Vec<_>>(),
            [(end, SubscriptionStatus::Expired)]
        );
        assert_eq!(expired.last().and_then(|step| step.subscription.due_at()), None);
        for name in AfterTrial::NAMES {
            assert_eq!(name.parse().map(AfterTrial::as_str), Ok(name));
        }
    }

    #[test]
    fn what_is_scheduled_comes_before_what_follows_a_trial() {
        let leaving = trial().schedule(ScheduledAction::Cancel, at("2026-01-25T00:00:00Z")).expect("a trial");
        let gone = leaving.steps_until(at("2026-02-01T00:00:00Z"), none);
        assert_eq!(
            gone.iter().map(|s| s.subscription.status).collect::<Vec<_>>(),
            [SubscriptionStatus::Canceled]
        );
    }

    #[test]
    fn another_zone_takes_over_with_the_next_period() {
        let zone = |name: &str| TimeZone::get(name).expect("a zone");
        let start = at("2026-01-15T10:00:00Z");
        let active = Subscription::start(&plan("pro", ""), start, TimeZone::UTC, Collection::Reckoner);
        let decided = at("2026-02-20T00:00:00Z");
        let moving = active.in_zone(&zone("Asia/Kolkata"), at("2026-02-16T00:00:00Z"));
        let moving = moving.in_zone(&zone("America/New_York"), decided);
        let end = at("2026-03-15T10:00:00Z");
        assert_eq!(moving.due_at(), Some(end));
        let steps = moving.steps_until(end, none);
        let [step] = steps.as_slice() else { panic!("{steps:?}") };
        let Subscription { cycle, next_zone, .. } = &step.subscription;
        assert_eq!((step.at, next_zone, cycle.since), (end, &None, Some(end)));
        // Five in the morning there, which an hour of summer time moves.
        assert_eq!(cycle.period_at(end).map(|period| period.end), Some(at("2026-04-15T09:00:00Z")));
        assert_eq!(moving.in_zone(&TimeZone::UTC, decided).due_at(), None, "taken back");
        let over = moving.after(SubscriptionEvent::Cancel).expect("active");
        assert_eq!((over.due_at(), over.in_zone(&zone("Asia/Kolkata"), decided).next_zone), (None, None));
    }

    #[test]
    fn another_zone_takes_over_where_another_interval_or_the_first_period_begins() {
        let zone = TimeZone::get("Asia/Kolkata").expect("a zone");
        let decided = at("2026-01-25T00:00:00Z");
        let waiting = trial().in_zone(&zone, decided);
        let end = at("2026-01-31T10:00:00Z");
        let steps = waiting.steps_until(end, none);
        let shown: Vec<_> = steps.iter().map(|step| (step.at, step.subscription.status)).collect();
        assert_eq!(shown, [(end, SubscriptionStatus::Trialing), (end, SubscriptionStatus::Active)]);
        assert!(steps.iter().all(|step| step.subscription.cycle.zone == zone));
        let yearly = Plan { interval: crate::interval::Interval::Year, ..plan("yearly", "") };
        let moved = waiting.moved_to(&yearly, decided).expect("in a trial");
        assert_eq!((&moved.cycle.zone, &moved.next_zone, moved.cycle.since), (&zone, &None, None));
        let calendar =
            trial_of(&plan("pro", r#","trial_days":7,"billing":"calendar""#)).in_zone(&zone, decided);
        let first = calendar.steps_until(end, none).pop().map(|step| step.subscription.cycle);
        let period = first.and_then(|cycle| cycle.period_at(end));
        assert_eq!(
            period.map(|period| period.end),
            Some(at("2026-01-31T18:30:00Z")),
            "the rest of January there"
        );
        let early = waiting.moved_to(&yearly, at("2026-01-24T12:00:00Z")).expect("in a trial");
        assert_eq!(
            (&early.cycle.zone, early.next_zone),
            (&TimeZone::UTC, waiting.next_zone.clone()),
            "decided later"
        );
        assert_eq!(
            waiting.moved_to(&plan("max", ""), decided).map(|one| one.next_zone),
            Ok(waiting.next_zone)
        );
    }

    #[test]
    fn a_scheduled_change_happens_at_its_instant_however_late_it_is_noticed() {
        let start = at("2026-01-24T10:00:00Z");
        let active = Subscription::start(&plan("pro", ""), start, TimeZone::UTC, Collection::Reckoner);
        let action = ScheduledAction::Change { plan: PlanKey::parse("yearly").expect("a key"), version: 1 };
        let changing = active.schedule(action.clone(), start).expect("active");
        let end = at("2026-02-24T10:00:00Z");
        assert_eq!(changing.at_period_end, Some(Scheduled { at: end, action }));
        assert_eq!(changing.steps_until(at("2026-06-01T00:00:00Z"), none), [], "waits for the plan");
        let yearly = Plan { interval: crate::interval::Interval::Year, ..plan("yearly", "") };
        let steps = changing.steps_until(at("2026-06-01T00:00:00Z"), |_, _| Some(&yearly));
        let [step] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!((step.at, step.subscription.plan.as_str()), (end, "yearly"));
        let period = step.subscription.cycle.period_at(end).expect("a period");
        assert_eq!((period.start, period.end), (end, at("2027-02-24T10:00:00Z")));
        assert_eq!(step.subscription.at_period_end, None);
    }
}
