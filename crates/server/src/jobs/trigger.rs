//! `POST /aggregations/trigger` of system A: aggregate now, open periods too, without waiting.
use super::Jobs;
use super::run::JobError;
use crate::store::aggregations;
use parking_lot::Mutex;
use reckoner_domain::id::ProjectId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How often a job under way elsewhere is waited for: until even a dead one's turn has ended.
const PAUSES_MAX: u32 = 1_300;

/// Takes triggers and runs them in the background: of each project one at a time, whatever the
/// others do.
#[derive(Clone)]
pub struct Trigger {
    jobs: Jobs,
    /// Each project's worker has room for one trigger that waits.
    queues: Arc<Mutex<HashMap<ProjectId, mpsc::Sender<()>>>>,
}

/// What a trigger found and queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triggered {
    /// Pairs of customer and period without an aggregation of the current period.
    pub jobs_created: u64,
    /// Pairs with one.
    pub jobs_updated: u64,
    /// Pairs that this call queued.
    pub jobs_queued: u64,
    /// Customers with any event.
    pub customers_found: u64,
    /// Periods aggregated.
    pub periods_configured: u64,
    /// Events stored.
    pub events_scanned: u64,
}

impl Trigger {
    /// A project's worker starts with its first trigger.
    pub fn new(jobs: Jobs) -> Self {
        Self { jobs, queues: Arc::default() }
    }

    /// Queues a run of a project, unless one waits already; says whether it did.
    fn queue(&self, project: ProjectId) -> bool {
        let mut queues = self.queues.lock();
        let queue = queues.entry(project).or_insert_with(|| {
            let (queue, next) = mpsc::channel(1);
            tokio::spawn(work(self.jobs.clone(), project, next));
            queue
        });
        queue.try_send(()).is_ok()
    }

    /// Queues an aggregation of everything that is due or current. `None` when the project has no
    /// events.
    pub async fn fire(&self, project: ProjectId) -> Result<Option<Triggered>, JobError> {
        let jobs = &self.jobs;
        let customers = jobs.events.customers(project).await?;
        if customers.is_empty() {
            return Ok(None);
        }
        let definitions = jobs.definitions.read().clone();
        let pairs = customers.len() as u64 * definitions.periods.len() as u64;
        let now = jobs.clock.of_project(project);
        let updated = aggregations::count_current(&jobs.db, project, now).await?;
        let queued = self.queue(project);
        Ok(Some(Triggered {
            jobs_created: pairs.saturating_sub(updated),
            jobs_updated: updated,
            jobs_queued: if queued { pairs } else { 0 },
            customers_found: customers.len() as u64,
            periods_configured: definitions.periods.len() as u64,
            events_scanned: jobs.events.stats(project).events,
        }))
    }
}

/// Runs a project's triggers until nobody can make any more.
async fn work(jobs: Jobs, project: ProjectId, mut next: mpsc::Receiver<()>) {
    while next.recv().await.is_some() {
        match jobs.run_in_turn(project, true, PAUSES_MAX).await {
            Ok(Some(_)) => {}
            Ok(None) => tracing::error!(?project, "a triggered aggregation never got its turn"),
            Err(error) => tracing::error!(%error, ?project, "a triggered aggregation failed"),
        }
    }
}
