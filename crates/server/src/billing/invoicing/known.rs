//! What is known of the billing of subscriptions, read of many at once.
use super::bill::{Charged, RERATED_DAYS};
use super::late::UNNOTED_DAYS;
use super::{Invoicing, Result};
use crate::billing::zones;
use crate::store::closings::{self, ClosedPeriod, Cursor};
use crate::store::subscription_coupons::{self, Given};
use crate::store::subscription_phases;
use crate::store::subscriptions::Stored;
use crate::store::wallets::{self, Stored as Wallet};
use crate::store::{StoreError, billing_details, catalog};
use reckoner_domain::billing_details::BillingDetails;
use reckoner_domain::billing_period::{Billed, Closing, Phase, PlanVersion};
use reckoner_domain::calendar::Calendars;
use reckoner_domain::coupon::Coupon;
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::key::CouponKey;
use reckoner_domain::time::DAY;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of a subscription's billing.
pub(in crate::billing) struct Known {
    /// The subscription.
    pub stored: Stored,
    /// What it was, in order.
    pub phases: Vec<Phase>,
    /// How far it is billed.
    pub cursor: Cursor,
    /// The customer's days and months.
    pub calendars: Arc<Calendars>,
    /// The customer's wallet, where there is one.
    pub wallet: Option<Wallet>,
    /// Whom its invoices are made out to, and what it is taxed with.
    pub details: BillingDetails,
    /// Its coupons, in the order in which they were given.
    pub coupons: Vec<(Given, Arc<Coupon>)>,
    /// Closed periods that the next closing may rate anew.
    pub closed: Vec<Closed>,
}

/// A closed period.
pub(in crate::billing) struct Closed {
    /// The period.
    pub period: ClosedPeriod,
    /// What was charged in it so far.
    pub charged: Vec<Charged>,
}

impl Invoicing {
    /// What is known of a subscription's billing, as it is written down.
    pub(super) async fn known(&self, stored: Stored) -> Result<Known> {
        let mut known = self.known_many(stored.project, vec![stored]).await?;
        Ok(known.pop().ok_or(StoreError::NotFound)?)
    }

