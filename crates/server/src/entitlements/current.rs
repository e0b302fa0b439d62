//! What a customer used of what it may use, at this moment.
use super::{DecideError, Entitlements, event_type_of, quotas_of};
use crate::billing::standing::Has;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Catalogue, Meter};
use reckoner_domain::plan::Plan;
use reckoner_domain::quota::{Limit, Reset, Resets};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::sync::Arc;

/// What a customer used of what it may use.
#[derive(Clone, Debug)]
pub struct Current {
    /// The plan; `None` for a customer without one.
    pub plan: Option<Arc<Plan>>,
    /// What is allowed, and what happens beyond it.
    pub limit: Limit,
    /// What was used.
    pub used: Ratio,
    /// Since when, and until when.
    pub window: Window,
}

/// What is to be counted of a customer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'c> {
    /// What is allowed of it.
    pub limit: Limit,
    /// What counts; without it nothing is counted.
    pub meter: Option<&'c Meter>,
    /// Since when, and until when.
    pub window: Window,
}

impl Entitlements {
    /// What a customer used of a meter, or of the meters of an event type. Where several limits hold, of
    /// the one with least left; where nothing limits it, or the customer has nothing, in the calendar
    /// month; zero of what no meter reads.
    pub async fn current(
        &self,
        project: ProjectId,
        customer: &str,
        name: &str,
    ) -> Result<Current, DecideError> {
        let now = self.clock.of_project(project);
        let catalogue = self.catalogues.of(project);
        let standing = self.standing.of(project, customer).await?;
        let mut counted = limited(&standing.has, &catalogue, name, now);
        if counted.is_empty() {
            let resets = match &standing.has {
                Has::Plan { resets, .. } => resets,
                Has::Nothing | Has::Unlimited => &self.standing.resets_of(project, customer).await?,
            };
            counted.push(unlimited(&standing.has, &catalogue, name, (resets, now)));
        }
        let mut found = Vec::with_capacity(counted.len());
        for one in counted {
            let used = match one.meter {
                Some(meter) => {
                    let counter = self.counters.of(project, customer, meter, one.window);
                    counter.used(&self.events, now).await?
                }
                None => Ratio::ZERO,
            };
            found.push((one, used));
        }
        Ok(tightest(&standing.has, found, now)?)
    }
}

/// What is to be counted where limits hold, by the order of meters.
pub(super) fn limited<'c>(
    has: &Has,
    catalogue: &'c Catalogue,
    name: &str,
    now: Timestamp,
) -> Vec<Counted<'c>> {
    let Some(event_type) = event_type_of(catalogue, name) else { return Vec::new() };
    let quotas = quotas_of(has, catalogue, event_type).into_iter();
    let counted = quotas.map(|(quota, meter, resets)| {
        let window = resets.window_at(quota.reset, now);
        Counted { limit: quota.limit, meter: Some(meter), window }
    });
    counted.collect()
}

/// What is to be counted where nothing is limited.
pub(super) fn unlimited<'c>(
    has: &Has,
    catalogue: &'c Catalogue,
    name: &str,
    (resets, now): (&Resets, Timestamp),
) -> Counted<'c> {
    let limit = match has {
        Has::Nothing => Limit::Block(Decimal::ZERO),
        Has::Plan { .. } | Has::Unlimited => Limit::Unlimited,
    };
    let reading = event_type_of(catalogue, name).and_then(|event_type| catalogue.reading(event_type));
    let window = resets.window_at(Reset::Month, now);
    Counted { limit, meter: reading.and_then(|mut meters| meters.next()), window }
}

/// Of what was counted that with least left.
pub(super) fn tightest(
    has: &Has,
    found: Vec<(Counted<'_>, Ratio)>,
    now: Timestamp,
) -> Result<Current, Overflow> {
    let plan = match has {
        Has::Plan { plan, .. } => Some(Arc::clone(plan)),
        Has::Nothing | Has::Unlimited => None,
    };
    let mut currents = Vec::with_capacity(found.len());
    for (Counted { limit, window, .. }, used) in found {
        currents.push((limit.remaining(used)?, Current { plan: plan.clone(), limit, used, window }));
    }
    currents.sort_by_key(|(left, _)| (left.is_none(), *left));
    let window = Window { start: now, end: now };
    let none = || Current { plan, limit: Limit::Unlimited, used: Ratio::ZERO, window };
    Ok(currents.into_iter().next().map_or_else(none, |(_, current)| current))
}
