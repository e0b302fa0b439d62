//! What many customers used of what they may use: the same as of each alone. What no count at hand tells is
//! read together, and no count of anybody is kept for it.
use super::current::{Counted, Current, limited, tightest, unlimited};
use super::{DecideError, Entitlements};
use crate::billing::standing::Holding;
use crate::events::{EventsError, GroupBy, UsageQuery};
use crate::store::overview::Subscriber;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Aggregation, Catalogue, Meter};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::tally::Usage;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, HashMap};

impl Entitlements {
    /// What [`Self::current`] says of each of these customers, by their own ids.
    pub async fn currents(
        &self,
        project: ProjectId,
        customers: &[Subscriber],
        name: &str,
    ) -> Result<HashMap<String, Current>, DecideError> {
        let now = self.clock.of_project(project);
        let catalogue = self.catalogues.of(project);
        let holdings = self.standing.of_many(project, customers).await?;
        let counted = holdings.iter().map(|holding| (holding, counted(holding, &catalogue, name, now)));
        let counted: Vec<(&Holding, Vec<Counted<'_>>)> = counted.collect();
        // A plan has one quota of a meter, and so a customer one window.
        let mut windows: BTreeMap<&str, (&Meter, HashMap<String, Window>)> = BTreeMap::new();
        let mut used: HashMap<&str, HashMap<String, Ratio>> = HashMap::new();
        for (holding, all) in &counted {
            let own_id = &holding.external_id;
            for Counted { meter, window, .. } in all {
                let Some(meter) = *meter else { continue };
                let key = meter.key.as_str();
                if let Some(at_hand) = self.counters.at_hand(project, own_id, meter, *window) {
                    used.entry(key).or_default().insert(own_id.clone(), at_hand);
                } else {
                    let (_, own) = windows.entry(key).or_insert_with(|| (meter, HashMap::new()));
                    own.insert(own_id.clone(), *window);
                }
            }
        }
        for (key, (meter, own)) in windows {
            used.entry(key).or_default().extend(self.used_by_each(project, meter, own, now).await?);
        }
        let mut currents = HashMap::with_capacity(counted.len());
        for (holding, all) in counted {
            let own_id = &holding.external_id;
            let used_of = |meter: &Meter| used.get(meter.key.as_str())?.get(own_id).copied();
            let found = all.into_iter().map(|one| (one, one.meter.and_then(used_of).unwrap_or_default()));
            let current = tightest(&holding.has, found.collect(), now)?;
            currents.insert(own_id.clone(), current);
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
        counted.push(unlimited(&holding.has, catalogue, name, (&holding.resets, now)));
    }
    counted
}
