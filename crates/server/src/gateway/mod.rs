//! A reverse proxy that meters every request of the application behind it and keeps its customers' limits.
//!
//! It is a process of its own that speaks to a Reckoner server through the SDK: requests stream through in both
//! directions while their bytes are counted, and what is counted is on disk until the server acknowledged it.
use attribute::Attributed;
use proxy::Proxy;
use reckoner_client::{Client, Counters, Limiter, MeterLayer, RateLimits, Tracker, Unsent, WhenAway};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

mod answer;
mod attribute;
mod headers;
mod idle;
mod listen;
mod metrics;
mod peek;
mod proxy;
mod rules;
mod tunnel;
mod upstream;

pub use headers::Forwarding;
pub use metrics::Metrics;
pub use rules::{Keys, Rule, Rules, TokenKeys};
pub use upstream::{Protocol, Upstream};

/// How a gateway works.
pub struct Settings {
    /// The application behind it.
    pub upstream: Upstream,
    /// Where usage is recorded.
    pub client: Client,
    /// Where usage that is not acknowledged yet is kept.
    pub spill: PathBuf,
    /// Who requests are by.
    pub rules: Rules,
    /// What the application is told of callers.
    pub forwarding: Forwarding,
    /// Whom unattributed traffic goes to.
    pub system_customer: String,
    /// The meter that is enforced; none is otherwise.
    pub calls_meter: Option<String>,
    /// The event type of traffic.
    pub traffic_meter: String,
    /// How often keys, customers and addresses may call.
    pub rate_limits: RateLimits,
    /// Most units that are taken ahead for a customer.
    pub lease_units: u64,
    /// What to do while the Reckoner server is out of reach.
    pub when_away: WhenAway,
    /// The longest wait for a decision.
    pub decision_timeout: Duration,
    /// Where refused callers are sent to.
    pub upgrade_url: String,
    /// Whether callers may name their requests.
    pub take_request_ids: bool,
    /// Time limits.
    pub times: Times,
    /// Most connections at once.
    pub connections_max: usize,
}

/// How long the gateway waits.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For the application to begin its answer, while the caller sends nothing either.
    pub first_byte: Duration,
    /// For the next piece of a body, either way.
    pub idle: Duration,
    /// At the end: for requests that are under way, and then again for usage to be sent.
    pub drain: Duration,
}

/// A gateway that is ready to serve.
pub struct Gateway {
    tracker: Tracker,
    limiter: Option<Limiter>,
    service: listen::Service,
    times: Times,
    connections_max: usize,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Usage cannot be kept.
    #[error(transparent)]
    Tracker(#[from] reckoner_client::StartError),
    /// TLS cannot be used.
    #[error("TLS: {0}")]
    Tls(std::io::Error),
}

/// How a gateway ended.
pub struct Ended {
    /// What became of usage.
    pub counters: Counters,
    /// What is left in the spill directory for the next start.
    pub unsent: Result<(), Unsent>,
}

impl Gateway {
    /// Makes one; usage that an earlier one left in the spill directory is sent at once.
    pub fn new(settings: Settings) -> Result<Self, StartError> {
        let Settings { client, times, connections_max, .. } = settings;
        let tracker =
            Tracker::builder(client.clone()).spill(settings.spill).drop_wait(Duration::ZERO).start()?;
        let rules = Arc::new(settings.rules);
        let named = Arc::clone(&rules);
        let mut layer = MeterLayer::new(tracker.clone())
            .endpoint(move |parts| named.endpoint(parts.uri.path()))
            .traffic_meter(settings.traffic_meter)
            .system_customer(settings.system_customer)
            .upgrade_url(settings.upgrade_url)
            .take_request_ids(settings.take_request_ids)
            .rate_limits(settings.rate_limits)
            .on_finished(metrics::finished);
        let limiter = settings.calls_meter.as_ref().map(|_| {
            Limiter::builder(client, tracker.clone())
                .when_away(settings.when_away)
                .decision_timeout(settings.decision_timeout)
                .lease_units(settings.lease_units)
                .start()
        });
        if let (Some(limiter), Some(meter)) = (&limiter, settings.calls_meter) {
            layer = layer.enforce(limiter.clone()).calls_meter(meter);
        }
        let trusted = settings.rate_limits.is_on().then(|| settings.forwarding.trusted.clone());
        let proxy = Proxy::new(settings.upstream, settings.forwarding, times).map_err(StartError::Tls)?;
        let service = Attributed::new(tower::Layer::layer(&layer, proxy), rules, trusted);
        Ok(Self { tracker, limiter, service, times, connections_max })
    }

    /// What sends its usage, to be watched.
    pub fn tracker(&self) -> Tracker {
        self.tracker.clone()
    }

    /// Serves until `stop`, lets what is under way come to its end, gives leases back and sends all usage.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> Ended {
        let Self { tracker, limiter, service, times, connections_max } = self;
        listen::serve(listener, service, connections_max, times, stop).await;
        if let Some(limiter) = limiter {
            // Without a server there is nobody to give anything back to.
            let _ = tokio::time::timeout(times.drain, limiter.shutdown()).await;
        }
        let unsent = tracker.shutdown(times.drain).await;
        Ended { counters: tracker.counters(), unsent }
    }
}
