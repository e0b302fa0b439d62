//! Subscriptions: what a customer has of a plan, and what it goes through.
mod due;
mod status;

pub use due::{AfterTrial, Step};
pub use status::{SubscriptionEvent, SubscriptionStatus};

use crate::calendar::ZoneChange;
use crate::cycle::{Alignment, BillingCycle};
use crate::invoice::LineKind;
use crate::key::PlanKey;
use crate::meter::UnknownName;
use crate::plan::{Billing, Plan};
use crate::time::Timestamp;
use crate::trial;
use jiff::tz::TimeZone;
use std::str::FromStr;

/// A customer's subscription to a version of a plan, on which it stays until it is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The plan.
    pub plan: PlanKey,
    /// The plan's version.
    pub plan_version: u32,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When its trial ends or ended; absent where it has none.
    pub trial_ends_at: Option<Timestamp>,
    /// What follows the trial.
    pub after_trial: AfterTrial,
    /// When its billing periods begin.
    pub cycle: BillingCycle,
    /// Who collects what it costs.
    pub collection: Collection,
    /// What happens at the end of the billing period.
    pub at_period_end: Option<Scheduled>,
    /// The zone whose clock billing periods follow from the next one on, and when that was decided.
    pub next_zone: Option<ZoneChange>,
}

/// Who collects what a subscription costs. Nothing is collected by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    /// Reckoner, by its own invoices.
    Reckoner,
    /// Stripe bills the base; usage and overage are sent to it as invoice items.
    Stripe,
}

/// What happens at the end of the billing period in which it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: ScheduledAction,
}

/// What may wait for the end of a billing period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduledAction {
    /// The subscription ends.
    Cancel,
    /// It goes on with another plan, or another version.
    Change {
        /// The plan.
        plan: PlanKey,
        /// The plan's version.
        version: u32,
    },
}

/// An event that cannot happen to a subscription as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subscription that is {} cannot {}", .status.as_str(), .event.as_str())]
pub struct InvalidTransition {
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// What was to happen.
    pub event: SubscriptionEvent,
}

impl FromStr for Collection {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|one| one.as_str() == name).ok_or(UnknownName)
    }
}

impl Collection {
    /// Both, as named in the API.
    pub const NAMES: [&'static str; 2] = ["reckoner", "stripe"];
    /// Both, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Reckoner, Self::Stripe];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reckoner => "reckoner",
            Self::Stripe => "stripe",
        }
    }

    /// Whether a charge of this kind is for Reckoner to make.
    pub fn charges(self, kind: LineKind) -> bool {
        self == Self::Reckoner || matches!(kind, LineKind::Usage | LineKind::Overage | LineKind::Adjustment)
    }
}

impl Subscription {
    /// A new subscription. A trial is free: billing begins at its end, which is the anchor.
    pub fn start(plan: &Plan, at: Timestamp, zone: TimeZone, collection: Collection) -> Self {
        let trial_ends_at = (plan.trial_days > 0).then(|| trial::ends_at(at, plan.trial_days));
        let alignment = match plan.billing {
            Billing::Anniversary => Alignment::Anniversary(trial_ends_at.unwrap_or(at)),
            Billing::Calendar => Alignment::Calendar,
        };
        Self {
            plan: plan.key.clone(),
            plan_version: plan.version,
            status: if trial_ends_at.is_some() {
                SubscriptionStatus::Trialing
            } else {
                SubscriptionStatus::Active
            },
            started_at: at,
            trial_ends_at,
            after_trial: AfterTrial::Activate,
            cycle: BillingCycle::new(plan.interval, zone, alignment),
            collection,
            at_period_end: None,
            next_zone: None,
        }
    }

    /// The subscription after an event. One that ends has nothing scheduled.
    pub fn after(&self, event: SubscriptionEvent) -> Result<Self, InvalidTransition> {
        let status = self.status.after(event).ok_or(InvalidTransition { status: self.status, event })?;
        let at_period_end = self.at_period_end.clone().filter(|_| !status.is_over());
        let next_zone = self.next_zone.clone().filter(|_| !status.is_over());
        Ok(Self { status, at_period_end, next_zone, ..self.clone() })
    }

