//! When a job is due, by a cron expression in UTC.
use croner::Cron;
use jiff::tz::TimeZone;
use reckoner_domain::time::Timestamp;

/// A cron expression.
#[derive(Clone, Debug)]
pub struct Schedule(Cron);

impl Schedule {
    /// Reads an expression; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// The first tick after an instant; `None` where there is none.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.find(instant, false)
    }

    /// The first tick at or after an instant; `None` where there is none.
    pub fn next_from(&self, instant: Timestamp) -> Option<Timestamp> {
        self.find(instant, true)
    }

    fn find(&self, instant: Timestamp, inclusive: bool) -> Option<Timestamp> {
        // Ticks are whole seconds: an instant within one has passed its start.
        let passed = instant.as_micros().rem_euclid(reckoner_domain::time::SECOND) != 0;
        let from = jiff::Timestamp::from_second(instant.as_seconds()).ok()?.to_zoned(TimeZone::UTC);
        let next = self.0.find_next_occurrence(&from, inclusive && !passed).ok()?;
        Timestamp::from_micros(next.timestamp().as_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found() {
        let schedule = Schedule::parse("*/15 * * * *").expect("cron");
        let at = |text| Timestamp::parse(text).expect("a time");
        for (instant, after, from) in [
            ("2026-01-31T23:59:59.5Z", "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-02-01T00:00:00Z", "2026-02-01T00:15:00Z", "2026-02-01T00:00:00Z"),
            ("2026-02-01T00:00:00.000001Z", "2026-02-01T00:15:00Z", "2026-02-01T00:15:00Z"),
        ] {
            assert_eq!(schedule.next_after(at(instant)), Some(at(after)), "{instant}");
            assert_eq!(schedule.next_from(at(instant)), Some(at(from)), "{instant}");
        }
        assert!(Schedule::parse("often").is_none());
    }
}
