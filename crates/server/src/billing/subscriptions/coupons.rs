//! Coupons of subscriptions: given, and taken away.
use super::{Result, SubscriptionError, Subscriptions, Whose};
use crate::store::subscription_coupons::{self, Given};
use crate::store::subscriptions::{self, Stored};
use crate::store::{StoreError, Tx, audit, catalog, closings};
use reckoner_domain::coupon::{Coupon, Off};
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::key::CouponKey;
use serde_json::json;

/// Most coupons that a subscription has at once.
pub const COUPONS_MAX: usize = 10;

/// Most coupons that a subscription is ever given.
const GIVEN_MAX: usize = 1_000;

impl Subscriptions {
    /// The coupons that a subscription was given, in that order.
    pub async fn coupons(&self, project: ProjectId, id: &SubscriptionId) -> Result<Vec<Given>> {
        // A subscription that is not there has no coupons to tell of.
        subscriptions::get(&self.db, project, id).await?;
        Ok(subscription_coupons::list(&self.db, project, id).await?)
    }

    /// Gives a coupon, in its newest version: it takes off the next invoices.
    pub async fn give_coupon(&self, whose: Whose<'_>, key: &CouponKey) -> Result<Given> {
        let (mut tx, stored, now) = self.begin(&whose).await?;
        if stored.subscription.status.is_over() {
            return Err(SubscriptionError::Over);
        }
        let newest =
            catalog::versions::<Coupon>(&mut tx, whose.project, key.as_str()).await?.into_iter().next();
        let coupon = newest.ok_or(SubscriptionError::NoSuchCoupon)?;
        if coupon.archived_at.is_some() {
            return Err(SubscriptionError::CouponArchived);
        }
        if let Off::Amount(amount) = coupon.entry.off {
            let Stored { subscription, .. } = &stored;
            let plan = self.plans.get(&mut tx, whose.project, &subscription.plan, subscription.plan_version);
            let currency = plan.await?.currency;
            if amount.currency() != currency {
                return Err(SubscriptionError::CouponCurrency { coupon: amount.currency(), plan: currency });
            }
        }
        let before = subscription_coupons::list(&mut tx, whose.project, whose.id).await?;
        let in_force = || before.iter().filter(|given| given.ended_at.is_none());
        if in_force().any(|given| given.coupon == *key) {
            return Err(SubscriptionError::CouponGiven);
        }
        if in_force().count() >= COUPONS_MAX || before.len() >= GIVEN_MAX {
            return Err(SubscriptionError::TooManyCoupons);
        }
        let given = Given {
            number: before.last().map_or(1, |last| last.number + 1),
            coupon: key.clone(),
            version: coupon.version,
            from_closing: closings::cursor(&mut tx, whose.id).await?.closings,
            until_closing: None,
            given_at: now,
            ended_at: None,
        };
        subscription_coupons::add(&mut tx, whose.project, whose.id, &given).await?;
        self.end_coupons(tx, &whose, stored, ("subscription.coupon_added", &given)).await?;
        Ok(given)
    }

    /// Takes a coupon away: it takes nothing off the next invoice.
    pub async fn take_coupon(&self, whose: Whose<'_>, key: &CouponKey) -> Result<Given> {
        let (mut tx, stored, now) = self.begin(&whose).await?;
        let given = subscription_coupons::list(&mut tx, whose.project, whose.id).await?;
        let in_force = given.into_iter().find(|given| given.coupon == *key && given.ended_at.is_none());
        let mut given = in_force.ok_or(SubscriptionError::CouponNotGiven)?;
        let closing = closings::cursor(&mut tx, whose.id).await?.closings;
        subscription_coupons::end(&mut tx, whose.id, given.number, (closing, now)).await?;
        (given.until_closing, given.ended_at) = (Some(closing), Some(now));
        self.end_coupons(tx, &whose, stored, ("subscription.coupon_removed", &given)).await?;
        Ok(given)
    }

    /// Counts a change of the subscription, so that no closing that was worked out before is written down.
    async fn end_coupons(
        &self,
        mut tx: Tx,
        whose: &Whose<'_>,
        stored: Stored,
        (action, given): (&'static str, &Given),
    ) -> std::result::Result<(), StoreError> {
        subscriptions::update(&mut tx, &stored, &stored.subscription, stored.ended_at).await?;
        let details = json!({
            "coupon": given.coupon.as_str(),
            "coupon_version": given.version,
            "customer": stored.external_id,
        });
        let change = audit::Change::new(Some(whose.project), whose.by, action, &stored.id).after(details);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await
    }
}
