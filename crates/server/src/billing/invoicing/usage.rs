//! What customers used in a part of a billing period, as it is billed.
use super::bill::Charged;
use super::known::Known;
use super::{Invoicing, InvoicingError, Result};
use crate::events::{GroupBy, UsageQuery};
use crate::store::{aggregations, meters};
use reckoner_domain::billing_period::{BillingPeriod, Closing, Part};
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::invoice::{Metering, billed_quantity};
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_domain::plan::Plan;
use reckoner_domain::price::{Charges, Metered, Model, Price};
use reckoner_domain::quota::{Limit, Quota, Resets};
use reckoner_domain::rate::Usage;
use reckoner_domain::ratio::Ratio;
use reckoner_domain::tally;
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A price of a part of a period.
pub(super) struct Priced<'a> {
    /// Of whose usage.
    pub known: &'a Known,
    /// The period.
    pub period: &'a BillingPeriod,
    /// The part.
    pub part: &'a Part,
    /// The plan in force in it.
    pub plan: &'a Plan,
    /// The price.
    pub price: &'a Price,
    /// What it says.
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

/// The version of a meter, and the neighbouring windows in which it is read.
type Reading = (MeterId, Vec<Window>);

/// What customers used and what was aggregated of it, read for many at once. What is not among it is read when it is
/// wanted.
#[derive(Default)]
pub(super) struct Readings {
    used: HashMap<Reading, HashMap<String, Vec<Used>>>,
    aggregations: HashMap<Window, BTreeMap<String, String>>,
}

/// What is wanted of some customers.
#[derive(Default)]
struct Wanted<'a> {
    used: HashMap<Reading, (Meter, BTreeSet<&'a str>)>,
    aggregations: HashMap<Window, BTreeSet<&'a str>>,
}

impl<'a> Priced<'a> {
    /// The prices of a part of a period by which usage is charged; meters are those that billed it before.
    pub fn all(
        known: &'a Known,
        (period, part): (&'a BillingPeriod, &'a Part),
        plan: &'a Plan,
        before: &'a [Charged],
    ) -> impl Iterator<Item = Self> {
        plan.prices.iter().filter_map(move |price| {
            let Charges::Metered { meter, metered } = &price.charges else { return None };
            let billed = before
                .iter()
                .find(|one| one.source.price.as_ref() == Some(&price.key) && one.part == part.window);
            let meter_version = billed.and_then(Charged::meter);
            Some(Self { known, period, part, plan, price, metered, meter, meter_version })
        })
    }

    /// The limit that blocks, up to which alone usage is billed.
    fn limit(&self) -> Option<&'a Quota> {
        self.plan.quota(self.meter).filter(|quota| matches!(quota.limit, Limit::Block(_)))
    }

    /// The neighbouring windows of which it matters what was used in each: under a limit those between its resets, and
    /// the time since the last reset before the part, which takes the part's room away.
    fn windows(&self, meter: &Meter) -> Vec<Window> {
        let part = self.part.window;
        let adds_up = matches!(meter.aggregation, Aggregation::Sum | Aggregation::Count);
        let Some(quota) = self.limit().filter(|_| adds_up) else { return vec![part] };
        let resets = Resets::new(&self.known.calendars, Some(self.period.cycle.clone()));
        let mut windows = Vec::new();
        let mut at = part.start;
        while at < part.end {
            let reset = resets.window_at(quota.reset, at);
            if reset.start < part.start {
                windows.push(Window { start: reset.start, end: part.start });
            }
            windows.push(Window { start: at, end: reset.end.min(part.end) });
            at = reset.end;
        }
        windows
    }
}

impl Invoicing {
    /// What is billed of a meter in a part of a period.
    pub(super) async fn metering(&self, priced: &Priced<'_>, readings: &Readings) -> Result<Metering> {
        let meter = self.meter(priced).await?;
        let windows = priced.windows(&meter);
        let used = self.used(priced, &meter, &windows, readings).await?;
        let part = priced.part.window;
        let value = match priced.limit() {
            None => used.first().map_or(Ratio::ZERO, |used| used.value),
            Some(quota) => within(quota, part, windows.iter().zip(&used))?,
        };
        let quantity = billed_quantity(meter.aggregation, value, part, priced.period.whole)?;
        let events = match priced.metered.model {
            Model::Percentage { .. } => {
                let in_part = self.used(priced, &meter, &[part], readings).await?;
                in_part.first().map_or(0, |used| used.events)
            }
            _ => 0,
        };
        Ok(Metering { usage: Usage { quantity, events }, meter: Some(meter.id), aggregation: None })
    }

    /// The aggregation of exactly a part of a period, where it is a calendar period that is aggregated and is over; the
    /// one that was billed before.
    pub(super) async fn aggregation_of(
        &self,
        known: &Known,
        part: Window,
        before: &[Charged],
        readings: &Readings,
    ) -> Result<Option<String>> {
        if let Some(billed) = before.iter().find(|one| !one.is_base && one.part == part) {
            return Ok(billed.source.aggregation.clone());
        }
        let customer = known.stored.external_id.as_str();
        if let Some(read) = readings.aggregations.get(&part) {
            return Ok(read.get(customer).cloned());
        }
        let mut found = aggregations::of_time(&self.db, known.stored.project, part, &[customer]).await?;
        Ok(found.remove(customer))
    }

