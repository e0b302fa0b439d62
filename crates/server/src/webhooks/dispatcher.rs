//! The background task that sends what is due.
//!
//! It sleeps until it is woken (a message was stored, a clock was moved), an attempt ends, or the
//! next delivery falls due; then it claims what each endpoint has room for and starts the attempts.
use super::fairness::{Load, may_begin};
use super::flight::fly;
use super::moment;
use super::sender::Sender;
use super::vault::Vault;
use crate::clock::{Clock, Stopwatch};
use crate::store::webhook_queue::{self, Claimant};
use crate::store::{Db, Result, projects, webhook_endpoints};
use reckoner_domain::id::{DeliveryId, EndpointId, ProjectId};
use reckoner_domain::time::SECOND;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

/// Attempts under way to one endpoint, at most, over all workers.
pub const PER_ENDPOINT_MAX: u32 = 8;
/// Attempts under way in this process, at most.
pub const UNDER_WAY_MAX: u32 = 128;
/// How long a claim keeps others away, in microseconds of real time: an attempt and its record, with
/// time to spare.
pub const LEASE_MICROS: i64 = 60 * SECOND;
/// How long a stop usually waits for attempts under way, in seconds.
pub const STOP_SECONDS_MAX: u64 = 3;
/// The longest sleep, in milliseconds: what other processes store is found by then.
const SLEEP_MILLIS_MAX: u64 = 10_000;
/// The wait after the database failed, in milliseconds.
const TROUBLE_MILLIS: u64 = 1_000;
/// The pending deliveries are counted at most so often, in milliseconds.
const COUNT_MILLIS_MIN: u128 = 5_000;

/// What an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Log deliveries and record them as delivered, but send nothing.
    pub dry_run: bool,
    /// Attempts under way to one endpoint, at most.
    pub per_endpoint_max: u32,
    /// Attempts under way in all, at most; see [`UNDER_WAY_MAX`].
    pub under_way_max: u32,
    /// How long a stop waits for attempts under way.
    pub stop_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dry_run: false,
            per_endpoint_max: PER_ENDPOINT_MAX,
            under_way_max: UNDER_WAY_MAX,
            stop_wait: Duration::from_secs(STOP_SECONDS_MAX),
        }
    }
}

/// What deliveries are made with.
#[derive(Debug)]
pub struct Parts {
    /// The control plane.
    pub db: Db,
    /// Time.
    pub clock: Clock,
    /// Opens the secrets.
    pub vault: Vault,
    /// Sends.
    pub sender: Sender,
    /// Names this dispatcher, unlike any other of the database.
    pub worker: String,
    /// What an operator may set.
    pub settings: Settings,
}

/// Wakes a dispatcher after a message was stored; cheap to clone and to call.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Makes the dispatcher look for what is due. Call it after the commit.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// A running dispatcher.
#[derive(Debug)]
pub struct Dispatcher {
    stop: watch::Sender<bool>,
    ended: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// Starts one on the current runtime that `waker` wakes. Any number may run on one database.
    pub fn start(parts: Parts, waker: &Waker) -> Self {
        let (stop, stopping) = watch::channel(false);
        let (ends, ended) = watch::channel(0);
        let run = Run {
            parts: Arc::new(parts),
            under_way: HashMap::new(),
            flights: JoinSet::new(),
            names: HashMap::new(),
            counted: None,
            ends,
        };
        let task = tokio::spawn(run.run(waker.clone(), stopping));
        Self { stop, ended, task }
    }

    /// How many attempts have ended and are recorded.
    pub fn ended(&self) -> watch::Receiver<u64> {
        self.ended.clone()
    }

    /// Begins nothing more, waits a little for what is under way ([`Settings::stop_wait`]), and gives the
    /// rest back.
    pub async fn stop(self) {
        // Only a task that is gone already does not hear it.
        let _ = self.stop.send(true);
        if let Err(why) = self.task.await {
            tracing::error!("the webhook dispatcher ended badly: {why}");
        }
    }
}

struct Run {
    parts: Arc<Parts>,
    under_way: HashMap<Id, (EndpointId, DeliveryId)>,
    flights: JoinSet<()>,
    names: HashMap<ProjectId, Arc<str>>,
    counted: Option<Stopwatch>,
    ends: watch::Sender<u64>,
}

