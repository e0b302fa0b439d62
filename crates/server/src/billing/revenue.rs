//! Monthly recurring revenue of a project, and how it moved.
use super::invoicing::Charged;
use super::plans::Plans;
use crate::clock::Clock;
use crate::store::{Db, StoreError, catalog, closings, meters, overview, subscription_coupons};
use reckoner_domain::coupon::Coupon;
use reckoner_domain::currency::Currency;
use reckoner_domain::id::{MeterId, ProjectId, SubscriptionId};
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::mrr::{Customers, Movements, Recurring, Revenue};
use reckoner_domain::plan::Plan;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
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
    /// Twelve times that.
    pub arr: Money,
    /// How it moved since the earlier one.
    pub movements: Movements,
    /// What it was at the earlier one.
    pub before: Money,
    /// Who brings it.
    pub customers: Customers,
}

/// What the usage of a meter was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfMeter {
    /// The amount, without tax.
    pub charged: Money,
    /// Of how many prices in closed periods.
    pub periods: u64,
}

impl OfMeter {
    fn none(currency: Currency) -> Self {
        Self { charged: Money::zero(currency), periods: 0 }
    }

    fn add(&mut self, net: Money) -> Result<(), MoneyError> {
        self.charged = self.charged.plus(net)?;
        self.periods += 1;
        Ok(())
    }
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
        let (totals, earlier) = (now.totals()?, before.totals()?);
        let of = |totals: &[Money], currency| {
            let total = totals.iter().find(|total| total.currency() == currency).copied();
            total.unwrap_or(Money::zero(currency))
        };
        let figure = |currency: Currency| {
            Ok(Figure {
                mrr: of(&totals, currency),
                arr: now.annual(currency)?,
                movements: now.movements_since(&before, currency)?,
                before: of(&earlier, currency),
                customers: now.customers_since(&before, currency),
            })
        };
        currencies.into_iter().map(figure).collect()
    }

    /// What periods that were closed in a time charged for the usage of each meter, adjustments included.
    pub async fn by_meter(
        &self,
        project: ProjectId,
        window: Window,
    ) -> Result<BTreeMap<(String, Currency), OfMeter>, RevenueError> {
        let mut found: BTreeMap<(MeterId, Currency), OfMeter> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = closings::charges_in(&self.db, project, window, after.as_ref()).await?;
            for charges in page.charges {
                let charged: Vec<Charged> =
                    serde_json::from_str(&charges).map_err(|error| StoreError::corrupt("charges", error))?;
                for one in charged {
                    let Some(meter) = one.source.meter else { continue };
                    let currency = one.net.currency();
                    let of = found.entry((meter, currency)).or_insert_with(|| OfMeter::none(currency));
                    of.add(one.net)?;
                }
            }
            if page.last.is_none() {
                break;
            }
            after = page.last;
        }
        // Versions of a meter are one meter.
        let mut by_key: BTreeMap<(String, Currency), OfMeter> = BTreeMap::new();
        let keys: BTreeMap<MeterId, String> = if found.is_empty() {
            BTreeMap::new()
        } else {
            let all = meters::list_all_versions(&self.db, project).await?.into_iter();
            all.map(|stored| (stored.meter.id, stored.meter.key.to_string())).collect()
        };
        for ((meter, currency), of) in found {
            let key = keys.get(&meter).cloned().unwrap_or_else(|| meter.to_string());
            let sum = by_key.entry((key, currency)).or_insert_with(|| OfMeter::none(currency));
            sum.charged = sum.charged.plus(of.charged)?;
            sum.periods += of.periods;
        }
        Ok(by_key)
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
