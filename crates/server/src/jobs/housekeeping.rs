//! Small things done now and then: uses of keys are written down, what has expired is removed.
use super::Jobs;
use crate::auth::keys::Keys;
use crate::billing::stripe::StripeEvents;
use crate::store::webhook_endpoints::Moment;
use crate::store::{
    Result, idempotency, job_runs, level_snapshots, login_failures, mails, one_time_tokens, projects,
    rejected_events, sessions, webhook_purge,
};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::DAY;

/// For how long runs of jobs are kept.
const RUNS_DAYS: i64 = 90;

/// For how long sessions that have ended, and mails that were dealt with, are kept, in days.
const ACCOUNTS_DAYS: i64 = 30;

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
    let before = jobs.clock.real().plus_micros(-RUNS_DAYS * DAY);
    if let Err(error) = StripeEvents::purge(&jobs.db, before).await {
        tracing::warn!(%error, "old calls and events of Stripe could not be removed");
    }
    if let Err(error) = purge_accounts(jobs).await {
        tracing::warn!(%error, "old sessions, tokens and mails could not be removed");
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
        if let Err(error) = level_snapshots::purge(&jobs.db, project.id, now).await {
            tracing::warn!(%error, "old snapshots of levels could not be removed");
        }
        if let Err(error) = rejected_events::purge(&jobs.db, project.id, now).await {
            tracing::warn!(%error, "old rejected events could not be removed");
        }
    }
}

/// Removes sessions, tokens, failures and mails that nobody asks for any more, and counts open sessions.
async fn purge_accounts(jobs: &Jobs) -> Result<()> {
    let now = jobs.clock.real();
    let before = now.plus_micros(-ACCOUNTS_DAYS * DAY);
    login_failures::purge(&jobs.db, now).await?;
    one_time_tokens::purge(&jobs.db, now).await?;
    for _ in 0..BATCHES_MAX {
        let sessions = sessions::purge(&jobs.db, before).await?;
        let mails = mails::purge(&jobs.db, before).await?;
        if sessions < u64::from(sessions::PURGE_SESSIONS) && mails < u64::from(mails::PURGE_MAILS) {
            break;
        }
    }
    metrics::gauge!("active_sessions").set(sessions::count_open(&jobs.db, now).await? as f64);
    Ok(())
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
