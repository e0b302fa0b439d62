//! Running counts of what customers used, kept in step with the event log: a count is read from the log
//! once, and then told of everything that is committed.
use crate::events::{Committed, Events, EventsError, Usage, UsageQuery, Watcher};
use parking_lot::Mutex;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Aggregation, Filter, Input, Meter, Readable, Reading};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::sum::{Overflow, Sum};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{Notify, futures::OwnedNotified};

/// Most events that are held while a count is read; beyond them it is read again.
const HELD_EVENTS_MAX: usize = 10_000;
/// How often a count is read again because events changed meanwhile.
const LOADS_MAX: u32 = 100;

/// What a customer used of a meter in a window.
pub struct Counter {
    project: ProjectId,
    customer: String,
    meter: Meter,
    window: Window,
    count: Mutex<Count>,
    /// Told when what was reserved is reserved no more.
    freed: Arc<Notify>,
    loading: tokio::sync::Mutex<()>,
    /// The highest threshold that is known to be told of; 0 where none is.
    told: AtomicU32,
    /// Held by who decides about meters that do not just add up, until what was decided is committed.
    pub serial: Arc<tokio::sync::Mutex<()>>,
}

/// What is known of a count.
#[derive(Default)]
struct Count {
    used: Ratio,
    /// Whether `used` is what the log says.
    known: bool,
    /// What was told while it is read.
    told: Vec<(u64, Ratio)>,
    /// The last sequence that makes it be read again.
    changed: u64,
    /// What was promised and is not committed yet.
    reserved: Ratio,
}

/// Units promised to somebody, until dropped: by then they are committed, or will not be.
pub struct Reserved {
    counter: Arc<Counter>,
    units: Ratio,
}

/// What came of asking for units.
pub enum Taken {
    /// They are promised.
    Reserved(Reserved),
    /// They would pass the limit.
    Refused,
    /// It depends on what is promised to others: ask again when told.
    Wait(OwnedNotified),
    /// The count is to be read first.
    Unknown,
}

impl Counter {
    /// A count that nobody has read yet.
    pub fn new(project: ProjectId, customer: &str, meter: Meter, window: Window) -> Self {
        Self {
            project,
            customer: customer.to_owned(),
            meter,
            window,
            count: Mutex::default(),
            freed: Arc::new(Notify::new()),
            loading: tokio::sync::Mutex::default(),
            told: AtomicU32::new(0),
            serial: Arc::default(),
        }
    }

    /// Whether it is the count of this meter and window.
    pub fn is_of(&self, meter: &Meter, window: Window) -> bool {
        self.window == window && self.meter == *meter
    }

    /// The meter that counts.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What is counted.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The highest threshold that is known to be told of.
    pub fn told(&self) -> Option<u32> {
        Some(self.told.load(Ordering::Relaxed)).filter(|told| *told > 0)
    }

    /// Remembers that a threshold, and every lower one, is told of.
    pub fn set_told(&self, threshold: u32) {
        self.told.fetch_max(threshold, Ordering::Relaxed);
    }

    /// Whether its usage just adds up.
    pub fn adds_up(&self) -> bool {
        matches!(self.meter.aggregation, Aggregation::Sum | Aggregation::Count)
    }

    /// What was used, as the log says; for levels, the level at `now`.
    pub async fn used(&self, events: &Events, now: Timestamp) -> Result<Ratio, EventsError> {
        if self.meter.aggregation == Aggregation::TimeWeightedAvg {
            return self.level(events, now, Vec::new()).await;
        }
        if let Some(used) = self.known() {
            return Ok(used);
        }
        let _one_reads = self.loading.lock().await;
        for _ in 0..LOADS_MAX {
            if let Some(used) = self.known() {
                return Ok(used);
            }
            self.count.lock().told.clear();
            let (used, sequence) = self.read(events, self.query(vec![self.window])).await?;
            self.loaded(used, sequence);
        }
        Err(EventsError::Unsettled)
    }

    /// What was used, where it is known without reading the log.
    pub fn known(&self) -> Option<Ratio> {
        let count = self.count.lock();
        count.known.then_some(count.used)
    }

    /// Takes what was read as of a sequence, with what was told beyond it.
    fn loaded(&self, used: Ratio, sequence: u64) {
        let mut count = self.count.lock();
        if count.changed > sequence {
            return;
        }
        let beyond = count.told.iter().filter(|(told, _)| *told > sequence);
        let total = beyond.map(|(_, units)| *units).try_fold(used, Ratio::plus);
        count.told.clear();
        if let Ok(total) = total {
            (count.used, count.known) = (total, true);
        }
    }

    fn query(&self, windows: Vec<Window>) -> UsageQuery {
        UsageQuery {
            customers: vec![self.customer.clone()],
            fill_zero: true,
            ..UsageQuery::new(self.project, self.meter.clone(), windows)
        }
    }

    async fn read(&self, events: &Events, query: UsageQuery) -> Result<(Ratio, u64), EventsError> {
        let (rows, sequence) = events.query_at(query).await?;
        let usage = rows.into_iter().next().and_then(|row| row.usage);
        Ok((usage.map_or(Ok(Ratio::ZERO), Usage::to_ratio)?, sequence))
    }

    /// The level at an instant, of these subjects, or of all.
    async fn level(
        &self,
        events: &Events,
        now: Timestamp,
        subjects: Vec<String>,
    ) -> Result<Ratio, EventsError> {
        let instant = Window { start: now, end: now.plus_micros(1) };
        let query = UsageQuery { subjects, ..self.query(vec![instant]) };
        self.read(events, query).await.map(|(level, _)| level)
    }

