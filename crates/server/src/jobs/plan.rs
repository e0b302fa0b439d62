//! Which periods of which customers are to be aggregated: a pure function of what changed, what
//! has events, and the clock.
use crate::zones::Zones;
use reckoner_domain::calendar::{Calendar, Calendars};
use reckoner_domain::period::{Period, PeriodSpan};
use reckoner_domain::time::{HOUR, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A period to aggregate, for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The period.
    pub span: PeriodSpan,
    /// For which customers.
    pub who: Who,
    /// Whether the period has ended.
    pub complete: bool,
}

/// Which customers a task is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// All but these, whose time zone of their own cuts the period elsewhere.
    AllBut(Arc<BTreeSet<String>>),
    /// These.
    Only(Arc<BTreeSet<String>>),
}

impl Who {
    /// Whether a customer is among them.
    pub fn has(&self, customer: &str) -> bool {
        match self {
            Self::AllBut(others) => !others.contains(customer),
            Self::Only(customers) => customers.contains(customer),
        }
    }

    /// The same without some of them.
    pub fn without<'a>(&self, some: impl ExactSizeIterator<Item = &'a String>) -> Self {
        if some.len() == 0 {
            return self.clone();
        }
        match self {
            Self::AllBut(others) => {
                Self::AllBut(Arc::new(others.iter().cloned().chain(some.cloned()).collect()))
            }
            Self::Only(customers) => {
                let some: BTreeSet<&str> = some.map(String::as_str).collect();
                let kept = customers.iter().filter(|one| !some.contains(one.as_str())).cloned();
                Self::Only(Arc::new(kept.collect()))
            }
        }
    }

    /// Whether it is nobody.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Only(customers) if customers.is_empty())
    }
}

/// What there is to look at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Which periods are aggregated.
    pub periods: &'a [Period],
    /// The time zones that cut them.
    pub zones: &'a Zones,
    /// Until when completed periods were dealt with before.
    pub done_until: Timestamp,
    /// Kinds of periods of which none was dealt with yet, as they were not among those wanted.
    pub new_periods: &'a [Period],
    /// The project's time.
    pub now: Timestamp,
    /// The hours with events from the [`horizon`] on, in order.
    pub active_hours: &'a [i64],
    /// The hours before `done_until` that changed since the last run, and for whom.
    pub changed: &'a BTreeMap<i64, Vec<Arc<str>>>,
    /// Whether current, incomplete periods are wanted too.
    pub with_current: bool,
}

/// From when on hours are of interest: the start of the earliest period that was open. The first is
/// among them where a kind of periods is new.
pub fn horizon(
    periods: &[Period],
    new_periods: &[Period],
    zones: &Zones,
    done_until: Timestamp,
) -> Timestamp {
    if !new_periods.is_empty() {
        return Timestamp::MIN;
    }
    let starts = zones
        .all()
        .flat_map(|calendars| periods.iter().map(|period| calendars.of(*period).span_at(done_until).start));
    starts.min().unwrap_or(done_until)
}

/// The customers that share a clock, and the periods it cuts.
struct Cut<'a> {
    calendar: &'a Calendar,
    who: Who,
    /// Until when its periods were dealt with before.
    done_until: Timestamp,
}

