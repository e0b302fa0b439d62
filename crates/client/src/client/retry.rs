//! When a request is sent again.
use http::HeaderMap;
use http::header::RETRY_AFTER;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Longest `Retry-After` that is obeyed, in seconds.
const RETRY_AFTER_S_MAX: u64 = 60;

/// How often and after what pauses a request is sent again, where sending it twice does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// The longest pause after the first attempt; each further one is twice as long.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl RetryPolicy {
    /// One attempt.
    pub const ONCE: Self = Self { attempts_max: 1, pause_first: Duration::ZERO, pause_max: Duration::ZERO };

    /// The pause after the attempt with this number (from 1); at least half of what doubling gives, so that
    /// clients who failed together do not come back together. What the server asked for is obeyed, up to a minute.
    pub(crate) fn pause(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked.min(Duration::from_secs(RETRY_AFTER_S_MAX));
        }
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
        let longest = self.pause_first.saturating_mul(factor).min(self.pause_max);
        let half = longest / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_micros(RandomState::new().hash_one(attempt) % spread)
    }
}

impl Default for RetryPolicy {
    /// Four attempts, with pauses from 100 ms to 5 s.
    fn default() -> Self {
        Self { attempts_max: 4, pause_first: Duration::from_millis(100), pause_max: Duration::from_secs(5) }
    }
}

/// The pause a server asks for in seconds; dates are not read.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_the_longest() {
        let policy = RetryPolicy {
            attempts_max: 9,
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(3),
        };
        for (attempt, longest) in [(1, 1_000), (2, 2_000), (3, 3_000), (40, 3_000)] {
            let pause = policy.pause(attempt, None).as_millis();
            assert!((longest / 2..=longest).contains(&pause), "{attempt}: {pause}");
        }
        let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| policy.pause(3, None)).collect();
        assert!(pauses.len() > 1, "they are spread");
        assert_eq!(policy.pause(1, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(policy.pause(1, Some(Duration::from_hours(1))), Duration::from_mins(1));
    }
}
