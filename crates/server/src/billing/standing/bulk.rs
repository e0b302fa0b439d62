//! What many customers have at this moment: what is not at hand is read by few statements, and not kept, so
//! that a list lets nobody go who is decided about.
use super::{Has, Held, StandingReader};
use crate::billing::zones;
use crate::store::overview::{self, Subscriber};
use crate::store::{StoreError, catalog};
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
        let at_hand = |one: &Subscriber| self.standings.find(project, &one.external_id, now).ok();
        let at_hand: Vec<_> = customers.iter().map(at_hand).collect();
        let others = customers.iter().zip(&at_hand).filter(|(_, at_hand)| at_hand.is_none());
        let others: Vec<_> = others.map(|(one, _)| one.id.clone()).collect();
        let named = (others.len() <= NAMED_MAX).then_some(others.as_slice());
        let mut last = overview::last_subscriptions(&self.db, project, named).await?;
        let default_plan = self.default_plan(project).await?;
        let has_plans = catalog::has_plans(&self.db, project).await?;
        let names: Vec<&str> = customers.iter().map(|one| one.external_id.as_str()).collect();
        let calendars = zones::calendars_of(&self.db, project, &names).await?;
        let mut holdings = Vec::with_capacity(customers.len());
        for (one, at_hand) in customers.iter().zip(at_hand) {
            let own_id = one.external_id.as_str();
            let calendars = calendars.get(own_id).ok_or(StoreError::NotFound)?;
            let by_last = match (&at_hand, last.remove(&one.id)) {
                (None, Some(stored)) => self.by_subscription(stored, now).await?,
                _ => None,
            };
            let has = match (at_hand, by_last, &default_plan) {
                (Some(at_hand), ..) => at_hand.has.clone(),
                (None, Some((Some(held), _)), _) => held.counted_by(calendars),
                (None, None, Some(plan)) => {
                    Held { plan: Arc::clone(plan), subscription: None }.counted_by(calendars)
                }
                (None, None, None) if !has_plans => Has::Unlimited,
                _ => Has::Nothing,
            };
            let resets = match &has {
                Has::Plan { resets, .. } => resets.clone(),
                Has::Nothing | Has::Unlimited => Resets::new(calendars, None),
            };
            holdings.push(Holding { external_id: own_id.to_owned(), has, resets });
        }
        Ok(holdings)
    }
}
