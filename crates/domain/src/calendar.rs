//! How time is cut into periods where the time zone changes on the way.
//!
//! A change of zone takes effect at the end of the period that is open when it is made; of several
//! changes before that end the last one counts. The next period is the new zone's, from there on.
//! Where the new zone's clock still shows the key of the ending period, or one before it, the ending
//! period lasts until it shows a later one: otherwise two periods would have one key.
use crate::period::{EventKeys, Period, PeriodSpan};
use crate::time::Timestamp;
use jiff::tz::TimeZone;

/// A change of time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneChange {
    /// When it was made.
    pub at: Timestamp,
    /// The zone from the next period on.
    pub zone: TimeZone,
}

/// The periods of one length, over every change of time zone: each instant lies in exactly one, and
/// their keys rise. A change leaves every period as it is that ended before it was made.
#[derive(Clone, Debug)]
pub struct Calendar {
    period: Period,
    first: TimeZone,
    switches: Vec<Switch>,
}

/// Where one zone follows another.
#[derive(Clone, Debug)]
struct Switch {
    /// The last period of the zone before.
    last: PeriodSpan,
    /// The zone from its end on.
    zone: TimeZone,
}

impl Calendar {
    /// The periods in a zone and, after each change, in another; the changes in the order in which
    /// they were made.
    pub fn new(period: Period, first: TimeZone, changes: &[ZoneChange]) -> Self {
        let mut calendar = Self { period, first, switches: Vec::new() };
        let mut rest = changes;
        while let Some(change) = rest.first() {
            let open = calendar.span_at(change.at);
            let waiting = rest.iter().take_while(|change| change.at < open.end).count();
            let (made, later) = rest.split_at(waiting.max(1));
            if let Some(last) = made.last() {
                calendar.switch(open, &last.zone);
            }
            rest = later;
        }
        calendar
    }

    /// Changes the zone at the end of a period.
    fn switch(&mut self, mut open: PeriodSpan, zone: &TimeZone) {
        if zone == self.switches.last().map_or(&self.first, |switch| &switch.zone) {
            return;
        }
        // The zone that made the open period longer is replaced before a period of its own began.
        self.switches.pop_if(|switch| switch.last.end == open.end);
        loop {
            let next = self.period.span_at(open.end, zone);
            // Keys have one width: they sort as what they name does. Nothing ends after the end of time.
            if next.key > open.key || next.end <= open.end {
                break;
            }
            open.end = next.end;
        }
        self.switches.push(Switch { last: open, zone: zone.clone() });
    }

    /// The period that an instant lies in.
    pub fn span_at(&self, instant: Timestamp) -> PeriodSpan {
        let passed = self.switches.partition_point(|switch| switch.last.end <= instant);
        let (before, after) = self.switches.split_at(passed);
        if let Some(next) = after.first().filter(|next| next.last.start <= instant) {
            return next.last.clone();
        }
        let Some(Switch { last, zone }) = before.last() else {
            return self.period.span_at(instant, &self.first);
        };
        let span = self.period.span_at(instant, zone);
        PeriodSpan { start: span.start.max(last.end), ..span }
    }

    /// The periods, whole, that have instants from `from` to before `to`, in order.
    pub fn spans_overlapping(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = PeriodSpan> {
        let first = (from < to).then(|| self.span_at(from));
        std::iter::successors(first, move |span| (span.end < to).then(|| self.span_at(span.end)))
    }
}

/// The periods of every length over the same changes of time zone.
#[derive(Clone, Debug)]
pub struct Calendars {
    hourly: Calendar,
    daily: Calendar,
    weekly: Calendar,
    monthly: Calendar,
    yearly: Calendar,
}

impl Calendars {
    /// The periods in a zone and, after each change, in another; the changes in the order in which
    /// they were made.
    pub fn new(first: &TimeZone, changes: &[ZoneChange]) -> Self {
        let calendar = |period| Calendar::new(period, first.clone(), changes);
        Self {
            hourly: calendar(Period::Hourly),
            daily: calendar(Period::Daily),
            weekly: calendar(Period::Weekly),
            monthly: calendar(Period::Monthly),
            yearly: calendar(Period::Yearly),
        }
    }

    /// The periods of one length.
    pub fn of(&self, period: Period) -> &Calendar {
        match period {
            Period::Hourly => &self.hourly,
            Period::Daily => &self.daily,
            Period::Weekly => &self.weekly,
            Period::Monthly => &self.monthly,
            Period::Yearly => &self.yearly,
        }
    }

    /// The keys of an instant: those of the periods it lies in.
    pub fn keys_at(&self, instant: Timestamp) -> EventKeys {
        let keys = EventKeys::at(instant, &self.daily.first);
        if Period::ALL.iter().all(|period| self.of(*period).switches.is_empty()) {
            return keys;
        }
        let key = |calendar: &Calendar| calendar.span_at(instant).key;
        EventKeys {
            day: key(&self.daily),
            week: key(&self.weekly),
            month: key(&self.monthly),
            year: key(&self.yearly),
            ..keys
        }
    }
}

#[cfg(test)]
mod tests;
