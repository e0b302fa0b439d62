//! What customers have at this moment, at hand for every decision.
mod bulk;

pub use bulk::Holding;

use super::plans::Plans;
use super::zones;
use crate::clock::Clock;
use crate::store::subscriptions::{self, Stored};
use crate::store::{Db, Exec, StoreError, billing_standings, catalog};
use parking_lot::Mutex;
use reckoner_domain::billing_status::Owing;
use reckoner_domain::calendar::Calendars;
use reckoner_domain::id::ProjectId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::plan::Plan;
use reckoner_domain::quota::Resets;
use reckoner_domain::subscription::{ScheduledAction, Step, Subscription};
use reckoner_domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Customers kept at hand; beyond that all are read anew.
const CUSTOMERS_MAX: usize = 200_000;

/// What a customer has, until an instant.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What it has.
    pub has: Has,
    /// Whether it is suspended: it may use nothing until it has paid.
    pub is_suspended: bool,
    /// When that may change by itself.
    pub until: Option<Timestamp>,
}

impl Standing {
    /// Of what a customer has, until when, and what it owes.
    fn new((has, until): (Has, Option<Timestamp>), owing: &Owing, now: Timestamp) -> Self {
        Self {
            has,
            is_suspended: owing.status_at(now).blocks_writes(),
            until: until.into_iter().chain(owing.changes_at(now)).min(),
        }
    }
}

/// What a customer has.
#[derive(Clone, Debug)]
pub enum Has {
    /// A plan.
    Plan {
        /// The version of it.
        plan: Arc<Plan>,
        /// When its quotas are counted anew.
        resets: Resets,
        /// The subscription; none where the plan is that of all who have none.
        subscription: Option<Arc<Stored>>,
    },
    /// Nothing, though the project has plans.
    Nothing,
    /// The project has no plans: nothing is limited.
    Unlimited,
}

/// The customers whose standing is at hand. Clones share one state.
#[derive(Clone, Default)]
pub struct Standings(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    customers: HashMap<ProjectId, HashMap<Box<str>, Arc<Standing>>>,
    count: usize,
    /// Counts what was forgotten, so that nothing read before is remembered after.
    forgotten: u64,
}

/// Reads what customers have. Clones share one state.
#[derive(Clone)]
pub struct StandingReader {
    db: Db,
    clock: Clock,
    plans: Plans,
    default_plan: Option<PlanKey>,
    standings: Standings,
}

impl Standings {
    /// Forgets what a customer has, after that has changed.
    pub fn forget(&self, project: ProjectId, external_id: &str) {
        let mut known = self.0.lock();
        known.forgotten += 1;
        if known.customers.get_mut(&project).and_then(|of| of.remove(external_id)).is_some() {
            known.count -= 1;
        }
        metrics::counter!("tier_cache_invalidations_total").increment(1);
    }

    /// Forgets what the customers of a project have, after its catalogue has changed.
    pub fn forget_all(&self, project: ProjectId) {
        let mut known = self.0.lock();
        known.forgotten += 1;
        let gone = known.customers.remove(&project).map_or(0, |of| of.len());
        known.count -= gone;
        metrics::counter!("tier_cache_invalidations_total").increment(1);
    }

    fn find(&self, project: ProjectId, external_id: &str, now: Timestamp) -> Result<Arc<Standing>, u64> {
        let known = self.0.lock();
        let standing = known.customers.get(&project).and_then(|of| of.get(external_id));
        match standing.filter(|standing| standing.until.is_none_or(|until| now < until)) {
            Some(standing) => Ok(Arc::clone(standing)),
            None => Err(known.forgotten),
        }
    }

    /// The same where that lets nobody else go.
    fn remember_where_is_room(
        &self,
        project: ProjectId,
        external_id: &str,
        standing: &Arc<Standing>,
        forgotten: u64,
    ) {
        let has_room = self.0.lock().count < CUSTOMERS_MAX;
        if has_room {
            self.remember(project, external_id, standing, forgotten);
        }
    }

    /// Remembers what was read, unless anything was forgotten since.
    fn remember(&self, project: ProjectId, external_id: &str, standing: &Arc<Standing>, forgotten: u64) {
        let mut known = self.0.lock();
        if known.forgotten != forgotten {
            return;
        }
        if known.count >= CUSTOMERS_MAX {
            known.customers.clear();
            known.count = 0;
        }
        let of = known.customers.entry(project).or_default();
        if of.insert(external_id.into(), Arc::clone(standing)).is_none() {
            known.count += 1;
        }
        metrics::gauge!("tier_cache_entries").set(known.count as f64);
    }
}

impl StandingReader {
    /// Over a store; customers without a subscription have the default plan, where there is one.
    pub fn new(
        (db, clock): (Db, Clock),
        plans: Plans,
        default_plan: Option<PlanKey>,
        standings: Standings,
    ) -> Self {
        Self { db, clock, plans, default_plan, standings }
    }

