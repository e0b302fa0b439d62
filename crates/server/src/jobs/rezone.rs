//! Changing the time zone of a project or a customer, from its next periods on.
use super::{AGGREGATE, Jobs};
use crate::billing::subscriptions::{SubscriptionError, Subscriptions};
use crate::clock::{self, Clock};
use crate::store::audit::{self, Change, OPERATOR};
use crate::store::customers::{self, Customer, Details};
use crate::store::projects::{self, Project};
use crate::store::{Db, StoreError, aggregations, changes, customer_zones, project_zones, watermarks};
use reckoner_domain::id::{CustomerId, ProjectId};
use serde_json::json;
use std::fmt::Display;

impl Jobs {
    /// Changes a customer that is still at `version`, its time zone included, which its billing follows;
    /// [`StoreError::NotFound`], or [`StoreError::Stale`] when it has another version.
    pub async fn change_zone(
        &self,
        by: &impl Display,
        (project, id): (ProjectId, &CustomerId),
        version: u32,
        details: &Details,
    ) -> Result<Customer, SubscriptionError> {
        let mut tx = self.db.begin().await?;
        // A run may have closed periods that end after what the clock shows here, or be about to: the
        // change comes after whatever a run may have looked at, and no run begins before it is there.
        let now = self.clock.of_project(project);
        let made_at = watermarks::reach(&mut tx, project, AGGREGATE, now).await?;
        let before = customers::lock(&mut tx, project, id).await?;
        let changed = customer_zones::change(&mut tx, project, id, version, details, made_at).await?;
        let subscriptions = &self.billing.subscriptions;
        let (rezoned, mut noted) = subscriptions.rezone(&mut tx, &by.to_string(), &changed, made_at).await?;
        noted.push(changes::customer_updated(by, &before, &changed));
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        if let Some(rezoned) = rezoned {
            subscriptions.noticed(&rezoned);
        }
        Ok(changed)
    }
}

/// Changes the zone of every project's periods, where it is another, to one that has been checked; no
/// job may run meanwhile.
pub async fn change_project_zones(
    (db, clock): (&Db, &Clock),
    subscriptions: &Subscriptions,
    name: &str,
) -> Result<(), SubscriptionError> {
    for project in projects::list(db).await? {
        if project.time_zone != name {
            change_project_zone((db, clock), subscriptions, &project, name).await?;
        }
    }
    Ok(())
}

/// Changes the zone of a project's periods to one that has been checked. Where nothing is aggregated
/// yet, it is the zone of all times, but for billing periods; no job may run meanwhile.
pub async fn change_project_zone(
    (db, clock): (&Db, &Clock),
    subscriptions: &Subscriptions,
    project: &Project,
    name: &str,
) -> Result<(), SubscriptionError> {
    let mut tx = db.begin().await?;
    let now = clock.of_project(project.id);
    let mut decided_at = now;
    if aggregations::count(&mut tx, project.id).await? == 0 {
        project_zones::set(&mut tx, project.id, name).await?;
    } else {
        let made_at = watermarks::reach(&mut tx, project.id, AGGREGATE, now).await?;
        project_zones::change(&mut tx, project.id, name, made_at).await?;
        decided_at = made_at;
        tracing::info!(
            project = project.name,
            from = project.time_zone,
            to = name,
            "the time zone of periods changes as each open one ends"
        );
    }
    let zone = clock::zone(name).ok_or_else(|| StoreError::corrupt("time_zone", name))?;
    let project_zone = (project.id, &zone);
    let mut noted = subscriptions.rezone_project(&mut tx, OPERATOR, project_zone, decided_at).await?;
    let change = Change::new(Some(project.id), OPERATOR, "project.time_zone_changed", &project.name);
    let change = change.before(json!({"time_zone": project.time_zone})).after(json!({"time_zone": name}));
    noted.push(change);
    audit::write(&mut tx, clock, noted).await?;
    Ok(tx.commit().await?)
}
