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
use reckoner_domain::tally;
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

/// What was used in a window.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// The meter's value.
    value: Ratio,
    /// How many events that were.
    events: u64,
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
            _ => self.used_in(priced, &meter, priced.part.window).await?.value,
        };
        let window = priced.part.window;
        let quantity = billed_quantity(meter.aggregation, value, window, priced.period.whole)?;
        let events = match priced.metered.model {
            Model::Percentage { .. } => self.used_in(priced, &meter, priced.part.window).await?.events,
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
            return Ok(quota.limit.billable(self.used_in(priced, meter, part).await?.value));
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
                before = used.value;
            } else {
                billed = billed.plus(quota.limit.billable_after(before, used.value)?)?;
                before = Ratio::ZERO;
            }
        }
        Ok(billed)
    }

    async fn used_in(&self, priced: &Priced<'_>, meter: &Meter, window: Window) -> Result<Used> {
        Ok(self.used(priced, meter, vec![window]).await?.pop().unwrap_or_default())
    }

    /// What was used in neighbouring windows.
    async fn used(&self, priced: &Priced<'_>, meter: &Meter, windows: Vec<Window>) -> Result<Vec<Used>> {
        let query = UsageQuery {
            customers: vec![priced.stored.external_id.clone()],
            fill_zero: true,
            ..UsageQuery::new(priced.stored.project, meter.clone(), windows.clone())
        };
        let rows = self.events.query(query).await?;
        let used = |window: &Window| {
            let Some(row) = rows.iter().find(|row| row.window == *window) else { return Ok(Used::default()) };
            let value = row.usage.map_or(Ok(Ratio::ZERO), tally::Usage::to_ratio)?;
            Ok(Used { value, events: row.events })
        };
        windows.iter().map(used).collect()
    }
}
