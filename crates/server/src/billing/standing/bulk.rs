//! What many customers have at this moment: what is not at hand is read by few statements, and kept where
//! there is room, so that a list lets nobody go who is decided about.
use super::{Has, Standing, StandingReader, without_subscription};
use crate::clock;
use crate::store::overview::{self, Subscriber};
use crate::store::{StoreError, billing_standings, catalog, projects};
use jiff::tz::TimeZone;
use reckoner_domain::id::ProjectId;
use std::sync::Arc;

/// Customers that are read by name; where more are to be read, all are.
const NAMED_MAX: usize = 500;

/// What a customer has.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The customer's own id.
    pub external_id: String,
    /// What it has.
    pub has: Has,
    /// The zone whose clock its billing follows.
    pub zone: TimeZone,
}

impl StandingReader {
    /// What these customers have at this moment.
    pub async fn of_many(
        &self,
        project: ProjectId,
        customers: &[Subscriber],
    ) -> Result<Vec<Holding>, StoreError> {
        let now = self.clock.of_project(project);
        let at_hand = |one: &Subscriber| self.standings.find(project, &one.external_id, now);
        let at_hand: Vec<_> = customers.iter().map(at_hand).collect();
        let others = customers.iter().zip(&at_hand).filter(|(_, at_hand)| at_hand.is_err());
        let others: Vec<_> = others.map(|(one, _)| one.id.clone()).collect();
        let named = (others.len() <= NAMED_MAX).then_some(others.as_slice());
        let mut last = overview::last_subscriptions(&self.db, project, named).await?;
        let owing = billing_standings::owing_of_all(&self.db, project).await?;
        let usual_zone = projects::get(&self.db, project).await?.time_zone;
        let default_plan = self.default_plan(project).await?;
        let has_plans = catalog::has_plans(&self.db, project).await?;
        let zone_of = |one: &Subscriber| {
            let name = one.time_zone.as_deref().unwrap_or(&usual_zone);
            clock::zone(name).ok_or_else(|| StoreError::corrupt("time_zone", name))
        };
        let mut holdings = Vec::with_capacity(customers.len());
        for (one, at_hand) in customers.iter().zip(at_hand) {
            let standing = match at_hand {
                Ok(at_hand) => at_hand,
                Err(forgotten) => {
                    let subscribed = match last.remove(&one.id) {
                        Some(stored) => self.by_subscription(stored, now).await?,
                        None => None,
                    };
                    let has = match (subscribed, &default_plan) {
                        (Some(has), _) => has,
                        (None, Some(plan)) => (without_subscription(Arc::clone(plan), zone_of(one)?), None),
                        (None, None) if has_plans => (Has::Nothing, None),
                        (None, None) => (Has::Unlimited, None),
                    };
                    let owes = owing.get(&one.id).copied().unwrap_or_default();
                    let standing = Arc::new(Standing::new(has, &owes, now));
                    let own_id = &one.external_id;
                    self.standings.remember_where_is_room(project, own_id, &standing, forgotten);
                    standing
                }
            };
            let has = standing.has.clone();
            let zone = match &has {
                Has::Plan { cycle, .. } => cycle.zone.clone(),
                Has::Nothing | Has::Unlimited => zone_of(one)?,
            };
            holdings.push(Holding { external_id: one.external_id.clone(), has, zone });
        }
        Ok(holdings)
    }
}
