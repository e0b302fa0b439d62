//! What follows from an attempt: retry, give up, disable. Pure.
use super::retry_after;
use super::sender::Answer;
use crate::store::webhook_endpoints::{Disabled, Moment};
use crate::store::webhook_queue::{Next, Verdict};
use reckoner_domain::time::DAY;
use reckoner_domain::webhook::retry_delay;

/// An endpoint of which every attempt fails for so long is disabled, in microseconds.
pub const FAILING_MICROS_MAX: i64 = 5 * DAY;
/// The status by which a receiver says that it is there no more.
const STATUS_GONE: u16 = 410;

/// How an endpoint stands when an attempt has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Since when every attempt failed.
    pub failing_since: Option<Moment>,
    /// Whether it was changed while the attempt was under way: what it said of itself may be about
    /// what it was before.
    pub changed: bool,
}

/// What follows from the answer to attempt `number`, now, of an endpoint that stands so. `jitter`
/// spreads retries.
pub fn verdict(answer: &Answer, number: u32, now: Moment, standing: Standing, jitter: u16) -> Verdict {
    if answer.error.is_none() {
        return Verdict { next: Next::Delivered, disable: None };
    }
    if answer.status == Some(STATUS_GONE) && !standing.changed {
        return Verdict { next: Next::Failed, disable: Some(Disabled::Gone) };
    }
    let next = match retry_delay(number.saturating_add(1), jitter) {
        None => Next::Failed,
        Some(delay) => {
            let asked = answer.retry_after.as_deref().and_then(|text| retry_after::parse(text, now.real));
            let delay = delay.max(asked.unwrap_or(0));
            Next::Retry(Moment { real: now.real.plus_micros(delay), project: now.project.plus_micros(delay) })
        }
    };
    let failing = standing.failing_since.is_some_and(|since| {
        // A clock that was set back says nothing.
        let real = now.real.micros_since(since.real);
        let project = now.project.micros_since(since.project);
        real.max(project) >= FAILING_MICROS_MAX
    });
    Verdict { next, disable: failing.then_some(Disabled::Failing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::time::{HOUR, MINUTE, SECOND, Timestamp};

    fn at(real: i64, project: i64) -> Moment {
        Moment {
            real: Timestamp::from_micros_clamped(real),
            project: Timestamp::from_micros_clamped(project),
        }
    }

    fn failing_since(since: Moment) -> Standing {
        Standing { failing_since: Some(since), ..Standing::default() }
    }

    fn answered(status: u16) -> Answer {
        let error = (status >= 300).then(|| format!("answered {status}"));
        Answer { status: Some(status), error, ..Answer::default() }
    }

    fn waits(answer: &Answer, number: u32) -> Option<i64> {
        match verdict(answer, number, at(10, 20), Standing::default(), 0).next {
            Next::Retry(due) => {
                assert_eq!(due.real.as_micros() - 10, due.project.as_micros() - 20);
                Some(due.real.as_micros() - 10)
            }
            Next::Delivered | Next::Failed => None,
        }
    }

    #[test]
    fn failures_follow_the_schedule_and_end() {
        let delays: Vec<_> = (1..=10).map(|number| waits(&answered(500), number)).collect();
        let hours = |count: i64| Some(count * HOUR);
        let expected = [
            Some(5 * SECOND),
            Some(5 * MINUTE),
            Some(30 * MINUTE),
            hours(2),
            hours(5),
            hours(10),
            hours(14),
            hours(20),
            hours(24),
            None,
        ];
        assert_eq!(delays, expected);
        let spread = verdict(&answered(500), 1, at(0, 0), Standing::default(), u16::MAX).next;
        assert_eq!(spread, Next::Retry(at(5_500_000, 5_500_000)));
    }

    #[test]
    fn a_success_ends_it() {
        for status in [200, 201, 204, 299] {
            let expected = Verdict { next: Next::Delivered, disable: None };
            assert_eq!(verdict(&answered(status), 3, at(DAY * 9, 0), failing_since(at(0, 0)), 7), expected);
        }
    }

    #[test]
    fn waits_at_least_as_long_as_asked() {
        let asks = |text: &str| Answer { retry_after: Some(text.into()), ..answered(503) };
        assert_eq!(waits(&asks("60"), 1), Some(MINUTE));
        assert_eq!(waits(&asks("60"), 2), Some(5 * MINUTE));
        assert_eq!(waits(&asks("999999"), 1), Some(DAY));
        assert_eq!(waits(&asks("later"), 1), Some(5 * SECOND));
        assert_eq!(waits(&asks("60"), 10), None);
    }

    #[test]
    fn gone_disables() {
        let expected = Verdict { next: Next::Failed, disable: Some(Disabled::Gone) };
        assert_eq!(verdict(&answered(410), 1, at(0, 0), Standing::default(), 0), expected);
        let changed = Standing { changed: true, ..Standing::default() };
        let retried = verdict(&answered(500), 1, at(0, 0), changed, 0);
        assert_eq!(verdict(&answered(410), 1, at(0, 0), changed, 0), retried);
    }

    #[test]
    fn five_days_by_either_clock_disable() {
        let since = failing_since(at(0, 0));
        for (now, disable) in [
            (at(5 * DAY - 1, 5 * DAY - 1), None),
            (at(5 * DAY, 0), Some(Disabled::Failing)),
            (at(1, 5 * DAY), Some(Disabled::Failing)),
            (at(1, -9 * DAY), None),
        ] {
            assert_eq!(verdict(&answered(500), 1, now, since, 0).disable, disable, "{now:?}");
        }
        assert_eq!(verdict(&answered(500), 1, at(9 * DAY, 9 * DAY), Standing::default(), 0).disable, None);
    }
}
