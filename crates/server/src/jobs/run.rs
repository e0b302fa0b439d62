//! One run of a job: nobody else runs it meanwhile, and how it went is on record.
use super::aggregate::{Done, Ending};
use super::view::View;
use super::{AGGREGATE, Jobs, payload};
use crate::events::EventsError;
use crate::random::{self, NoRandomness};
use crate::store::job_runs::{self, Finished, JobRun, RunResult};
use crate::store::leases::{self, Lease};
use crate::store::webhook_messages::{self, NewMessage};
use crate::store::{StoreError, Tx, projects, webhook_endpoints};
use futures_util::FutureExt;
use reckoner_domain::id::{JobRunId, ProjectId};
use reckoner_domain::time::{MINUTE, Timestamp};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How long a run may be silent before another worker thinks it dead.
const LEASE_MINUTES: i64 = 10;
/// How often a run says that it lives.
const RENEWAL_MINUTES: i64 = 1;
/// How long another worker's turn is waited for: first and longest pause, in milliseconds.
const PAUSE_MS_FIRST: u64 = 5;
const PAUSE_MS_MAX: u64 = 500;

/// Why a job did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The control plane failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The event engine failed.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// No id could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// A stored time zone is not in the built-in database.
    #[error("no such time zone: {0}")]
    UnknownZone(String),
    /// The run took so long without a sign of life that another worker may have taken over.
    #[error("the job's turn ended before the run did")]
    LeaseLost,
    /// The run panicked; its message is in the log.
    #[error("the run broke off")]
    Panicked,
}

impl JobError {
    /// The reason for whoever looks after the project: what a database said is for the log alone.
    fn told(&self) -> String {
        match self {
            Self::Store(StoreError::Unavailable(_)) => "the database is unavailable".to_owned(),
            Self::Store(_) => "the control plane failed".to_owned(),
            other => other.to_string(),
        }
    }
}

/// When and how a run runs.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The project's time.
    pub now: Timestamp,
    /// Whether open periods are wanted too.
    pub current: bool,
    /// Where the project's clock stood that moves to `now` with this run.
    pub clock_from: Option<Timestamp>,
}

/// A run's turn, which it keeps as long as it lives.
pub(super) struct Turn {
    project: ProjectId,
    renewed: Timestamp,
}

impl Turn {
    /// Whose jobs run.
    pub(super) fn project(&self) -> ProjectId {
        self.project
    }
}

impl Jobs {
    /// Runs the aggregation of a project at what its clock shows, unless another worker does at this
    /// moment (`None`). A run that was begun goes on when nobody waits for it any more.
    pub async fn run_aggregate(&self, project: ProjectId, current: bool) -> Result<Option<Done>, JobError> {
        self.run_unless(project, current, |_| false).await
    }

    /// The same at a tick of real time, which does nothing (`None`) for a project whose clock is frozen.
    pub(super) async fn run_at_tick(&self, project: ProjectId) -> Result<Option<Done>, JobError> {
        self.run_unless(project, false, move |jobs| jobs.clock.frozen_at(project).is_some()).await
    }

    /// Runs unless `not` says otherwise, asked once nobody else can freeze or move the clock.
    async fn run_unless(
        &self,
        project: ProjectId,
        current: bool,
        not: impl FnOnce(&Self) -> bool + Send + 'static,
    ) -> Result<Option<Done>, JobError> {
        let jobs = self.clone();
        detached(async move {
            let Some(mut turn) = jobs.claim(project).await? else { return Ok(None) };
            if not(&jobs) {
                jobs.unclaim(project).await?;
                return Ok(None);
            }
            let now = jobs.clock.of_project(project);
            let ran = AssertUnwindSafe(jobs.view_and_run(&mut turn, now, current)).catch_unwind().await;
            jobs.unclaim(project).await?;
            ran.unwrap_or(Err(JobError::Panicked)).map(Some)
        })
        .await
    }

    /// The same, after waiting for another worker's turn to end; `None` when it did not in `pauses`
    /// pauses.
    pub(super) async fn run_in_turn(
        &self,
        project: ProjectId,
        current: bool,
        pauses: u32,
    ) -> Result<Option<Done>, JobError> {
        for pause in 0..=pauses {
            if let Some(done) = self.run_aggregate(project, current).await? {
                return Ok(Some(done));
            }
            pause_before_claim(pause).await;
        }
        Ok(None)
    }

    async fn view_and_run(&self, turn: &mut Turn, now: Timestamp, current: bool) -> Result<Done, JobError> {
        let view = self.view(turn.project, now).await?;
        self.run(turn, &view, Moment { now, current, clock_from: None }).await
    }

    /// Takes the project's jobs for this worker, unless another one has them.
    pub(super) async fn claim(&self, project: ProjectId) -> Result<Option<Turn>, JobError> {
        let real = self.clock.real();
        let until = real.plus_micros(LEASE_MINUTES * MINUTE);
        let claimed = leases::claim(&self.db, self.lease(project), real, until).await?;
        Ok(claimed.then_some(Turn { project, renewed: real }))
    }

