//! `POST /aggregations/trigger` of system A: aggregate now, open periods too, without waiting.
use super::Jobs;
use super::run::JobError;
use crate::store::aggregations;
use parking_lot::Mutex;
use reckoner_domain::id::ProjectId;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Most triggers that wait, over all projects.
const WAITING_MAX: usize = 16;
/// How often a job under way elsewhere is waited for: until even a dead one's turn has ended.
const PAUSES_MAX: u32 = 1_300;

/// Takes triggers and runs them in the background, one run a project at a time.
#[derive(Clone)]
pub struct Trigger {
    jobs: Jobs,
    waiting: Arc<Mutex<HashSet<ProjectId>>>,
    queue: mpsc::Sender<ProjectId>,
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
    /// Starts the worker.
    pub fn start(jobs: Jobs) -> Self {
        let (queue, mut next) = mpsc::channel(WAITING_MAX);
        let waiting: Arc<Mutex<HashSet<ProjectId>>> = Arc::default();
        let trigger = Self { jobs: jobs.clone(), waiting: waiting.clone(), queue };
        tokio::spawn(async move {
            while let Some(project) = next.recv().await {
                waiting.lock().remove(&project);
                match jobs.run_in_turn(project, true, PAUSES_MAX).await {
                    Ok(Some(_)) => {}
                    Ok(None) => tracing::error!(?project, "a triggered aggregation never got its turn"),
                    Err(error) => tracing::error!(%error, ?project, "a triggered aggregation failed"),
                }
            }
        });
        trigger
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
        let queued = self.waiting.lock().insert(project);
        // A queue full of other projects: the next trigger of this one finds room again.
        if queued && self.queue.try_send(project).is_err() {
            self.waiting.lock().remove(&project);
        }
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