    /// Schedules something for the end of the billing period that `now` lies in, or of the trial;
    /// what was scheduled before is replaced. Nothing can be scheduled once it is over.
    pub fn schedule(&self, action: ScheduledAction, now: Timestamp) -> Result<Self, InvalidTransition> {
        let trial_end = self.trial_ends_at.filter(|end| now < *end);
        let at = trial_end.or_else(|| self.cycle.period_at(now).map(|period| period.end));
        let Some(at) = at.filter(|_| !self.status.is_over()) else {
            return Err(InvalidTransition { status: self.status, event: SubscriptionEvent::Cancel });
        };
        Ok(Self { at_period_end: Some(Scheduled { at, action }), ..self.clone() })
    }

    /// The subscription with another plan from an instant on. What was scheduled is not any more. A plan
    /// of the same interval goes on in the same billing period; another begins one of its own, in a
    /// trial at its end, by the clock of the zone that was to follow. A trial goes on, and billing follows it: the
    /// plan was chosen.
    pub fn moved_to(&self, plan: &Plan, at: Timestamp) -> Result<Self, InvalidTransition> {
        if self.status.is_over() {
            return Err(InvalidTransition { status: self.status, event: SubscriptionEvent::Change });
        }
        let trial_end = self.trial_ends_at.filter(|_| self.status == SubscriptionStatus::Trialing);
        let billed_from = trial_end.map_or(at, |end| end.max(at));
        let mut cycle = self.cycle.with_interval(plan.interval, billed_from);
        let mut next_zone = self.next_zone.clone();
        if cycle.interval != self.cycle.interval
            && let Some(change) = next_zone.take_if(|change| change.at <= at)
        {
            cycle.zone = change.zone;
        }
        Ok(Self {
            plan: plan.key.clone(),
            plan_version: plan.version,
            cycle,
            next_zone,
            at_period_end: None,
            after_trial: AfterTrial::Activate,
            ..self.clone()
        })
    }

    /// The subscription whose billing periods follow another zone's clock from the next one on; of several such
    /// changes in a period the last one counts.
    pub fn in_zone(&self, zone: &TimeZone, at: Timestamp) -> Self {
        let changes = *zone != self.cycle.zone && !self.status.is_over();
        let next_zone = changes.then(|| ZoneChange { at, zone: zone.clone() });
        Self { next_zone, ..self.clone() }
    }

    /// When the next zone's clock takes over: where the billing period ends in which that was decided, or where the
    /// first one begins, with the end of a trial.
    fn rezoned_at(&self) -> Option<Timestamp> {
        let decided_at = self.next_zone.as_ref()?.at;
        if self.status == SubscriptionStatus::Trialing && self.trial_ends_at.is_some() {
            return self.trial_ends_at;
        }
        match (self.cycle.period_at(decided_at), self.cycle.alignment) {
            (Some(period), _) => Some(period.end),
            (None, Alignment::Anniversary(anchor)) => Some(anchor),
            (None, Alignment::Calendar) => None,
        }
    }

    /// The subscription with nothing scheduled.
    pub fn unscheduled(&self) -> Self {
        Self { at_period_end: None, ..self.clone() }
    }

    /// Whether its features are granted at an instant: those of a trial that nothing follows end with
    /// it, whether or not anything has noticed.
    pub fn entitles_at(&self, now: Timestamp) -> bool {
        match self.status {
            SubscriptionStatus::Trialing => {
                let goes_on = self.after_trial == AfterTrial::Activate;
                goes_on || self.trial_ends_at.is_none_or(|end| now < end)
            }
            status => !status.is_over() && status != SubscriptionStatus::Paused,
        }
    }
}

#[cfg(test)]
mod tests;
