//! Runs jobs when they are due by real time. Projects whose clock is frozen wait for it to be
//! advanced.
use super::Jobs;
use super::housekeeping;
use super::snapshots::RUNS_AT_ONCE;
use crate::auth::keys::Keys;
use crate::store::projects::{self, Project};
use reckoner_domain::time::{HOUR, SECOND, Timestamp};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longest sleep: the machine's clock may be set meanwhile.
const SLEEP_S_MAX: i64 = 30;
/// How often events that need not be kept are looked for, in microseconds.
const DROP_EVERY: i64 = HOUR;
/// How long a run under way may take when the server stops, in seconds. What is cut off then is
/// done after the next start.
const STOP_S_MAX: u64 = 2;

/// For how long what is kept, in days.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Webhook messages that were dealt with.
    pub webhook_days: u32,
    /// Events; all are kept where there is no number.
    pub event_days: Option<u32>,
}

/// The running scheduler.
pub struct Scheduler {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Scheduler {
    /// Starts: first what fell due while the server was down, then tick by tick. Webhook messages that
    /// were dealt with, and events, are kept for so many days.
    pub fn start(jobs: Jobs, keys: Keys, kept: Kept) -> Self {
        let (stop, mut stopping) = watch::channel(false);
        let task = tokio::spawn(async move {
            jobs.carry_out_erasures().await;
            run_all(&jobs).await;
            let mut ran_until = jobs.clock.real();
            let mut dropped_at = None;
            drop_old_events(&jobs, kept, &mut dropped_at).await;
            while !*stopping.borrow() {
                let next = next_tick(&jobs, &mut ran_until);
                tokio::select! {
                    () = tokio::time::sleep(until(next, jobs.clock.real())) => {}
                    _ = stopping.changed() => break,
                }
                if next.is_some_and(|next| next <= jobs.clock.real()) {
                    ran_until = jobs.clock.real();
                    run_all(&jobs).await;
                }
                run_due(&jobs).await;
                jobs.carry_out_erasures().await;
                drop_old_events(&jobs, kept, &mut dropped_at).await;
                jobs.reconcile_due().await;
                housekeeping::run(&jobs, &keys, kept.webhook_days).await;
            }
        });
        Self { stop, task }
    }

    /// Ends after the run under way, or without it when it takes long.
    pub async fn stop(self) {
        let Self { stop, mut task } = self;
        // A task that has ended does not listen any more.
        let _ = stop.send(true);
        match tokio::time::timeout(Duration::from_secs(STOP_S_MAX), &mut task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the scheduler failed"),
            Err(_) => {
                task.abort();
                tracing::warn!("a job under way was cut off; the next start takes it up again");
            }
        }
    }
}

/// Writes down what fell due of subscriptions, and levels at midnights, in every project that follows real time.
async fn run_due(jobs: &Jobs) {
    let Ok(projects) = projects::list(&jobs.db).await else { return };
    for Project { id, name, .. } in projects {
        if jobs.clock.frozen_at(id).is_none()
            && let Err(error) = jobs.run_due(id, jobs.clock.of_project(id)).await
        {
            tracing::error!(project = %name, %error, "what fell due of subscriptions could not be written down");
        }
        if jobs.clock.frozen_at(id).is_none()
            && let Err(error) = jobs.take_snapshots(id, jobs.clock.of_project(id), RUNS_AT_ONCE).await
        {
            tracing::error!(project = %name, %error, "levels could not be written down; it is tried again");
        }
    }
}

/// Drops old events, where they are not to be kept and some time has passed since the last time.
async fn drop_old_events(jobs: &Jobs, kept: Kept, dropped_at: &mut Option<Timestamp>) {
    let now = jobs.clock.real();
    let Some(days) = kept.event_days else { return };
    if dropped_at.is_some_and(|at| now.micros_since(at) < DROP_EVERY) {
        return;
    }
    *dropped_at = Some(now);
    if let Err(error) = jobs.drop_old_events(days).await {
        tracing::error!(%error, "old events could not be dropped; it is tried again in an hour");
    }
}

/// The first tick after the last run. Where the machine's clock was set back it counts from there:
/// nobody waits until it has caught up.
fn next_tick(jobs: &Jobs, ran_until: &mut Timestamp) -> Option<Timestamp> {
    *ran_until = jobs.clock.real().min(*ran_until);
    jobs.schedule.next_after(*ran_until)
}

fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    let micros = next.map_or(SLEEP_S_MAX * SECOND, |next| next.micros_since(now));
    Duration::from_micros(micros.clamp(0, SLEEP_S_MAX * SECOND).unsigned_abs())
}

/// Aggregates every project that follows real time; one that fails does not keep the others.
async fn run_all(jobs: &Jobs) {
    let projects = match projects::list(&jobs.db).await {
        Ok(projects) => projects,
        Err(error) => {
            tracing::error!(%error, "jobs could not run: the projects cannot be read");
            return;
        }
    };
    for Project { id, name, .. } in projects {
        if jobs.clock.frozen_at(id).is_some() {
            continue;
        }
        // Asked again in its turn: a client may freeze the clock at this moment.
        match jobs.run_at_tick(id).await {
            Ok(Some(done)) => tracing::info!(project = %name, "aggregated: {}", done.describe()),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(project = %name, %error, "aggregation failed; the next tick tries again");
            }
        }
    }
}
