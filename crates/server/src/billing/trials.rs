//! Trials of those who register: a subscription that expires, and the plan that follows it.
use super::subscriptions::{Begun, New, SubscriptionError, Subscriptions};
use crate::clock::Clock;
use crate::config;
use crate::store::audit::{self, SYSTEM};
use crate::store::customers::{self, Customer};
use crate::store::subscriptions::{self, Stored};
use crate::store::trials::{self, Trial};
use crate::store::{Db, StoreError, Tx, catalog};
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::key::PlanKey;
use reckoner_domain::plan::Plan;
use reckoner_domain::subscription::{AfterTrial, Collection};
use reckoner_domain::time::{DAY, Timestamp};
use reckoner_domain::trial;
use std::fmt::Display;

/// Most trials that are looked after in one go.
const AT_ONCE: u32 = 500;

/// Looks after trials of those who register. Clones share one state.
#[derive(Clone)]
pub struct Trials {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) subscriptions: Subscriptions,
    plan: Option<PlanKey>,
    end_plan: Option<PlanKey>,
}

/// How a trial began.
pub enum Started {
    /// As a subscription, which is to be written into the record of changes.
    Subscribed(Box<Begun>),
    /// It waits for its plan, which the project does not have.
    Waiting(Trial),
}

/// What came of looking after trials: how many, and which failed.
#[derive(Debug, Default)]
pub struct Moved {
    /// How many customers got the plan that follows, or were reminded.
    pub done: u64,
    /// Which were not.
    pub failed: Vec<(SubscriptionId, SubscriptionError)>,
}

impl Trials {
    /// Over a store, with the plans that the operator named.
    pub fn new((db, clock): (Db, Clock), subscriptions: Subscriptions, config: &config::Billing) -> Self {
        let (plan, end_plan) = (config.trial_plan(), config.trial_end_plan());
        Self { db, clock, subscriptions, plan, end_plan }
    }

    /// Starts the trial of a customer, of so many days, in a transaction of the caller's, who writes the
    /// record of changes, commits, and then calls [`Trials::noticed`].
    pub async fn start_in(
        &self,
        tx: &mut Tx,
        by: &(dyn Display + Sync),
        customer: &Customer,
        days: u32,
    ) -> Result<Started, SubscriptionError> {
        let Some(plan) = &self.plan else { return Err(SubscriptionError::NoSuchPlan) };
        let now = self.clock.of_project(customer.project);
        let new = New {
            customer: customer.clone(),
            plan: (plan.clone(), None),
            trial_days: Some(days),
            after_trial: AfterTrial::Expire,
            collection: Collection::Reckoner,
            started_at: None,
        };
        match self.subscriptions.begin_new(tx, by, new).await {
            Ok(begun) => Ok(Started::Subscribed(Box::new(begun))),
            Err(SubscriptionError::NoSuchPlan | SubscriptionError::Archived) => {
                let trial = Trial {
                    customer: customer.id.clone(),
                    project: customer.project,
                    plan: plan.as_str().to_owned(),
                    started_at: now,
                    ends_at: trial::ends_at(now, days),
                };
                trials::start(&mut *tx, &trial).await?;
                Ok(Started::Waiting(trial))
            }
            Err(error) => Err(error),
        }
    }

    /// Lets everybody see a trial that began, after it was committed.
    pub fn noticed(&self, stored: &Stored) {
        self.subscriptions.noticed(stored);
    }

    /// Makes subscriptions of the trials that waited for a plan which the project has by now. One that
    /// fails does not keep the others; answers how many there were.
    pub async fn adopt(&self, project: ProjectId) -> Result<u64, StoreError> {
        let (mut done, mut after) = (0, None);
        loop {
            let waiting = trials::waiting(&self.db, project, (after.as_ref(), AT_ONCE)).await?;
            let Some(first) = waiting.first() else { return Ok(done) };
            if !self.has(project, Some(first.plan.as_str())).await?
                && waiting.iter().all(|one| one.plan == first.plan)
            {
                return Ok(done);
            }
            for trial in &waiting {
                match self.adopt_one(trial).await {
                    Ok(adopted) => done += u64::from(adopted),
                    Err(error) => {
                        tracing::error!(customer = %trial.customer, %error, "a trial that waited for its plan could not begin");
                    }
                }
            }
            if waiting.len() < AT_ONCE as usize {
                return Ok(done);
            }
            after = waiting.into_iter().next_back();
        }
    }

