//! The committer's thread and the bounded queue before it.
use super::core::{Core, Work};
use crate::error::AppendError;
use crate::shared::Shared;
use crate::status::{Health, add};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// Most requests that wait to be committed.
pub const QUEUE_BATCHES_MAX: usize = 4_096;
/// Most bytes that wait to be committed; one request more may go beyond.
pub const QUEUE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most requests of a group.
pub const GROUP_BATCHES_MAX: usize = 1_024;
/// Bytes after which a group takes no more requests.
pub const GROUP_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The way to the committer's thread.
pub(crate) struct Committer {
    queue: RwLock<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    batch_bytes_max: u64,
}

/// Work with its size.
struct Job {
    work: Work,
    bytes: u64,
}

impl Committer {
    /// Starts the thread, which keeps the directory locked until it has ended.
    pub fn start(shared: Arc<Shared>, core: Core, lock: Box<dyn Any + Send + Sync>) -> io::Result<Self> {
        let (queue, jobs) = bounded(QUEUE_BATCHES_MAX);
        let batch_bytes_max = core.batch_bytes_max();
        let counts = Arc::clone(&shared);
        let run = move || {
            let _watch = Watch(Arc::clone(&counts));
            commit_all(&jobs, core, &counts);
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("eventlog-commit".into()).spawn(run)?;
        let (queue, thread) = (RwLock::new(Some(queue)), Mutex::new(Some(thread)));
        Ok(Self { queue, thread, shared, batch_bytes_max })
    }

    /// Puts work into the queue; `wait` for room or be told that it is busy.
    pub fn submit(&self, work: Work, wait: bool) -> Result<(), AppendError> {
        if let Health::Stopped { reason } = &*self.shared.health.lock() {
            return Err(AppendError::Stopped { reason: Arc::clone(reason) });
        }
        let bytes = match &work {
            Work::Append(batch, _) => batch.bytes.len() as u64,
            Work::Correct(corrections, ..) => corrections.size(),
            Work::Clear(..) | Work::Erase(..) | Work::Retain(..) => 0,
        };
        if bytes > self.batch_bytes_max {
            return Err(AppendError::TooLarge);
        }
        let read_ahead = match &work {
            Work::Append(batch, _) => batch.known.bytes,
            Work::Correct(_, ahead, _) => ahead.bytes,
            Work::Clear(..) | Work::Erase(..) | Work::Retain(..) => 0,
        };
        let bytes = bytes + read_ahead;
        let queue = self.queue.read();
        let Some(queue) = queue.as_ref() else { return Err(closed()) };
        let counters = &self.shared.counters;
        if !wait && counters.queued_bytes.load(Ordering::Relaxed) >= QUEUE_BYTES_MAX {
            return Err(AppendError::Busy);
        }
        add(&counters.queued_bytes, bytes);
        add(&counters.queued_batches, 1);
        let job = Job { work, bytes };
        let sent = if wait { queue.send(job).map_err(|_| closed()) } else { try_send(queue, job) };
        sent.inspect_err(|_| leave_queue(&self.shared, 1, bytes))
    }

    /// Commits what is in the queue and ends the thread.
    pub fn close(&self) {
        drop(self.queue.write().take());
        let Some(thread) = self.thread.lock().take() else { return };
        // The last handle may go away in a callback, on the committer's own thread.
        if thread.thread().id() != std::thread::current().id() {
            // Its failure, if it failed, is told by the health.
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.close();
    }
}

/// Tells of a committing thread that failed.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "the committing thread failed".into();
            *self.0.health.lock() = Health::Stopped { reason };
        }
    }
}

fn closed() -> AppendError {
    AppendError::Stopped { reason: "it was closed".into() }
}

fn try_send(queue: &Sender<Job>, job: Job) -> Result<(), AppendError> {
    queue.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => AppendError::Busy,
        TrySendError::Disconnected(_) => closed(),
    })
}

fn leave_queue(shared: &Shared, batches: u64, bytes: u64) {
    shared.counters.queued_batches.fetch_sub(batches, Ordering::Relaxed);
    shared.counters.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
}

/// Commits groups of what the queue holds until it is closed and empty.
fn commit_all(jobs: &Receiver<Job>, mut core: Core, shared: &Shared) {
    let mut group = Vec::new();
    while let Ok(first) = jobs.recv() {
        let mut bytes = first.bytes;
        group.push(first.work);
        while group.len() < GROUP_BATCHES_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(job) = jobs.try_recv() else { break };
            bytes += job.bytes;
            group.push(job.work);
        }
        leave_queue(shared, group.len() as u64, bytes);
        core.run(group.drain(..));
    }
}