    /// Keeps a turn; to be called between the steps of a run.
    pub(super) async fn keep(&self, turn: &mut Turn) -> Result<(), JobError> {
        let real = self.clock.real();
        if real.micros_since(turn.renewed) >= RENEWAL_MINUTES * MINUTE {
            let until = real.plus_micros(LEASE_MINUTES * MINUTE);
            if !leases::renew(&self.db, self.lease(turn.project), real, until).await? {
                return Err(JobError::LeaseLost);
            }
            turn.renewed = real;
        }
        Ok(())
    }

    /// Gives the project's jobs back.
    pub(super) async fn unclaim(&self, project: ProjectId) -> Result<(), JobError> {
        Ok(leases::release(&self.db, self.lease(project)).await?)
    }

    fn lease(&self, project: ProjectId) -> Lease<'_> {
        Lease { project, name: AGGREGATE, holder: &self.worker }
    }

    /// Runs the aggregation in a turn, on record.
    pub(super) async fn run(&self, turn: &mut Turn, view: &View, moment: Moment) -> Result<Done, JobError> {
        let (project, Moment { now, current, .. }) = (turn.project, moment);
        let run = JobRun {
            id: JobRunId::from_bits(random::id_bits(self.clock.real())?),
            project,
            job: AGGREGATE.to_owned(),
            worker: self.worker.clone(),
            started_at: now,
            finished: None,
        };
        job_runs::start(&self.db, &run).await?;
        let began = self.clock.real();
        let ran = match self.aggregate(turn, view, now, current).await {
            Ok((done, ending)) => {
                let written = self.end_well(run.clone(), moment, &done, ending).await;
                written.map(|()| done)
            }
            Err(error) => Err(error),
        };
        let result = match &ran {
            Ok(done) => done.result(),
            Err(error) => {
                let detail = Some(error.told());
                let run =
                    JobRun { finished: Some(Finished { at: now, result: RunResult::Failed, detail }), ..run };
                let mut tx = self.db.begin().await?;
                self.finish(&mut tx, &run).await?;
                tx.commit().await?;
                RunResult::Failed
            }
        };
        if result == RunResult::Failed {
            self.waker.wake();
        }
        metrics::counter!("job_runs_total", "job" => AGGREGATE, "result" => result.as_str()).increment(1);
        let seconds = self.clock.real().micros_since(began) as f64 / 1e6;
        metrics::histogram!("job_seconds", "job" => AGGREGATE).record(seconds);
        ran
    }

    /// Writes down all at once: how far the job has come, that the run has ended, and where the
    /// clock stands that moved for it.
    async fn end_well(
        &self,
        run: JobRun,
        moment: Moment,
        done: &Done,
        ending: Ending,
    ) -> Result<(), JobError> {
        let (project, now) = (run.project, moment.now);
        let at = self.clock.of_project(project).max(now);
        let finished = Finished { at, result: done.result(), detail: Some(done.describe()) };
        let mut tx = self.db.begin().await?;
        self.write_ending(&mut tx, project, ending, now).await?;
        self.finish(&mut tx, &JobRun { finished: Some(finished), ..run }).await?;
        if let Some(from) = moment.clock_from.filter(|from| *from != now) {
            projects::set_frozen_time(&mut tx, project, Some(from), Some(now)).await?;
        }
        Ok(tx.commit().await?)
    }
}

impl Jobs {
    /// Notes the end of a run and, where it failed, tells those who asked to be told: both or neither.
    pub(super) async fn finish(&self, tx: &mut Tx, run: &JobRun) -> Result<(), JobError> {
        let Some(finished) = &run.finished else { return Ok(()) };
        job_runs::finish(&mut *tx, run.project, &run.id, finished).await?;
        if finished.result != RunResult::Failed {
            return Ok(());
        }
        let name = projects::get(&mut *tx, run.project).await?.name;
        let real = self.clock.real();
        let message = NewMessage {
            bits: random::id_bits(real)?,
            project: run.project,
            event_type: payload::JOB_FAILED,
            subject: None,
            dedupe_key: &format!("{}:{}", payload::JOB_FAILED, run.id),
            payload: &payload::job_failed(&name, run, finished),
            at: webhook_endpoints::Moment { real, project: finished.at },
        };
        webhook_messages::enqueue(tx, message).await?;
        Ok(())
    }
}

/// Waits a little, longer each time, before a turn is asked for again.
pub(super) async fn pause_before_claim(pause: u32) {
    let ms = PAUSE_MS_FIRST.saturating_mul(1 << pause.min(10)).min(PAUSE_MS_MAX);
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Lets work go on to its end when whoever waits for it goes away, such as a client that hangs up.
pub(super) async fn detached<T: Send + 'static, E: From<JobError> + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    tokio::spawn(work).await.unwrap_or_else(|_| Err(JobError::Panicked.into()))
}