    async fn adopt_one(&self, trial: &Trial) -> Result<bool, SubscriptionError> {
        let Ok(plan) = PlanKey::parse(&trial.plan) else { return Ok(false) };
        if !self.has(trial.project, Some(plan.as_str())).await? {
            return Ok(false);
        }
        let customer = customers::get(&self.db, trial.project, &trial.customer).await?;
        let mut tx = self.db.begin().await?;
        if !trials::end_waiting(&mut tx, trial).await? {
            return Ok(false);
        }
        let others = subscriptions::last_of(&mut tx, trial.project, &customer.external_id).await?;
        if others.is_some() {
            // Somebody gave the customer a plan meanwhile: that one counts.
            tx.commit().await?;
            return Ok(false);
        }
        let days = trial.ends_at.micros_since(trial.started_at).max(DAY) / DAY;
        let new = New {
            customer,
            plan: (plan, None),
            trial_days: Some(u32::try_from(days).unwrap_or(u32::MAX)),
            after_trial: AfterTrial::Expire,
            collection: Collection::Reckoner,
            started_at: Some(trial.started_at),
        };
        let begun = self.subscriptions.begin_new(&mut tx, &SYSTEM, new).await?;
        audit::write(&mut tx, &self.clock, vec![begun.change]).await?;
        tx.commit().await?;
        self.noticed(&begun.stored);
        Ok(true)
    }

    /// When the next customer of a project gets the plan that follows a trial; `None` where none waits
    /// for it, or the project has no such plan.
    pub async fn next_move(&self, project: ProjectId) -> Result<Option<Timestamp>, StoreError> {
        let first = subscriptions::lapsed(&self.db, project, Timestamp::MAX, (None, 1)).await?;
        let Some((lapsed_at, _)) = first.into_iter().next() else { return Ok(None) };
        let end_plan = self.end_plan.as_ref().map(PlanKey::as_str);
        Ok(self.has(project, end_plan).await?.then(|| trial::moved_at(lapsed_at)))
    }

    /// Gives the customers whose trials expired until an instant the plan that follows.
    pub async fn move_expired(&self, project: ProjectId, until: Timestamp) -> Result<Moved, StoreError> {
        let (mut moved, mut after) = (Moved::default(), None);
        let Some(plan) = &self.end_plan else { return Ok(moved) };
        loop {
            let lapsed = subscriptions::lapsed(&self.db, project, until, (after.as_ref(), AT_ONCE)).await?;
            for (_, id) in &lapsed {
                let result = self.move_one(project, id, plan).await;
                let action = if result.is_ok() { "downgraded" } else { "failed" };
                metrics::counter!("trial_expiration_checks_total", "action" => action).increment(1);
                match result {
                    Ok(done) => moved.done += u64::from(done),
                    Err(error) => {
                        // It is tried again the next night, and does not keep the job busy until then.
                        let later = self.clock.of_project(project).plus_micros(1);
                        subscriptions::put_lapse_off(&self.db, project, id, later).await?;
                        moved.failed.push((id.clone(), error));
                    }
                }
            }
            if lapsed.len() < AT_ONCE as usize {
                return Ok(moved);
            }
            after = lapsed.into_iter().next_back();
        }
    }

    async fn move_one(
        &self,
        project: ProjectId,
        id: &SubscriptionId,
        plan: &PlanKey,
    ) -> Result<bool, SubscriptionError> {
        let ended = subscriptions::get(&self.db, project, id).await?;
        let customer = customers::get(&self.db, project, &ended.customer).await?;
        let mut tx = self.db.begin().await?;
        // Holds it: of two that do this at once, one does.
        if !subscriptions::clear_lapse(&mut tx, project, id).await? {
            return Ok(false);
        }
        let last = subscriptions::last_of(&mut tx, project, &customer.external_id).await?;
        if last.is_some_and(|last| last.id != *id) {
            tx.commit().await?;
            return Ok(false);
        }
        let new = New {
            customer,
            plan: (plan.clone(), None),
            trial_days: Some(0),
            after_trial: AfterTrial::Activate,
            collection: Collection::Reckoner,
            started_at: None,
        };
        let begun = self.subscriptions.begin_new(&mut tx, &SYSTEM, new).await?;
        audit::write(&mut tx, &self.clock, vec![begun.change]).await?;
        tx.commit().await?;
        self.noticed(&begun.stored);
        Ok(true)
    }

    /// Whether a project has a plan that may be had.
    async fn has(&self, project: ProjectId, plan: Option<&str>) -> Result<bool, StoreError> {
        let Some(plan) = plan else { return Ok(false) };
        let newest = catalog::versions::<Plan>(&self.db, project, plan).await?.into_iter().next();
        Ok(newest.is_some_and(|newest| newest.archived_at.is_none()))
    }
}
