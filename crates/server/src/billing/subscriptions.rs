//! Subscriptions begin, change and end, by somebody or by themselves.
mod coupons;
mod error;
mod follow;
mod mails;
mod rezone;
mod write;

pub use error::SubscriptionError;
pub use follow::{Followed, Following, Wanted};
pub use write::shown;

use super::debts::Debts;
use super::invoicing::Terms;
use super::plans::Plans;
use super::standing::settled;
use super::zones;
use crate::clock::Clock;
use crate::random;
use crate::store::customers::{self, Customer};
use crate::store::subscriptions::{self, Stored};
use crate::store::{Db, Exec, StoreError, Tx, audit, catalog};
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::key::PlanKey;
use reckoner_domain::plan::Plan;
use reckoner_domain::proration::{Timing, timing};
use reckoner_domain::subscription::{
    AfterTrial, Collection, ScheduledAction, Subscription, SubscriptionEvent, SubscriptionStatus,
};
use reckoner_domain::time::Timestamp;
use reckoner_domain::trial;
use std::fmt::Display;
use std::sync::Arc;
use write::Change;

/// Most subscriptions that are looked after in one go.
const DUE_AT_ONCE: u32 = 500;

/// A result of what is done to a subscription.
pub type Result<T> = std::result::Result<T, SubscriptionError>;

/// Looks after subscriptions. Clones share one state.
#[derive(Clone)]
pub struct Subscriptions {
    db: Db,
    clock: Clock,
    debts: Debts,
    plans: Plans,
    terms: Terms,
}

/// A subscription to begin.
pub struct New {
    /// Whose it is.
    pub customer: Customer,
    /// The plan, and its version; the newest where none is named.
    pub plan: (PlanKey, Option<u32>),
    /// Days of its trial instead of the plan's.
    pub trial_days: Option<u32>,
    /// What follows the trial.
    pub after_trial: AfterTrial,
    /// Who collects.
    pub collection: Collection,
    /// Since when; now where nothing is said.
    pub started_at: Option<Timestamp>,
}

/// A subscription that began, and what the record of changes is to say of it.
pub struct Begun {
    /// The subscription.
    pub stored: Stored,
    /// What is to be written down, last before the commit.
    pub change: audit::Change,
}

/// Which subscription is changed, by whom, and at which version it is expected.
pub struct Whose<'a> {
    /// Who changes it.
    pub by: &'a (dyn Display + Sync),
    /// The project.
    pub project: ProjectId,
    /// Which.
    pub id: &'a SubscriptionId,
    /// The version that was read; any where `None`.
    pub version: Option<u32>,
}

impl Subscriptions {
    /// Over a store.
    pub fn new((db, clock): (Db, Clock), debts: Debts, plans: Plans, terms: Terms) -> Self {
        Self { db, clock, debts, plans, terms }
    }

    /// Begins a subscription at what the project's clock shows.
    pub async fn start(&self, by: &(dyn Display + Sync), new: New) -> Result<Stored> {
        let mut tx = self.db.begin().await?;
        let Begun { stored, change } = self.begin_new(&mut tx, by, new).await?;
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        self.commit(tx, &stored).await?;
        Ok(stored)
    }

