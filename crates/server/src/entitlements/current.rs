//! What a customer used of what it may use, at this moment.
use super::{DecideError, Entitlements, Said, event_type_of};
use crate::billing::standing::{Has, Standing};
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::ProjectId;
use reckoner_domain::plan::Plan;
use reckoner_domain::quota::{Limit, Reset};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::window::Window;
use std::sync::Arc;

/// What a customer used of what it may use.
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
        let plan = plan_of(&standing);
        let event_type = event_type_of(&catalogue, name);
        if let Some(event_type) = event_type {
            let mut currents = Vec::new();
            if let Said::Limits(limits) =
                self.planned(project, customer, &standing, (&catalogue, event_type), now)
            {
                for limited in limits {
                    let used = limited.counter.used(&self.events, now).await?;
                    let left = limited.limit.remaining(used)?;
                    let (limit, window) = (limited.limit, limited.counter.window());
                    currents.push((left, Current { plan: plan.clone(), limit, used, window }));
                }
            }
            currents.sort_by_key(|(left, _)| (left.is_none(), *left));
            if let Some((_, current)) = currents.into_iter().next() {
                return Ok(current);
            }
        }
        let limit = match standing.has {
            Has::Nothing => Limit::Block(Decimal::ZERO),
            Has::Plan { .. } | Has::Unlimited => Limit::Unlimited,
        };
        let window = match &standing.has {
            Has::Plan { resets, .. } => resets.window_at(Reset::Month, now),
            Has::Nothing | Has::Unlimited => {
                self.standing.resets_of(project, customer).await?.window_at(Reset::Month, now)
            }
        };
        let meter = event_type.and_then(|name| catalogue.reading(name).and_then(|mut meters| meters.next()));
        let used = match meter {
            Some(meter) => {
                let counter = self.counters.of(project, customer, meter, window);
                counter.used(&self.events, now).await?
            }
            None => Ratio::ZERO,
        };
        Ok(Current { plan, limit, used, window })
    }
}

fn plan_of(standing: &Standing) -> Option<Arc<Plan>> {
    match &standing.has {
        Has::Plan { plan, .. } => Some(Arc::clone(plan)),
        Has::Nothing | Has::Unlimited => None,
    }
}
