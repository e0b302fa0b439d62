//! What happens to subscriptions by themselves, written down as it falls due: trials end, changes of plan
//! and cancellations take effect, and another plan follows trials that expired. Decisions do not wait for
//! it.
use super::Jobs;
use super::run::JobError;
use crate::billing::subscriptions::SubscriptionError;
use crate::random;
use crate::store::job_runs::{self, Finished, JobRun, RunResult};
use crate::store::subscriptions;
use reckoner_domain::id::{JobRunId, ProjectId, SubscriptionId};
use reckoner_domain::time::Timestamp;
use reckoner_domain::trial;

/// The job that ends trials and carries out what was scheduled.
pub const SUBSCRIPTIONS: &str = "subscriptions";
/// The job that gives customers whose trials expired the plan that follows.
pub const TRIALS: &str = "trials";

/// What a run came to: how many were done, and what failed.
type Ran = Result<(u64, Vec<(SubscriptionId, SubscriptionError)>), SubscriptionError>;

impl Jobs {
    /// The next instant at which something of subscriptions is to be written down.
    pub(super) async fn first_due(&self, project: ProjectId) -> Result<Option<Timestamp>, JobError> {
        let due = subscriptions::first_due(&self.db, project).await?;
        let moved = self.billing.trials.next_move(project).await?;
        Ok(due.into_iter().chain(moved).min())
    }

    /// Writes down what fell due in a project until `now`, on record; answers how many runs there were.
    /// Any number of workers may do so at once: each subscription is held while it changes.
    pub(super) async fn run_due(&self, project: ProjectId, now: Timestamp) -> Result<u64, JobError> {
        self.billing.trials.adopt(project).await?;
        let mut runs = 0;
        if subscriptions::first_due(&self.db, project).await?.is_some_and(|due| due <= now) {
            let run = self.begin_run(project, SUBSCRIPTIONS, now).await?;
            let ran = self.billing.subscriptions.run_due(project, now).await;
            self.end_run(run, now, &ran).await?;
            runs += 1;
        }
        if self.billing.trials.next_move(project).await?.is_some_and(|at| at <= now) {
            let run = self.begin_run(project, TRIALS, now).await?;
            let moved = self.billing.trials.move_expired(project, trial::last_move(now)).await;
            let ran = moved.map(|moved| (moved.done, moved.failed)).map_err(SubscriptionError::from);
            self.end_run(run, now, &ran).await?;
            runs += 1;
        }
        Ok(runs)
    }

    /// Ends trials that have ended, and gives whose they were the plan that follows without waiting for
    /// the night; answers how many got it.
    pub async fn check_trials(&self, project: ProjectId) -> Result<u64, JobError> {
        let now = self.clock.of_project(project);
        self.run_due(project, now).await?;
        if self.billing.trials.next_move(project).await?.is_none() {
            return Ok(0);
        }
        let run = self.begin_run(project, TRIALS, now).await?;
        let moved = self.billing.trials.move_expired(project, now).await;
        let ran = moved.map(|moved| (moved.done, moved.failed)).map_err(SubscriptionError::from);
        self.end_run(run, now, &ran).await?;
        Ok(ran.map_or(0, |(done, _)| done))
    }

    async fn begin_run(
        &self,
        project: ProjectId,
        job: &'static str,
        now: Timestamp,
    ) -> Result<JobRun, JobError> {
        let run = JobRun {
            id: JobRunId::from_bits(random::id_bits(self.clock.real())?),
            project,
            job: job.to_owned(),
            worker: self.worker.clone(),
            started_at: now,
            finished: None,
        };
        job_runs::start(&self.db, &run).await?;
        Ok(run)
    }

    async fn end_run(&self, run: JobRun, now: Timestamp, ran: &Ran) -> Result<(), JobError> {
        let (result, detail) = match ran {
            Ok((done, failed)) if failed.is_empty() => {
                (RunResult::Succeeded, format!("{done} subscriptions"))
            }
            Ok((done, failed)) => {
                for (id, error) in failed {
                    tracing::error!(job = %run.job, subscription = %id, %error, "what fell due could not be written down");
                }
                (RunResult::Failed, format!("{done} subscriptions, {} failed", failed.len()))
            }
            Err(error) => {
                tracing::error!(job = %run.job, %error, "what fell due of subscriptions could not be written down");
                (RunResult::Failed, "the control plane failed".to_owned())
            }
        };
        let job = run.job.clone();
        let finished = Finished { at: now, result, detail: Some(detail) };
        let mut tx = self.db.begin().await?;
        self.finish(&mut tx, &JobRun { finished: Some(finished), ..run }).await?;
        tx.commit().await?;
        self.waker.wake();
        metrics::counter!("job_runs_total", "job" => job, "result" => result.as_str()).increment(1);
        Ok(())
    }
}
