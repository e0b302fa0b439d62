//! Small things done now and then: uses of keys are written down, what has expired is removed.
use super::Jobs;
use crate::auth::keys::Keys;
use crate::store::{idempotency, job_runs, projects, rejected_events};
use reckoner_domain::time::DAY;

/// For how long runs of jobs are kept.
const RUNS_DAYS: i64 = 90;

/// Does all of it; what fails is tried again next time.
pub async fn run(jobs: &Jobs, keys: &Keys) {
    if let Err(error) = keys.note_uses().await {
        tracing::warn!(%error, "last uses of keys could not be written down");
    }
    if let Err(error) = idempotency::purge(&jobs.db, jobs.clock.real()).await {
        tracing::warn!(%error, "expired idempotency keys could not be removed");
    }
    let Ok(projects) = projects::list(&jobs.db).await else { return };
    for project in projects {
        let before = jobs.clock.of_project(project.id).plus_micros(-RUNS_DAYS * DAY);
        if let Err(error) = job_runs::purge(&jobs.db, project.id, before).await {
            tracing::warn!(%error, "old job runs could not be removed");
        }
        let now = jobs.clock.of_project(project.id);
        if let Err(error) = rejected_events::purge(&jobs.db, project.id, now).await {
            tracing::warn!(%error, "old rejected events could not be removed");
        }
    }
}
