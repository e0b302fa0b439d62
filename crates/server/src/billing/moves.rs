//! Moving many subscriptions to another plan or version, with a look at what it would change first.
use super::invoicing::{Invoicing, InvoicingError, Upcoming};
use super::subscriptions::{SubscriptionError, Subscriptions, Whose, changed};
use crate::store::subscription_moves::{self, Moving};
use crate::store::subscriptions::Stored;
use crate::store::{Cursor, Limit, StoreError};
use reckoner_domain::billing_period::{Phase, PlanVersion};
use reckoner_domain::id::ProjectId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::plan::{Difference, Plan, differences};
use reckoner_domain::proration::Timing;
use reckoner_domain::ratio::Ratio;
use reckoner_domain::subscription::{ScheduledAction, Subscription};
use reckoner_domain::time::Timestamp;
use std::fmt::Display;
use std::sync::Arc;

/// Moves subscriptions.
pub struct Moves<'a> {
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) invoicing: &'a Invoicing,
}

/// What is to be moved where.
#[derive(Clone, Debug)]
pub struct Move {
    /// The project.
    pub project: ProjectId,
    /// Open subscriptions to this plan,
    pub plan: PlanKey,
    /// to this version of it, or to any.
    pub version: Option<u32>,
    /// The plan that they get, and its version: the newest where none is said.
    pub to: (PlanKey, Option<u32>),
    /// When; where nothing is said, as a single change of plan.
    pub when: Option<Timing>,
}

/// What a move changes on the whole.
pub struct Overview {
    /// The plan that subscriptions get.
    pub to: Arc<Plan>,
    /// The versions that they have.
    pub from: Vec<OfVersion>,
    /// Base prices per month, without coupons: as they are, and as they become.
    pub monthly: (Money, Money),
}

/// Subscriptions to a version of a plan.
pub struct OfVersion {
    /// The version.
    pub version: u32,
    /// How many there are.
    pub subscriptions: u64,
    /// What the plan that they get has otherwise.
    pub differences: Vec<Difference>,
}

/// What becomes of a subscription.
pub struct Moved {
    /// As it was.
    pub before: Stored,
    /// What came or would come of it.
    pub outcome: Outcome,
    /// Its next invoice, tax included, as it is and as it would be; only in a look at it.
    pub next_invoice: Option<(Option<Money>, Option<Money>)>,
}

/// What comes of moving a subscription.
#[derive(Debug)]
pub enum Outcome {
    /// It has the plan.
    Moved,
    /// It gets the plan at this instant.
    Scheduled(Timestamp),
    /// Something else is scheduled that the customer asked for.
    Skipped(&'static str),
    /// It failed; nothing of it changed.
    Failed(String),
}

/// Why nothing is moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no such plan or version, or it is not to be had.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// What is moved does not exist.
    #[error("no such plan")]
    NoSuchPlan,
    /// The control plane failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Amounts do not fit, or are of two currencies.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A next invoice cannot be worked out.
    #[error(transparent)]
    Invoicing(#[from] InvoicingError),
}

impl Move {
    /// Which subscriptions these are: none that has what is asked for.
    fn moving(&self, to: &Plan) -> Moving<'_> {
        Moving {
            plan: self.plan.as_str(),
            version: self.version,
            but: (to.key == self.plan).then_some(to.version),
        }
    }
}

