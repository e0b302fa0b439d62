//! What many customers have at this moment, read by few statements.
use super::{Has, StandingReader, without_subscription};
use crate::clock;
use crate::store::overview::{self, Holder};
use crate::store::{StoreError, catalog, projects};
use jiff::tz::TimeZone;
use reckoner_domain::id::{CustomerId, ProjectId};

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
    /// What these customers, or all of a project, have at this moment. It is read and not kept at hand.
    pub async fn of_many(
        &self,
        project: ProjectId,
        customers: Option<&[CustomerId]>,
    ) -> Result<Vec<Holding>, StoreError> {
        let now = self.clock.of_project(project);
        let zone = |name: &str| clock::zone(name).ok_or_else(|| StoreError::corrupt("time_zone", name));
        let usual_zone = zone(&projects::get(&self.db, project).await?.time_zone)?;
        let default_plan = self.default_plan(project).await?;
        let has_plans = catalog::has_plans(&self.db, project).await?;
        let mut holdings = Vec::new();
        for Holder { external_id, time_zone, last } in overview::holders(&self.db, project, customers).await?
        {
            let zone = time_zone.as_deref().map_or_else(|| Ok(usual_zone.clone()), zone)?;
            let subscribed = match last {
                Some(stored) => self.by_subscription(stored, now).await?,
                None => None,
            };
            let has = match (subscribed, &default_plan) {
                (Some((has, _)), _) => has,
                (None, Some(plan)) => without_subscription(plan.clone(), zone.clone()),
                (None, None) if has_plans => Has::Nothing,
                (None, None) => Has::Unlimited,
            };
            holdings.push(Holding { external_id, has, zone });
        }
        Ok(holdings)
    }
}