    /// What this meter reads from an event; `None` where the event does not count in the window.
    pub fn reading(&self, event: &Readable<'_>) -> Option<Reading> {
        self.window.contains(event.time).then(|| self.meter.read(event)).flatten()
    }

    /// By how much an event that is read so moves what was used.
    pub async fn step(
        &self,
        events: &Events,
        (used, now): (Ratio, Timestamp),
        (reading, subject): (&Reading, Option<&str>),
    ) -> Result<Ratio, EventsError> {
        let number = weighted(reading)?;
        Ok(match self.meter.aggregation {
            Aggregation::Count => Ratio::from(reading.weight),
            Aggregation::Max => Ratio::from(reading.value).max(used).minus(used)?,
            Aggregation::UniqueCount => {
                let known = match (&self.meter.value_property, &reading.text) {
                    (Some(path), Some(text)) => {
                        let filters = vec![Filter { path: path.clone(), any_of: vec![text.clone()] }];
                        let query = UsageQuery { filters, ..self.query(vec![self.window]) };
                        !self.read(events, query).await?.0.is_zero()
                    }
                    _ => false,
                };
                if known { Ratio::ZERO } else { Ratio::from_count(1) }
            }
            Aggregation::TimeWeightedAvg if self.meter.input == Input::Level => {
                let subjects = subject.map(str::to_owned).into_iter().collect();
                number.minus(self.level(events, now, subjects).await?)?
            }
            _ => number,
        })
    }

    /// By how much units that somebody only asks about would move what was used.
    pub fn asked_step(&self, used: Ratio, units: Ratio) -> Result<Ratio, Overflow> {
        match self.meter.aggregation {
            Aggregation::Max => units.max(used).minus(used),
            _ => Ok(units),
        }
    }

    /// Asks for units of a limit of which leases hold what `held` says.
    pub fn take(
        self: &Arc<Self>,
        units: Ratio,
        limit: Ratio,
        held: impl FnOnce() -> Ratio,
    ) -> Result<Taken, Overflow> {
        // Before the look, so that nothing that happens after it is missed.
        let freed = Arc::clone(&self.freed).notified_owned();
        let mut count = self.count.lock();
        if !count.known {
            return Ok(Taken::Unknown);
        }
        // Under the lock: what becomes a lease is promised until it is one.
        let after = count.used.plus(held())?.plus(units)?;
        if units > Ratio::ZERO && after > limit {
            return Ok(Taken::Refused);
        }
        if units > Ratio::ZERO && after.plus(count.reserved)? > limit {
            return Ok(Taken::Wait(freed));
        }
        // What gives back leaves room for others once it is committed, and not before.
        let units = units.max(Ratio::ZERO);
        count.reserved = count.reserved.plus(units)?;
        Ok(Taken::Reserved(Reserved { counter: Arc::clone(self), units }))
    }

    /// What is left of a limit of which leases hold what `held` says, at least zero; `None` where the
    /// count is to be read first.
    pub fn left(&self, limit: Ratio, held: impl FnOnce() -> Ratio) -> Result<Option<Ratio>, Overflow> {
        let count = self.count.lock();
        if !count.known {
            return Ok(None);
        }
        let taken = count.used.plus(count.reserved)?.plus(held())?;
        Ok(Some(limit.minus(taken)?.max(Ratio::ZERO)))
    }

    /// Whose usage it is.
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// The project.
    pub fn project(&self) -> ProjectId {
        self.project
    }

    fn add(&self, sequence: u64, units: Result<Ratio, Overflow>) {
        let mut count = self.count.lock();
        match units {
            Ok(units) if count.known => match count.used.plus(units) {
                Ok(used) => count.used = used,
                Err(Overflow) => count.read_again(sequence),
            },
            Ok(units) if count.told.len() < HELD_EVENTS_MAX => count.told.push((sequence, units)),
            _ => count.read_again(sequence),
        }
    }
}

impl Count {
    fn read_again(&mut self, sequence: u64) {
        self.known = false;
        self.changed = self.changed.max(sequence);
        self.told.clear();
    }
}

impl Watcher for Counter {
    fn event(&self, event: &Committed<'_>) {
        let draft = event.draft;
        if draft.event_type != self.meter.event_type || !self.window.contains(event.time) {
            return;
        }
        let properties = match draft.properties {
            Some(text) if self.meter.reads_properties() => serde_json::from_str(text).unwrap_or_default(),
            _ => Value::Null,
        };
        let readable = Readable {
            time: event.time,
            sequence: event.sequence,
            value: draft.value,
            properties: &properties,
        };
        let Some(reading) = self.meter.read(&readable) else { return };
        match self.meter.aggregation {
            Aggregation::Sum => self.add(event.sequence, weighted(&reading)),
            Aggregation::Count => self.add(event.sequence, Ok(Ratio::from(reading.weight))),
            _ => self.count.lock().read_again(event.sequence),
        }
    }

    fn changed(&self, sequence: u64) {
        self.count.lock().read_again(sequence);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut count = self.counter.count.lock();
        count.reserved = count.reserved.minus(self.units).unwrap_or_default();
        drop(count);
        self.counter.freed.notify_waiters();
    }
}

fn weighted(reading: &Reading) -> Result<Ratio, Overflow> {
    Sum::ZERO.plus_product(reading.value, reading.weight).map(Ratio::from)
}
