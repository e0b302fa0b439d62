//! The handle: open, append, read, close.
use crate::batch::{Batch, SealedBatch};
use crate::check;
use crate::disk::{Disk, RealDisk};
use crate::erase::ledger::Books;
use crate::erase::{Dropped, Erasure, KEPT_MAX, Progress, Retention};
use crate::error::{AppendError, OpenError, ReadError};
use crate::format::manifest::Manifest;
use crate::format::segment::HEADER_BYTES;
use crate::hash::IdHasher;
use crate::memory::Memory;
use crate::memory::ids::Ids;
use crate::read::changes::{self, Changes, Since, Stats};
use crate::read::export::Export;
use crate::read::fold::{self, Fold};
use crate::read::history::{self, Revision};
use crate::read::list::{self, ListFilter};
use crate::read::query::{self, Query, QueryError, Row};
use crate::read::values::Values;
use crate::read::verify::{self, Verified};
use crate::recover::{Recovery, open_store, while_doing};
use crate::shared::{InColumns, Shared};
use crate::status::{Counters, Health, Status};
use crate::thread::Thread;
use crate::watch::{Watcher, Watches};
use crate::write::builder::Builder;
use crate::write::committer::Committer;
use crate::write::core::{Core, Work};
use crate::write::corrections::{CORRECTIONS_MAX, Corrected, Corrections};
use crate::write::outcome::{OnAppended, Outcome};
use crate::write::segments::{Plan, Segments};
use crossbeam_channel::bounded;
use parking_lot::{Mutex, RwLock};
use reckoner_domain::event::Event;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Readable;
use reckoner_domain::time::Timestamp;
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a segment unless said otherwise.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Fewest bytes of a segment.
pub const SEGMENT_BYTES_MIN: u64 = if cfg!(test) { 8 } else { 16 } * 1024;
/// Most bytes of a segment: places in it are told in 32 bits.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's directory, made when it is not there.
    pub dir: PathBuf,
    /// Becomes the key of the hash of ids when the log is made; random, ignored afterwards.
    pub hash_key_seed: [u8; 16],
    /// Becomes the store's identity when the log is made; random, ignored afterwards.
    pub store_id: u128,
    /// Bytes of each new segment, kept between [`SEGMENT_BYTES_MIN`] and [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
    /// Whether the next segment is prepared, what is known of the last one written down, and sealed
    /// ones checked on threads of their own; otherwise all that is done as it falls due.
    pub background: bool,
}

impl Options {
    /// The usual options.
    pub fn new(dir: impl Into<PathBuf>, hash_key_seed: [u8; 16], store_id: u128) -> Self {
        Self { dir: dir.into(), hash_key_seed, store_id, segment_bytes: SEGMENT_BYTES, background: true }
    }
}

/// The event log; clones are handles of the same one. It closes when the last of them goes.
#[derive(Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    committer: Committer,
    _checker: Option<Thread>,
}

/// A log that is recovered, but has no threads yet.
pub(crate) struct Opened {
    pub shared: Arc<Shared>,
    pub core: Core,
    pub lock: Box<dyn Any + Send + Sync>,
}

/// Recovers the log on a disk.
pub(crate) fn open_on(disk: Arc<dyn Disk>, options: &Options) -> Result<Opened, OpenError> {
    let lock = disk.lock().map_err(while_doing("lock the directory"))?;
    let lock = lock.ok_or_else(|| OpenError::Locked { dir: disk.describe() })?;
    let new = Manifest { store_id: options.store_id, hash_key: options.hash_key_seed };
    let (manifest, ledger, numbers) = open_store(disk.as_ref(), new)?;
    let hasher = IdHasher::new(manifest.hash_key);
    let shared = Arc::new(Shared {
        store_id: manifest.store_id,
        memory: RwLock::new(Memory::default()),
        ids: Ids::new(),
        values: Values::default(),
        hasher,
        books: Books::new(Arc::clone(&disk), manifest.store_id, ledger),
        retention: Mutex::new(None),
        in_columns: InColumns::default(),
        watches: Watches::default(),
        health: Mutex::new(Health::Healthy),
        counters: Counters::default(),
    });
    let builder = Builder::start(Arc::clone(&disk), Arc::clone(&shared), options.background);
    let mut builder = builder.map_err(while_doing("start a thread"))?;
    let mut recovery = Recovery::new(disk.as_ref(), &shared, manifest.store_id, &mut builder);
    let active = recovery.run(&numbers)?;
    let group = recovery.group;
    shared.note_columns();
    builder.wake();
    let segment_bytes = options.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    let plan = Plan {
        store_id: manifest.store_id,
        segment_bytes: segment_bytes.next_multiple_of(HEADER_BYTES),
        hasher,
        prepare_ahead: options.background,
    };
    if !options.background {
        check::run(disk.as_ref(), &shared, || true)?;
    }
    let number = numbers.last().copied().unwrap_or(0);
    let segments = Segments::new(disk, plan, number, active).map_err(while_doing("start a thread"))?;
    let sequence = shared.memory.read().sequence;
    let core = Core::new(Arc::clone(&shared), (segments, builder), group, sequence);
    Ok(Opened { shared, core, lock })
}