    /// What a customer has at this moment.
    pub async fn of(&self, project: ProjectId, external_id: &str) -> Result<Arc<Standing>, StoreError> {
        let now = self.clock.of_project(project);
        let forgotten = match self.standings.find(project, external_id, now) {
            Ok(standing) => {
                metrics::counter!("tier_cache_requests_total", "result" => "hit").increment(1);
                return Ok(standing);
            }
            Err(forgotten) => forgotten,
        };
        metrics::counter!("tier_cache_requests_total", "result" => "miss").increment(1);
        let standing = Arc::new(self.read(project, external_id, now).await?);
        self.standings.remember(project, external_id, &standing, forgotten);
        Ok(standing)
    }

    async fn read(&self, project: ProjectId, own_id: &str, now: Timestamp) -> Result<Standing, StoreError> {
        let (has, until) = self.read_plan(project, own_id, now).await?;
        let owing = billing_standings::of_customer(&self.db, project, own_id).await?;
        Ok(Standing::new((has, until), &owing, now))
    }

    async fn read_plan(
        &self,
        project: ProjectId,
        own_id: &str,
        now: Timestamp,
    ) -> Result<(Has, Option<Timestamp>), StoreError> {
        let last = subscriptions::last_of(&self.db, project, own_id).await?;
        let by_last = match last {
            Some(stored) => self.by_subscription(stored, now).await?,
            None => None,
        };
        let (held, until) = match by_last {
            Some((held, until)) => (held, until),
            None => match self.default_plan(project).await? {
                Some(plan) => (Some(Held { plan, subscription: None }), None),
                None if catalog::has_plans(&self.db, project).await? => (None, None),
                None => return Ok((Has::Unlimited, None)),
            },
        };
        let Some(held) = held else { return Ok((Has::Nothing, until)) };
        let calendars = self.calendars_of(project, own_id).await?;
        Ok((held.counted_by(&calendars), until))
    }

    /// What a customer has by its last subscription, which may be nothing, and until when; `None` where that is over.
    async fn by_subscription(
        &self,
        stored: Stored,
        now: Timestamp,
    ) -> Result<Option<(Option<Held>, Option<Timestamp>)>, StoreError> {
        let settled = settled(&self.db, &self.plans, stored, now).await?;
        let until = settled.subscription.due_at();
        if settled.subscription.entitles_at(now) {
            let Subscription { plan, plan_version, .. } = &settled.subscription;
            let plan = self.plans.get(&self.db, settled.project, plan, *plan_version).await?;
            return Ok(Some((Some(Held { plan, subscription: Some(Arc::new(settled)) }), until)));
        }
        Ok((!settled.subscription.status.is_over()).then_some((None, until)))
    }

    /// The plan of customers without a subscription.
    async fn default_plan(&self, project: ProjectId) -> Result<Option<Arc<Plan>>, StoreError> {
        let Some(key) = &self.default_plan else { return Ok(None) };
        let versions = catalog::versions::<Plan>(&self.db, project, key.as_str()).await?;
        Ok(versions.into_iter().next().map(|newest| Arc::new(newest.entry)))
    }

    /// When quotas of a customer who is not billed would be counted anew: by the days and months of its time zone.
    pub async fn resets_of(&self, project: ProjectId, own_id: &str) -> Result<Resets, StoreError> {
        Ok(Resets::new(&*self.calendars_of(project, own_id).await?, None))
    }

    async fn calendars_of(&self, project: ProjectId, own_id: &str) -> Result<Arc<Calendars>, StoreError> {
        let mut calendars = zones::calendars_of(&self.db, project, &[own_id]).await?;
        calendars.remove(own_id).ok_or(StoreError::NotFound)
    }
}

/// A plan that somebody has, by a subscription or because all have it.
struct Held {
    plan: Arc<Plan>,
    subscription: Option<Arc<Stored>>,
}

impl Held {
    fn counted_by(self, calendars: &Calendars) -> Has {
        let Self { plan, subscription } = self;
        let cycle = subscription.as_ref().map(|stored| stored.subscription.cycle.clone());
        Has::Plan { plan, resets: Resets::new(calendars, cycle), subscription }
    }
}

/// A subscription as it is at an instant, whether or not anything has noticed.
pub async fn settled(
    on: impl Exec,
    plans: &Plans,
    stored: Stored,
    now: Timestamp,
) -> Result<Stored, StoreError> {
    let Some(last) = steps_until(on, plans, &stored, now).await?.pop() else { return Ok(stored) };
    let ended_at = last.subscription.status.is_over().then_some(last.at);
    Ok(Stored { subscription: last.subscription, ended_at, ..stored })
}

/// What fell due of a subscription until an instant, step by step.
pub async fn steps_until(
    on: impl Exec,
    plans: &Plans,
    stored: &Stored,
    now: Timestamp,
) -> Result<Vec<Step>, StoreError> {
    let mut scheduled = None;
    let action = stored.subscription.at_period_end.as_ref().map(|one| &one.action);
    if let Some(ScheduledAction::Change { plan, version }) = action {
        scheduled = Some(plans.get(on, stored.project, plan, *version).await?);
    }
    Ok(stored.subscription.steps_until(now, |_, _| scheduled.as_deref()))
}
