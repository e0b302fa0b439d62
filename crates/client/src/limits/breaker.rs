//! Remembers that the server is out of reach, so that not every decision waits to find out.
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Open while the server is out of reach; now and then one call is let through to see.
pub(super) struct Breaker {
    away_until: Mutex<Option<Instant>>,
    pause: Duration,
    probe: Duration,
}

impl Breaker {
    /// Looks again after `pause`; one look takes at most `probe`.
    pub fn new(pause: Duration, probe: Duration) -> Self {
        Self { away_until: Mutex::new(None), pause, probe }
    }

    /// Whether to do without the server; whoever is told `false` while it is away looks for all others.
    pub fn is_away(&self, now: Instant) -> bool {
        let mut away_until = self.away_until.lock();
        match *away_until {
            None => false,
            Some(until) if now < until => true,
            Some(_) => {
                *away_until = Some(now + self.probe);
                false
            }
        }
    }

    /// An attempt came to nothing; whether that is news.
    pub fn failed(&self, now: Instant) -> bool {
        self.away_until.lock().replace(now + self.pause).is_none()
    }

    /// The server answered.
    pub fn succeeded(&self) {
        *self.away_until.lock() = None;
    }
}

#[test]
fn one_call_looks_for_all() {
    let (breaker, now) = (Breaker::new(Duration::from_secs(1), Duration::from_secs(2)), Instant::now());
    let at = |seconds| now + Duration::from_secs(seconds);
    assert!(!breaker.is_away(now) && breaker.failed(now) && breaker.is_away(now));
    assert!(!breaker.is_away(at(1)) && breaker.is_away(at(1)), "the first one looks");
    assert!(!breaker.failed(at(2)) && breaker.is_away(at(2)));
    breaker.succeeded();
    assert!(!breaker.is_away(at(2)));
}
