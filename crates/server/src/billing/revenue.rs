//! Monthly recurring revenue of a project, and how it moved.
use super::plans::Plans;
use crate::clock::Clock;
use crate::store::{Db, StoreError, overview};
use reckoner_domain::currency::Currency;
use reckoner_domain::id::ProjectId;
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::mrr::{Movements, Recurring, Revenue};
use reckoner_domain::plan::Plan;
use reckoner_domain::time::Timestamp;
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

/// Subscriptions that brought revenue, each with its plan.
struct Paying(Vec<(String, Arc<Plan>)>);

impl Paying {
    fn revenue(&self) -> Result<Revenue<'_>, MoneyError> {
        Revenue::of(self.0.iter().map(|(customer, plan)| Recurring {
            customer,
            base: plan.base_fee(),
            coupons: &[],
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
            before.0.iter().chain(&now.0).map(|(_, plan)| plan.currency).collect();
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

    async fn paying(&self, project: ProjectId, at: Timestamp) -> Result<Paying, StoreError> {
        let mut paying = Vec::new();
        for one in overview::paying_at(&self.db, project, at).await? {
            let plan = self.plans.get(&self.db, project, &one.plan, one.plan_version).await?;
            paying.push((one.external_id, plan));
        }
        Ok(Paying(paying))
    }
}