    /// The same in a transaction of the caller's, who writes the record of changes, commits, and then
    /// calls [`Subscriptions::noticed`].
    pub async fn begin_new(&self, tx: &mut Tx, by: &(dyn Display + Sync), new: New) -> Result<Begun> {
        let project = new.customer.project;
        let now = self.clock.of_project(project);
        let plan = self.find_plan(&mut *tx, project, &new.plan).await?;
        self.check_currency(tx, &new.customer, &plan).await?;
        let since = new.started_at.unwrap_or(now);
        // Held, so that whoever changes its time zone finds the subscription, or is found here.
        let customer = customers::lock(tx, project, &new.customer.id).await?;
        let zone = zones::zone_of(tx, project, customer.details.time_zone.as_deref()).await?;
        let mut subscription = Subscription::start(&plan, since, zone, new.collection);
        if let Some(days) = new.trial_days {
            let ends_at = (days > 0).then(|| trial::ends_at(since, days));
            let tried = Plan { trial_days: days, ..(*plan).clone() };
            subscription =
                Subscription::start(&tried, since, subscription.cycle.zone.clone(), new.collection);
            debug_assert_eq!(subscription.trial_ends_at, ends_at);
        }
        subscription.after_trial = new.after_trial;
        let stored = Stored {
            id: SubscriptionId::from_bits(random::id_bits(self.clock.real())?),
            project,
            customer: new.customer.id,
            external_id: new.customer.external_id,
            subscription,
            ended_at: None,
            created_at: now,
            version: 1,
        };
        subscriptions::create(tx, &stored).await.map_err(SubscriptionError::of_create)?;
        self.note_closing(tx, &stored, None).await?;
        let change = self.tell(tx, &by.to_string(), None, &stored).await?;
        Ok(Begun { stored, change })
    }

    /// Gives a subscription another plan or version. Where nothing says when: one whose monthly base
    /// price is no lower at once, another at the end of the period. The plan that it has already takes
    /// back what was scheduled. What it changes of fees is on the next invoice, or on one of its own.
    pub async fn change_plan(
        &self,
        whose: Whose<'_>,
        plan: &(PlanKey, Option<u32>),
        when: Option<Timing>,
        invoice_now: bool,
    ) -> Result<Stored> {
        let (mut tx, stored, now) = self.begin(&whose).await?;
        let new = self.find_plan(&mut tx, whose.project, plan).await?;
        let subscription = &stored.subscription;
        let (key, version) = (&subscription.plan, subscription.plan_version);
        let old = self.plans.get(&mut tx, whose.project, key, version).await?;
        if old.currency != new.currency {
            return Err(SubscriptionError::Currency { has: old.currency, wants: new.currency });
        }
        if invoice_now && subscription.collection == Collection::Stripe {
            return Err(SubscriptionError::InvoiceNow("is collected by Stripe at the end of the period"));
        }
        let next = changed(subscription, (&old, &new), when, now)?;
        if invoice_now && next.at_period_end.is_some() {
            return Err(SubscriptionError::InvoiceNow("takes effect at the end of the period"));
        }
        // Who keeps its plan, and only takes back what was scheduled, changes no fees.
        let changes = (&next.plan, next.plan_version) != (&subscription.plan, subscription.plan_version);
        let change = Change { before: stored, after: next, at: now };
        let stored = self.write(&mut tx, &whose.by.to_string(), change).await?;
        if invoice_now && changes {
            self.note_closing(&mut tx, &stored, Some(now)).await?;
        }
        self.commit(tx, &stored).await?;
        Ok(stored)
    }

    /// Ends a subscription, at once or at the end of the period (of the trial, in one).
    pub async fn cancel(&self, whose: Whose<'_>, when: Timing) -> Result<Stored> {
        let (tx, stored, now) = self.begin(&whose).await?;
        let next = match when {
            Timing::Now => stored.subscription.after(SubscriptionEvent::Cancel)?,
            Timing::PeriodEnd => stored.subscription.schedule(ScheduledAction::Cancel, now)?,
        };
        self.end(tx, &whose, Change { before: stored, after: next, at: now }).await
    }

    /// Lets something happen to a subscription: stop for a while, go on.
    pub async fn pass(&self, whose: Whose<'_>, event: SubscriptionEvent) -> Result<Stored> {
        let (tx, stored, now) = self.begin(&whose).await?;
        let next = stored.subscription.after(event)?;
        self.end(tx, &whose, Change { before: stored, after: next, at: now }).await
    }

    /// Takes back what was scheduled.
    pub async fn keep(&self, whose: Whose<'_>) -> Result<Stored> {
        let (tx, stored, now) = self.begin(&whose).await?;
        let next = stored.subscription.unscheduled();
        self.end(tx, &whose, Change { before: stored, after: next, at: now }).await
    }

