//! Recording in the background.
//!
//! Records go through a bounded queue to one thread with a runtime of its own, so that neither a busy nor a blocked
//! runtime of the application holds usage back. There they are sent in batches until they are acknowledged: ids make
//! sending again harmless.
use crate::client::Client;
use crate::record::Record;
use journal::Journal;
use queue::{Entry, Shared};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

mod builder;
mod counters;
mod journal;
mod queue;
mod send;
mod worker;

pub use builder::TrackerBuilder;
pub use counters::Counters;
pub(crate) use queue::OnSettled;
pub use send::Rejected;

/// Most bytes of what one customer sees as one record: more is refused by every server.
const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Records usage in the background: it never blocks and never fails the caller.
///
/// Records are sent at 100 or after 5 seconds, again and again until the server acknowledged them. Memory is bounded;
/// with a [spill directory](TrackerBuilder::spill) records that are not acknowledged yet are on disk, survive the end
/// of the process, `kill -9` included, and are sent by the next tracker on that directory. Cloning is cheap; clones
/// share the queue. When the last clone is dropped, what waits is sent, for at most
/// [`drop_wait`](TrackerBuilder::drop_wait).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use reckoner_client::{Client, Record, Tracker};
/// use std::time::Duration;
///
/// let client = Client::new("http://127.0.0.1:8080", "rk_live_...")?;
/// let tracker = Tracker::builder(client).spill("/var/lib/app/usage").start()?;
///
/// tracker.track(Record::new("acme", "api.calls"));
/// tracker.track_compute("acme", "compute", "comment_create");
/// tracker.track(Record::storage("acme", "storage.bytes", 4_096));
///
/// tracker.shutdown(Duration::from_secs(10)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tracker {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    drop_wait: Duration,
}

/// Records that were not acknowledged in time. With a spill directory they are there; otherwise they are still in
/// memory, or lost if the tracker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{records} records were not acknowledged in time")]
pub struct Unsent {
    /// How many.
    pub records: u64,
}

/// A tracker that could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The spill directory cannot be used.
    #[error("the spill directory {}: {reason}", .path.display())]
    Spill {
        /// Which.
        path: PathBuf,
        /// Why not; another tracker that uses it is one reason.
        reason: String,
    },
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl Tracker {
    /// A tracker that sends with this client, with the usual settings.
    pub fn start(client: Client) -> Result<Self, StartError> {
        Self::builder(client).start()
    }

    /// A tracker with settings of its own.
    pub fn builder(client: Client) -> TrackerBuilder {
        TrackerBuilder::new(client)
    }

    /// Takes a record; returns at once. `false`: it was dropped, because the queue is full or the tracker has been
    /// shut down; [`Counters::dropped`] counts those.
    #[expect(clippy::needless_pass_by_value, reason = "what was tracked is not to be tracked again")]
    pub fn track(&self, record: Record) -> bool {
        self.track_then(&record, None)
    }

    /// Records one run of an operation for a meter that weights events by `jobType`, as compute units do.
    pub fn track_compute(&self, customer: &str, meter: &str, job_type: &str) -> bool {
        self.track(Record::new(customer, meter).property("jobType", job_type))
    }

    /// Records a change of a storage level: see [`Record::storage`].
    pub fn track_storage(&self, customer: &str, meter: &str, bytes: i64) -> bool {
        self.track(Record::storage(customer, meter, bytes))
    }

    /// Takes a record and calls back once it is settled: `true` if it is newly stored.
    pub(crate) fn track_then(&self, record: &Record, settled: Option<OnSettled>) -> bool {
        let line = record.to_json();
        if line.len() > RECORD_BYTES_MAX {
            self.inner.shared.drop_one();
            return false;
        }
        self.inner.shared.push(Entry { line: line.into(), settled, since: Instant::now() })
    }

    /// Sends what waits now and returns once all of it is settled. `Err`: an attempt failed; the tracker goes on.
    pub async fn flush(&self) -> Result<(), Unsent> {
        self.inner.shared.flush().await
    }

    /// Sends what waits, for at most `patience`, and ends the tracker.
    pub async fn shutdown(&self, patience: Duration) -> Result<(), Unsent> {
        self.inner.shared.close(patience);
        self.inner.shared.ended().await
    }

    /// Whether the last attempt to send came to nothing: the server is out of reach, busy, or does not take the key.
    pub fn is_away(&self) -> bool {
        self.inner.shared.counting.is_away.load(Ordering::Relaxed)
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        self.inner.shared.counters()
    }
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close(self.drop_wait);
        self.shared.wait_for_end(self.drop_wait);
    }
}
