//! When a request is sent again.
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// Longest `Retry-After` that is obeyed, in seconds.
const RETRY_AFTER_S_MAX: u64 = 60;

/// How often and after what pauses a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// The pause after the first attempt; each further one is twice as long.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl RetryPolicy {
    /// One attempt: someone waits at the terminal.
    pub const ONCE: Self = Self { attempts_max: 1, pause_first: Duration::ZERO, pause_max: Duration::ZERO };
    /// Six attempts within about three seconds: a server that is busy.
    pub const BRIEF: Self =
        Self { attempts_max: 6, pause_first: Duration::from_millis(100), pause_max: Duration::from_secs(10) };
    /// Ten attempts within about a minute: long work that outlasts a restart of the server.
    pub const PATIENT: Self = Self {
        attempts_max: 10,
        pause_first: Duration::from_millis(100),
        pause_max: Duration::from_secs(10),
    };

    /// The pause after the attempt with this number (from 1), or `None` when it was the last one.
    /// `asked` is what the server wished; it is obeyed up to a minute.
    pub fn pause(&self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if attempt >= self.attempts_max {
            return None;
        }
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let pause = self.pause_first.saturating_mul(factor).min(self.pause_max);
        Some(asked.map_or(pause, |asked| asked.min(Duration::from_secs(RETRY_AFTER_S_MAX))))
    }
}

/// Whether a status says "not now".
pub(super) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// The pause a server asks for in seconds; dates are not read.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RetryPolicy {
            attempts_max: 5,
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(3),
        };
        let pauses: Vec<_> =
            (1..=5).map(|attempt| policy.pause(attempt, None).map(|p| p.as_secs())).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(3), Some(3), None]);
        let asked = |seconds| policy.pause(1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(3_600), Some(Duration::from_mins(1)));
        assert_eq!(RetryPolicy::ONCE.pause(1, None), None);
    }
}
