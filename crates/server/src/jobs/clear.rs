//! Clearing a project: its aggregations, and its events when told to.
use super::advance::ClockError;
use super::payload::EVENT_TYPES;
use super::run::{JobError, detached};
use super::{AGGREGATE, Jobs, LEVEL_SNAPSHOTS};
use crate::events::AppendError;
use crate::store::audit::{self, Change};
use crate::store::{
    StoreError, aggregations, job_retries, level_snapshots, rejected_events, watermarks, webhook_messages,
};
use reckoner_domain::id::ProjectId;
use serde_json::json;
use std::fmt::Display;

/// Why a project was not cleared.
#[derive(Debug, thiserror::Error)]
pub enum ClearError {
    /// Its jobs could not be kept from running.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The control plane failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The event engine failed.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Jobs {
    /// Deletes a project's aggregations, and its events when told to; how many of each there were.
    pub async fn clear(
        &self,
        by: &impl Display,
        project: ProjectId,
        events: bool,
    ) -> Result<(u64, u64), ClearError> {
        let what = if events { "events" } else { "aggregations" };
        let change = Change::new(Some(project), by, "project.cleared", what);
        let jobs = self.clone();
        detached(async move {
            let _moving = jobs.moving.turn(project).await;
            jobs.alone(project).await?;
            let cleared = jobs.clear_alone(project, events, change).await;
            jobs.unclaim(project).await?;
            cleared
        })
        .await
    }

    /// Aggregations first: a crash before the events are cleared leaves aggregations to be made
    /// anew, and never some of events that are gone.
    async fn clear_alone(
        &self,
        project: ProjectId,
        events: bool,
        change: Change,
    ) -> Result<(u64, u64), ClearError> {
        let aggregations = self.clear_aggregations(project, change).await.map_err(JobError::from)?;
        if !events {
            return Ok((0, aggregations));
        }
        let gone = self.events.clear(project, self.clock.of_project(project)).await?;
        rejected_events::delete_all(&self.db, project).await.map_err(JobError::from)?;
        level_snapshots::delete_all(&self.db, project).await.map_err(JobError::from)?;
        watermarks::reset(&self.db, project, LEVEL_SNAPSHOTS).await.map_err(JobError::from)?;
        Ok((gone, aggregations))
    }

    async fn clear_aggregations(&self, project: ProjectId, change: Change) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let aggregations = aggregations::delete_all(&mut tx, project).await?;
        watermarks::reset(&mut tx, project, AGGREGATE).await?;
        job_retries::remove_all(&mut tx, project, AGGREGATE).await?;
        for event_type in EVENT_TYPES {
            webhook_messages::detach_all(&mut tx, project, event_type).await?;
        }
        let change = change.before(json!({"aggregations": aggregations}));
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        Ok(aggregations)
    }
}
