//! How a customer stands, as its people are told.
use super::Billing;
use super::standing::Has;
use crate::store::customers::Customer;
use crate::store::subscriptions::{self, Stored};
use crate::store::trials::{self, Trial};
use crate::store::{Db, StoreError};
use reckoner_domain::subscription::SubscriptionStatus;
use reckoner_domain::time::Timestamp;

/// How a customer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The plan: what the customer has, or else what it had last.
    pub plan: String,
    /// Where the last subscription stands; `None` for who never had one.
    pub status: Option<&'static str>,
    /// When the trial ends or ended.
    pub trial_ends_at: Option<Timestamp>,
    /// The end of the billing period; `None` in a trial and after the end.
    pub period_end: Option<Timestamp>,
}

impl Tier {
    /// Of a trial that waits for its plan.
    pub fn of_trial(trial: &Trial, now: Timestamp) -> Self {
        let status =
            if now < trial.ends_at { SubscriptionStatus::Trialing } else { SubscriptionStatus::Expired };
        Self {
            plan: trial.plan.clone(),
            status: Some(status.as_str()),
            trial_ends_at: Some(trial.ends_at),
            period_end: None,
        }
    }

    /// Of a subscription as it is at an instant.
    pub fn of_subscription(stored: &Stored, now: Timestamp) -> Self {
        let subscription = &stored.subscription;
        let status = subscription.status;
        let is_billed = !status.is_over() && status != SubscriptionStatus::Trialing;
        let period = subscription.cycle.period_at(now).filter(|_| is_billed);
        Self {
            plan: subscription.plan.as_str().to_owned(),
            status: Some(status.as_str()),
            trial_ends_at: subscription.trial_ends_at,
            period_end: period.map(|period| period.end),
        }
    }
}

impl Billing {
    /// How a customer stands; `None` for one that never had anything.
    pub async fn tier(
        &self,
        db: &Db,
        customer: &Customer,
        now: Timestamp,
    ) -> Result<Option<Tier>, StoreError> {
        let (project, own_id) = (customer.project, customer.external_id.as_str());
        let standing = self.standing.of(project, own_id).await?;
        let last = subscriptions::last_of(db, project, own_id).await?;
        let last = match last {
            Some(last) => Some(self.subscriptions.as_at(last, now).await?),
            None => None,
        };
        let had = match &last {
            Some(last) => Some(Tier::of_subscription(last, now)),
            None => {
                let waiting = trials::find(db, project, &customer.id).await?;
                waiting.map(|trial| Tier::of_trial(&trial, now))
            }
        };
        let has = match &standing.has {
            Has::Plan { plan, .. } => Some(plan.key.as_str().to_owned()),
            Has::Nothing | Has::Unlimited => None,
        };
        let Some(mut tier) = had else {
            return Ok(has.map(|plan| Tier { plan, status: None, trial_ends_at: None, period_end: None }));
        };
        if let Some(plan) = has {
            tier.plan = plan;
        }
        if tier.trial_ends_at.is_none() {
            tier.trial_ends_at = subscriptions::last_trial_end(db, project, &customer.id).await?;
        }
        Ok(Some(tier))
    }
}
