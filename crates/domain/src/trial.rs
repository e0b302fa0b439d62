//! Trials: days of 24 hours at the start of a subscription, free of charge.
use crate::time::{DAY, HOUR, Timestamp};

/// When a trial that starts at an instant ends, and what it entitles to with it.
pub fn ends_at(start: Timestamp, days: u32) -> Timestamp {
    start.plus_micros(i64::from(days).saturating_mul(DAY))
}

/// When a trial ends, as seen from an instant; today and tomorrow are days of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrialEnd {
    /// It has ended.
    Past,
    /// Later today.
    Today,
    /// Tomorrow: who has it is told.
    Tomorrow,
    /// After tomorrow.
    Later,
}

/// When a trial ends, as seen from an instant.
pub fn end_seen_from(now: Timestamp, ends_at: Timestamp) -> TrialEnd {
    if ends_at <= now {
        return TrialEnd::Past;
    }
    let day = |instant: Timestamp| instant.as_micros().div_euclid(DAY);
    match day(ends_at).saturating_sub(day(now)) {
        0 => TrialEnd::Today,
        1 => TrialEnd::Tomorrow,
        _ => TrialEnd::Later,
    }
}

/// When after midnight of UTC customers whose trial has ended get another plan.
const MOVE_OFFSET: i64 = 2 * HOUR;

/// When the customer of a trial that ended at an instant gets another plan: 02:00 UTC at or after it.
pub fn moved_at(ended_at: Timestamp) -> Timestamp {
    let last = last_move(ended_at);
    if last == ended_at { last } else { last.plus_micros(DAY) }
}

/// The last 02:00 UTC at or before an instant: trials that ended until then are followed by another plan.
pub fn last_move(now: Timestamp) -> Timestamp {
    let since = now.as_micros().saturating_sub(MOVE_OFFSET).rem_euclid(DAY);
    Timestamp::from_micros_clamped(now.as_micros().saturating_sub(since))
}

/// When after midnight of UTC those whose trial ends on the next day are reminded.
const REMINDER_OFFSET: i64 = 10 * HOUR;

/// When whoever has a trial that ends at an instant is reminded: 10:00 UTC of the day before.
pub fn reminded_at(ends_at: Timestamp) -> Timestamp {
    let midnight = ends_at.as_micros().saturating_sub(ends_at.as_micros().rem_euclid(DAY));
    Timestamp::from_micros_clamped(midnight.saturating_sub(DAY).saturating_add(REMINDER_OFFSET))
}

/// The last instant of the day of UTC that an instant lies in.
pub fn end_of_day(now: Timestamp) -> Timestamp {
    let midnight = now.as_micros().saturating_sub(now.as_micros().rem_euclid(DAY));
    Timestamp::from_micros_clamped(midnight.saturating_add(DAY).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("an instant")
    }

    #[test]
    fn a_trial_has_days_of_24_hours() {
        assert_eq!(ends_at(at("2026-03-28T12:00:00+01:00"), 7), at("2026-04-04T11:00:00Z"));
        assert_eq!(ends_at(at("2026-03-28T12:00:00Z"), 0), at("2026-03-28T12:00:00Z"));
    }

    #[test]
    fn another_plan_follows_at_two_in_the_morning() {
        for (end, moved, last) in [
            ("2026-01-10T12:00:00Z", "2026-01-11T02:00:00Z", "2026-01-10T02:00:00Z"),
            ("2026-01-10T01:59:59.999999Z", "2026-01-10T02:00:00Z", "2026-01-09T02:00:00Z"),
            ("2026-01-10T02:00:00Z", "2026-01-10T02:00:00Z", "2026-01-10T02:00:00Z"),
            ("2026-01-10T02:00:00.000001Z", "2026-01-11T02:00:00Z", "2026-01-10T02:00:00Z"),
        ] {
            assert_eq!((moved_at(at(end)), last_move(at(end))), (at(moved), at(last)), "{end}");
        }
    }

    #[test]
    fn reminders_come_at_ten_of_the_day_before() {
        for (end, reminded) in [
            ("2026-01-10T00:00:00Z", "2026-01-09T10:00:00Z"),
            ("2026-01-10T23:59:59.999999Z", "2026-01-09T10:00:00Z"),
            ("2026-03-01T09:00:00Z", "2026-02-28T10:00:00Z"),
        ] {
            assert_eq!(reminded_at(at(end)), at(reminded), "{end}");
        }
        assert_eq!(end_of_day(at("2026-01-10T10:00:00Z")), at("2026-01-10T23:59:59.999999Z"));
    }

    #[test]
    fn tomorrow_is_the_day_of_utc() {
        let now = at("2026-01-10T10:00:00Z");
        for (end, seen) in [
            ("2026-01-10T10:00:00Z", TrialEnd::Past),
            ("2026-01-10T10:00:00.000001Z", TrialEnd::Today),
            ("2026-01-10T23:59:59.999999Z", TrialEnd::Today),
            ("2026-01-11T00:00:00Z", TrialEnd::Tomorrow),
            ("2026-01-12T00:30:00+01:00", TrialEnd::Tomorrow),
            ("2026-01-12T00:00:00Z", TrialEnd::Later),
        ] {
            assert_eq!(end_seen_from(now, at(end)), seen, "{end}");
        }
    }
}
