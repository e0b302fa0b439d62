//! The task that holds alerts against what there is.
use super::{Alerts, Sweep};
use crate::clock::Stopwatch;
use crate::store::{StoreError, projects};
use reckoner_domain::id::ProjectId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often every alert is held against everybody, in seconds.
const SWEEP_EVERY_S: u64 = 300;
/// How many times as long as it worked the task rests: ingest needs the processor more.
const RESTS: u32 = 3;
/// Longest rest, in seconds.
const REST_S_MAX: u64 = 10;
/// How long a failure of the store is waited out, in seconds.
const PAUSE_S: u64 = 1;

/// The running task.
pub struct Watcher {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts: with everything first, since usage may have moved before the server went down.
    pub fn start(alerts: Alerts) -> Self {
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(Run { alerts, sweeps: VecDeque::new(), swept: None }.run(stopping));
        Self { stop, task }
    }

    /// Ends after what is under way.
    pub async fn stop(self) {
        // A task that has ended does not listen any more.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the watch over alerts failed");
        }
    }
}

struct Run {
    alerts: Alerts,
    sweeps: VecDeque<Sweep>,
    /// When the last sweep of everything began.
    swept: Option<Stopwatch>,
}

impl Run {
    async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow() {
            let moved = tokio::select! {
                biased;
                _ = stopping.changed() => return,
                moved = self.alerts.moved.next() => moved,
                () = self.alerts.wanted.noted.notified() => Vec::new(),
                () = tokio::time::sleep(self.idle()) => Vec::new(),
            };
            let watch = Stopwatch::start();
            let mut rest = Duration::ZERO;
            if let Err(error) = self.round(moved).await {
                tracing::warn!(%error, "alerts could not be looked after; it is tried again");
                rest = Duration::from_secs(PAUSE_S);
            }
            let rest = rest.max(watch.elapsed().saturating_mul(RESTS)).min(Duration::from_secs(REST_S_MAX));
            tokio::select! {
                _ = stopping.changed() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// How long there is nothing to do where nothing moves.
    fn idle(&self) -> Duration {
        let every = Duration::from_secs(SWEEP_EVERY_S);
        match (self.sweeps.is_empty(), &self.swept) {
            (false, _) | (true, None) => Duration::ZERO,
            (true, Some(swept)) => every.saturating_sub(swept.elapsed()),
        }
    }

    /// Takes up what is to be done, looks at those whose usage moved, and goes on with what was begun. What
    /// could not be done is wanted again.
    async fn round(&mut self, moved: Vec<(ProjectId, Box<str>)>) -> Result<(), StoreError> {
        let looked = self.look_at(moved).await;
        self.begin_sweeps().await.and(looked)?;
        self.go_on().await
    }

    async fn look_at(&self, moved: Vec<(ProjectId, Box<str>)>) -> Result<(), StoreError> {
        let mut by_project: BTreeMap<ProjectId, BTreeSet<Box<str>>> = BTreeMap::new();
        for (project, customer) in moved {
            by_project.entry(project).or_default().insert(customer);
        }
        let mut ended = Ok(());
        for (project, customers) in by_project {
            if let Err(error) = self.alerts.look_at(project, &customers).await {
                self.alerts.want(project, None);
                ended = Err(error);
            }
        }
        ended
    }

    /// Takes up the sweeps that are wanted, and now and then those of all projects.
    async fn begin_sweeps(&mut self) -> Result<(), StoreError> {
        let is_due = self.swept.is_none_or(|swept| swept.elapsed() >= Duration::from_secs(SWEEP_EVERY_S));
        if is_due && self.sweeps.is_empty() {
            // Before anything is read: what is stored after that is noted.
            self.alerts.load().await?;
            for project in projects::list(&self.alerts.db).await? {
                self.alerts.want(project.id, None);
            }
            self.swept = Some(Stopwatch::start());
        }
        let wanted = std::mem::take(&mut *self.alerts.wanted.sweeps.lock());
        let mut ended = Ok(());
        for (project, alert) in wanted {
            match self.alerts.begin_sweep(project, alert.as_ref()).await {
                Ok(sweep) => self.sweeps.push_back(sweep),
                Err(error) => {
                    self.alerts.want(project, alert);
                    ended = Err(error);
                }
            }
        }
        ended
    }

    /// Goes on with the first sweep; others have their turn after its step.
    async fn go_on(&mut self) -> Result<(), StoreError> {
        let Some(mut sweep) = self.sweeps.pop_front() else { return Ok(()) };
        match self.alerts.step(&mut sweep).await {
            Ok((_, more)) => {
                self.sweeps.extend(more.then_some(sweep));
                Ok(())
            }
            Err(error) => {
                self.alerts.want(sweep.project(), None);
                Err(error)
            }
        }
    }
}
