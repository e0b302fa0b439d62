//! Enforcing limits without a round trip for each decision.
use crate::client::Client;
use crate::record::Record;
use crate::tracker::Tracker;
use parking_lot::Mutex;
use pool::{Pool, PoolKey};
use reckoner_api::entitlement::{RefusalReason, Verdict};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod breaker;
mod decide;
mod pool;
mod upkeep;

use breaker::Breaker;
pub(crate) use pool::whole;

/// Most units that are taken ahead unless said otherwise.
const LEASE_UNITS: u64 = 100;
/// Longest wait for a decision unless said otherwise, in seconds.
const DECISION_S: u64 = 2;
/// How long decisions are made without asking after the server was out of reach, in seconds.
const AWAY_S: u64 = 1;
/// Customers and meters that are remembered at once; beyond them every decision is asked for.
const POOLS_MAX: usize = 100_000;

/// What to do while the server is out of reach and no units are left that were taken ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenAway {
    /// Allow: usage is tracked, counts as soon as the server is back, and may then be beyond the limit.
    #[default]
    Allow,
    /// Refuse.
    Refuse,
}

/// Whether something may be used.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Whether it may be used. If so, it is recorded, or will be.
    pub allowed: bool,
    /// How the customer stands; none if the server could not be asked.
    pub verdict: Option<Verdict>,
    /// Whether units taken ahead decided, without a round trip.
    pub local: bool,
}

/// Decides whether customers may use a meter, and records what it allows.
///
/// For each customer and meter it takes units ahead (leases), decides with those at once, fetches more in the
/// background before they run out and gives back what is not used. Near a limit, where there is nothing to be had
/// ahead, each decision is one round trip, so that the limit is exact. Plans that do not block are allowed without
/// leases. A suspension or a lower limit reaches decisions made ahead when their lease ends, within a minute.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use reckoner_client::{Client, Limiter, Record, Tracker};
///
/// let client = Client::new("http://127.0.0.1:8080", "rk_live_...")?;
/// let tracker = Tracker::start(client.clone())?;
/// let limiter = Limiter::builder(client, tracker).start();
///
/// let decision = limiter.take(&Record::new("acme", "api.calls"), 1).await;
/// if !decision.allowed {
///     println!("try again later");
/// }
/// limiter.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Limiter {
    inner: Arc<Inner>,
}

/// Settings of a limiter that is to be started.
#[derive(Clone, Debug)]
pub struct LimiterBuilder {
    client: Client,
    tracker: Tracker,
    lease_units: u64,
    when_away: WhenAway,
    decision_timeout: Duration,
}

type Pools = HashMap<PoolKey, Arc<Pool>>;

struct Inner {
    client: Client,
    tracker: Tracker,
    lease_units: u64,
    when_away: WhenAway,
    decision_timeout: Duration,
    pools: Mutex<Pools>,
    breaker: Breaker,
    /// Held while leases are looked after.
    rounds: tokio::sync::Mutex<()>,
}

impl LimiterBuilder {
    /// Take at most so many units ahead for one customer and meter at a time; 100 by default. Other processes cannot
    /// use what this one holds.
    pub fn lease_units(mut self, units: u64) -> Self {
        self.lease_units = units.max(1);
        self
    }

    /// What to do while the server is out of reach; [`WhenAway::Allow`] by default.
    pub fn when_away(mut self, what: WhenAway) -> Self {
        self.when_away = what;
        self
    }

    /// The longest wait for a decision; 2 s by default. After it the server counts as out of reach.
    pub fn decision_timeout(mut self, timeout: Duration) -> Self {
        self.decision_timeout = timeout;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime: leases are looked after by a task.
    pub fn start(self) -> Limiter {
        let Self { client, tracker, lease_units, when_away, decision_timeout } = self;
        let inner = Arc::new(Inner {
            client,
            tracker,
            lease_units,
            when_away,
            decision_timeout,
            pools: Mutex::default(),
            breaker: Breaker::new(Duration::from_secs(AWAY_S), decision_timeout),
            rounds: tokio::sync::Mutex::default(),
        });
        tokio::spawn(upkeep::run(Arc::downgrade(&inner)));
        Limiter { inner }
    }
}

impl Limiter {
    /// A limiter that asks with `client` and records with `tracker`.
    pub fn builder(client: Client, tracker: Tracker) -> LimiterBuilder {
        LimiterBuilder {
            client,
            tracker,
            lease_units: LEASE_UNITS,
            when_away: WhenAway::default(),
            decision_timeout: Duration::from_secs(DECISION_S),
        }
    }

    /// Decides whether `record`, which uses `units` of the meter of its name, may happen; what is allowed is
    /// recorded. A record's value and `units` are the same number.
    pub async fn take(&self, record: &Record, units: u64) -> Decision {
        self.inner.take(record, units).await
    }

    /// The tracker that records what units taken ahead allowed.
    pub fn tracker(&self) -> &Tracker {
        &self.inner.tracker
    }

    /// Gives back what was taken ahead and not used. Whoever decides afterwards takes ahead again.
    pub async fn shutdown(&self) {
        let pools: Vec<Arc<Pool>> = self.inner.pools.lock().values().cloned().collect();
        // What is not acknowledged counts when it arrives; its lease holds the units until then or until it expires.
        let _ = self.inner.tracker.flush().await;
        let _rounds = self.inner.rounds.lock().await;
        for pool in pools {
            let _filling = pool.filling.lock().await;
            self.inner.give_back(pool.drain()).await;
        }
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("lease_units", &self.inner.lease_units).finish_non_exhaustive()
    }
}

impl Decision {
    /// Why it may not be used; none where it may, and while the server is out of reach.
    pub fn reason(&self) -> Option<RefusalReason> {
        self.verdict.as_ref().filter(|_| !self.allowed)?.reason
    }

    /// Whether it is refused because the server is out of reach.
    pub fn is_away(&self) -> bool {
        !self.allowed && self.verdict.is_none()
    }
}
