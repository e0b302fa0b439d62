//! Queries of everything but levels: whole hours from rollups, the rest from events.
use super::groups::Groups;
use super::query::{GroupBy, Limits, Query, Row, Stop, check_grid, check_rows};
use super::scan::{Corrected, Scan, Wanted};
use crate::columns::{Fields, Origin};
use crate::format::record::EventRecord;
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::rollup::Rollup;
use reckoner_domain::tally::Tally;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::ops::Range;

/// The running value of a row.
struct Entry {
    tally: Tally,
    events: u64,
}

/// What was added up so far.
struct Entries<'a> {
    query: &'a Query<'a>,
    groups: Groups<'a>,
    all: HashMap<(usize, usize), Entry, RandomState>,
    open: Option<Open>,
    own: Option<&'a Own>,
}

/// The windows that customers have of their own, by the customers' numbers.
struct Own(HashMap<u32, Window, RandomState>);

impl Own {
    /// Those of a query; `None` where all customers' events count in all windows.
    fn of(shared: &Shared, query: &Query<'_>) -> Option<Self> {
        let memory = shared.memory.read();
        let names = memory.projects.get(&query.project).map(|project| &project.customers);
        let number = |(name, window): (&String, &Window)| Some((names?.find(name)?, *window));
        (!query.own_windows.is_empty()).then(|| Self(query.own_windows.iter().filter_map(number).collect()))
    }

    /// How an hour of a customer is wanted that is wanted so where the customer's window has all of it.
    fn wanted(&self, hour: i64, customer: Option<u32>, as_a_whole: Wanted) -> Wanted {
        let Some(customer) = customer else { return Wanted::Events };
        let (start, end) = (Timestamp::from_hour_index(hour), Timestamp::from_hour_index(hour + 1));
        match self.0.get(&customer) {
            Some(own) if own.start <= start && end <= own.end => as_a_whole,
            Some(own) if own.start < end && start < own.end => Wanted::Events,
            _ => Wanted::Nothing,
        }
    }

    fn contains(&self, customer: u32, time: Timestamp) -> bool {
        self.0.get(&customer).is_some_and(|own| own.contains(time))
    }
}

/// Rollups of one customer in one window that are not in its row yet: they mostly follow each other.
struct Open {
    window: usize,
    /// The hours that lie in the window as a whole.
    hours: Range<i64>,
    customer: u32,
    rollup: Rollup,
}

impl Entries<'_> {
    fn at(&mut self, window: usize, group: usize) -> &mut Entry {
        let meter = self.query.meter;
        let new = || Entry { tally: Tally::new(meter.aggregation, meter.is_weighted()), events: 0 };
        self.all.entry((window, group)).or_insert_with(new)
    }

    fn add_rollup(&mut self, hour: i64, customer: u32, rollup: &Rollup) -> Result<(), Stop> {
        if let Some(open) = &mut self.open
            && open.customer == customer
            && open.hours.contains(&hour)
        {
            return Ok(open.rollup.merge(rollup)?);
        }
        self.close()?;
        let Some(window) = self.query.window_of_hour(hour) else { return Ok(()) };
        let hours = self.query.whole_hours(window);
        self.open = Some(Open { window, hours, customer, rollup: *rollup });
        Ok(())
    }

    /// Adds what is open to its row.
    fn close(&mut self) -> Result<(), Stop> {
        let Some(Open { window, customer, rollup, .. }) = self.open.take() else { return Ok(()) };
        let group = self.groups.of_customer(customer);
        let entry = self.at(window, group);
        entry.tally.add_rollup(&rollup)?;
        entry.events += rollup.count;
        Ok(())
    }

    fn add_event(&mut self, origin: &Origin, event: &EventRecord<'_>, customer: u32) -> Result<(), Stop> {
        let Some(window) = self.query.window_of(event.time) else { return Ok(()) };
        if self.own.is_some_and(|own| !own.contains(customer, event.time)) {
            return Ok(());
        }
        let Some((group, reading)) = self.groups.read(origin, event, customer)? else { return Ok(()) };
        let entry = self.at(window, group);
        entry.tally.add(&reading)?;
        entry.events += 1;
        Ok(())
    }
}

/// One attempt at an answer; rows in no order, and the sequence that they are of.
pub fn run(shared: &Shared, query: &Query<'_>, corrected: Corrected) -> Result<(Vec<Row>, u64), Stop> {
    let meter = query.meter;
    let rolled_up = meter.reads_rollups() && query.asks_rollups();
    let mut times = query.times();
    times.start = meter.starts_at.map_or(times.start, |starts_at| times.start.max(starts_at));
    let own_windows = query.own_windows.keys().cloned().collect();
    let customers: &Vec<String> = if query.own_windows.is_empty() { &query.customers } else { &own_windows };
    let scan = Scan::new(shared, query.project, &meter.event_type, customers, times, query.as_of);
    let mut scan = scan.reading(corrected);
    // After the walk began: it sees when customers have other numbers.
    let own = Own::of(shared, query);
    let wanted = |hour, customer| {
        let as_a_whole = match query.window_of_hour(hour) {
            Some(_) if rolled_up && meter.aggregation.needs_ends() => Wanted::Rollups,
            Some(_) if rolled_up => Wanted::Totals,
            _ => Wanted::Events,
        };
        own.as_ref().map_or(as_a_whole, |own| own.wanted(hour, customer, as_a_whole))
    };
    let mut limits = Limits::default();
    let groups = Groups::new(shared, query);
    let own = own.as_ref();
    let mut entries = Entries { query, groups, all: HashMap::default(), open: None, own };
    let fields = entries.groups.fields();
    if !rolled_up {
        let broad = scan.take_broad()?;
        let fields = Fields { customer: query.group_by.contains(&GroupBy::Customer), ..fields };
        scan.sweep(&broad, fields, |origin, event, customer| {
            limits.read(1)?;
            entries.add_event(origin, event, customer)?;
            check_rows(entries.all.len()).map_err(Stop::from)
        })?;
    }
    loop {
        let add = |hour, customer, rollup: &Rollup| entries.add_rollup(hour, customer, rollup);
        let slice = scan.next(wanted, add)?;
        entries.close()?;
        let Some(slice) = slice else { break };
        limits.read(slice.events.len())?;
        scan.read(&slice, fields, |origin, event, customer| entries.add_event(origin, event, customer))?;
        check_rows(entries.all.len())?;
    }
    if query.fill_zero {
        check_grid(&entries.groups, query.windows)?;
        for window in 0..query.windows.len() {
            for group in 0..entries.groups.len() {
                entries.at(window, group);
            }
        }
    }
    let blank = entries.groups.rows(&scan)?;
    let row = |((window, group), entry): ((usize, usize), Entry)| {
        let (window, blank) = (*query.windows.get(window)?, blank.get(group)?.clone());
        Some(Row {
            window,
            usage: entry.tally.usage(),
            base: entry.tally.base_usage(),
            events: entry.events,
            ..blank
        })
    };
    Ok((entries.all.into_iter().filter_map(row).collect(), scan.sequence()))
}
