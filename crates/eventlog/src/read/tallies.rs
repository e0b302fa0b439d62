//! Queries of everything but levels: whole hours from rollups, the rest from events.
use super::groups::Groups;
use super::query::{Limits, Query, Row, Stop, check_grid, check_rows};
use super::scan::{Corrected, Scan, Wanted};
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::tally::Tally;

/// The running value of a row.
struct Entry {
    tally: Tally,
    events: u64,
}

/// One attempt at an answer; rows in no order, and the sequence that they are of.
pub fn run(shared: &Shared, query: &Query<'_>, corrected: Corrected) -> Result<(Vec<Row>, u64), Stop> {
    let meter = query.meter;
    let rolled_up = meter.reads_rollups() && query.asks_rollups();
    let wanted = |hour| match query.window_of_hour(hour) {
        Some(_) if rolled_up && meter.aggregation.needs_ends() => Wanted::Rollups,
        Some(_) if rolled_up => Wanted::Totals,
        _ => Wanted::Events,
    };
    let mut times = query.times();
    times.start = meter.starts_at.map_or(times.start, |starts_at| times.start.max(starts_at));
    let (project, customers) = (query.project, &query.customers);
    let scan = Scan::new(shared, project, &meter.event_type, customers, times, query.as_of);
    let mut scan = scan.reading(corrected);
    let mut groups = Groups::new(shared, query);
    let mut limits = Limits::default();
    let mut entries: HashMap<(usize, usize), Entry, RandomState> = HashMap::default();
    let new = || Entry { tally: Tally::new(meter.aggregation, meter.is_weighted()), events: 0 };
    loop {
        let slice = scan.next(wanted, |hour, customer, rollup| {
            let Some(window) = query.window_of_hour(hour) else { return Ok(()) };
            let entry = entries.entry((window, groups.of_customer(customer))).or_insert_with(new);
            entry.tally.add_rollup(rollup)?;
            entry.events += rollup.count;
            Ok::<(), Stop>(())
        })?;
        let Some(slice) = slice else { break };
        limits.read(slice.events.len())?;
        scan.read(&slice, groups.fields(), |origin, event, customer| {
            let Some(window) = query.window_of(event.time) else { return Ok(()) };
            let Some((group, reading)) = groups.read(origin, event, customer)? else { return Ok(()) };
            let entry = entries.entry((window, group)).or_insert_with(new);
            entry.tally.add(&reading)?;
            entry.events += 1;
            Ok::<(), Stop>(())
        })?;
        check_rows(entries.len())?;
    }
    if query.fill_zero {
        check_grid(&groups, query.windows)?;
        let grid =
            (0..query.windows.len()).flat_map(|window| (0..groups.len()).map(move |group| (window, group)));
        for place in grid {
            entries.entry(place).or_insert_with(new);
        }
    }
    let blank = groups.rows(&scan)?;
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
    Ok((entries.into_iter().filter_map(row).collect(), scan.sequence()))
}
