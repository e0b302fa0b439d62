//! How plans are written in catalogues and requests, in JSON and TOML alike.
use super::{Billing, ENTITLEMENTS_MAX, NAME_BYTES_MAX, PRICES_MAX, Plan, TRIAL_DAYS_MAX};
use crate::currency::Currency;
use crate::entitlement::{Entitlement, EntitlementForm, Grant};
use crate::interval::Interval;
use crate::key::{PlanKey, TaxKey};
use crate::money::Money;
use crate::price::{Price, PriceForm, not_negative};
use crate::problem::Problems;
use crate::quota::Limit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A plan as written; amounts are texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanForm {
    /// Names the plan.
    pub key: String,
    /// The name shown; the key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An ISO 4217 code.
    pub currency: String,
    /// Due for each billing period, in advance; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_price: Option<String>,
    /// `day`, `week`, `month`, `quarter` or `year`.
    pub interval: String,
    /// `anniversary` (when absent) or `calendar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<String>,
    /// Days of 24 hours that are free at the start; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_days: Option<u32>,
    /// Paid in advance each period and drawn by usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<String>,
    /// Which of the customer's rates of tax it is taxed at; the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<String>,
    /// What its customers may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<EntitlementForm>,
    /// What usage costs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PriceForm>,
}

impl PlanForm {
    /// The plan that is meant, as its given version; what is wrong is noted.
    pub fn read(&self, version: u32, problems: &mut Problems) -> Option<Plan> {
        let key = problems.keep("key", PlanKey::parse(&self.key));
        let name = self.name.clone().unwrap_or_else(|| self.key.clone());
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            problems.note("name", format_args!("must be 1 to {NAME_BYTES_MAX} bytes"));
        }
        let interval = problems.choose("interval", &self.interval, &Interval::NAMES, &Interval::ALL);
        let billing = self.billing.as_deref().unwrap_or("anniversary");
        let billing = problems.choose("billing", billing, &Billing::NAMES, &Billing::ALL);
        let trial_days = self.trial_days.unwrap_or(0);
        if trial_days > TRIAL_DAYS_MAX {
            problems.note("trial_days", format_args!("must be at most {TRIAL_DAYS_MAX}"));
        }
        let tax = problems.keep("tax", self.tax.as_deref().map(TaxKey::parse).transpose());
        let entitlements = self.read_entitlements(problems);
        let currency: Option<Currency> = problems.keep("currency", self.currency.parse());
        let amounts = self.read_amounts(currency?, problems);
        let (entitlements, amounts) = (entitlements?, amounts?);
        refuse_unpriced_overage(&entitlements, &amounts.prices, problems);
        Some(Plan {
            key: key?,
            version,
            name,
            currency: currency?,
            base_price: amounts.base_price,
            interval: interval?,
            billing: billing?,
            trial_days,
            commitment: amounts.commitment,
            tax: tax?,
            entitlements,
            prices: amounts.prices,
        })
    }

    fn read_entitlements(&self, problems: &mut Problems) -> Option<Vec<Entitlement>> {
        if self.entitlements.len() > ENTITLEMENTS_MAX {
            problems.note("entitlements", format_args!("must be at most {ENTITLEMENTS_MAX}"));
            return None;
        }
        let (mut features, mut meters) = (BTreeSet::new(), BTreeSet::new());
        problems.each("entitlements", &self.entitlements, |problems, form| {
            let entitlement = form.read(problems)?;
            if !features.insert(entitlement.feature.clone()) {
                problems.note("feature", "must be named once");
            }
            if let Grant::Metered(quota) = &entitlement.grant
                && !meters.insert(quota.meter.clone())
            {
                problems.note("meter", "must have one quota");
            }
            Some(entitlement)
        })
    }

    fn read_amounts(&self, currency: Currency, problems: &mut Problems) -> Option<Amounts> {
        let base = self.base_price.as_deref().unwrap_or("0");
        let base_price = not_negative("base_price", base, currency, problems);
        let commitment = self.commitment.as_deref();
        let commitment = commitment.map(|text| not_negative("commitment", text, currency, problems));
        let prices = self.read_prices(currency, problems);
        let commitment = commitment.map_or(Some(None), |read| read.map(Some))?;
        Some(Amounts { base_price: base_price?, commitment, prices: prices? })
    }

    fn read_prices(&self, currency: Currency, problems: &mut Problems) -> Option<Vec<Price>> {
        if self.prices.len() > PRICES_MAX {
            problems.note("prices", format_args!("must be at most {PRICES_MAX}"));
            return None;
        }
        let mut keys = BTreeSet::new();
        problems.each("prices", &self.prices, |problems, form| {
            let price = form.read(currency, problems)?;
            if !keys.insert(price.key.clone()) {
                problems.note("key", "must be named once");
            }
            Some(price)
        })
    }
}

/// What a plan says in its currency.
struct Amounts {
    base_price: Money,
    commitment: Option<Money>,
    prices: Vec<Price>,
}

/// Use beyond a limit that is allowed and billed must have a price.
fn refuse_unpriced_overage(entitlements: &[Entitlement], prices: &[Price], problems: &mut Problems) {
    for (index, entitlement) in entitlements.iter().enumerate() {
        let Grant::Metered(quota) = &entitlement.grant else { continue };
        let priced = prices.iter().any(|price| price.meter() == Some(&quota.meter));
        if matches!(quota.limit, Limit::Overage(_)) && !priced {
            problems.note(&format!("entitlements[{index}].behaviour"), "needs a price for the meter");
        }
    }
}

impl From<&Plan> for PlanForm {
    fn from(plan: &Plan) -> Self {
        Self {
            key: plan.key.to_string(),
            name: Some(plan.name.clone()),
            currency: plan.currency.to_string(),
            base_price: Some(plan.base_price.amount()),
            interval: plan.interval.as_str().to_owned(),
            billing: Some(plan.billing.as_str().to_owned()),
            trial_days: Some(plan.trial_days),
            commitment: plan.commitment.map(Money::amount),
            tax: plan.tax.as_ref().map(ToString::to_string),
            entitlements: plan.entitlements.iter().map(EntitlementForm::from).collect(),
            prices: plan.prices.iter().map(PriceForm::from).collect(),
        }
    }
}