impl EventLog {
    /// Opens a log, or makes one; reads it whole.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let disk = RealDisk::new(&options.dir).map_err(while_doing("open the directory"))?;
        Self::open_with(Arc::new(disk), options)
    }

    /// Opens a log on a disk.
    pub(crate) fn open_with(disk: Arc<dyn Disk>, options: &Options) -> Result<Self, OpenError> {
        let Opened { shared, core, lock } = open_on(Arc::clone(&disk), options)?;
        let start = || {
            let check = || check::start(disk, Arc::clone(&shared));
            let checker = options.background.then(check).transpose()?;
            let committer = Committer::start(Arc::clone(&shared), core, lock)?;
            Ok(Inner { _checker: checker, committer, shared: Arc::clone(&shared) })
        };
        Ok(Self { inner: Arc::new(start().map_err(while_doing("start a thread"))?) })
    }

    /// Makes a batch ready to be committed.
    pub fn seal(&self, batch: Batch) -> SealedBatch {
        let shared = &self.inner.shared;
        let mut sealed = batch.seal(&shared.hasher);
        shared.want(&mut sealed);
        sealed
    }

    /// Reads old events that may have ids of a batch; without that the committing thread reads them,
    /// and keeps other requests waiting.
    pub fn look_up(&self, batch: &mut SealedBatch) -> Result<(), ReadError> {
        self.inner.shared.look_up(&mut batch.known)
    }

    /// Puts a batch into the queue. `on_done` is called on the committer's thread once the batch is
    /// durable (or failed), and must neither block nor panic; when this answers an error it is not called.
    pub fn submit(&self, batch: SealedBatch, on_done: OnAppended) -> Result<(), AppendError> {
        self.inner.committer.submit(Work::Append(batch, on_done), false)
    }

    /// Commits a batch and waits for it.
    pub fn append(&self, batch: Batch) -> Result<Vec<Outcome>, AppendError> {
        let sealed = self.seal(batch);
        self.wait_for(|on_done| Work::Append(sealed, on_done))
    }

    /// Forgets all events of a project, durably: their ids are free again. Waits for it and answers
    /// the sequence of the clearing.
    pub fn clear(&self, project: ProjectId, at: Timestamp) -> Result<u64, AppendError> {
        self.wait_for(|on_done| Work::Clear(project, at, on_done))
    }

    /// Voids and amends events, durably, all or none. Waits for it and answers what came of each.
    pub fn correct(&self, corrections: Corrections) -> Result<Vec<Corrected>, AppendError> {
        if corrections.changes.len() > CORRECTIONS_MAX {
            return Err(AppendError::TooLarge);
        }
        // What cannot be read is read again by the committing thread, which stops if it has to.
        let ahead = corrections.look_ahead(&self.inner.shared).unwrap_or_default();
        self.wait_for(|on_done| Work::Correct(corrections, ahead, on_done))
    }

    /// Erases a customer: its events keep their ids, times and values, and bear the pseudonym from then
    /// on; whatever else could tell who it was goes from all of them. Waits until that is durably
    /// written down; it is then carried out soon, whatever happens. The same erasure again changes
    /// nothing and tells how far it is.
    pub fn erase(&self, erasure: Erasure) -> Result<Progress, AppendError> {
        if erasure.kept.len() > KEPT_MAX {
            return Err(AppendError::TooLarge);
        }
        self.wait_for(|on_done| Work::Erase(erasure, on_done))
    }

    /// Drops what need not be kept, whole files from the front, soon; waits until that is begun. A file
    /// goes once nothing in it, nor before it, is to be kept.
    pub fn retain(&self, retention: Retention) -> Result<(), AppendError> {
        self.wait_for(|on_done| Work::Retain(retention, on_done))
    }

    /// What was dropped, in order; the first of many stand for several.
    pub fn dropped(&self) -> Vec<Dropped> {
        self.inner.shared.books.now().dropped.clone()
    }

    /// The instant behind the latest event of a project that was dropped; `None` where none was.
    pub fn dropped_until(&self, project: ProjectId) -> Option<Timestamp> {
        self.inner.shared.books.now().dropped_until(project)
    }

    /// How far the erasure is that put this pseudonym in a customer's place; `None` where there is none.
    pub fn erasure(&self, project: ProjectId, pseudonym: &str) -> Option<Progress> {
        self.inner.shared.books.now().progress(project, pseudonym)
    }

    fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(Box<dyn FnOnce(Result<T, AppendError>) + Send>) -> Work,
    ) -> Result<T, AppendError> {
        let (answer, answered) = bounded(1);
        let work = work(Box::new(move |result| {
            // Whoever asked is waiting below.
            let _ = answer.send(result);
        }));
        self.inner.committer.submit(work, true)?;
        let gone = || Err(AppendError::Stopped { reason: "the committing thread has ended".into() });
        answered.recv().unwrap_or_else(|_| gone())
    }

    /// What an event said from the first on, with each correction, the oldest first; none when there
    /// is no such event.
    pub fn history(&self, project: ProjectId, id: &str) -> Result<Vec<Revision>, ReadError> {
        history::of(&self.inner.shared, project, id)
    }

    /// The event of a project with this id as it stands, also when it is void.
    pub fn get(&self, project: ProjectId, id: &str) -> Result<Option<Event>, ReadError> {
        self.inner.shared.get(project, id)
    }

    /// Events in the order of their time.
    pub fn list(&self, filter: &ListFilter) -> Result<Vec<Event>, ReadError> {
        list::run(&self.inner.shared, filter)
    }

    /// All events that pass a filter, in no order: whatever is there now, as it stands now.
    pub fn export(&self, filter: ListFilter) -> Result<Export, ReadError> {
        Export::new(Arc::clone(&self.inner.shared), filter)
    }

    /// A meter's usage by window and group. All rows are of one moment: the sequence that was
    /// committed when it began.
    pub fn query(&self, query: &Query<'_>) -> Result<Vec<Row>, QueryError> {
        query::run(&self.inner.shared, query)
    }

    /// The same, with that sequence.
    pub fn query_at(&self, query: &Query<'_>) -> Result<(Vec<Row>, u64), QueryError> {
        query::run_at(&self.inner.shared, query)
    }

    /// Goes over the events of a customer once: each that is not void, as it stands, in no order. Answers
    /// what was made of them, with the sequence that they are of.
    pub fn fold<A>(
        &self,
        fold: &Fold<'_>,
        new: impl Fn() -> A,
        add: impl FnMut(&mut A, &Readable<'_>) -> Result<(), QueryError>,
    ) -> Result<(A, u64), QueryError> {
        fold::run(&self.inner.shared, fold, new, add)
    }

    /// Tells a watcher of everything that is committed of a customer from now on, as long as it lives.
    /// What [`EventLog::query_at`] shows afterwards, it shows as of a sequence: what was told beyond that
    /// one is all that it lacks.
    pub fn watch(&self, project: ProjectId, customer: &str, watcher: &Arc<dyn Watcher>) {
        self.inner.shared.watches.add(project, customer, watcher);
    }

    /// Forgets watchers that live no more; to be called now and then.
    pub fn tidy_watches(&self) {
        self.inner.shared.watches.tidy();
    }

    /// Hours and customers whose usage changed.
    pub fn changed(&self, project: ProjectId, since: Since<'_>) -> Result<Changes, ReadError> {
        changes::changed(&self.inner.shared, project, since)
    }

    /// The hours since 1970 with events that have instants in a range of event time, in order.
    pub fn active_hours(&self, project: ProjectId, from: Timestamp, to: Timestamp) -> Vec<i64> {
        changes::active_hours(&self.inner.shared, project, &(from..to))
    }

    /// Every customer with events, by name.
    pub fn customers(&self, project: ProjectId) -> Vec<Arc<str>> {
        changes::customers(&self.inner.shared, project)
    }

    /// Every event type with events, by name.
    pub fn event_types(&self, project: ProjectId) -> Vec<Arc<str>> {
        changes::event_types(&self.inner.shared, project)
    }

    /// How much a project has.
    pub fn stats(&self, project: ProjectId) -> Stats {
        changes::stats(&self.inner.shared, project)
    }

    /// Computes every rollup anew from its events and looks every id up.
    pub fn verify(&self) -> Result<Verified, ReadError> {
        verify::run(&self.inner.shared)
    }

    /// Identifies the store: what else is kept beside this log belongs to it.
    pub fn store_id(&self) -> u128 {
        self.inner.shared.store_id
    }

    /// The sequence of the last committed record; 0 when there is none.
    pub fn sequence(&self) -> u64 {
        self.inner.shared.memory.read().sequence
    }

    /// How the log is doing.
    pub fn status(&self) -> Status {
        let shared = &self.inner.shared;
        let books = shared.books.now();
        let memory = shared.memory.read();
        Status {
            health: shared.health.lock().clone(),
            sequence: memory.sequence,
            segments: memory.places.segments() as u64,
            parts: memory.parts.len() as u64,
            dropped_events: books
                .dropped
                .iter()
                .flat_map(|dropped| dropped.projects.values())
                .map(|of| of.events)
                .sum(),
            erasures_pending: books.pending.len() as u64,
            ..shared.counters.status()
        }
    }

    /// Commits what is in the queue and takes no more; reading goes on. The directory is free for
    /// another process afterwards.
    pub fn close(&self) {
        self.inner.committer.close();
    }
}