    /// A subscription as it is at this moment, whether or not anything has noticed.
    pub async fn settled(&self, stored: Stored) -> Result<Stored> {
        let now = self.clock.of_project(stored.project);
        Ok(self.as_at(stored, now).await?)
    }

    /// The same at an instant.
    pub async fn as_at(&self, stored: Stored, now: Timestamp) -> std::result::Result<Stored, StoreError> {
        settled(&self.db, &self.plans, stored, now).await
    }

    /// Lets what a customer has be read anew, after its name has changed.
    pub fn forget(&self, project: ProjectId, external_id: &str) {
        self.debts.standings.forget(project, external_id);
    }

    /// Writes down what fell due in a project until `now`. One subscription that fails does not keep the
    /// others; answers how many were written down, and what failed.
    pub async fn run_due(
        &self,
        project: ProjectId,
        now: Timestamp,
    ) -> Result<(u64, Vec<(SubscriptionId, SubscriptionError)>)> {
        let (mut done, mut failed, mut after) = (0, Vec::new(), None);
        loop {
            let due = subscriptions::due(&self.db, project, now, (after.as_ref(), DUE_AT_ONCE)).await?;
            for (_, id) in &due {
                match self.notice(project, id, now).await {
                    Ok(()) => done += 1,
                    Err(error) => failed.push((id.clone(), error)),
                }
            }
            if due.len() < DUE_AT_ONCE as usize {
                return Ok((done, failed));
            }
            after = due.into_iter().next_back();
        }
    }

    /// Writes down what fell due of a subscription until `now`.
    pub async fn notice(&self, project: ProjectId, id: &SubscriptionId, now: Timestamp) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let stored = subscriptions::lock(&mut tx, project, id).await?;
        let settled = self.settle(&mut tx, stored, now).await?;
        self.commit(tx, &settled).await
    }

    /// The version of a plan that somebody asks for: one that may be had.
    pub(super) async fn find_plan(
        &self,
        on: impl Exec,
        project: ProjectId,
        (key, version): &(PlanKey, Option<u32>),
    ) -> Result<Arc<Plan>> {
        let versions = catalog::versions::<Plan>(on, project, key.as_str()).await?;
        let Some(newest) = versions.first() else { return Err(SubscriptionError::NoSuchPlan) };
        if newest.archived_at.is_some() {
            return Err(SubscriptionError::Archived);
        }
        let wanted = version.unwrap_or(newest.version);
        let found = versions.into_iter().find(|stored| stored.version == wanted);
        found.map(|stored| Arc::new(stored.entry)).ok_or(SubscriptionError::NoSuchVersion)
    }

    /// A customer has one currency for ever: its invoices and its wallet are in it.
    async fn check_currency(&self, tx: &mut Tx, customer: &Customer, plan: &Plan) -> Result<()> {
        match self.plans.currency_of(tx, customer).await? {
            Some(has) if has != plan.currency => {
                Err(SubscriptionError::Currency { has, wants: plan.currency })
            }
            _ => Ok(()),
        }
    }
}

/// What a subscription becomes that gets another plan: at once, or scheduled.
pub(super) fn changed(
    subscription: &Subscription,
    (old, new): (&Plan, &Plan),
    when: Option<Timing>,
    now: Timestamp,
) -> Result<Subscription> {
    let same = (&old.key, old.version) == (&new.key, new.version);
    Ok(match when.map_or_else(|| timing(old.base_fee(), new.base_fee()), Ok)? {
        _ if same && !subscription.status.is_over() => subscription.unscheduled(),
        Timing::Now => subscription.moved_to(new, now)?,
        Timing::PeriodEnd => {
            let action = ScheduledAction::Change { plan: new.key.clone(), version: new.version };
            subscription.schedule(action, now)?
        }
    })
}

/// Whether its trial has just ended.
fn ended_a_trial(before: SubscriptionStatus, after: SubscriptionStatus) -> bool {
    before == SubscriptionStatus::Trialing && after != SubscriptionStatus::Trialing
}
