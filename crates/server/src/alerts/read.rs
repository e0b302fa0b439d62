//! What an alert is held against: usage, the next invoice, or the wallet of a customer.
use super::{AlertError, Alerts};
use crate::billing::standing::Has;
use crate::events::{Usage, UsageQuery};
use crate::store::alerts::{Alert, Terms};
use crate::store::{StoreError, customers, subscriptions, wallets};
use reckoner_domain::alert::{AlertPeriod, ThresholdUnit};
use reckoner_domain::currency::Currency;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Aggregation, Meter};
use reckoner_domain::money::Money;
use reckoner_domain::quota::{Reset, Resets};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::window::Window;

/// For how long after its end a period is looked at too, in microseconds: what was used in its last moments
/// is seen after it.
const AFTERWARDS: i64 = HOUR;

/// What an alert is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// What there is.
    pub value: Ratio,
    /// What the threshold comes to.
    pub bound: Ratio,
    /// The currency of both, of money.
    pub currency: Option<Currency>,
    /// The period that it is of.
    pub period: Option<Window>,
}

/// Where usage adds up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The period.
    pub period: Window,
    /// What percent are of.
    whole: Option<Ratio>,
    /// Of levels: what is held at this instant, instead of the mean.
    level_at: Option<Timestamp>,
}