    /// What is known of the billing of each of these subscriptions of a project, in their order.
    pub(super) async fn known_many(&self, project: ProjectId, stored: Vec<Stored>) -> Result<Vec<Known>> {
        let ids: Vec<SubscriptionId> = stored.iter().map(|one| one.id.clone()).collect();
        let customers: Vec<_> = stored.iter().map(|one| &one.customer).collect();
        let names: Vec<String> = stored.iter().map(|one| one.external_id.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let calendars = zones::calendars_of(&self.db, project, &names).await?;
        let mut cursors = closings::cursors(&self.db, &ids).await?;
        let mut phases = subscription_phases::of_many(&self.db, &ids).await?;
        let wallets = wallets::get_many(&self.db, project, &customers).await?;
        let wallets: BTreeMap<_, _> = wallets.into_iter().map(|one| (one.customer.clone(), one)).collect();
        let details = billing_details::get_many(&self.db, project, &customers).await?;
        let mut coupons = self.coupons_of(project, &ids).await?;
        let mut closed = self.closed_of(project, &ids, &cursors).await?;
        let known = |stored: Stored| {
            let name = stored.external_id.as_str();
            Ok(Known {
                calendars: calendars.get(name).cloned().ok_or(StoreError::NotFound)?,
                phases: phases_of(phases.remove(&stored.id).unwrap_or_default()),
                cursor: cursors.remove(&stored.id).unwrap_or_default(),
                // A customer may have several subscriptions.
                wallet: wallets.get(&stored.customer).cloned(),
                details: details.get(&stored.customer).map(|known| known.details.clone()).unwrap_or_default(),
                coupons: coupons.remove(&stored.id).unwrap_or_default(),
                closed: closed.remove(&stored.id).unwrap_or_default(),
                stored,
            })
        };
        stored.into_iter().map(known).collect()
    }

    async fn coupons_of(
        &self,
        project: ProjectId,
        ids: &[SubscriptionId],
    ) -> Result<BTreeMap<SubscriptionId, Vec<(Given, Arc<Coupon>)>>> {
        let mut versions: BTreeMap<(CouponKey, u32), Arc<Coupon>> = BTreeMap::new();
        let mut coupons = BTreeMap::new();
        for (id, given) in subscription_coupons::list_many(&self.db, project, ids).await? {
            let mut of_one = Vec::with_capacity(given.len());
            for given in given {
                let name = (given.coupon.clone(), given.version);
                let coupon = match versions.get(&name) {
                    Some(coupon) => Arc::clone(coupon),
                    None => {
                        let found = catalog::get(&self.db, project, name.0.as_str(), name.1).await?;
                        Arc::clone(versions.entry(name).or_insert(Arc::new(found.entry)))
                    }
                };
                of_one.push((given, coupon));
            }
            coupons.insert(id, of_one);
        }
        Ok(coupons)
    }

    /// Closed periods that a closing may rate anew that ends no earlier than what is billed.
    async fn closed_of(
        &self,
        project: ProjectId,
        ids: &[SubscriptionId],
        cursors: &BTreeMap<SubscriptionId, Cursor>,
    ) -> Result<BTreeMap<SubscriptionId, Vec<Closed>>> {
        let billed = cursors.values().filter_map(|cursor| Some(cursor.billed?.until));
        let Some(first) = billed.min() else { return Ok(BTreeMap::new()) };
        let since = first.plus_micros(-RERATED_DAYS * DAY);
        let found = closings::to_rate(&self.db, ids, (since, UNNOTED_DAYS * DAY)).await?;
        // What events said that are not kept any more was billed, and stays.
        let kept_since = self.kept_since(project);
        let mut closed = BTreeMap::new();
        for (id, periods) in found {
            let kept = |one: &ClosedPeriod| kept_since.is_none_or(|since| one.window.start >= since);
            let read = |period: ClosedPeriod| {
                let charged = serde_json::from_str(&period.charges)
                    .map_err(|error| StoreError::corrupt("charges", error))?;
                Ok::<_, StoreError>(Closed { period, charged })
            };
            let periods = periods.into_iter().filter(kept).map(read);
            closed.insert(id, periods.collect::<std::result::Result<Vec<_>, _>>()?);
        }
        Ok(closed)
    }
}

impl Known {
    /// The closing that comes next; of a subscription that is settled one where something came later still.
    pub fn next_closing(&self) -> Option<Closing> {
        next_closing(&self.phases, &self.cursor).or_else(|| {
            let is_late = self.closed.iter().any(|closed| closed.period.late);
            let at = self.cursor.run_at.filter(|_| is_late)?;
            Some(Closing::of_late(at, self.cursor.billed?))
        })
    }

    /// The closing that ended with a closed period, by what was known then.
    pub fn closing_of(&self, closed: &ClosedPeriod) -> Option<Closing> {
        let phases = closed.phases.and_then(|phases| self.phases.get(..phases)).unwrap_or(&self.phases);
        let before = Billed { until: closed.window.start, phases: closed.phases_before };
        Closing::of_period_from(phases, before)
    }

    /// The closed periods that a closing rates anew.
    pub fn rated_with(&self, closing: &Closing) -> impl Iterator<Item = &Closed> {
        let closed = if closing.is_interim { &[][..] } else { &self.closed };
        let since = closing.at.plus_micros(-RERATED_DAYS * DAY);
        let last = self.closed.last().map(|closed| closed.period.window.end.plus_micros(-UNNOTED_DAYS * DAY));
        closed.iter().filter(move |closed| {
            let end = closed.period.window.end;
            closed.period.late || end > since || last.is_some_and(|last| end > last)
        })
    }
}

/// The closing that comes next of a subscription that is billed so far. What is to be invoiced before the end of a period
/// is: of the one that is running, while nothing is left of those before.
pub fn next_closing(phases: &[Phase], cursor: &Cursor) -> Option<Closing> {
    let next = Closing::next(phases, cursor.billed);
    match (cursor.billed, cursor.interim_at) {
        (Some(billed), Some(at)) if next.as_ref().is_none_or(|next| at <= next.at) => {
            Some(Closing::interim(phases, billed, at))
        }
        _ => next,
    }
}

/// Phases as billing sees them.
pub fn phases_of(phases: Vec<subscription_phases::Phase>) -> Vec<Phase> {
    let phase = |phase: subscription_phases::Phase| Phase {
        starts_at: phase.starts_at,
        plan: PlanVersion { key: phase.plan, version: phase.plan_version },
        status: phase.status,
        cycle: phase.cycle,
    };
    phases.into_iter().map(phase).collect()
}
