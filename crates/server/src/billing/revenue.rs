//! Monthly recurring revenue of a project, and how it moved.
use super::plans::Plans;
use crate::clock::Clock;
use crate::store::{Db, StoreError, catalog, overview, subscription_coupons};
use reckoner_domain::coupon::Coupon;
use reckoner_domain::currency::Currency;
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::mrr::{Movements, Recurring, Revenue};
use reckoner_domain::plan::Plan;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads revenue. Clones share one state.
#[derive(Clone)]
pub struct Revenues {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) plans: Plans,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum RevenueError {
    /// The control plane failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The amounts do not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// The revenue of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// At the later instant.
    pub mrr: Money,
    /// How it moved since the earlier one.
    pub movements: Movements,
}

/// Subscriptions that brought revenue, each with its plan and the coupons that count against it.
struct Paying(Vec<(String, Arc<Plan>, Vec<Coupon>)>);

impl Paying {
    fn revenue(&self) -> Result<Revenue<'_>, MoneyError> {
        Revenue::of(self.0.iter().map(|(customer, plan, coupons)| Recurring {
            customer,
            base: plan.base_fee(),
            coupons,
        }))
    }
}

impl Revenues {
    /// Revenue at an instant, in every currency that there is at it or at an earlier one, and how it moved
    /// between them.
    pub async fn figures(
        &self,
        project: ProjectId,
        since: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Figure>, RevenueError> {
        let (before, now) = (self.paying(project, since).await?, self.paying(project, at).await?);
        let mut currencies: Vec<Currency> =
            before.0.iter().chain(&now.0).map(|(_, plan, _)| plan.currency).collect();
        currencies.sort_unstable();
        currencies.dedup();
        let (before, now) = (before.revenue()?, now.revenue()?);
        let totals = now.totals()?;
        let figure = |currency: Currency| {
            let mrr = totals.iter().find(|total| total.currency() == currency).copied();
            let movements = now.movements_since(&before, currency)?;
            Ok(Figure { mrr: mrr.unwrap_or(Money::zero(currency)), movements })
        };
        currencies.into_iter().map(figure).collect()
    }

    /// Revenue at this moment, one figure for each currency.
    pub async fn now(&self, project: ProjectId) -> Result<Vec<Money>, RevenueError> {
        let now = self.paying(project, self.clock.of_project(project)).await?;
        Ok(now.revenue()?.totals()?)
    }

    /// The coupons of subscriptions that count against revenue at an instant. They end with the last invoice that
    /// they are for, and one that is for a single one does not recur.
    async fn recurring_coupons(
        &self,
        project: ProjectId,
        at: Timestamp,
    ) -> Result<BTreeMap<SubscriptionId, Vec<Coupon>>, StoreError> {
        let (mut known, mut coupons) = (BTreeMap::new(), BTreeMap::<_, Vec<Coupon>>::new());
        for (subscription, key, version) in subscription_coupons::in_force(&self.db, project, at).await? {
            let name = (key, version);
            if !known.contains_key(&name) {
                let stored = catalog::get::<Coupon>(&self.db, project, name.0.as_str(), version).await?;
                known.insert(name.clone(), stored.entry);
            }
            if let Some(coupon) = known.get(&name).filter(|coupon| coupon.is_recurring(0)) {
                coupons.entry(subscription).or_default().push(coupon.clone());
            }
        }
        Ok(coupons)
    }

    async fn paying(&self, project: ProjectId, at: Timestamp) -> Result<Paying, StoreError> {
        let mut coupons = self.recurring_coupons(project, at).await?;
        let mut paying = Vec::new();
        for one in overview::paying_at(&self.db, project, at).await? {
            let plan = self.plans.get(&self.db, project, &one.plan, one.plan_version).await?;
            let coupons = coupons.remove(&one.subscription).unwrap_or_default();
            paying.push((one.external_id, plan, coupons));
        }
        Ok(Paying(paying))
    }
}
