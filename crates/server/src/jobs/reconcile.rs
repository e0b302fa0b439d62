//! Holds what Stripe has against what is written down, once a day of real time, in projects that follow it.
use super::Jobs;
use super::run::JobError;
use crate::payments::stripe::Account;
use crate::store::Limit;
use crate::store::job_runs::{self, RunResult};
use crate::store::projects;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{DAY, Timestamp};

/// The job that does so.
pub const RECONCILE: &str = "stripe_reconciliation";

impl Jobs {
    /// Looks where the last look is a day old; where there was none, from when on there is something to look at.
    pub(super) async fn reconcile_due(&self) {
        let Some(events) = &self.billing.stripe else { return };
        for account in events.stripe.accounts() {
            let project = account.project();
            if self.clock.frozen_at(project).is_some() {
                continue;
            }
            let now = self.clock.of_project(project);
            match self.is_reconciled(project, now).await {
                Ok(true) => {}
                Ok(false) => {
                    if let Err(error) = self.reconcile(account, now).await {
                        tracing::error!(%error, "what Stripe has could not be looked at");
                    }
                }
                Err(error) => tracing::error!(%error, "runs of jobs cannot be read"),
            }
        }
    }

    async fn is_reconciled(&self, project: ProjectId, now: Timestamp) -> Result<bool, JobError> {
        let one = Limit::new(1).unwrap_or_default();
        let last =
            job_runs::list(&self.db, project, Some(RECONCILE), None, one).await?.items.into_iter().next();
        let since = match last {
            Some(last) => last.started_at,
            None => projects::get(&self.db, project).await?.created_at,
        };
        Ok(now.micros_since(since) < DAY)
    }

    async fn reconcile(&self, account: &Account, now: Timestamp) -> Result<(), JobError> {
        let run = self.begin_run(account.project(), RECONCILE, now).await?;
        let outcome = match account.reconcile(&self.db).await {
            Ok(looked) => {
                let result = if looked.new == 0 { RunResult::Succeeded } else { RunResult::Failed };
                let text = format!(
                    "{} charges, {} differences, {} new",
                    looked.here, looked.differences, looked.new
                );
                (result, text)
            }
            Err(error) => (RunResult::Failed, error.to_string()),
        };
        self.end_run(run, now, outcome).await
    }
}
