//! What happens to subscriptions by themselves, written down as it falls due: trials end, changes of plan
//! and cancellations take effect. Decisions do not wait for it.
use super::Jobs;
use super::run::JobError;
use crate::random;
use crate::store::job_runs::{self, Finished, JobRun, RunResult};
use crate::store::subscriptions;
use reckoner_domain::id::{JobRunId, ProjectId};
use reckoner_domain::time::Timestamp;

/// The job that ends trials and carries out what was scheduled.
pub const SUBSCRIPTIONS: &str = "subscriptions";

impl Jobs {
    /// Writes down what fell due in a project until `now`, on record; nothing where nothing did. Any
    /// number of workers may do so at once: each subscription is held while it changes.
    pub(super) async fn run_due(&self, project: ProjectId, now: Timestamp) -> Result<bool, JobError> {
        if subscriptions::first_due(&self.db, project).await?.is_none_or(|due| due > now) {
            return Ok(false);
        }
        let run = JobRun {
            id: JobRunId::from_bits(random::id_bits(self.clock.real())?),
            project,
            job: SUBSCRIPTIONS.to_owned(),
            worker: self.worker.clone(),
            started_at: now,
            finished: None,
        };
        job_runs::start(&self.db, &run).await?;
        let ran = self.subscriptions.run_due(project, now).await;
        let (result, detail) = match &ran {
            Ok((done, failed)) if failed.is_empty() => {
                (RunResult::Succeeded, format!("{done} subscriptions"))
            }
            Ok((done, failed)) => {
                for (id, error) in failed {
                    tracing::error!(subscription = %id, %error, "what fell due could not be written down");
                }
                (RunResult::Failed, format!("{done} subscriptions, {} failed", failed.len()))
            }
            Err(error) => {
                tracing::error!(%error, "what fell due of subscriptions could not be written down");
                (RunResult::Failed, "the control plane failed".to_owned())
            }
        };
        let finished = Finished { at: now, result, detail: Some(detail) };
        let mut tx = self.db.begin().await?;
        self.finish(&mut tx, &JobRun { finished: Some(finished), ..run }).await?;
        tx.commit().await?;
        self.waker.wake();
        metrics::counter!("job_runs_total", "job" => SUBSCRIPTIONS, "result" => result.as_str()).increment(1);
        Ok(true)
    }
}
