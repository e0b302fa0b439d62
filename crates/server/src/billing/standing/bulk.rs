//! What many customers have at this moment: what is not at hand is read by few statements, and kept where
//! there is room, so that a list lets nobody go who is decided about.
use super::{Has, Held, Standing, StandingReader};
use crate::billing::zones;
use crate::store::overview::{self, Subscriber};
use crate::store::{StoreError, billing_standings, catalog};
use reckoner_domain::id::ProjectId;
use reckoner_domain::quota::Resets;
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
    /// When what it uses is counted anew.
    pub resets: Resets,
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
        let default_plan = self.default_plan(project).await?;
        let has_plans = catalog::has_plans(&self.db, project).await?;
        let names: Vec<&str> = customers.iter().map(|one| one.external_id.as_str()).collect();
        let calendars = zones::calendars_of(&self.db, project, &names).await?;
        let mut holdings = Vec::with_capacity(customers.len());
        for (one, at_hand) in customers.iter().zip(at_hand) {
            let own_id = one.external_id.as_str();
            let calendars = calendars.get(own_id).ok_or(StoreError::NotFound)?;
            let standing = match at_hand {
                Ok(at_hand) => at_hand,
                Err(forgotten) => {
                    let by_last = match last.remove(&one.id) {
                        Some(stored) => self.by_subscription(stored, now).await?,
                        None => None,
                    };
                    let (has, until) = match (by_last, &default_plan) {
                        (Some((Some(held), until)), _) => (held.counted_by(calendars), until),
                        (Some((None, until)), _) => (Has::Nothing, until),
                        (None, Some(plan)) => {
                            let held = Held { plan: Arc::clone(plan), subscription: None };
                            (held.counted_by(calendars), None)
                        }
                        (None, None) if has_plans => (Has::Nothing, None),
                        (None, None) => (Has::Unlimited, None),
                    };
                    let owes = owing.get(&one.id).copied().unwrap_or_default();
                    let standing = Arc::new(Standing::new((has, until), &owes, now));
                    self.standings.remember_where_is_room(project, own_id, &standing, forgotten);
                    standing
                }
            };
            let has = standing.has.clone();
            let resets = match &has {
                Has::Plan { resets, .. } => resets.clone(),
                Has::Nothing | Has::Unlimited => Resets::new(calendars, None),
            };
            holdings.push(Holding { external_id: own_id.to_owned(), has, resets });
        }
        Ok(holdings)
    }
}
