//! Small things done now and then: uses of keys are written down, what has expired is removed.
use super::Jobs;
use crate::auth::keys::Keys;
use crate::store::webhook_endpoints::Moment;
use crate::store::{Result, idempotency, job_runs, projects, rejected_events, webhook_purge};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::DAY;

/// For how long runs of jobs are kept.
const RUNS_DAYS: i64 = 90;

/// Most batches of messages that are removed at a time; the rest waits for the next time.
const BATCHES_MAX: u32 = 50;

/// Does all of it; what fails is tried again next time.
pub async fn run(jobs: &Jobs, keys: &Keys, webhook_days: u32) {
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
        if let Err(error) = purge_webhooks(jobs, project.id, webhook_days).await {
            tracing::warn!(%error, "old webhook messages could not be removed");
        }
        let now = jobs.clock.of_project(project.id);
        if let Err(error) = rejected_events::purge(&jobs.db, project.id, now).await {
            tracing::warn!(%error, "old rejected events could not be removed");
        }
    }
}

/// Removes messages that were dealt with before these days, batch by batch.
async fn purge_webhooks(jobs: &Jobs, project: ProjectId, days: u32) -> Result<()> {
    let age = -i64::from(days) * DAY;
    let before = Moment {
        real: jobs.clock.real().plus_micros(age),
        project: jobs.clock.of_project(project).plus_micros(age),
    };
    for _ in 0..BATCHES_MAX {
        if webhook_purge::purge(&jobs.db, project, before).await? < u64::from(webhook_purge::BATCH_MESSAGES) {
            break;
        }
    }
    Ok(())
}