impl Run {
    async fn run(mut self, waker: Waker, mut stopping: watch::Receiver<bool>) {
        let mut moves = self.parts.clock.moves();
        loop {
            moves.mark_unchanged();
            let sleep = match self.round().await {
                Ok(sleep) => sleep,
                Err(why) => {
                    tracing::warn!("cannot look for deliveries that are due: {why}");
                    Duration::from_millis(TROUBLE_MILLIS)
                }
            };
            tokio::select! {
                biased;
                _ = stopping.changed() => break,
                Some(ended) = self.flights.join_next_with_id() => self.land(&ended),
                () = waker.0.notified() => {}
                _ = moves.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.finish().await;
    }

    /// Starts what is due and has room; says how long nothing more falls due.
    async fn round(&mut self) -> Result<Duration> {
        let mut longest = Duration::from_millis(SLEEP_MILLIS_MAX);
        while let Some(ended) = self.flights.try_join_next_with_id() {
            self.land(&ended);
        }
        for project in webhook_endpoints::projects(&self.parts.db).await? {
            let at = moment(&self.parts.clock, project);
            let mut due = webhook_queue::due_endpoints(&self.parts.db, project, at).await?;
            due.sort_by_cached_key(|endpoint| self.load(endpoint).its);
            for endpoint in due {
                // Trouble with one endpoint is no other's.
                if let Err(why) = self.begin(project, &endpoint).await {
                    tracing::warn!(%endpoint, "cannot claim deliveries that are due: {why}");
                    longest = Duration::from_millis(TROUBLE_MILLIS);
                }
            }
        }
        self.count().await?;
        let now = self.parts.clock.real();
        let next = webhook_queue::next_due(&self.parts.db, now).await?;
        let until = next.and_then(|next| u64::try_from(next.micros_since(now)).ok());
        Ok(until.map_or(longest, |micros| Duration::from_micros(micros).min(longest)))
    }

    fn load(&self, endpoint: &EndpointId) -> Load {
        let busy: HashSet<&EndpointId> = self.under_way.values().map(|(busy, _)| busy).collect();
        let its = self.under_way.values().filter(|(busy, _)| busy == endpoint).count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Load { its: number(its), all: number(self.under_way.len()), endpoints: number(busy.len()) }
    }

    /// Claims what an endpoint has room for, and sends it.
    async fn begin(&mut self, project: ProjectId, endpoint: &EndpointId) -> Result<()> {
        let Settings { per_endpoint_max, under_way_max, .. } = self.parts.settings;
        let want = may_begin(self.load(endpoint), per_endpoint_max, under_way_max);
        if want == 0 {
            return Ok(());
        }
        let at = moment(&self.parts.clock, project);
        let claimant = Claimant {
            worker: &self.parts.worker,
            until: at.real.plus_micros(LEASE_MICROS),
            per_endpoint_max,
        };
        let claimed = webhook_queue::claim(&self.parts.db, endpoint, at, claimant, want).await?;
        let Some((endpoint, deliveries)) = claimed else { return Ok(()) };
        let name = self.name(project).await?;
        let endpoint = Arc::new(endpoint);
        for delivery in deliveries {
            // After a clock was moved, a lease may run out before its attempt ends: it was prolonged.
            if self.under_way.values().any(|(_, mine)| *mine == delivery.delivery.id) {
                continue;
            }
            let key = (endpoint.id.clone(), delivery.delivery.id.clone());
            let flight = fly(self.parts.clone(), endpoint.clone(), delivery, name.clone());
            let task = self.flights.spawn(flight);
            self.under_way.insert(task.id(), key);
        }
        Ok(())
    }

    /// The name of a project, which never changes.
    async fn name(&mut self, project: ProjectId) -> Result<Arc<str>> {
        if let Some(name) = self.names.get(&project) {
            return Ok(name.clone());
        }
        let name: Arc<str> = projects::get(&self.parts.db, project).await?.name.into();
        self.names.insert(project, name.clone());
        Ok(name)
    }

    fn land(&mut self, ended: &std::result::Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(why) => {
                // Its lease runs out, and it is sent again.
                tracing::error!("an attempt ended badly: {why}");
                why.id()
            }
        };
        self.under_way.remove(&id);
        self.ends.send_modify(|count| *count += 1);
    }

    async fn count(&mut self) -> Result<()> {
        if self.counted.is_some_and(|since| since.elapsed().as_millis() < COUNT_MILLIS_MIN) {
            return Ok(());
        }
        let pending = webhook_queue::pending(&self.parts.db).await?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^53")]
        metrics::gauge!("webhook_queue").set(pending as f64);
        self.counted = Some(Stopwatch::start());
        Ok(())
    }

    async fn finish(mut self) {
        let rest = async {
            while let Some(ended) = self.flights.join_next_with_id().await {
                if let Err(why) = ended {
                    tracing::error!("an attempt ended badly: {why}");
                }
            }
        };
        if tokio::time::timeout(self.parts.settings.stop_wait, rest).await.is_err() {
            // What was sent and not recorded is sent again after the next start.
            tracing::warn!(attempts = self.flights.len(), "stopped with webhook attempts under way");
            self.flights.shutdown().await;
        }
        if let Err(why) = webhook_queue::release(&self.parts.db, &self.parts.worker).await {
            tracing::warn!("claims of deliveries run out by themselves: {why}");
        }
    }
}
