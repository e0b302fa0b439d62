//! Changing a customer's time zone, from its next periods on.
use super::{AGGREGATE, Jobs};
use crate::store::customers::{Customer, Details};
use crate::store::{StoreError, customer_zones, watermarks};
use reckoner_domain::id::{CustomerId, ProjectId};

impl Jobs {
    /// Changes a customer that is still at `version`, its time zone included;
    /// [`StoreError::NotFound`], or [`StoreError::Stale`] when it has another version.
    pub async fn change_zone(
        &self,
        project: ProjectId,
        id: &CustomerId,
        version: u32,
        details: &Details,
    ) -> Result<Customer, StoreError> {
        let mut tx = self.db.begin().await?;
        // A run may have closed periods that end after what the clock shows here, or be about to: the
        // change comes after whatever a run may have looked at, and no run begins before it is there.
        let now = self.clock.of_project(project);
        let made_at = watermarks::reach(&mut tx, project, AGGREGATE, now).await?;
        let changed = customer_zones::change(&mut tx, project, id, version, details, made_at).await?;
        tx.commit().await?;
        Ok(changed)
    }
}
