//! Events that need not be kept any more are dropped, where the operator says for how long they are.
use super::Jobs;
use super::plan::horizon;
use super::run::JobError;
use crate::events::{AppendError, Retention};
use crate::store::projects;
use crate::store::{customer_zones, watermarks};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{DAY, Timestamp};

/// Why nothing was dropped.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// It is not known what has to be kept.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The event engine did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Jobs {
    /// Lets the event engine drop what is older than so many days of each project's clock, and is not
    /// needed: no event of a period that is open or not aggregated yet, none that is still to be billed or
    /// rated anew, none that a level is read from.
    pub async fn drop_old_events(&self, days: u32) -> Result<(), RetainError> {
        let mut retention = Retention { at: self.clock.real(), ..Retention::default() };
        for project in projects::list(&self.db).await.map_err(JobError::from)? {
            let kept = self.catalogues.carried_types(project.id).into_iter().map(|name| (project.id, name));
            retention.kept.extend(kept);
            if let Some(open) = self.open_since(project.id).await? {
                let old = self.clock.of_project(project.id).plus_micros(-i64::from(days) * DAY);
                let billed = self.billing.invoicing.needs_since(project.id).await.map_err(JobError::from)?;
                let before = billed.into_iter().chain([old, open]).min().unwrap_or(open);
                retention.before.insert(project.id, before);
            }
        }
        self.events.retain(retention).await?;
        Ok(())
    }

    /// The start of the earliest period that is open or not aggregated yet; `None` where nothing of a
    /// project was aggregated so far.
    async fn open_since(&self, project: ProjectId) -> Result<Option<Timestamp>, JobError> {
        let definitions = self.definitions.read().clone();
        if definitions.periods.is_empty() {
            return Ok(Some(self.clock.of_project(project)));
        }
        let Some(mark) = watermarks::get(&self.db, project, super::AGGREGATE).await? else { return Ok(None) };
        if !definitions.periods.iter().all(|period| mark.periods.contains(period)) {
            return Ok(None);
        }
        let zones = self.zones(project, customer_zones::histories(&self.db, project).await?).await?;
        Ok(Some(horizon(&definitions.periods, &[], &zones, mark.time)))
    }
}