    /// Reads what closings of a project are about to bill by, all customers of a plan in one go.
    pub(super) async fn read_ahead(
        &self,
        project: ProjectId,
        closings: &[(&Known, &Closing)],
    ) -> Result<Readings> {
        let mut wanted = Wanted::default();
        for (known, closing) in closings {
            if let Some(period) = &closing.period {
                self.want(known, period, &[], &mut wanted).await?;
            }
            for closed in known.rated_with(closing) {
                if let Some(period) = known.closing_of(&closed.period).and_then(|closing| closing.period) {
                    self.want(known, &period, &closed.charged, &mut wanted).await?;
                }
            }
        }
        let mut readings = Readings::default();
        for (name, (meter, customers)) in wanted.used {
            let customers: Vec<&str> = customers.into_iter().collect();
            let used = self.used_by(project, &meter, &name.1, &customers).await?;
            readings.used.insert(name, used);
        }
        for (part, customers) in wanted.aggregations {
            let customers: Vec<&str> = customers.into_iter().collect();
            let found = aggregations::of_time(&self.db, project, part, &customers).await?;
            readings.aggregations.insert(part, found);
        }
        Ok(readings)
    }

    /// Notes what billing a period is going to want.
    async fn want<'k>(
        &self,
        known: &'k Known,
        period: &BillingPeriod,
        before: &[Charged],
        wanted: &mut Wanted<'k>,
    ) -> Result<()> {
        let customer = known.stored.external_id.as_str();
        for part in &period.parts {
            let plan = self.plan(&known.stored, &part.plan).await?;
            let mut is_metered = false;
            for priced in Priced::all(known, (period, part), &plan, before) {
                is_metered = true;
                let meter = self.meter(&priced).await?;
                let name = (meter.id.clone(), priced.windows(&meter));
                wanted.used.entry(name).or_insert_with(|| (meter, BTreeSet::new())).1.insert(customer);
            }
            if is_metered && !before.iter().any(|one| !one.is_base && one.part == part.window) {
                wanted.aggregations.entry(part.window).or_default().insert(customer);
            }
        }
        Ok(())
    }

    /// The meter that counts; an archived one counts what was used while it was there.
    async fn meter(&self, priced: &Priced<'_>) -> Result<Meter> {
        let (project, key) = (priced.known.stored.project, priced.meter.as_str());
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

    /// What was used in neighbouring windows.
    async fn used(
        &self,
        priced: &Priced<'_>,
        meter: &Meter,
        windows: &[Window],
        readings: &Readings,
    ) -> Result<Vec<Used>> {
        let stored = &priced.known.stored;
        let name = (meter.id.clone(), windows.to_vec());
        if let Some(used) = readings.used.get(&name).and_then(|of| of.get(&stored.external_id)) {
            return Ok(used.clone());
        }
        let mut used = self.used_by(stored.project, meter, windows, &[&stored.external_id]).await?;
        Ok(used.remove(&stored.external_id).unwrap_or_default())
    }

    /// What each of these customers used in neighbouring windows.
    async fn used_by(
        &self,
        project: ProjectId,
        meter: &Meter,
        windows: &[Window],
        customers: &[&str],
    ) -> Result<HashMap<String, Vec<Used>>> {
        let query = UsageQuery {
            customers: customers.iter().map(|customer| (*customer).to_owned()).collect(),
            group_by: vec![GroupBy::Customer],
            fill_zero: true,
            ..UsageQuery::new(project, meter.clone(), windows.to_vec())
        };
        let none = || vec![Used::default(); windows.len()];
        let mut used: HashMap<String, Vec<Used>> =
            customers.iter().map(|customer| ((*customer).to_owned(), none())).collect();
        let places: HashMap<Window, usize> = windows.iter().copied().zip(0..).collect();
        for row in self.events.query(query).await? {
            let of = row.customer.as_ref().and_then(|customer| used.get_mut(customer));
            let place = of.zip(places.get(&row.window)).and_then(|(of, place)| of.get_mut(*place));
            if let Some(place) = place {
                let value = row.usage.map_or(Ok(Ratio::ZERO), tally::Usage::to_ratio)?;
                *place = Used { value, events: row.events };
            }
        }
        Ok(used)
    }
}

/// What was used up to a limit that blocks, between resets: what was recorded beyond it is not billed.
fn within<'a>(
    quota: &Quota,
    part: Window,
    used: impl Iterator<Item = (&'a Window, &'a Used)>,
) -> Result<Ratio> {
    let mut billed = Ratio::ZERO;
    let mut before = Ratio::ZERO;
    for (window, used) in used {
        if window.start < part.start {
            before = used.value;
        } else {
            billed = billed.plus(quota.limit.billable_after(before, used.value)?)?;
            before = Ratio::ZERO;
        }
    }
    Ok(billed)
}
