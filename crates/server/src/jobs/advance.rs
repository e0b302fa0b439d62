//! The clock of a test project: frozen, advanced with every job that falls due on the way, released.
use super::run::{JobError, Moment, Turn, detached, pause_before_claim};
use super::view::View;
use super::{AGGREGATE, Jobs, LEVEL_SNAPSHOTS};
use crate::clock::Backwards;
use crate::store::audit::{self, Change};
use crate::store::{customer_zones, project_zones, projects, watermarks};
use futures_util::FutureExt;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Each project's clock moves once at a time, and not while the project is cleared. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Moving(Arc<parking_lot::Mutex<HashMap<ProjectId, Arc<Mutex<()>>>>>);

impl Moving {
    /// Waits for the turn of a project, which lasts until it is dropped.
    pub(super) async fn turn(&self, project: ProjectId) -> OwnedMutexGuard<()> {
        let own = Arc::clone(self.0.lock().entry(project).or_default());
        own.lock_owned().await
    }
}

/// How often a job under way elsewhere is waited for: about half a minute.
const PAUSES_MAX: u32 = 66;

/// Why a clock did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The clock is not frozen.
    #[error("the clock is not frozen: set it with PUT /v1/test-clock first")]
    NotFrozen,
    /// The time lies behind it.
    #[error("the time {0}")]
    Backwards(#[from] Backwards),
    /// Another worker runs the project's jobs, and does not come to an end.
    #[error("the project's jobs are running elsewhere")]
    Busy,
    /// A job failed; the clock stands where it was run.
    #[error(transparent)]
    Job(#[from] JobError),
}

impl Jobs {
    /// Freezes a clock at `to`: any time while the project has no events, afterwards not before
    /// what it shows.
    pub async fn freeze(
        &self,
        by: &impl Display,
        project: ProjectId,
        to: Timestamp,
    ) -> Result<(), ClockError> {
        let change = Change::new(Some(project), by, "test_clock.frozen", "test_clock");
        let jobs = self.clone();
        detached(async move {
            let _moving = jobs.moving.turn(project).await;
            jobs.allow_move(project, to)?;
            let before = jobs.clock.frozen_at(project);
            jobs.alone(project).await?;
            let set = jobs.set_frozen(project, (before, Some(to)), change).await;
            if set.is_ok() {
                jobs.clock.freeze(project, to);
            }
            jobs.unclaim(project).await?;
            Ok(set?)
        })
        .await
    }

    /// Lets a clock follow real time again.
    pub async fn release(&self, by: &impl Display, project: ProjectId) -> Result<(), ClockError> {
        let change = Change::new(Some(project), by, "test_clock.released", "test_clock");
        let jobs = self.clone();
        detached(async move {
            let _moving = jobs.moving.turn(project).await;
            let Some(before) = jobs.clock.frozen_at(project) else { return Ok(()) };
            jobs.allow_move(project, jobs.clock.real())?;
            jobs.alone(project).await?;
            let set = jobs.set_frozen(project, (Some(before), None), change).await;
            if set.is_ok() {
                jobs.clock.release(project);
            }
            jobs.unclaim(project).await?;
            Ok(set?)
        })
        .await
    }

    /// Moves a frozen clock to `target`, tick by tick where there is something to do; ticks without
    /// work are skipped. Answers how many runs there were once all is done; goes on to the end when
    /// nobody waits for the answer.
    pub async fn advance(
        &self,
        by: &impl Display,
        project: ProjectId,
        target: Timestamp,
    ) -> Result<u64, ClockError> {
        let change = Change::new(Some(project), by, "test_clock.advanced", "test_clock");
        let jobs = self.clone();
        detached(async move { jobs.advance_by_ticks(project, target, change).await }).await
    }

    async fn advance_by_ticks(
        &self,
        project: ProjectId,
        target: Timestamp,
        change: Change,
    ) -> Result<u64, ClockError> {
        let _moving = self.moving.turn(project).await;
        let now = self.clock.frozen_at(project).ok_or(ClockError::NotFrozen)?;
        if target < now {
            return Err(Backwards { now }.into());
        }
        let mut turn = self.alone(project).await?;
        // Before the first step: a clock that stops on its way has moved too.
        let change = told(change, Some(now), Some(target));
        if let Err(error) = audit::write_alone(&self.db, &self.clock, change).await {
            self.unclaim(project).await?;
            return Err(JobError::from(error).into());
        }
        let ticks = AssertUnwindSafe(self.tick(&mut turn, now, target)).catch_unwind().await;
        self.unclaim(project).await?;
        ticks.unwrap_or(Err(JobError::Panicked.into()))
    }

    async fn tick(&self, turn: &mut Turn, mut now: Timestamp, target: Timestamp) -> Result<u64, ClockError> {
        let project = turn.project();
        let mut runs = 0;
        // What was used in this moment is told of before it has passed.
        self.alerts.sweep(project).await.map_err(JobError::from)?;
        loop {
            let view = self.view(project, target).await?;
            let tick = self.next_tick(&view, now, target);
            let due = self.first_due(project).await?;
            if let Some(due) = due.map(|due| due.max(now)).filter(|due| *due <= tick.unwrap_or(target)) {
                self.move_to(project, now, due).await?;
                now = due;
                runs += self.run_due(project, due).await?;
                // What fell due and could not be done keeps nobody from going on.
                let left = self.first_due(project).await?;
                if left.is_none_or(|left| left > due) {
                    continue;
                }
            }
            let Some(tick) = tick else { break };
            self.run(turn, &view, Moment { now: tick, current: false, clock_from: Some(now) }).await?;
            self.clock.advance(project, tick)?;
            now = tick;
            runs += 1;
        }
        self.move_to(project, now, target).await?;
        // Behind a subscription that fails there may be others.
        runs += self.run_due(project, target).await?;
        // No event comes while the clock moves: each midnight on the way is as it would have been seen then.
        runs += self.take_snapshots(project, target, u64::MAX).await?;
        self.alerts.sweep(project).await.map_err(JobError::from)?;
        Ok(runs)
    }

    async fn move_to(&self, project: ProjectId, now: Timestamp, to: Timestamp) -> Result<(), ClockError> {
        if now != to {
            let moved = projects::set_frozen_time(&self.db, project, Some(now), Some(to)).await;
            moved.map_err(JobError::from)?;
            self.clock.advance(project, to)?;
        }
        Ok(())
    }

    /// Whether a project has events, void ones included: they lie in its time all the same.
    fn has_events(&self, project: ProjectId) -> bool {
        self.events.stats(project).first_time.is_some()
    }

    /// A project without events may have any time; others only move on.
    fn allow_move(&self, project: ProjectId, to: Timestamp) -> Result<(), ClockError> {
        let now = self.clock.of_project(project);
        if to < now && self.has_events(project) { Err(Backwards { now }.into()) } else { Ok(()) }
    }

    async fn set_frozen(
        &self,
        project: ProjectId,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        change: Change,
    ) -> Result<(), JobError> {
        let mut tx = self.db.begin().await?;
        projects::set_frozen_time(&mut tx, project, from, to).await?;
        if !self.has_events(project) {
            // The watermark belongs to the time before.
            watermarks::reset(&mut tx, project, AGGREGATE).await?;
            watermarks::reset(&mut tx, project, LEVEL_SNAPSHOTS).await?;
            if to.unwrap_or_else(|| self.clock.real()) < self.clock.of_project(project) {
                // So do changes of time zones, which no event was cut by.
                watermarks::forget_reach(&mut tx, project, AGGREGATE).await?;
                customer_zones::forget_changes(&mut tx, project).await?;
                project_zones::forget_changes(&mut tx, project).await?;
            }
        }
        audit::write(&mut tx, &self.clock, vec![told(change, from, to)]).await?;
        Ok(tx.commit().await?)
    }

    /// The next tick after `now`, and not after `target`, at which a period is due.
    fn next_tick(&self, view: &View, now: Timestamp, target: Timestamp) -> Option<Timestamp> {
        let scene = view.scene(target, false);
        let of_end =
            |end| if end > now { self.schedule.next_from(end) } else { self.schedule.next_after(now) };
        let ended = scene.first_end().and_then(of_end);
        let late = if scene.has_late() { self.schedule.next_after(now) } else { None };
        ended.into_iter().chain(late).min().filter(|tick| *tick <= target)
    }

    /// Keeps jobs of the project from running until [`Jobs::unclaim`].
    pub(super) async fn alone(&self, project: ProjectId) -> Result<Turn, ClockError> {
        for pause in 0..=PAUSES_MAX {
            if let Some(turn) = self.claim(project).await? {
                return Ok(turn);
            }
            pause_before_claim(pause).await;
        }
        Err(ClockError::Busy)
    }
}

/// A change of where the clock stands still.
fn told(change: Change, from: Option<Timestamp>, to: Option<Timestamp>) -> Change {
    let frozen = |at: Option<Timestamp>| json!({"frozen_time": at.map(|at| at.to_string())});
    change.before(frozen(from)).after(frozen(to))
}