impl Alerts {
    /// The periods in which usage of a customer, or of a subject alone, adds up at this moment: the present one,
    /// and one that ended lately. None where the alert is not about the customer.
    pub(super) async fn spans(
        &self,
        alert: &Alert,
        customer: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<Span>, AlertError> {
        let (project, terms) = (alert.project, &alert.terms);
        if terms.unit == ThresholdUnit::Percent {
            let span = match customer {
                Some(customer) => self.quota_span(project, customer, terms, now).await?,
                None => None,
            };
            return Ok(span.into_iter().collect());
        }
        let whose = customer.or(terms.subject.as_deref()).unwrap_or_default();
        let resets = self.resets_of(project, whose).await?;
        let reset = match terms.period {
            Some(AlertPeriod::BillingPeriod) => Reset::BillingPeriod,
            Some(AlertPeriod::Month) | None => Reset::Month,
        };
        let at = |instant| resets.window_at(reset, instant);
        let present = at(now);
        let is_new = now.micros_since(present.start) < AFTERWARDS && alert.armed_at < present.start;
        let before = is_new.then(|| at(present.start.plus_micros(-1)));
        let span = |period| Span { period, whole: None, level_at: None };
        Ok(before.into_iter().chain([present]).map(span).collect())
    }

    /// When usage of a customer begins to add up anew.
    async fn resets_of(&self, project: ProjectId, customer: &str) -> Result<Resets, StoreError> {
        match &self.standing.of(project, customer).await?.has {
            Has::Plan { resets, .. } => Ok(resets.clone()),
            Has::Nothing | Has::Unlimited => self.standing.resets_of(project, customer).await,
        }
    }

    /// The window of the quota that limits the meter, where one does.
    async fn quota_span(
        &self,
        project: ProjectId,
        customer: &str,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Option<Span>, AlertError> {
        let standing = self.standing.of(project, customer).await?;
        let Has::Plan { plan, resets, .. } = &standing.has else { return Ok(None) };
        let catalogue = self.catalogues.of(project);
        let Some(meter) = terms.meter.as_deref().and_then(|key| catalogue.get(key)) else { return Ok(None) };
        let Some(quota) = plan.quota(&meter.key) else { return Ok(None) };
        let whole = quota.limit.units().map(Ratio::from);
        let level_at = (meter.aggregation == Aggregation::TimeWeightedAvg).then_some(now);
        let period = resets.window_at(quota.reset, now);
        Ok(whole.map(|whole| Span { period, whole: Some(whole), level_at }))
    }

    /// What was used in a period; none where nothing tells.
    pub(super) async fn usage(
        &self,
        alert: &Alert,
        customer: Option<&str>,
        span: &Span,
        now: Timestamp,
    ) -> Result<Option<Reading>, AlertError> {
        let terms = &alert.terms;
        let Some(bound) = terms.unit.bound(terms.threshold, span.whole)? else { return Ok(None) };
        let catalogue = self.catalogues.of(alert.project);
        // Nothing counts by a meter that is archived.
        let Some(meter) = terms.meter.as_deref().and_then(|key| catalogue.get(key)) else { return Ok(None) };
        let Some(window) = looked_at(meter, span, now) else { return Ok(None) };
        let query = UsageQuery {
            customers: customer.map(str::to_owned).into_iter().collect(),
            subjects: terms.subject.iter().cloned().collect(),
            fill_zero: true,
            ..UsageQuery::new(alert.project, meter.clone(), vec![window])
        };
        let usage = self.events.query(query).await?.into_iter().next().and_then(|row| row.usage);
        let Some(value) = usage.map(Usage::to_ratio).transpose()? else { return Ok(None) };
        Ok(Some(Reading { value, bound, currency: None, period: Some(span.period) }))
    }

    /// What a customer's next invoice comes to so far, before the wallet.
    pub(super) async fn spend(&self, alert: &Alert, customer: &str) -> Result<Option<Reading>, AlertError> {
        let Some(stored) = subscriptions::last_of(&self.db, alert.project, customer).await? else {
            return Ok(None);
        };
        let Some(upcoming) = self.invoicing.upcoming(stored).await? else { return Ok(None) };
        let (Some(period), Some(draft)) = (upcoming.closing.period, upcoming.draft) else { return Ok(None) };
        amount(&alert.terms, draft.totals.total, alert.terms.budget, Some(period.window))
    }

    /// What is available in a customer's wallet.
    pub(super) async fn balance(
        &self,
        alert: &Alert,
        customer: &str,
        now: Timestamp,
    ) -> Result<Option<Reading>, AlertError> {
        let customer = match customers::get_by_external_id(&self.db, alert.project, customer).await {
            Err(StoreError::NotFound) => return Ok(None),
            found => found?,
        };
        let Some(stored) = wallets::get(&self.db, alert.project, &customer.id).await? else {
            return Ok(None);
        };
        let whole = match (alert.terms.unit, alert.terms.budget) {
            (ThresholdUnit::Absolute, _) => None,
            (ThresholdUnit::Percent, Some(budget)) => Some(budget),
            (ThresholdUnit::Percent, None) => {
                wallets::last_top_up(&self.db, alert.project, &customer.id).await?
            }
        };
        amount(&alert.terms, stored.wallet.available_at(now)?, whole, None)
    }
}

/// An amount beside the threshold; none where that is of another currency, or of nothing.
fn amount(
    terms: &Terms,
    value: Money,
    whole: Option<Money>,
    period: Option<Window>,
) -> Result<Option<Reading>, AlertError> {
    let currency = value.currency();
    let is_other = |other: Currency| other != currency;
    if terms.currency.is_some_and(is_other) || whole.is_some_and(|whole| is_other(whole.currency())) {
        return Ok(None);
    }
    let bound = terms.unit.bound(terms.threshold, whole.map(Money::exact))?;
    Ok(bound.map(|bound| Reading { value: value.exact(), bound, currency: Some(currency), period }))
}

/// The window that a meter is read in: a mean is of what has passed.
fn looked_at(meter: &Meter, span: &Span, now: Timestamp) -> Option<Window> {
    if let Some(now) = span.level_at {
        return Some(Window { start: now, end: now.plus_micros(1) });
    }
    let end = match meter.aggregation {
        Aggregation::TimeWeightedAvg => span.period.end.min(now),
        _ => span.period.end,
    };
    (span.period.start < end).then_some(Window { start: span.period.start, end })
}
