//! What a closing bills: usage of the period that ends, fees of the one that begins, and what was billed
//! wrong of periods before.
use super::known::{Closed, Known};
use super::terms::{coupons_at, exhausted};
use super::usage::{Priced, Readings};
use super::{Invoicing, Result};
use crate::store::closings::ClosedPeriod;
use crate::store::subscriptions::Stored;
use reckoner_domain::adjustment::adjustment;
use reckoner_domain::billing_details::BillTo;
use reckoner_domain::billing_period::{BillingPeriod, Closing, Part, PlanVersion};
use reckoner_domain::coupon::Off;
use reckoner_domain::id::MeterId;
use reckoner_domain::invoice::{
    Charge, Draft, LineKind, Metering, Source, Taxes, draft, fee_charges, usage_charge,
};
use reckoner_domain::key::{PriceKey, TaxKey};
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::share::Share;
use reckoner_domain::subscription::Collection;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use serde::{Deserialize, Serialize};

/// How long after its end a closed period is rated anew at each closing, in days; older ones are where something
/// became known of them.
pub const RERATED_DAYS: i64 = 62;

/// What a closing comes to.
pub(super) struct Bill {
    /// The invoice that it makes.
    pub draft: Draft,
    /// What is charged for usage in the period.
    pub charged: Vec<Charged>,
    /// Closed periods whose charges change with it.
    pub adjusted: Vec<(ClosedPeriod, Vec<Charged>)>,
    /// Closed periods that it rates with what became known of them.
    pub rated: Vec<ClosedPeriod>,
    /// How many entries the customer's wallet had when it was looked at.
    pub wallet_entries: u64,
    /// Whom it is made out to.
    pub made_out_to: BillTo,
    /// Where it is sent, beside the customer's people.
    pub email: Option<String>,
    /// The subscription's coupons that it uses up.
    pub exhausted: Vec<u32>,
}

/// What was charged for one price in a part of a closed period so far, adjustments included; or the fees of a plan
/// on its invoice, which only change with what usage leaves of a discount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charged {
    /// What made it.
    pub source: Source,
    /// Whether it is a fee.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_base: bool,
    /// Whether it is for usage beyond a limit.
    pub is_overage: bool,
    /// The units used.
    pub units: Ratio,
    /// Those of them that are not included.
    pub billed_units: Ratio,
    /// The part.
    pub part: Window,
    /// With its discounts and what it drew on a commitment.
    pub net: Money,
}

impl Charged {
    fn is_same(&self, other: &Self) -> bool {
        let name = |one: &Self| (one.is_base, one.source.plan.clone(), one.source.price.clone(), one.part);
        name(self) == name(other)
    }

    /// The version of the meter that counted.
    pub(super) fn meter(&self) -> Option<&MeterId> {
        self.source.meter.as_ref()
    }
}

impl Invoicing {
    /// What the next closing comes to at this moment.
    pub(super) async fn bill(
        &self,
        known: &Known,
        closing: &Closing,
        readings: &Readings,
    ) -> Result<Option<Bill>> {
        let stored = &known.stored;
        let Some(currency) = self.currency_of(known).await? else { return Ok(None) };
        let mut coupons = coupons_at(known, known.cursor.closings);
        if closing.is_interim {
            // It is no billing period of its own: amounts are for the invoice of one, and none is used up.
            coupons.retain(|taking| matches!(taking.coupon.off, Off::Percent(_)));
        }
        let mut terms = self.terms(known, closing, (currency, &coupons)).await?;
        let wallet = known.wallet.as_ref();
        if let Some(wallet) = wallet.filter(|_| stored.subscription.collection == Collection::Reckoner) {
            terms.wallet = wallet.wallet.available_at(self.clock.of_project(stored.project))?;
        }
        let mut charges = self.charges(known, closing, &[], readings).await?;
        let (mut adjusted, mut rated) = (Vec::new(), Vec::new());
        for closed in known.rated_with(closing) {
            rated.extend(closed.period.late.then(|| closed.period.clone()));
            let (late, charged) = self.rerate(known, closed, readings).await?;
            if !late.is_empty() {
                charges.extend(late);
                adjusted.push((closed.period.clone(), charged));
            }
        }
        let draft = draft(charges, &terms)?;
        Ok(Some(Bill {
            charged: charged_of(&draft)?,
            draft,
            adjusted,
            rated,
            wallet_entries: wallet.map_or(0, |wallet| wallet.entries),
            made_out_to: known.details.bill_to.clone(),
            email: known.details.email.clone(),
            exhausted: if closing.is_interim { Vec::new() } else { exhausted(&coupons) },
        }))
    }

