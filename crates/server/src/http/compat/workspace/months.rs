//! Months as system B names them, `2026-01`, cut as the customer's time zone cuts them.
use super::{Owner, Refusal, failed};
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::response::Response;
use reckoner_domain::calendar::Calendars;
use reckoner_domain::id::ProjectId;
use reckoner_domain::period::{Period, PeriodSpan};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;

/// What is wrong with a period.
pub const NO_MONTH: &str = "must be a month such as 2026-01";

/// The calendar of an owner.
pub struct Months(Calendars);

/// A month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// As it is named: `2026-01`.
    pub name: String,
    /// From its first instant to before the next month's.
    pub window: Window,
}

impl Month {
    fn new(span: &PeriodSpan) -> Self {
        let name =
            span.key.split_at_checked(4).map_or_else(String::new, |(year, month)| format!("{year}-{month}"));
        Self { name, window: Window { start: span.start, end: span.end } }
    }
}

impl Months {
    /// The months of an owner.
    pub async fn of(app: &App, project: ProjectId, owner: &Owner) -> Result<Self, Response> {
        let zones = app.jobs.zones_of(project, &[owner.customer()]).await;
        let zones = zones.map_err(|error| failed(ApiError::internal(error)))?;
        let own = zones.by_customer();
        Ok(Self(own.get(owner.customer()).copied().unwrap_or(zones.project()).clone()))
    }

    /// The month that an instant lies in.
    pub fn at(&self, instant: Timestamp) -> Month {
        Month::new(&self.0.of(Period::Monthly).span_at(instant))
    }

    /// The month of a name; `None` where the name is none.
    pub fn named(&self, name: &str) -> Option<Month> {
        // Every zone's month has this instant.
        let middle = Timestamp::parse(&format!("{name}-15T12:00:00Z")).ok()?;
        Some(self.at(middle)).filter(|month| month.name == name)
    }

    /// The month of a parameter; the present one where there is none.
    pub fn asked(&self, name: Option<&str>, now: Timestamp) -> Result<Month, Refusal> {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(self.at(now)) };
        self.named(name).ok_or_else(|| Refusal::wrong(&format!("period {NO_MONTH}")))
    }

    /// The months from one to another, the latest first.
    pub fn newest_first(&self, from: &Month, to: &Month) -> impl Iterator<Item = Month> {
        let (last, start) = (to.clone(), from.window.start);
        std::iter::successors(Some(last), |month| Some(self.at(month.window.start.plus_micros(-1))))
            .take_while(move |month| month.window.start >= start)
    }

    /// The days of a window, cut to it, each with its date.
    pub fn days(&self, window: Window) -> Vec<(String, Window)> {
        let spans = self.0.of(Period::Daily).spans_overlapping(window.start, window.end);
        let day = |span: PeriodSpan| {
            let part = |from: usize, to: usize| span.key.get(from..to).unwrap_or_default();
            let date = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
            (date, Window { start: span.start.max(window.start), end: span.end.min(window.end) })
        };
        spans.map(day).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn months_follow_the_zone() {
        let zone = TimeZone::get("Asia/Kolkata").expect("a zone");
        let months = Months(Calendars::new(&zone, &[]));
        let march = months.named("2026-03").expect("a month");
        assert_eq!(march.window.start.to_string(), "2026-02-28T18:30:00.000000Z");
        let days = months.days(march.window);
        assert_eq!((days.len(), days[0].0.as_str(), days[30].0.as_str()), (31, "2026-03-01", "2026-03-31"));
        let january = months.named("2026-01").expect("a month");
        let names: Vec<String> = months.newest_first(&january, &march).map(|month| month.name).collect();
        assert_eq!(names, ["2026-03", "2026-02", "2026-01"]);
        for bad in ["", "2026", "2026-13", "2026-1", "2026-00", "x"] {
            assert_eq!(months.named(bad), None, "{bad}");
        }
    }
}
