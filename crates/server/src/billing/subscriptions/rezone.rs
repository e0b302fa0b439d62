//! Subscriptions follow the time zones of their customers.
use super::write::Change;
use super::{Result, Subscriptions};
use crate::billing::zones;
use crate::store::customers::Customer;
use crate::store::subscriptions::{self, Stored};
use crate::store::{Tx, audit};
use jiff::tz::TimeZone;
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::time::Timestamp;

/// Subscriptions that are read in one go.
const AT_ONCE: u32 = 500;

impl Subscriptions {
    /// Lets the billing periods of a customer follow its time zone from the next one on, in the transaction in which
    /// that has changed; what is to be told once it is committed, and what the record of changes is to say.
    pub async fn rezone(
        &self,
        tx: &mut Tx,
        by: &str,
        customer: &Customer,
        decided_at: Timestamp,
    ) -> Result<(Option<Stored>, Vec<audit::Change>)> {
        let (project, id) = (customer.project, &customer.id);
        let Some(open) = subscriptions::open_of(&mut *tx, project, id).await? else {
            return Ok((None, Vec::new()));
        };
        let zone = zones::zone_of(tx, project, customer.details.time_zone.as_deref()).await?;
        let mut noted = Vec::new();
        let stored = self.rezone_one(tx, by, (project, &open), (&zone, decided_at), &mut noted).await?;
        Ok((Some(stored), noted))
    }

    /// The same for every customer of a project that has no zone of its own.
    pub async fn rezone_project(
        &self,
        tx: &mut Tx,
        by: &str,
        (project, zone): (ProjectId, &TimeZone),
        decided_at: Timestamp,
    ) -> Result<Vec<audit::Change>> {
        let (mut noted, mut after) = (Vec::new(), None);
        loop {
            let open =
                subscriptions::open_in_project_zone(&mut *tx, project, after.as_ref(), AT_ONCE).await?;
            for id in &open {
                self.rezone_one(tx, by, (project, id), (zone, decided_at), &mut noted).await?;
            }
            if open.len() < AT_ONCE as usize {
                return Ok(noted);
            }
            after = open.into_iter().next_back();
        }
    }

    async fn rezone_one(
        &self,
        tx: &mut Tx,
        by: &str,
        (project, id): (ProjectId, &SubscriptionId),
        (zone, decided_at): (&TimeZone, Timestamp),
        noted: &mut Vec<audit::Change>,
    ) -> Result<Stored> {
        let held = subscriptions::lock(tx, project, id).await?;
        let now = self.clock.of_project(project);
        let before = self.settle_noting(tx, held, now, noted).await?;
        let after = before.subscription.in_zone(zone, decided_at);
        self.write_noting(tx, by, Change { before, after, at: decided_at }, noted).await
    }
}