    /// What is missing of a closed period, or was charged too much, with what is charged for it then.
    async fn rerate(
        &self,
        known: &Known,
        closed: &Closed,
        readings: &Readings,
    ) -> Result<(Vec<Charge>, Vec<Charged>)> {
        let before = &closed.charged;
        let Some(closing) = known.closing_of(&closed.period) else {
            return Ok((Vec::new(), before.clone()));
        };
        let Some(currency) = self.currency_of(known).await? else {
            return Ok((Vec::new(), before.clone()));
        };
        let coupons = coupons_at(known, closed.period.ordinal);
        let terms = self.terms(known, &closing, (currency, &coupons)).await?;
        let charges = self.charges(known, &closing, before, readings).await?;
        let anew = charged_of(&draft(charges, &terms)?)?;
        let mut late = Vec::new();
        for one in &anew {
            let billed: Vec<Money> =
                before.iter().filter(|billed| billed.is_same(one)).map(|billed| billed.net).collect();
            // Fees were not written down from the beginning.
            if one.is_base && billed.is_empty() {
                continue;
            }
            if let Some(difference) = adjustment(one.net, &billed)? {
                let tax = self.tax_of(&known.stored, &one.source, &known.details.taxes).await?;
                late.push(late_charge(one, difference, tax));
            }
        }
        Ok((late, anew))
    }

    /// The rate at which what came of a price is taxed.
    async fn tax_of(&self, stored: &Stored, source: &Source, taxes: &Taxes) -> Result<Option<TaxKey>> {
        let version = PlanVersion { key: source.plan.clone(), version: source.plan_version };
        let plan = self.plan(stored, &version).await?;
        let price = plan.prices.iter().find(|price| Some(&price.key) == source.price.as_ref());
        Ok(taxes.key_of(plan.tax_of(price)).cloned())
    }

    /// What is charged for, before discounts and rounding. Meters are those that billed it before.
    async fn charges(
        &self,
        known: &Known,
        closing: &Closing,
        before: &[Charged],
        readings: &Readings,
    ) -> Result<Vec<Charge>> {
        let (stored, taxes) = (&known.stored, &known.details.taxes);
        let mut charges = Vec::new();
        for fee in &closing.fees {
            let plan = self.plan(stored, &fee.plan).await?;
            charges.extend(fee_charges(&plan, fee, taxes)?);
        }
        if let Some(period) = &closing.period {
            for part in &period.parts {
                charges.extend(self.usage_charges(known, (period, part), before, readings).await?);
            }
        }
        charges.retain(|charge| stored.subscription.collection.charges(charge.kind));
        Ok(charges)
    }

    async fn usage_charges(
        &self,
        known: &Known,
        (period, part): (&BillingPeriod, &Part),
        before: &[Charged],
        readings: &Readings,
    ) -> Result<Vec<Charge>> {
        let plan = self.plan(&known.stored, &part.plan).await?;
        let priced: Vec<Priced<'_>> = Priced::all(known, (period, part), &plan, before).collect();
        if priced.is_empty() {
            return Ok(Vec::new());
        }
        let aggregation = self.aggregation_of(known, part.window, before, readings).await?;
        let (taxes, mut charges) = (&known.details.taxes, Vec::new());
        for one in &priced {
            let metering =
                Metering { aggregation: aggregation.clone(), ..self.metering(one, readings).await? };
            charges.extend(usage_charge(&plan, one.price, metering, part.window, part.share, taxes)?);
        }
        Ok(charges)
    }
}

/// What a draft charges, by price and part: with the minimums.
fn charged_of(draft: &Draft) -> std::result::Result<Vec<Charged>, MoneyError> {
    let mut charged: Vec<Charged> = Vec::new();
    for line in &draft.lines {
        let (Some(source), Some(part), Some(net)) = (&line.source, line.period, line.net) else { continue };
        let measured = line.measured.as_ref();
        let (units, free) = measured.map_or_else(Default::default, |m| (m.units, m.included));
        let one = Charged {
            source: source.clone(),
            is_base: line.kind == LineKind::Base,
            is_overage: line.kind == LineKind::Overage,
            units,
            billed_units: units.minus(free).unwrap_or_default(),
            part,
            net,
        };
        let known = match line.kind {
            LineKind::Base | LineKind::Usage | LineKind::Overage | LineKind::Minimum => {
                charged.iter_mut().find(|known| known.is_same(&one))
            }
            _ => continue,
        };
        match known {
            Some(known) => known.net = known.net.plus(net)?,
            None => charged.push(one),
        }
    }
    Ok(charged)
}

/// The charge of what is missing of a closed period, or what is given back.
fn late_charge(one: &Charged, difference: Money, tax: Option<TaxKey>) -> Charge {
    let price = one.source.price.as_ref().map_or(one.source.plan.as_str(), PriceKey::as_str);
    Charge {
        kind: LineKind::Adjustment,
        description: format!("{price}, {} to {}", day(one.part.start), day(one.part.end)),
        period: one.part,
        share: Share::WHOLE,
        measured: None,
        details: Vec::new(),
        exact: difference.exact(),
        minimum: None,
        tax,
        source: Some(one.source.clone()),
    }
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
