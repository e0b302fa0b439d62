//! What customers used in a part of a billing period, as it is billed.
use super::{Invoicing, InvoicingError, Result};
use crate::events::UsageQuery;
use crate::store::meters;
use crate::store::subscriptions::Stored;
use reckoner_domain::billing_period::{BillingPeriod, Part};
use reckoner_domain::id::MeterId;
use reckoner_domain::invoice::{Metering, billed_quantity};
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::plan::Plan;
use reckoner_domain::price::{Metered, Model};
use reckoner_domain::quota::{Limit, Quota};
use reckoner_domain::rate::Usage;
use reckoner_domain::ratio::Ratio;
use reckoner_domain::window::Window;

/// A price of a part of a period.
pub(super) struct Priced<'a> {
    /// Whose usage.
    pub stored: &'a Stored,
    /// The period.
    pub period: &'a BillingPeriod,
    /// The part.
    pub part: &'a Part,
    /// The plan in force in it.
    pub plan: &'a Plan,
    /// What the price says.
    pub metered: &'a Metered,
    /// The meter's key.
    pub meter: &'a MeterKey,
    /// The version of the meter that billed it before; the current one where there is none.
    pub meter_version: Option<&'a MeterId>,
}

impl Invoicing {
    /// What is billed of a meter in a part of a period.
    pub(super) async fn metering(&self, priced: &Priced<'_>) -> Result<Metering> {
        let meter = self.meter(priced).await?;
        let quota = priced.plan.quota(priced.meter);
        let value = match quota {
            Some(quota) if matches!(quota.limit, Limit::Block(_)) => {
                self.within_limits(priced, &meter, quota).await?
            }
            _ => self.used(priced, &meter, vec![priced.part.window]).await?.pop().unwrap_or_default(),
        };
        let window = priced.part.window;
        let quantity = billed_quantity(meter.aggregation, value, window, priced.period.whole)?;
        let events = match priced.metered.model {
            Model::Percentage { .. } => self.events_of(priced, &meter).await?,
            _ => 0,
        };
        Ok(Metering { usage: Usage { quantity, events }, meter: Some(meter.id), aggregation: None })
    }

    /// The meter that counts; an archived one counts what was used while it was there.
    async fn meter(&self, priced: &Priced<'_>) -> Result<Meter> {
        let (project, key) = (priced.stored.project, priced.meter.as_str());
        let wanted = priced.meter_version;
        if let Some(meter) =
            self.catalogues.of(project).get(key).filter(|m| wanted.is_none_or(|id| m.id == *id))
        {
            return Ok(meter.clone());
        }
        let versions = meters::list_versions(&self.db, project, key).await?;
        let found = versions.into_iter().find(|stored| wanted.is_none_or(|id| stored.meter.id == *id));
        found.map(|stored| stored.meter).ok_or_else(|| InvoicingError::NoMeter(key.to_owned()))
    }

    /// What was used up to a limit that blocks, between resets: what was recorded beyond it is not billed.
    async fn within_limits(&self, priced: &Priced<'_>, meter: &Meter, quota: &Quota) -> Result<Ratio> {
        let part = priced.part.window;
        if !matches!(meter.aggregation, Aggregation::Sum | Aggregation::Count) {
            let used = self.used(priced, meter, vec![part]).await?.pop().unwrap_or_default();
            return Ok(quota.limit.billable(used));
        }
        let mut windows = Vec::new();
        let mut at = part.start;
        while let Some(reset) = quota.reset.window_at(at, &priced.period.cycle).filter(|_| at < part.end) {
            // What was used since the last reset before the part takes its room away.
            if reset.start < part.start {
                windows.push(Window { start: reset.start, end: part.start });
            }
            windows.push(Window { start: at, end: reset.end.min(part.end) });
            at = reset.end;
        }
        let mut billed = Ratio::ZERO;
        let mut before = Ratio::ZERO;
        for (window, used) in windows.iter().zip(self.used(priced, meter, windows.clone()).await?) {
            if window.start < part.start {
                before = used;
            } else {
                billed = billed.plus(quota.limit.billable_after(before, used)?)?;
                before = Ratio::ZERO;
            }
        }
        Ok(billed)
    }

    /// How many events a meter reads in a part, whatever they weigh.
    async fn events_of(&self, priced: &Priced<'_>, meter: &Meter) -> Result<u64> {
        let mut counting = meter.clone();
        counting.aggregation = Aggregation::Count;
        counting.weighting = None;
        counting.earlier_weightings = Vec::new();
        let count = self.used(priced, &counting, vec![priced.part.window]).await?.pop().unwrap_or_default();
        let whole = count.to_parts_half_even(0).ok().and_then(|count| u64::try_from(count).ok());
        whole.ok_or(InvoicingError::Overflow)
    }

    async fn used(&self, priced: &Priced<'_>, meter: &Meter, windows: Vec<Window>) -> Result<Vec<Ratio>> {
        let query = UsageQuery {
            customers: vec![priced.stored.external_id.clone()],
            fill_zero: true,
            ..UsageQuery::new(priced.stored.project, meter.clone(), windows.clone())
        };
        let rows = self.events.query(query).await?;
        let value = |window: &Window| {
            let row = rows.iter().find(|row| row.window == *window);
            let usage = row.and_then(|row| row.usage);
            Ok(usage.map_or(Ok(Ratio::ZERO), reckoner_domain::tally::Usage::to_ratio)?)
        };
        windows.iter().map(value).collect()
    }
}