impl Moves<'_> {
    /// What a move changes on the whole.
    pub async fn overview(&self, asked: &Move) -> Result<Overview, MoveError> {
        let (db, plans) = (&self.invoicing.db, &self.invoicing.plans);
        let any = (asked.plan.clone(), asked.version);
        match self.subscriptions.find_plan(db, asked.project, &any).await {
            Err(SubscriptionError::NoSuchPlan | SubscriptionError::NoSuchVersion) => {
                return Err(MoveError::NoSuchPlan);
            }
            // Subscribers of an archived plan are whom one moves.
            Err(SubscriptionError::Archived) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let to = self.subscriptions.find_plan(db, asked.project, &asked.to).await?;
        let nothing = Money::zero(to.currency);
        let (mut before, mut after) = (Ratio::ZERO, Ratio::ZERO);
        let mut from = Vec::new();
        let counted = subscription_moves::count_moving(db, asked.project, &asked.moving(&to)).await?;
        for (version, subscriptions) in counted {
            let plan = plans.get(db, asked.project, &asked.plan, version).await?;
            plan.base_price.same_currency(nothing)?;
            before = before.plus(monthly(&plan, subscriptions)?).map_err(MoneyError::from)?;
            after = after.plus(monthly(&to, subscriptions)?).map_err(MoneyError::from)?;
            from.push(OfVersion { version, subscriptions, differences: differences(&plan, &to) });
        }
        let rounded = |amount| Money::rounded(amount, to.currency);
        let monthly = (rounded(before)?, rounded(after)?);
        Ok(Overview { to, from, monthly })
    }

    /// Moves some, or looks at what that would change: those after one, and so many. Each is moved by itself:
    /// one that fails keeps no other.
    pub async fn some(
        &self,
        by: &(dyn Display + Sync),
        (asked, to): (&Move, &Plan),
        dry_run: bool,
        (after, limit): (Option<&Cursor>, Limit),
    ) -> Result<(Vec<Moved>, Option<Cursor>), MoveError> {
        let (db, moving) = (&self.invoicing.db, asked.moving(to));
        let page = subscription_moves::moving(db, asked.project, &moving, after, limit).await?;
        let mut moved = Vec::with_capacity(page.items.len());
        for stored in page.items {
            let result = if dry_run {
                self.look(&stored, (asked, to)).await
            } else {
                self.one(by, &stored, (asked, to)).await.map(|outcome| (outcome, None))
            };
            let (outcome, next_invoice) =
                result.unwrap_or_else(|error| (Outcome::Failed(error.told()), None));
            moved.push(Moved { before: stored, outcome, next_invoice });
        }
        Ok((moved, page.next))
    }

    async fn one(
        &self,
        by: &(dyn Display + Sync),
        stored: &Stored,
        (asked, to): (&Move, &Plan),
    ) -> Result<Outcome, MoveError> {
        if let Some(why) = kept(&stored.subscription) {
            return Ok(Outcome::Skipped(why));
        }
        let whose = Whose { by, project: asked.project, id: &stored.id, version: Some(stored.version) };
        let plan = (to.key.clone(), Some(to.version));
        let after = self.subscriptions.change_plan(whose, &plan, asked.when, false).await?;
        Ok(outcome(&after.subscription, to))
    }

    /// What moving it would come to, and its next invoice with and without.
    async fn look(
        &self,
        stored: &Stored,
        (asked, to): (&Move, &Plan),
    ) -> Result<(Outcome, Option<(Option<Money>, Option<Money>)>), MoveError> {
        if let Some(why) = kept(&stored.subscription) {
            return Ok((Outcome::Skipped(why), None));
        }
        let now = self.invoicing.clock.of_project(asked.project);
        let stored = self.subscriptions.as_at(stored.clone(), now).await?;
        let (key, version) = (&stored.subscription.plan, stored.subscription.plan_version);
        let old = self.invoicing.plans.get(&self.invoicing.db, asked.project, key, version).await?;
        let after = changed(&stored.subscription, (&old, to), asked.when, now)?;
        let outcome = outcome(&after, to);
        let at_once = matches!(outcome, Outcome::Moved).then(|| Phase {
            starts_at: now,
            plan: PlanVersion { key: after.plan.clone(), version: after.plan_version },
            status: after.status,
            cycle: after.cycle.clone(),
        });
        let before = self.invoicing.upcoming(stored.clone()).await?;
        let after = Stored { subscription: after, ..stored };
        let after = self.invoicing.upcoming_if(after, at_once).await?;
        Ok((outcome, Some((total(before), total(after)))))
    }
}

impl MoveError {
    /// The reason for whoever asked: what a database said is for the log alone.
    fn told(&self) -> String {
        match self {
            Self::Store(_) | Self::Subscription(SubscriptionError::Store(_)) => {
                "the control plane failed, or it changed meanwhile: try again".to_owned()
            }
            Self::Invoicing(error) => error.told(),
            other => other.to_string(),
        }
    }
}

/// What a version's base price of so many subscriptions comes to in a month.
fn monthly(plan: &Plan, subscriptions: u64) -> Result<Ratio, MoneyError> {
    let fee = plan.base_fee();
    Ok(fee.interval.monthly(fee.amount.exact())?.times(Ratio::from_count(subscriptions))?)
}

fn total(upcoming: Option<Upcoming>) -> Option<Money> {
    Some(upcoming?.draft?.totals.total)
}

fn outcome(after: &Subscription, to: &Plan) -> Outcome {
    match &after.at_period_end {
        Some(scheduled) if (&after.plan, after.plan_version) != (&to.key, to.version) => {
            Outcome::Scheduled(scheduled.at)
        }
        _ => Outcome::Moved,
    }
}

/// Why it stays as it is: what a customer asked for is not taken back.
fn kept(subscription: &Subscription) -> Option<&'static str> {
    match subscription.at_period_end.as_ref()?.action {
        ScheduledAction::Cancel => Some("it ends at the end of its period"),
        ScheduledAction::Change { .. } => Some("another change of plan is scheduled"),
    }
}
