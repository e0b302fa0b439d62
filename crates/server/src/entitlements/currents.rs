//! What many customers used of what they may use: the same as of each alone, worked out together, without a
//! count of anybody being kept at hand for it.
use super::current::{Counted, Current, calendar, limited, tightest, unlimited};
use super::{DecideError, Entitlements};
use crate::billing::standing::{Has, Holding};
use crate::events::{EventsError, GroupBy, UsageQuery};
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::meter::{Aggregation, Catalogue, Meter};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::tally::Usage;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, HashMap};

/// A meter by its key, and which of a customer's counts of it is meant: one may be limited by the day and by
/// the month.
type Count<'c> = (&'c str, usize);

impl Entitlements {
    /// What [`Self::current`] says of each of these customers, or of all of a project, by their own ids.
    pub async fn currents(
        &self,
        project: ProjectId,
        customers: Option<&[CustomerId]>,
        name: &str,
    ) -> Result<HashMap<String, Current>, DecideError> {
        let now = self.clock.of_project(project);
        let catalogue = self.catalogues.of(project);
        let holdings = self.standing.of_many(project, customers).await?;
        let counted = holdings.iter().map(|holding| (holding, counted(holding, &catalogue, name, now)));
        let counted: Vec<(&Holding, Vec<Counted<'_>>)> = counted.collect();
        let mut windows: BTreeMap<Count<'_>, (&Meter, HashMap<String, Window>)> = BTreeMap::new();
        for (holding, all) in &counted {
            for (count, meter, window) in counts(all) {
                let (_, own) = windows.entry(count).or_insert_with(|| (meter, HashMap::new()));
                own.insert(holding.external_id.clone(), window);
            }
        }
        let mut used: HashMap<Count<'_>, HashMap<String, Ratio>> = HashMap::new();
        for (count, (meter, own)) in windows {
            used.insert(count, self.used_by_each(project, meter, own, now).await?);
        }
        let mut currents = HashMap::with_capacity(counted.len());
        for (holding, all) in &counted {
            let mut by_count = counts(all).map(|(count, ..)| {
                let found = used.get(&count).and_then(|of| of.get(&holding.external_id));
                found.copied().unwrap_or_default()
            });
            let found = all.iter().map(|one| {
                let used = one.meter.and_then(|_| by_count.next());
                (*one, used.unwrap_or_default())
            });
            let current = tightest(&holding.has, found.collect(), now)?;
            currents.insert(holding.external_id.clone(), current);
        }
        Ok(currents)
    }

    /// What each customer used of a meter in its own window; for levels, the level at `now`.
    async fn used_by_each(
        &self,
        project: ProjectId,
        meter: &Meter,
        own_windows: HashMap<String, Window>,
        now: Timestamp,
    ) -> Result<HashMap<String, Ratio>, EventsError> {
        let mut query = UsageQuery::new(project, meter.clone(), Vec::new());
        query.group_by = vec![GroupBy::Customer];
        if meter.aggregation == Aggregation::TimeWeightedAvg {
            query.windows = vec![Window { start: now, end: now.plus_micros(1) }];
            query.customers = own_windows.into_keys().collect();
        } else {
            let start = own_windows.values().map(|window| window.start).min();
            let end = own_windows.values().map(|window| window.end).max();
            query.windows = start.zip(end).map(|(start, end)| Window { start, end }).into_iter().collect();
            query.own_windows = own_windows;
        }
        let mut used = HashMap::new();
        for row in self.events.query(query).await? {
            if let Some(customer) = row.customer {
                used.insert(customer, row.usage.map_or(Ok(Ratio::ZERO), Usage::to_ratio)?);
            }
        }
        Ok(used)
    }
}

/// What is to be counted of a customer.
fn counted<'c>(holding: &Holding, catalogue: &'c Catalogue, name: &str, now: Timestamp) -> Vec<Counted<'c>> {
    let mut counted = limited(&holding.has, catalogue, name, now);
    if counted.is_empty() {
        let months = match &holding.has {
            Has::Plan { cycle, .. } => cycle.clone(),
            Has::Nothing | Has::Unlimited => calendar(holding.zone.clone()),
        };
        counted.push(unlimited(&holding.has, catalogue, name, (&months, now)));
    }
    counted
}

/// Each count of a customer, with its meter and window.
fn counts<'a, 'c>(all: &'a [Counted<'c>]) -> impl Iterator<Item = (Count<'c>, &'c Meter, Window)> + 'a {
    let metered = move |place: usize| {
        let one = all.get(place)?;
        let key = one.meter?.key.as_str();
        let before = all.iter().take(place).filter_map(|other| other.meter);
        let number = before.filter(|other| other.key.as_str() == key).count();
        Some(((key, number), one.meter?, one.window))
    };
    (0..all.len()).filter_map(metered)
}
