//! Changing the time zone of a project or a customer, from its next periods on.
use super::{AGGREGATE, Jobs};
use crate::clock::Clock;
use crate::store::audit::{self, Change, OPERATOR};
use crate::store::customers::{self, Customer, Details};
use crate::store::projects::{self, Project};
use crate::store::{Db, StoreError, aggregations, changes, customer_zones, project_zones, watermarks};
use reckoner_domain::id::{CustomerId, ProjectId};
use serde_json::json;
use std::fmt::Display;

impl Jobs {
    /// Changes a customer that is still at `version`, its time zone included;
    /// [`StoreError::NotFound`], or [`StoreError::Stale`] when it has another version.
    pub async fn change_zone(
        &self,
        by: &impl Display,
        (project, id): (ProjectId, &CustomerId),
        version: u32,
        details: &Details,
    ) -> Result<Customer, StoreError> {
        let mut tx = self.db.begin().await?;
        // A run may have closed periods that end after what the clock shows here, or be about to: the
        // change comes after whatever a run may have looked at, and no run begins before it is there.
        let now = self.clock.of_project(project);
        let made_at = watermarks::reach(&mut tx, project, AGGREGATE, now).await?;
        let before = customers::lock(&mut tx, project, id).await?;
        let changed = customer_zones::change(&mut tx, project, id, version, details, made_at).await?;
        let change = changes::customer_updated(by, &before, &changed);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// Changes the zone of every project's periods, where it is another, to one that has been checked; no
/// job may run meanwhile.
pub async fn change_project_zones(db: &Db, clock: &Clock, name: &str) -> Result<(), StoreError> {
    for project in projects::list(db).await? {
        if project.time_zone != name {
            change_project_zone(db, clock, &project, name).await?;
        }
    }
    Ok(())
}

/// Changes the zone of a project's periods to one that has been checked. Where nothing is aggregated
/// yet, it is the zone of all times; no job may run meanwhile.
pub async fn change_project_zone(
    db: &Db,
    clock: &Clock,
    project: &Project,
    name: &str,
) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    if aggregations::count(&mut tx, project.id).await? == 0 {
        project_zones::set(&mut tx, project.id, name).await?;
    } else {
        let now = clock.of_project(project.id);
        let made_at = watermarks::reach(&mut tx, project.id, AGGREGATE, now).await?;
        project_zones::change(&mut tx, project.id, name, made_at).await?;
        tracing::info!(
            project = project.name,
            from = project.time_zone,
            to = name,
            "the time zone of periods changes as each open one ends"
        );
    }
    let change = Change::new(Some(project.id), OPERATOR, "project.time_zone_changed", &project.name);
    let change = change.before(json!({"time_zone": project.time_zone})).after(json!({"time_zone": name}));
    audit::write(&mut tx, clock, vec![change]).await?;
    tx.commit().await
}
