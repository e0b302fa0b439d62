//! Queries of levels: the time-weighted mean of a running sum.
//!
//! The level of a group is the running sum of its events in the order of time, then of sequence,
//! from the project's first event on. For a meter whose events state levels, an event counts as the
//! change from the last one of the same customer and subject in the group.
use super::groups::Groups;
use super::query::{Limits, Query, Row, Stop, check_grid};
use super::scan::{Corrected, Scan, Wanted};
use crate::columns::Origin;
use crate::format::record::EventRecord;
use crate::shared::Shared;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use reckoner_domain::level::{LevelWindow, Levels};
use reckoner_domain::meter::{Input, Meter};
use reckoner_domain::sum::Sum;
use reckoner_domain::tally::Usage;
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::window::Window;

/// Events that are put in order together: about 100 bytes each.
const CHANGES_AT_ONCE: usize = if cfg!(test) { 16 } else { 32 * 1024 };

/// An event of a group.
struct Change {
    time: Timestamp,
    sequence: u64,
    group: usize,
    value: Sum,
    /// Whose level it states; nobody's for changes.
    holder: Option<Holder>,
}

/// A customer, and a subject where there is one.
type Holder = (u32, Option<String>);

/// The level of a group on its way through the windows.
struct Follower<'a> {
    windows: &'a [Window],
    levels: Levels,
    /// What each holder last stated.
    stated: HashMap<Holder, Sum, RandomState>,
    closed: Vec<(LevelWindow, u64)>,
    /// Events in the open window.
    events: u64,
    /// The first window whose end had an event before it.
    known_from: Option<usize>,
}

/// One attempt at an answer; rows in no order, and the sequence that they are of.
pub fn run(shared: &Shared, query: &Query<'_>, corrected: Corrected) -> Result<(Vec<Row>, u64), Stop> {
    let meter = query.meter;
    let Some(first) = query.windows.first() else { return Ok((Vec::new(), 0)) };
    let mut times = query.times();
    times.start = meter.starts_at.unwrap_or(Timestamp::MIN);
    let rolled_up = query.asks_rollups() && carries_by_rollup(meter);
    let wanted = |hour, _| {
        let over = first.start.micros_since(Timestamp::from_hour_index(hour)) >= HOUR;
        if rolled_up && over { Wanted::Totals } else { Wanted::Events }
    };
    let (project, customers) = (query.project, &query.customers);
    let scan = Scan::new(shared, project, &meter.event_type, customers, times, query.as_of);
    let mut scan = scan.reading(corrected).in_slices_of(CHANGES_AT_ONCE);
    let mut groups = Groups::new(shared, query);
    let mut limits = Limits::default();
    let mut followers: Vec<Follower<'_>> = Vec::new();
    loop {
        let mut carried: HashMap<usize, Sum, RandomState> = HashMap::default();
        let slice = scan.next(wanted, |_, customer, rollup| {
            let sum = carried.entry(groups.of_customer(customer)).or_default();
            *sum = sum.plus_sum(rollup.sum)?;
            Ok::<(), Stop>(())
        })?;
        let Some(slice) = slice else { break };
        limits.read(slice.events.len())?;
        let mut changes = Vec::new();
        scan.read(&slice, groups.fields(), |origin, event, customer| {
            if let Some((group, reading)) = groups.read(origin, event, customer)? {
                let value = Sum::ZERO.plus_product(reading.value, reading.weight)?;
                changes.push(Change::new(meter, origin, event, (group, customer, value)));
            }
            Ok::<(), Stop>(())
        })?;
        grow(&mut followers, &groups, query.windows)?;
        for (group, sum) in carried {
            if let Some(follower) = followers.get_mut(group) {
                follower.carry(sum)?;
            }
        }
        changes.sort_unstable_by_key(|change| (change.time, change.sequence));
        for change in changes {
            if let Some(follower) = followers.get_mut(change.group) {
                follower.follow(change)?;
            }
        }
    }
    grow(&mut followers, &groups, query.windows)?;
    Ok((rows(query, groups.rows(&scan)?, followers)?, scan.sequence()))
}

/// Follows groups that are new.
fn grow<'a>(
    followers: &mut Vec<Follower<'a>>,
    groups: &Groups<'_>,
    windows: &'a [Window],
) -> Result<(), Stop> {
    check_grid(groups, windows)?;
    let from = windows.first().map_or(Timestamp::MIN, |first| first.start);
    followers.resize_with(groups.len(), || Follower::new(windows, from));
    Ok(())
}

/// Whether what a level was before an hour is the sum of the rollups before it.
fn carries_by_rollup(meter: &Meter) -> bool {
    let aligned = meter.starts_at.is_none_or(|start| start.as_micros().rem_euclid(HOUR) == 0);
    meter.input == Input::Delta && !meter.reads_properties() && aligned
}

fn rows(query: &Query<'_>, blank: Vec<Row>, followers: Vec<Follower<'_>>) -> Result<Vec<Row>, Stop> {
    let mut rows = Vec::new();
    for (row, follower) in blank.into_iter().zip(followers) {
        let known_from = if query.fill_zero { Some(0) } else { follower.known_from };
        let Some(known_from) = known_from else { continue };
        for (closed, events) in follower.finish()?.into_iter().skip(known_from) {
            rows.push(Row {
                window: closed.window,
                usage: closed.average().map(Usage::Ratio),
                events,
                closing: Some(closed.closing),
                was_negative: closed.was_negative,
                ..row.clone()
            });
        }
    }
    Ok(rows)
}

impl Change {
    fn new(
        meter: &Meter,
        origin: &Origin,
        event: &EventRecord<'_>,
        (group, customer, value): (usize, u32, Sum),
    ) -> Self {
        let holder = match meter.input {
            Input::Delta => None,
            Input::Level => Some((customer, event.draft.subject.map(str::to_owned))),
        };
        Self { time: event.time, sequence: origin.sequence, group, value, holder }
    }
}

impl<'a> Follower<'a> {
    fn new(windows: &'a [Window], from: Timestamp) -> Self {
        Self {
            windows,
            levels: Levels::new(Input::Delta, from, Sum::ZERO),
            stated: HashMap::default(),
            closed: Vec::new(),
            events: 0,
            known_from: None,
        }
    }

    /// Moves the level before the first window.
    fn carry(&mut self, by: Sum) -> Result<(), Stop> {
        let Some(first) = self.windows.first() else { return Ok(()) };
        self.known_from = Some(0);
        self.levels = Levels::new(Input::Delta, first.start, self.levels.level().plus_sum(by)?);
        Ok(())
    }

    fn follow(&mut self, change: Change) -> Result<(), Stop> {
        let by = match change.holder {
            None => change.value,
            Some(holder) => {
                let before = self.stated.insert(holder, change.value).unwrap_or(Sum::ZERO);
                change.value.minus_sum(before)?
            }
        };
        if self.windows.first().is_some_and(|first| change.time < first.start) {
            return self.carry(by);
        }
        while self.windows.get(self.closed.len()).is_some_and(|open| change.time >= open.end) {
            self.close()?;
        }
        self.known_from.get_or_insert(self.closed.len());
        self.levels.apply(change.time, by)?;
        self.events += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        if let Some(open) = self.windows.get(self.closed.len()) {
            self.closed.push((self.levels.close(open.end)?, self.events));
            self.events = 0;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<(LevelWindow, u64)>, Stop> {
        while self.closed.len() < self.windows.len() {
            self.close()?;
        }
        Ok(self.closed)
    }
}
