//! A meter's usage by window and group.
use super::groups::Groups;
use super::level;
use super::scan::{Corrected, ScanError};
use super::tallies;
use crate::error::ReadError;
use crate::shared::Shared;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::Path;
use reckoner_domain::level::{LevelError, Levels};
use reckoner_domain::meter::{Aggregation, Dimension, Filter, Meter};
use reckoner_domain::sum::{Overflow, Sum};
use reckoner_domain::tally::{Tally, Usage};
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::window::Window;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What values of a declared dimension are shown as beyond those that a day shows.
pub const OTHER: &str = "_other";
/// Most rows of an answer.
pub const QUERY_ROWS_MAX: usize = 250_000;
/// Most events a query reads one by one.
pub const QUERY_EVENTS_MAX: u64 = 50_000_000;

/// What rows are told apart by, beside their window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The customer.
    Customer,
    /// The subject.
    Subject,
    /// The text of a property.
    Property(Path),
}

impl GroupBy {
    /// Whether a declared dimension is the same.
    fn is(&self, dimension: &Dimension) -> bool {
        match (self, dimension) {
            (Self::Subject, Dimension::Subject) => true,
            (Self::Property(path), Dimension::Property(declared)) => path.leads_as(declared),
            _ => false,
        }
    }
}

/// What is asked of a meter.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// Whose events.
    pub project: ProjectId,
    /// What is read from them.
    pub meter: &'a Meter,
    /// The windows, in order and without overlap.
    pub windows: &'a [Window],
    /// Only these customers; all when empty.
    pub customers: Vec<String>,
    /// Of each of these customers only what lies in its own window too, and of others nothing; all when
    /// empty. Not for levels.
    pub own_windows: HashMap<String, Window>,
    /// Only these subjects; all when empty.
    pub subjects: Vec<String>,
    /// Conditions on properties; all must hold.
    pub filters: Vec<Filter>,
    /// What rows are told apart by.
    pub group_by: Vec<GroupBy>,
    /// Only events received no later than this.
    pub as_of: Option<Timestamp>,
    /// Whether windows without events have rows: those of each group with events, where nothing is
    /// grouped by those of the one group there is, and where rows are told apart by nothing but
    /// customers or subjects that are named those of each of these.
    pub fill_zero: bool,
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The window.
    pub window: Window,
    /// The customer, when grouped by it or when only one was asked for.
    pub customer: Option<String>,
    /// The subject, when grouped by it or when only one was asked for.
    pub subject: Option<String>,
    /// The texts of the properties grouped by, in their order; `None` where an event has none.
    pub group: Vec<Option<String>>,
    /// The meter's value; `None` where there is none without events.
    pub usage: Option<Usage>,
    /// The same with every event weighing one, for meters that weigh.
    pub base: Option<Usage>,
    /// How many events were read.
    pub events: u64,
    /// Of a meter of levels, the level at the window's end, before what happens at that very instant: as it
    /// is, below zero where it is that.
    pub closing: Option<Sum>,
    /// Whether a level was below zero (and counted as zero) for any length of time.
    pub was_negative: bool,
    /// Whether the subject or a property shown as [`OTHER`] stands for all values of a declared
    /// dimension that came after those that a day shows.
    pub is_other: bool,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The answer has too many rows.
    #[error("the answer has more than {QUERY_ROWS_MAX} rows; ask for fewer windows, groups or customers")]
    TooManyRows,
    /// Too many events would be read one by one.
    #[error("the query reads more than {QUERY_EVENTS_MAX} events; ask for a shorter range")]
    TooManyEvents,
    /// A total left its 256 bits.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// Events of the range were dropped.
    #[error("events before {0} were dropped")]
    Dropped(Timestamp),
    /// The events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<LevelError> for Stop {
    fn from(error: LevelError) -> Self {
        match error {
            LevelError::Overflow(error) => error.into(),
            // Events are sorted before they are applied; an order the level refuses is no total.
            LevelError::OutOfOrder => Overflow.into(),
        }
    }
}

/// Why an attempt at an answer ended.
#[derive(Debug)]
pub enum Stop {
    /// The project was cleared, or a customer erased, meanwhile; try again.
    Cleared,
    /// A cell with corrected events got more of them; try again, reading those by their events.
    Moved,
    /// There is no answer.
    Error(QueryError),
}

