//! Billing periods: from an anniversary on, or those of the calendar.
use crate::interval::Interval;
use crate::local::{Unit, first_instant_of, furthest_reading, instant_of_wall_time, reading_at};
use crate::time::{DAY, Timestamp, civil_from_days, days_from_civil, days_in_month};
use crate::window::Window;
use jiff::tz::TimeZone;

/// How far the period of an instant may lie from where counting by the clock puts it.
const STEPS_MAX: usize = 8;

/// Where the billing periods of a subscription begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingCycle {
    /// How long they are.
    pub interval: Interval,
    /// The zone whose clock counts.
    pub zone: TimeZone,
    /// What they are counted from.
    pub alignment: Alignment,
    /// Where the first of them begins, if another zone's clock counted before.
    pub since: Option<Timestamp>,
}

/// What billing periods are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// An instant: later periods begin at its time of day in the zone. Where a month has no such day
    /// its last one counts, and the next month's is again the anchor's.
    Anniversary(Timestamp),
    /// Midnights, Mondays and the first days of months, quarters and years, as aggregations are.
    Calendar,
}

impl BillingCycle {
    /// A cycle whose zone never changed.
    pub fn new(interval: Interval, zone: TimeZone, alignment: Alignment) -> Self {
        Self { interval, zone, alignment, since: None }
    }

    /// The billing period that an instant lies in; `None` before the anchor.
    ///
    /// The first one after a change of zone lasts until the period that it lies in ends by the new clock, or, where
    /// less than half of that is left, until the one after that does: a month of a few hours is none.
    pub fn period_at(&self, instant: Timestamp) -> Option<Window> {
        let period = self.unchanged_period_at(instant)?;
        let Some(since) = self.since.filter(|since| *since < Timestamp::MAX) else { return Some(period) };
        if instant < since {
            return Some(Window { end: period.end.min(since), ..period });
        }
        let first = self.unchanged_period_at(since)?;
        if first.start == since {
            return Some(period);
        }
        let is_nearly_over = first.end.micros_since(since) < since.micros_since(first.start);
        let end = if is_nearly_over { self.unchanged_period_at(first.end)?.end } else { first.end };
        Some(if instant < end { Window { start: since, end } } else { period })
    }

    /// The same by the clock of the zone that it has, as if there had been no other.
    fn unchanged_period_at(&self, instant: Timestamp) -> Option<Window> {
        match self.alignment {
            Alignment::Calendar => Some(self.calendar_period_at(instant)),
            Alignment::Anniversary(anchor) => {
                (anchor <= instant).then(|| self.anniversary_at(anchor, instant))
            }
        }
    }

    /// The billing periods from that of an instant on, in order.
    pub fn periods_from(&self, instant: Timestamp) -> impl Iterator<Item = Window> {
        std::iter::successors(self.period_at(instant), |period| {
            self.period_at(period.end).filter(|next| period.start < next.start)
        })
    }

    /// The cycle with another interval from an instant on: one of the same interval goes on, another
    /// begins a period at that instant; by the calendar, the calendar's.
    pub fn with_interval(&self, interval: Interval, at: Timestamp) -> Self {
        let alignment = match self.alignment {
            Alignment::Anniversary(_) if interval != self.interval => Alignment::Anniversary(at),
            same => same,
        };
        let since = self.since.filter(|_| interval == self.interval);
        Self { interval, zone: self.zone.clone(), alignment, since }
    }

    /// The cycle by another zone's clock from the end of one of its periods on.
    pub fn in_zone(&self, zone: &TimeZone, since: Timestamp) -> Self {
        if *zone == self.zone {
            return self.clone();
        }
        Self { zone: zone.clone(), since: Some(since), ..self.clone() }
    }

    fn calendar_period_at(&self, instant: Timestamp) -> Window {
        let reading = furthest_reading(&self.zone, instant.as_micros());
        let (floor, next) = calendar_edges(self.interval, reading);
        let edge = |reading| Timestamp::from_micros_clamped(first_instant_of(&self.zone, reading));
        Window { start: edge(floor), end: edge(next) }
    }

    fn anniversary_at(&self, anchor: Timestamp, instant: Timestamp) -> Window {
        let first = reading_at(&self.zone, anchor.as_micros());
        let edge = |count: i64| match count {
            // An anchor in an hour that is read twice may be the second one.
            0 => anchor,
            _ => {
                let reading = reading_after(first, self.interval, count);
                Timestamp::from_micros_clamped(instant_of_wall_time(&self.zone, reading))
            }
        };
        let mut count =
            count_between(first, reading_at(&self.zone, instant.as_micros()), self.interval).max(0);
        for _ in 0..STEPS_MAX {
            if edge(count) > instant {
                count = count.saturating_sub(1);
            } else if edge(count.saturating_add(1)) <= instant {
                count = count.saturating_add(1);
            } else {
                break;
            }
        }
        Window { start: edge(count), end: edge(count.saturating_add(1)) }
    }
}

/// The readings between which a period of the calendar lies.
#[expect(clippy::arithmetic_side_effects, reason = "readings use less than a tenth of 64 bits")]
fn calendar_edges(interval: Interval, reading: i64) -> (i64, i64) {
    let unit = match interval {
        Interval::Day => Unit::Day,
        Interval::Week => Unit::Week,
        Interval::Month | Interval::Quarter => Unit::Month,
        Interval::Year => Unit::Year,
    };
    let floor = unit.floor(reading);
    if interval != Interval::Quarter {
        return (floor, unit.next(floor));
    }
    let (year, month, _) = civil_from_days(floor / DAY);
    let first = days_from_civil(year, month - (month - 1).rem_euclid(3), 1) * DAY;
    (first, reading_after(first, interval, 1))
}

/// What the clock reads `count` intervals after it read `first`.
#[expect(clippy::arithmetic_side_effects, reason = "instants lie in years of four digits")]
fn reading_after(first: i64, interval: Interval, count: i64) -> i64 {
    let Some(months) = interval.months() else {
        let days = if interval == Interval::Week { 7 } else { 1 };
        return first + count * days * DAY;
    };
    let (year, month, day) = civil_from_days(first.div_euclid(DAY));
    let month = year * 12 + month - 1 + count * months;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let day = day.min(days_in_month(year, month));
    days_from_civil(year, month, day) * DAY + first.rem_euclid(DAY)
}

/// About how many intervals lie between two readings.
#[expect(clippy::arithmetic_side_effects, reason = "instants lie in years of four digits")]
fn count_between(first: i64, reading: i64, interval: Interval) -> i64 {
    let (from, to) = (first.div_euclid(DAY), reading.div_euclid(DAY));
    let Some(months) = interval.months() else {
        return (to - from).div_euclid(if interval == Interval::Week { 7 } else { 1 });
    };
    let ((year, month, _), (to_year, to_month, _)) = (civil_from_days(from), civil_from_days(to));
    ((to_year - year) * 12 + to_month - month).div_euclid(months)
}

#[cfg(test)]
mod tests;
