//! Events, as the rest of the server sees them: stored once acknowledged, and read on threads that
//! serve no requests.
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;
use reckoner_domain::json::Path;
use reckoner_domain::meter::{Filter, Meter, Readable};
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use reckoner_eventlog::{EventLog, Export, Fold, ReadError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

pub use reckoner_domain::tally::Usage;
pub use reckoner_eventlog::{
    AppendError, BATCH_EVENTS_MAX, Batch, COMMIT_MICROS_BOUNDS, CORRECTIONS_MAX, Change, Changes, Committed,
    Content, Corrected, Corrections, Cursor, Erasure, GroupBy, Health, Kept, LIST_EVENTS_MAX, ListFilter,
    Order, Outcome, Progress, QueryError, Retention, Revision, Row, SEGMENT_BYTES, Since, Stats, Status,
    Watcher,
};

/// Batches that are looked up among old events at once: each holds what it finds.
const LOOK_UPS_MAX: usize = 4;

/// The event engine of this process.
#[derive(Clone)]
pub struct Events {
    log: EventLog,
    /// Batches whose ids are looked up among old events at once.
    look_ups: Arc<Semaphore>,
}

/// A usage query with everything it needs.
#[derive(Clone, Debug)]
pub struct UsageQuery {
    /// Whose events.
    pub project: ProjectId,
    /// What is read from them.
    pub meter: Meter,
    /// Contiguous ranges, each a row or more.
    pub windows: Vec<Window>,
    /// Only these customers; all when empty.
    pub customers: Vec<String>,
    /// Of each of these customers only what lies in its own window too, and of others nothing; all when
    /// empty. Not for levels.
    pub own_windows: HashMap<String, Window>,
    /// Only these subjects; all when empty.
    pub subjects: Vec<String>,
    /// Only events whose properties pass.
    pub filters: Vec<Filter>,
    /// A row for each combination.
    pub group_by: Vec<GroupBy>,
    /// Only events received until then.
    pub as_of: Option<Timestamp>,
    /// Whether windows without events have rows, also those of customers and subjects named.
    pub fill_zero: bool,
}

impl UsageQuery {
    /// All of a project's events in these windows, as one meter reads them.
    pub fn new(project: ProjectId, meter: Meter, windows: Vec<Window>) -> Self {
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
}

/// Which events of a customer to go over.
#[derive(Clone, Debug)]
pub struct OneByOne {
    /// Whose events.
    pub project: ProjectId,
    /// Of which customer.
    pub customer: String,
    /// Of which type.
    pub event_type: &'static str,
    /// With instants in this window.
    pub window: Window,
    /// The properties that are looked at.
    pub paths: Arc<[Path]>,
}

/// An export on its way.
pub struct EventsExport(Export);

impl EventsExport {
    /// The next events, and the export to go on with; `None` after the last.
    pub async fn next(mut self) -> Result<Option<(Vec<Event>, Self)>, EventsError> {
        let read = tokio::task::spawn_blocking(move || {
            let events = self.0.next().transpose()?;
            Ok::<_, ReadError>(events.map(|events| (events, self)))
        });
        Ok(read.await.map_err(|_| EventsError::Stopping)??)
    }
}

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The engine failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The query asks for too much, or the engine failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
    /// Events change faster than they can be counted.
    #[error("the events change faster than they can be counted: try again")]
    Unsettled,
}

impl From<Overflow> for EventsError {
    fn from(error: Overflow) -> Self {
        Self::Query(error.into())
    }
}

impl Events {
    /// Over an open log.
    pub fn new(log: EventLog) -> Self {
        Self { log, look_ups: Arc::new(Semaphore::new(LOOK_UPS_MAX)) }
    }

    /// Stores a batch; answers once it is on stable storage.
    pub async fn append(&self, batch: Batch) -> Result<Vec<Outcome>, AppendError> {
        let mut batch = self.log.seal(batch);
        if batch.wants_look_up() {
            let _few = self.look_ups.acquire().await;
            let log = self.log.clone();
            let looked_up = tokio::task::spawn_blocking(move || {
                // What cannot be read fails again, and with consequences, when the batch is committed.
                let _ = log.look_up(&mut batch);
                batch
            });
            let stopping = |_| AppendError::Stopped { reason: "the server is shutting down".into() };
            batch = looked_up.await.map_err(stopping)?;
        }
        let (done, answer) = oneshot::channel();
        self.log.submit(
            batch,
            Box::new(move |outcome| {
                // Nobody waits when the client has gone away.
                let _ = done.send(outcome);
            }),
        )?;
        answer
            .await
            .unwrap_or_else(|_| Err(AppendError::Stopped { reason: "the event log was closed".into() }))
    }

    /// Begins to read all events that pass a filter, in no order.
    pub async fn export(&self, filter: ListFilter) -> Result<EventsExport, EventsError> {
        self.read(move |log| log.export(filter)).await.map(EventsExport)
    }

    /// A meter's values.
    pub async fn query(&self, query: UsageQuery) -> Result<Vec<Row>, EventsError> {
        self.query_at(query).await.map(|(rows, _)| rows)
    }

    /// The same, with the sequence that they are of.
    pub async fn query_at(&self, query: UsageQuery) -> Result<(Vec<Row>, u64), EventsError> {
        self.read(move |log| {
            log.query_at(&reckoner_eventlog::Query {
                project: query.project,
                meter: &query.meter,
                windows: &query.windows,
                customers: query.customers,
                own_windows: query.own_windows,
                subjects: query.subjects,
                filters: query.filters,
                group_by: query.group_by,
                as_of: query.as_of,
                fill_zero: query.fill_zero,
            })
        })
        .await
    }

    /// Goes over the events of a customer once: each that is not void, as it stands, in no order. Answers
    /// what was made of them, with the sequence that they are of.
    pub async fn fold<A: Send + 'static>(
        &self,
        asked: OneByOne,
        new: impl Fn() -> A + Send + 'static,
        add: impl FnMut(&mut A, &Readable<'_>) -> Result<(), QueryError> + Send + 'static,
    ) -> Result<(A, u64), EventsError> {
        self.read(move |log| {
            let OneByOne { project, customer, event_type, window, paths } = &asked;
            let times = window.start..window.end;
            log.fold(&Fold { project: *project, customer, event_type, times, paths }, new, add)
        })
        .await
    }

    /// Tells a watcher of everything that is committed of a customer from now on, as long as it lives.
    pub fn watch(&self, project: ProjectId, customer: &str, watcher: &Arc<dyn Watcher>) {
        self.log.watch(project, customer, watcher);
    }

    /// Forgets watchers that live no more.
    pub fn tidy_watches(&self) {
        self.log.tidy_watches();
    }

    /// Events in order of time.
    pub async fn list(&self, filter: ListFilter) -> Result<Vec<Event>, EventsError> {
        self.read(move |log| log.list(&filter)).await
    }

    /// The event with this id.
    pub async fn get(&self, project: ProjectId, id: String) -> Result<Option<Event>, EventsError> {
        self.read(move |log| log.get(project, &id)).await
    }

    /// What an event said from the first on.
    pub async fn history(&self, project: ProjectId, id: String) -> Result<Vec<Revision>, EventsError> {
        self.read(move |log| log.history(project, &id)).await
    }

    /// Voids and amends events, all or none; answers what came of each once it is on stable storage.
    pub async fn correct(&self, corrections: Corrections) -> Result<Vec<Corrected>, AppendError> {
        let log = self.log.clone();
        let answer = tokio::task::spawn_blocking(move || log.correct(corrections)).await;
        answer.unwrap_or_else(|_| Err(AppendError::Stopped { reason: "the server is shutting down".into() }))
    }

    /// Which hours of which customers changed after a sequence, among those that begin before an
    /// instant; for the `carried` event types the customer's later hours too.
    pub async fn changed(
        &self,
        project: ProjectId,
        after_sequence: u64,
        before: Timestamp,
        carried: Vec<String>,
    ) -> Result<Changes, EventsError> {
        self.read(move |log| {
            let since = Since { after_sequence, before, carried: &carried };
            log.changed(project, since)
        })
        .await
    }

    /// The hours with events that have instants in a range, in order.
    pub async fn active_hours(
        &self,
        project: ProjectId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<i64>, EventsError> {
        self.read(move |log| Ok::<_, ReadError>(log.active_hours(project, from, to))).await
    }

    /// Every customer with events.
    pub async fn customers(&self, project: ProjectId) -> Result<Vec<Arc<str>>, EventsError> {
        self.read(move |log| Ok::<_, ReadError>(log.customers(project))).await
    }

    /// Forgets a project's events at an instant of its clock; returns how many there were.
    pub async fn clear(&self, project: ProjectId, at: Timestamp) -> Result<u64, AppendError> {
        let log = self.log.clone();
        // What is committed between the two is forgotten and not counted.
        let cleared = tokio::task::spawn_blocking(move || {
            let events = log.stats(project).events;
            log.clear(project, at).map(|_| events)
        })
        .await;
        cleared.unwrap_or_else(|_| Err(AppendError::Stopped { reason: "the server is shutting down".into() }))
    }

    /// Erases a customer from all its events; answers how far that is once it is written down.
    pub async fn erase(&self, erasure: Erasure) -> Result<Progress, AppendError> {
        let log = self.log.clone();
        let answer = tokio::task::spawn_blocking(move || log.erase(erasure)).await;
        answer.unwrap_or_else(|_| Err(AppendError::Stopped { reason: "the server is shutting down".into() }))
    }

    /// Drops events that need not be kept, soon; answers once that has begun.
    pub async fn retain(&self, retention: Retention) -> Result<(), AppendError> {
        let log = self.log.clone();
        let answer = tokio::task::spawn_blocking(move || log.retain(retention)).await;
        answer.unwrap_or_else(|_| Err(AppendError::Stopped { reason: "the server is shutting down".into() }))
    }

    /// The instant behind the latest event of a project that was dropped; `None` where none was.
    pub fn dropped_until(&self, project: ProjectId) -> Option<Timestamp> {
        self.log.dropped_until(project)
    }

    /// How far the erasure with this pseudonym is.
    pub fn erasure(&self, project: ProjectId, pseudonym: &str) -> Option<Progress> {
        self.log.erasure(project, pseudonym)
    }

    /// The sequence of the last event that is stored.
    pub fn sequence(&self) -> u64 {
        self.log.sequence()
    }

    /// How many events and customers a project has.
    pub fn stats(&self, project: ProjectId) -> Stats {
        self.log.stats(project)
    }

    /// Identifies the event log.
    pub fn store_id(&self) -> u128 {
        self.log.store_id()
    }

    /// The engine's health and counters.
    pub fn status(&self) -> Status {
        self.log.status()
    }

    /// Commits what is queued and lets go of the directory.
    pub async fn close(&self) {
        let log = self.log.clone();
        // A failure to join means the runtime is gone, and with it every waiting request.
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
    }

    async fn read<T: Send + 'static, E: Into<EventsError> + Send + 'static>(
        &self,
        read: impl FnOnce(&EventLog) -> Result<T, E> + Send + 'static,
    ) -> Result<T, EventsError> {
        let log = self.log.clone();
        let answer = tokio::task::spawn_blocking(move || read(&log)).await;
        answer.map_err(|_| EventsError::Stopping)?.map_err(Into::into)
    }
}
