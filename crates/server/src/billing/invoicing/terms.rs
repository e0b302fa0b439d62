//! What an invoice depends on beside what is charged: coupons, commitments, taxes.
use super::known::Known;
use super::{Invoicing, Result};
use crate::store::StoreError;
use crate::store::subscription_coupons::Given;
use crate::store::subscriptions::Stored;
use reckoner_domain::billing_period::{Closing, PlanVersion};
use reckoner_domain::coupon::Coupon;
use reckoner_domain::currency::Currency;
use reckoner_domain::invoice::Terms;
use reckoner_domain::money::Money;
use reckoner_domain::plan::Plan;
use std::sync::Arc;

/// A coupon that takes off a closing.
pub(super) struct Taking {
    /// Its place among those of the subscription.
    number: u32,
    pub coupon: Arc<Coupon>,
    /// Whether this closing is the last that it is for.
    is_last: bool,
}

impl Invoicing {
    /// What an invoice depends on beside its charges; the wallet's part is left open.
    pub(super) async fn terms(
        &self,
        known: &Known,
        closing: &Closing,
        (currency, coupons): (Currency, &[Taking]),
    ) -> Result<Terms> {
        let mut commitment: Option<Money> = None;
        for part in closing.period.iter().flat_map(|period| &period.parts) {
            if let Some(paid) = self.plan(&known.stored, &part.plan).await?.commitment_in(part.share)? {
                commitment = Some(commitment.map_or(Ok(paid), |sum| sum.plus(paid))?);
            }
        }
        Ok(Terms {
            currency,
            coupons: coupons.iter().map(|taking| Coupon::clone(&taking.coupon)).collect(),
            commitment,
            taxes: known.details.taxes.rates.clone(),
            tax_mode: known.details.taxes.mode,
            wallet: Money::zero(currency),
        })
    }

    /// The currency of the subscription's plans, which have one for ever.
    pub(super) async fn currency_of(&self, known: &Known) -> Result<Option<Currency>> {
        let Some(phase) = known.phases.last() else { return Ok(None) };
        Ok(Some(self.plan(&known.stored, &phase.plan).await?.currency))
    }

    pub(super) async fn plan(
        &self,
        stored: &Stored,
        version: &PlanVersion,
    ) -> std::result::Result<Arc<Plan>, StoreError> {
        self.plans.get(&self.db, stored.project, &version.key, version.version).await
    }
}

/// The coupons that take off the closing with a number, in the order in which they were given.
pub(super) fn coupons_at(known: &Known, closing: u64) -> Vec<Taking> {
    let taking = |(given, coupon): &(Given, Arc<Coupon>)| {
        let used = given.used_before(closing).and_then(|used| u32::try_from(used).ok())?;
        let is_last = !coupon.covers(used + 1);
        coupon.covers(used).then(|| Taking { number: given.number, coupon: Arc::clone(coupon), is_last })
    };
    known.coupons.iter().filter_map(taking).collect()
}

/// The coupons that have taken off all that they are for with this closing.
pub(super) fn exhausted(coupons: &[Taking]) -> Vec<u32> {
    coupons.iter().filter(|taking| taking.is_last).map(|taking| taking.number).collect()
}
