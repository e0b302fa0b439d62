//! What an invoice depends on beside what is charged: coupons, commitments, taxes.
use super::{Invoicing, Result};
use crate::store::subscription_coupons;
use crate::store::subscriptions::Stored;
use crate::store::{StoreError, billing_details, catalog};
use reckoner_domain::billing_details::BillingDetails;
use reckoner_domain::billing_period::{Closing, Phase, PlanVersion};
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
    coupon: Coupon,
    /// Whether this closing is the last that it is for.
    is_last: bool,
}

impl Invoicing {
    /// What an invoice depends on beside its charges; the wallet's part is left open.
    pub(super) async fn terms(
        &self,
        stored: &Stored,
        closing: &Closing,
        (currency, coupons): (Currency, &[Taking]),
        details: &BillingDetails,
    ) -> Result<Terms> {
        let mut commitment: Option<Money> = None;
        for part in closing.period.iter().flat_map(|period| &period.parts) {
            if let Some(paid) = self.plan(stored, &part.plan).await?.commitment_in(part.share)? {
                commitment = Some(commitment.map_or(Ok(paid), |sum| sum.plus(paid))?);
            }
        }
        Ok(Terms {
            currency,
            coupons: coupons.iter().map(|taking| taking.coupon.clone()).collect(),
            commitment,
            taxes: details.taxes.rates.clone(),
            tax_mode: details.taxes.mode,
            wallet: Money::zero(currency),
        })
    }

    /// The coupons that take off the closing with a number, in the order in which they were given.
    pub(super) async fn coupons(&self, stored: &Stored, closing: u64) -> Result<Vec<Taking>> {
        let mut taking = Vec::new();
        for given in subscription_coupons::list(&self.db, stored.project, &stored.id).await? {
            let Some(used) = given.used_before(closing).and_then(|used| u32::try_from(used).ok()) else {
                continue;
            };
            let key = given.coupon.as_str();
            let coupon = catalog::get::<Coupon>(&self.db, stored.project, key, given.version).await?.entry;
            if coupon.covers(used) {
                let is_last = !coupon.covers(used + 1);
                taking.push(Taking { number: given.number, coupon, is_last });
            }
        }
        Ok(taking)
    }

    /// Whom a customer's invoices are made out to, and what it is taxed with.
    pub(super) async fn details(&self, stored: &Stored) -> Result<BillingDetails> {
        Ok(billing_details::get(&self.db, stored.project, &stored.customer).await?.details)
    }

    /// The currency of the subscription's plans, which have one for ever.
    pub(super) async fn currency_of(&self, stored: &Stored, phases: &[Phase]) -> Result<Option<Currency>> {
        let Some(phase) = phases.last() else { return Ok(None) };
        Ok(Some(self.plan(stored, &phase.plan).await?.currency))
    }

    pub(super) async fn plan(
        &self,
        stored: &Stored,
        version: &PlanVersion,
    ) -> std::result::Result<Arc<Plan>, StoreError> {
        self.plans.get(&self.db, stored.project, &version.key, version.version).await
    }
}

/// The coupons that have taken off all that they are for with this closing.
pub(super) fn exhausted(coupons: &[Taking]) -> Vec<u32> {
    coupons.iter().filter(|taking| taking.is_last).map(|taking| taking.number).collect()
}
