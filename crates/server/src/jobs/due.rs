//! What falls due by itself, written down as it does: trials end, changes of plan and cancellations take
//! effect, another plan follows trials that expired, billing periods are closed. Decisions do not wait for
//! it.
use super::Jobs;
use super::run::JobError;
use crate::billing::invoicing::{Collected, InvoicingError, Run};
use crate::billing::subscriptions::SubscriptionError;
use crate::random;
use crate::store::job_runs::{self, Finished, JobRun, RunResult};
use crate::store::{StoreError, subscriptions};
use reckoner_domain::id::{CustomerId, JobRunId, ProjectId, SubscriptionId};
use reckoner_domain::time::Timestamp;
use reckoner_domain::trial;
use std::fmt;

/// The job that ends trials and carries out what was scheduled.
pub const SUBSCRIPTIONS: &str = "subscriptions";
/// The job that gives customers whose trials expired the plan that follows.
pub const TRIALS: &str = "trials";
/// The job that reminds those whose trials end tomorrow.
const TRIAL_REMINDERS: &str = "trial_reminders";
/// The job that closes billing periods.
pub const INVOICES: &str = "invoices";

/// The job that reminds customers that owe, and suspends them.
pub const BILLING_STATUS: &str = "billing_status";

/// The job that writes down what expired in wallets.
pub const WALLETS: &str = "wallets";

/// What a run came to: how many were done, and what failed.
type Ran = Result<(u64, Vec<(SubscriptionId, SubscriptionError)>), SubscriptionError>;

impl Jobs {
    /// The first instant at which something falls due in a project by itself.
    pub(super) async fn first_due(&self, project: ProjectId) -> Result<Option<Timestamp>, JobError> {
        let due = subscriptions::first_due(&self.db, project).await?;
        let moved = self.billing.trials.next_move(project).await?;
        let reminded = self.billing.trials.next_reminder(project).await?;
        let closed = self.billing.invoicing.first_due(project).await?;
        let owing = self.billing.debts.first_due(project).await?;
        let expiring = self.billing.wallets.first_expiry(project).await?;
        Ok(due.into_iter().chain(moved).chain(reminded).chain(closed).chain(owing).chain(expiring).min())
    }

    /// Writes down what fell due in a project until `now`, on record; answers how many runs there were, none
    /// where nothing did. Any number of workers may do so at once: each subscription is held while it
    /// changes.
    pub(super) async fn run_due(&self, project: ProjectId, now: Timestamp) -> Result<u64, JobError> {
        self.billing.trials.adopt(project).await?;
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
        let mut runs = 0;
        if is_due(subscriptions::first_due(&self.db, project).await?) {
            let run = self.begin_run(project, SUBSCRIPTIONS, now).await?;
            let ran = self.billing.subscriptions.run_due(project, now).await;
            let outcome = told(&run, &ran);
            self.end_run(run, now, outcome).await?;
            runs += 1;
        }
        if is_due(self.billing.trials.next_move(project).await?) {
            self.move_trials(project, now, trial::last_move(now)).await?;
            runs += 1;
        }
        if is_due(self.billing.trials.next_reminder(project).await?) {
            self.remind_trials(project, now, now).await?;
            runs += 1;
        }
        if is_due(self.billing.invoicing.first_due(project).await?) {
            let run = self.begin_run(project, INVOICES, now).await?;
            let outcome = match self.bill(project, now).await {
                Ok((run, collected)) => told_of_billing(&run, &collected),
                Err(error) => {
                    tracing::error!(%error, "billing periods could not be closed");
                    (RunResult::Failed, "the control plane failed".to_owned())
                }
            };
            self.end_run(run, now, outcome).await?;
            runs += 1;
        }
        if is_due(self.billing.debts.first_due(project).await?) {
            let run = self.begin_run(project, BILLING_STATUS, now).await?;
            let told = self.billing.debts.tell_due(project, now).await;
            let outcome = told_of_customers(&run, told.map(|told| (told.notices, told.failed)), "notices");
            self.end_run(run, now, outcome).await?;
            runs += 1;
        }
        if is_due(self.billing.wallets.first_expiry(project).await?) {
            let run = self.begin_run(project, WALLETS, now).await?;
            let ran = self.billing.wallets.expire_due(project, now).await;
            let outcome = told_of_customers(&run, ran.map(|ran| (ran.wallets, ran.failed)), "wallets");
            self.end_run(run, now, outcome).await?;
            runs += 1;
        }
        Ok(runs)
    }