impl<E: Into<QueryError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Cleared => Self::Cleared,
            ScanError::Moved => Self::Moved,
            ScanError::Overflow(error) => error.into(),
            ScanError::Read(error) => error.into(),
        }
    }
}

impl<'a> Query<'a> {
    /// All customers, nothing filtered, nothing grouped.
    pub fn new(project: ProjectId, meter: &'a Meter, windows: &'a [Window]) -> Self {
        Self {
            project,
            meter,
            windows,
            customers: Vec::new(),
            own_windows: HashMap::new(),
            subjects: Vec::new(),
            filters: Vec::new(),
            group_by: Vec::new(),
            as_of: None,
            fill_zero: false,
        }
    }

    /// The range of all windows.
    pub(super) fn times(&self) -> Range<Timestamp> {
        match (self.windows.first(), self.windows.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => Timestamp::default()..Timestamp::default(),
        }
    }

    /// The window an instant lies in.
    pub(super) fn window_of(&self, time: Timestamp) -> Option<usize> {
        let after = self.windows.partition_point(|window| window.start <= time);
        let index = after.checked_sub(1)?;
        self.windows.get(index).filter(|window| window.contains(time)).map(|_| index)
    }

    /// The window that has the whole hour in it.
    pub(super) fn window_of_hour(&self, hour: i64) -> Option<usize> {
        let start = Timestamp::from_hour_index(hour);
        let index = self.window_of(start)?;
        self.windows.get(index).filter(|window| window.end.micros_since(start) >= HOUR).map(|_| index)
    }

    /// The hours that lie in a window as a whole.
    pub(super) fn whole_hours(&self, window: usize) -> Range<i64> {
        let Some(window) = self.windows.get(window) else { return 0..0 };
        window.start.plus_micros(HOUR - 1).hour_index()..window.end.hour_index()
    }

    /// The declared dimension whose values bound a group, by its place in the meter. What levels carry
    /// from day to day cannot be bounded by day, and values that the query names are few.
    pub(crate) fn bounded_by(&self, by: &GroupBy) -> Option<usize> {
        let named = match by {
            GroupBy::Customer => false,
            GroupBy::Subject => !self.subjects.is_empty(),
            GroupBy::Property(path) => self.filters.iter().any(|filter| filter.path.leads_as(path)),
        };
        if named || self.meter.aggregation == Aggregation::TimeWeightedAvg {
            return None;
        }
        self.meter.dimensions.iter().position(|declared| by.is(declared))
    }

    /// Whether totals of event type and customer are enough for it, as far as the query goes.
    pub(super) fn asks_rollups(&self) -> bool {
        let by_customer = self.group_by.iter().all(|by| *by == GroupBy::Customer);
        by_customer && self.subjects.is_empty() && self.filters.is_empty() && self.as_of.is_none()
    }
}

/// Answers a query. All rows are of one moment: the sequence that was committed when it began.
pub fn run(shared: &Shared, query: &Query<'_>) -> Result<Vec<Row>, QueryError> {
    run_at(shared, query).map(|(rows, _)| rows)
}

/// The same, with that sequence.
pub fn run_at(shared: &Shared, query: &Query<'_>) -> Result<(Vec<Row>, u64), QueryError> {
    let mut corrected = Corrected::ByTotals;
    loop {
        // Event types that levels are read from are kept.
        if query.meter.aggregation != Aggregation::TimeWeightedAvg && !query.windows.is_empty() {
            let times = query.times();
            let from = times.start.max(query.meter.starts_at.unwrap_or(Timestamp::MIN));
            check_dropped(shared, query.project, &(from..times.end))?;
        }
        let attempt = match query.meter.aggregation {
            Aggregation::TimeWeightedAvg => level::run(shared, query, corrected),
            _ => tallies::run(shared, query, corrected),
        };
        match attempt {
            Ok((mut rows, sequence)) => {
                add_named(query, &mut rows)?;
                rows.sort_by(|a, b| order(a).cmp(&order(b)));
                return Ok((rows, sequence));
            }
            Err(Stop::Cleared) => {}
            Err(Stop::Moved) => corrected = Corrected::ByEvents,
            Err(Stop::Error(error)) => return Err(error),
        }
    }
}