impl<'a> Scene<'a> {
    /// The tasks, in the order of the periods' ends.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for cut in self.cuts() {
            let spans = self.spans(&cut).take_while(|span| span.start <= self.now);
            let spans =
                spans.filter(|span| self.is_due(&cut, span) || (self.with_current && span.end > self.now));
            tasks.extend(spans.map(|span| self.task(&cut, span, cut.who.clone())));
            tasks.extend(self.late(&cut));
        }
        tasks.sort_by(|a, b| order(a).cmp(&order(b)));
        tasks.dedup_by(|task, before| joins(before, task));
        tasks
    }

    /// The end of the earliest period that has ended since the last run.
    pub fn first_end(&self) -> Option<Timestamp> {
        let first = |cut: Cut<'_>| self.spans(&cut).find(|span| span.end > cut.done_until);
        let ends = self.cuts().filter_map(|cut| first(cut).map(|span| span.end));
        ends.filter(|end| *end <= self.now).min()
    }

    /// Whether a period changed after it was dealt with.
    pub fn has_late(&self) -> bool {
        self.cuts().any(|cut| !self.late(&cut).is_empty())
    }

    fn cuts(&self) -> impl Iterator<Item = Cut<'a>> {
        let (zones, new_periods, reached) = (self.zones, self.new_periods, self.done_until);
        self.periods.iter().flat_map(move |period| {
            let done_until = if new_periods.contains(period) { Timestamp::MIN } else { reached };
            // Hours are those of UTC, whatever the zone.
            let own = if *period == Period::Hourly { &[] } else { zones.own() };
            let others = if own.is_empty() { Arc::default() } else { zones.with_own() };
            let cut =
                move |calendars: &'a Calendars, who| Cut { calendar: calendars.of(*period), who, done_until };
            let own_cuts =
                own.iter().map(move |own| cut(&own.calendars, Who::Only(Arc::clone(&own.customers))));
            std::iter::once(cut(zones.project(), Who::AllBut(others))).chain(own_cuts)
        })
    }

    fn task(&self, cut: &Cut<'_>, span: PeriodSpan, who: Who) -> Task {
        // What was dealt with as ended stays so, even where the clock was set back by a restart.
        let complete = span.end <= self.now.max(cut.done_until);
        Task { span, who, complete }
    }

    fn is_due(&self, cut: &Cut<'_>, span: &PeriodSpan) -> bool {
        span.end > cut.done_until && span.end <= self.now
    }

    /// The periods with events, from the one that was open on, each found from its first hour: the
    /// other hours of it are passed over.
    fn spans(&self, cut: &Cut<'a>) -> impl Iterator<Item = PeriodSpan> + use<'a> {
        let (calendar, hours) = (cut.calendar, self.active_hours);
        let open = calendar.span_at(cut.done_until).start;
        let mut index = hours.partition_point(|hour| hour_end(*hour) <= open);
        let mut passed = open;
        std::iter::from_fn(move || {
            let hour = *hours.get(index)?;
            let spans: Vec<_> = of_hour(calendar, hour).filter(|span| span.end > passed).collect();
            passed = spans.last().map_or(hour_end(hour), |span| span.end);
            let next = hours.partition_point(|hour| hour_end(*hour) <= passed);
            index = next.max(index.saturating_add(1));
            Some(spans)
        })
        .flatten()
    }

    /// The periods that changed after they were dealt with, for those customers that changed.
    fn late(&self, cut: &Cut<'_>) -> Vec<Task> {
        let mut found: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        for (hour, customers) in self.changed {
            let concerned: Vec<&Arc<str>> = customers.iter().filter(|name| cut.who.has(name)).collect();
            if concerned.is_empty() {
                continue;
            }
            for span in of_hour(cut.calendar, *hour).filter(|span| span.end <= cut.done_until) {
                found.entry(key(span)).or_default().extend(concerned.iter().map(ToString::to_string));
            }
        }
        let span = |(end, period, key, start): Key| PeriodSpan { period, key, start, end };
        let task = |(key, who)| self.task(cut, span(key), Who::Only(Arc::new(who)));
        found.into_iter().map(task).collect()
    }
}

type Key = (Timestamp, Period, String, Timestamp);

fn key(span: PeriodSpan) -> Key {
    (span.end, span.period, span.key, span.start)
}

type Order<'a> = (Timestamp, Period, &'a str, Timestamp, bool);

fn order(task: &Task) -> Order<'_> {
    let (span, named) = (&task.span, matches!(task.who, Who::Only(_)));
    (span.end, span.period, &span.key, span.start, named)
}

/// Whether a task is for other named customers' same period: they join the one before then.
/// Customers whose zones changed at different times mostly have the same periods.
fn joins(before: &mut Task, task: &Task) -> bool {
    let same = before.span == task.span && before.complete == task.complete;
    match (&mut before.who, &task.who) {
        (Who::Only(customers), Who::Only(others)) if same => {
            Arc::make_mut(customers).extend(others.iter().cloned());
            true
        }
        _ => false,
    }
}

fn hour_end(hour: i64) -> Timestamp {
    Timestamp::from_hour_index(hour).plus_micros(HOUR)
}

/// The periods that an hour touches: two where the zone's day changes within it.
fn of_hour(calendar: &Calendar, hour: i64) -> impl Iterator<Item = PeriodSpan> {
    let start = Timestamp::from_hour_index(hour);
    calendar.spans_overlapping(start, start.plus_micros(HOUR))
}

#[cfg(test)]
mod tests;
