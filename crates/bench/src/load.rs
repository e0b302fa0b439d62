//! A load: connections that each send the next request when the last one is answered.
use crate::Result;
use crate::http::{self, Connection};
use crate::sample::{Body, Ids};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What to send, where, and for how long.
#[derive(Clone)]
pub struct Load {
    /// The server, as `host:port`.
    pub address: String,
    /// The path.
    pub target: &'static str,
    /// The API key.
    pub key: String,
    /// Events of a request.
    pub events: usize,
    /// Connections at once.
    pub connections: usize,
    /// How long new requests are begun.
    pub duration: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Events that were acknowledged.
    pub events: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How long each request took, shortest first.
    pub latencies: Vec<Duration>,
}

impl Measured {
    /// Puts the latencies in order.
    pub fn new(events: u64, elapsed: Duration, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { events, elapsed, latencies }
    }

    /// Events a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with few digits")]
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that so many percent of the requests stayed within, by nearest rank.
    pub fn latency(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl Load {
    /// Sends until the time is up; an answer other than 200 or 201 ends the run.
    pub async fn run(self) -> Result<Measured> {
        let began = Instant::now();
        let mut senders = JoinSet::new();
        for _ in 0..self.connections {
            senders.spawn(self.clone().send(began + self.duration));
        }
        let mut latencies = Vec::new();
        while let Some(sent) = senders.join_next().await {
            latencies.append(&mut sent??);
        }
        Ok(Measured::new((latencies.len() * self.events) as u64, began.elapsed(), latencies))
    }

    async fn send(self, until: Instant) -> Result<Vec<Duration>> {
        let body = Body::new(self.events);
        let head = http::head("POST", self.target, &self.key, body.bytes.len());
        let mut request = body.prefixed(head.as_bytes());
        let mut connection = Connection::open(&self.address).await?;
        let (mut ids, mut latencies) = (Ids::new(), Vec::new());
        loop {
            request.renew(&mut ids);
            let began = Instant::now();
            if began >= until {
                return Ok(latencies);
            }
            let answer = connection.send(&request.bytes).await?;
            if !matches!(answer.status, 200 | 201) {
                return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
            }
            latencies.push(began.elapsed());
        }
    }
}

#[test]
fn percentiles_are_nearest_ranks() {
    let measured =
        Measured::new(1, Duration::from_secs(1), (1..=200).rev().map(Duration::from_millis).collect());
    assert_eq!(measured.latency(50), Duration::from_millis(100));
    assert_eq!(measured.latency(99), Duration::from_millis(198));
    assert_eq!(Measured::default().latency(50), Duration::ZERO);
}