/// Whether no event in a range was dropped.
pub(super) fn check_dropped(
    shared: &Shared,
    project: ProjectId,
    times: &Range<Timestamp>,
) -> Result<(), QueryError> {
    let until = shared.books.now().dropped_until(project);
    match until.filter(|until| times.start < *until) {
        Some(until) => Err(QueryError::Dropped(until)),
        None => Ok(()),
    }
}

/// Adds the rows of customers and subjects that the query names and of which there is nothing to read.
fn add_named(query: &Query<'_>, rows: &mut Vec<Row>) -> Result<(), QueryError> {
    let named = |by: &GroupBy| match by {
        GroupBy::Customer => !query.customers.is_empty(),
        GroupBy::Subject => !query.subjects.is_empty(),
        GroupBy::Property(_) => false,
    };
    if !query.fill_zero || query.group_by.is_empty() || !query.group_by.iter().all(named) {
        return Ok(());
    }
    let known: HashSet<_> = rows.iter().map(|row| (row.customer.clone(), row.subject.clone())).collect();
    let subjects = shown_names(query, &GroupBy::Subject, &query.subjects);
    let mut missing = Vec::new();
    let level = query.meter.aggregation == Aggregation::TimeWeightedAvg;
    for customer in shown_names(query, &GroupBy::Customer, &query.customers) {
        let pairs = subjects.iter().map(|subject| (customer.clone(), subject.clone()));
        missing.extend(pairs.filter(|pair| !known.contains(pair)));
        check_rows(rows.len().saturating_add(missing.len().saturating_mul(query.windows.len())))?;
    }
    for window in query.windows {
        let (usage, base) = nothing(query.meter, *window)?;
        rows.extend(missing.iter().cloned().map(|(customer, subject)| Row {
            window: *window,
            customer,
            subject,
            group: Vec::new(),
            usage,
            base,
            events: 0,
            closing: level.then_some(Sum::ZERO),
            was_negative: false,
            is_other: false,
        }));
    }
    Ok(())
}

/// What rows show of a kind of name: each of those asked for where they are told apart by it, else
/// the only one.
fn shown_names(query: &Query<'_>, by: &GroupBy, asked: &[String]) -> Vec<Option<String>> {
    if !query.group_by.contains(by) {
        return vec![if let [only] = asked { Some(only.clone()) } else { None }];
    }
    let mut names: Vec<Option<String>> = asked.iter().cloned().map(Some).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A meter's value where there never was an event, and the same with every event weighing one.
fn nothing(meter: &Meter, window: Window) -> Result<(Option<Usage>, Option<Usage>), QueryError> {
    if meter.aggregation != Aggregation::TimeWeightedAvg {
        let tally = Tally::new(meter.aggregation, meter.is_weighted());
        return Ok((tally.usage(), tally.base_usage()));
    }
    let level = Levels::new(meter.input, window.start, Sum::ZERO).close(window.end);
    Ok((level.map_err(|_| Overflow)?.average().map(Usage::Ratio), None))
}

type Order<'r> = (Timestamp, Option<&'r str>, Option<&'r str>, &'r [Option<String>], bool);

fn order(row: &Row) -> Order<'_> {
    (row.window.start, row.customer.as_deref(), row.subject.as_deref(), &row.group, row.is_other)
}

/// Counts rows and events against their limits.
#[derive(Default)]
pub(super) struct Limits {
    events: u64,
}

impl Limits {
    /// So many events more are read.
    pub fn read(&mut self, events: usize) -> Result<(), QueryError> {
        self.events += events as u64;
        if self.events > QUERY_EVENTS_MAX { Err(QueryError::TooManyEvents) } else { Ok(()) }
    }
}

/// Whether so many rows are allowed.
pub(super) fn check_rows(rows: usize) -> Result<(), QueryError> {
    if rows > QUERY_ROWS_MAX { Err(QueryError::TooManyRows) } else { Ok(()) }
}

/// Whether so many rows are allowed when every group may have one for each window.
pub(super) fn check_grid(groups: &Groups<'_>, windows: &[Window]) -> Result<(), QueryError> {
    check_rows(groups.len().saturating_mul(windows.len()))
}
