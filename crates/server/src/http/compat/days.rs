//! The last days, as compatible paths ask for them.
use crate::events::Events;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{DAY, Timestamp};
use reckoner_domain::window::Window;

/// Most days of a history.
const DAYS_MAX: i64 = 365;
/// Days of a history when nothing is said.
pub const HISTORY_DAYS: i64 = 30;

/// The last days, today included, in UTC; a number that is none or out of range is the nearest there is.
pub fn last_days(text: Option<&str>, usual: i64, now: Timestamp) -> (i64, Window) {
    let days = text.and_then(|text| text.parse().ok()).unwrap_or(usual).clamp(1, DAYS_MAX);
    let tomorrow = (now.as_micros().div_euclid(DAY) + 1) * DAY;
    let end = Timestamp::from_micros_clamped(tomorrow);
    (days, Window { start: end.plus_micros(-days * DAY), end })
}

/// The same without days of which events were dropped: nothing is known of those any more.
pub fn last_kept_days(
    events: &Events,
    project: ProjectId,
    asked: (Option<&str>, i64),
    now: Timestamp,
) -> (i64, Window) {
    let (days, window) = last_days(asked.0, asked.1, now);
    let start = events.dropped_until(project).map_or(window.start, |dropped| {
        let next = (dropped.as_micros() + DAY - 1).div_euclid(DAY) * DAY;
        window.start.max(Timestamp::from_micros_clamped(next)).min(window.end)
    });
    (days, Window { start, end: window.end })
}

/// Each day of a window.
pub fn days_of(window: Window) -> Vec<Window> {
    let starts = std::iter::successors(Some(window.start), |start| Some(start.plus_micros(DAY)));
    let starts = starts.take_while(|start| *start < window.end);
    starts.map(|start| Window { start, end: start.plus_micros(DAY).min(window.end) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc_and_at_most_a_year() {
        let now = Timestamp::parse("2026-01-10T12:00:00Z").expect("a time");
        let shown = |text| {
            let (days, window) = last_days(text, 30, now);
            (days, window.start.to_string(), window.end.to_string())
        };
        let end = "2026-01-11T00:00:00.000000Z".to_owned();
        assert_eq!(shown(Some("1")), (1, "2026-01-10T00:00:00.000000Z".to_owned(), end.clone()));
        assert_eq!(shown(None), (30, "2025-12-12T00:00:00.000000Z".to_owned(), end));
        assert_eq!([Some("0"), Some("9999"), Some("x")].map(|text| shown(text).0), [1, 365, 30]);
    }
}