    /// Ends trials that have ended, and gives whose they were the plan that follows without waiting for
    /// the night; reminds those whose trials end tomorrow. Answers how many got it, and how many were reminded.
    pub async fn check_trials(&self, project: ProjectId) -> Result<(u64, u64), JobError> {
        let now = self.clock.of_project(project);
        self.run_due(project, now).await?;
        let mut moved = 0;
        if self.billing.trials.next_move(project).await?.is_some() {
            moved = self.move_trials(project, now, now).await?;
        }
        let tomorrow = trial::end_of_day(now);
        let waits = self.billing.trials.next_reminder(project).await?.is_some_and(|at| at <= tomorrow);
        let reminded = if waits { self.remind_trials(project, now, tomorrow).await? } else { 0 };
        Ok((moved, reminded))
    }

    /// Reminds those who are to be until an instant, on record.
    async fn remind_trials(
        &self,
        project: ProjectId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<u64, JobError> {
        let run = self.begin_run(project, TRIAL_REMINDERS, now).await?;
        let reminded = self.billing.trials.remind(project, until).await;
        let ran = reminded.map(|moved| (moved.done, moved.failed)).map_err(SubscriptionError::from);
        let outcome = told(&run, &ran);
        self.end_run(run, now, outcome).await?;
        Ok(ran.map_or(0, |(done, _)| done))
    }

    async fn move_trials(
        &self,
        project: ProjectId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<u64, JobError> {
        let run = self.begin_run(project, TRIALS, now).await?;
        let moved = self.billing.trials.move_expired(project, until).await;
        let ran = moved.map(|moved| (moved.done, moved.failed)).map_err(SubscriptionError::from);
        let outcome = told(&run, &ran);
        self.end_run(run, now, outcome).await?;
        Ok(ran.map_or(0, |(done, _)| done))
    }

    /// Closes every billing period of a project that is over, and asks the provider for what it is to
    /// collect.
    pub async fn bill(&self, project: ProjectId, now: Timestamp) -> Result<(Run, Collected), InvoicingError> {
        let run = Box::pin(self.billing.invoicing.close_due(project, now)).await?;
        let collected = self.billing.invoicing.collect_due(project, now).await?;
        for failed in &run.failed {
            tracing::error!(subscription = %failed.subscription, error = %failed.error, "a billing period could not be closed");
        }
        Ok((run, collected))
    }

    pub(super) async fn begin_run(
        &self,
        project: ProjectId,
        job: &str,
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

    pub(super) async fn end_run(
        &self,
        run: JobRun,
        now: Timestamp,
        (result, detail): (RunResult, String),
    ) -> Result<(), JobError> {
        metrics::counter!("job_runs_total", "job" => run.job.clone(), "result" => result.as_str())
            .increment(1);
        let finished = Finished { at: now, result, detail: Some(detail) };
        let mut tx = self.db.begin().await?;
        self.finish(&mut tx, &JobRun { finished: Some(finished), ..run }).await?;
        tx.commit().await?;
        self.waker.wake();
        Ok(())
    }
}

/// What a run about subscriptions did, for whoever looks after the project.
fn told(run: &JobRun, ran: &Ran) -> (RunResult, String) {
    match ran {
        Ok((done, failed)) if failed.is_empty() => (RunResult::Succeeded, format!("{done} subscriptions")),
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
    }
}

/// What a run about customers did, for whoever looks after the project.
fn told_of_customers<E: fmt::Display>(
    run: &JobRun,
    ran: Result<(u64, Vec<(CustomerId, E)>), StoreError>,
    done: &str,
) -> (RunResult, String) {
    match ran {
        Ok((number, failed)) if failed.is_empty() => (RunResult::Succeeded, format!("{number} {done}")),
        Ok((number, failed)) => {
            for (customer, error) in &failed {
                tracing::error!(job = %run.job, %customer, %error, "what fell due could not be written down");
            }
            (RunResult::Failed, format!("{number} {done}, {} failed", failed.len()))
        }
        Err(error) => {
            tracing::error!(job = %run.job, %error, "what fell due of customers could not be written down");
            (RunResult::Failed, "the control plane failed".to_owned())
        }
    }
}

/// What a run of billing did, for whoever looks after the project.
fn told_of_billing(run: &Run, collected: &Collected) -> (RunResult, String) {
    let periods = run.closed.iter().filter(|one| one.period.is_some()).count();
    let invoices = run.closed.iter().filter(|one| one.invoice.is_some()).count();
    let failed = run.failed.len() + collected.declined.len();
    let result = if failed == 0 { RunResult::Succeeded } else { RunResult::Failed };
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    (result, format!("{periods} periods, {invoices} invoices, {} charges{failed}", collected.taken.len()))
}
