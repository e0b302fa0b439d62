//! Settings of a tracker.
use super::{Inner, Journal, Rejected, Shared, StartError, Tracker, worker};
use crate::client::{Client, RetryPolicy};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Records that are sent without waiting for more.
const FLUSH_RECORDS: usize = 100;
/// Longest a record waits to be sent while the server is there, in seconds.
const FLUSH_S: u64 = 5;
/// Most records in memory.
const RECORDS_MAX: usize = 100_000;
/// Most bytes of records in memory.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most bytes of records on disk.
const SPILL_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Longest wait when the last clone is dropped, in seconds.
const DROP_WAIT_S: u64 = 2;

type OnRejected = Arc<dyn Fn(&Rejected) + Send + Sync>;

/// Settings of a tracker that is to be started.
#[derive(Clone)]
pub struct TrackerBuilder {
    pub(super) client: Client,
    pub(super) flush_records: usize,
    pub(super) flush_interval: Duration,
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
    pub(super) spill: Option<PathBuf>,
    pub(super) spill_bytes_max: u64,
    pub(super) pauses: RetryPolicy,
    pub(super) on_rejected: Option<OnRejected>,
    drop_wait: Duration,
}

impl TrackerBuilder {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            flush_records: FLUSH_RECORDS,
            flush_interval: Duration::from_secs(FLUSH_S),
            records_max: RECORDS_MAX,
            bytes_max: BYTES_MAX,
            spill: None,
            spill_bytes_max: SPILL_BYTES_MAX,
            pauses: RetryPolicy {
                attempts_max: u32::MAX,
                pause_first: Duration::from_millis(100),
                pause_max: Duration::from_secs(10),
            },
            on_rejected: None,
            drop_wait: Duration::from_secs(DROP_WAIT_S),
        }
    }

    /// Send as soon as so many records wait; 100 by default.
    pub fn flush_records(mut self, records: usize) -> Self {
        self.flush_records = records.max(1);
        self
    }

    /// Send when a record has waited for so long; 5 s by default.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = interval;
        self
    }

    /// Keep at most so many records, and bytes of them, in memory; 100,000 and 64 MiB by default. What does not fit
    /// is dropped, or with a spill directory only on disk.
    pub fn memory(mut self, records_max: usize, bytes_max: usize) -> Self {
        self.records_max = records_max;
        self.bytes_max = bytes_max;
        self
    }

    /// Write each record to an append-only file in this directory before it is sent, and send what an earlier
    /// tracker left there. One tracker at a time uses a directory. The files outlive the process; they are not synced,
    /// so a power failure may take the last seconds of what was not acknowledged yet.
    pub fn spill(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spill = Some(directory.into());
        self
    }

    /// Keep at most so many bytes of records on disk; 1 GiB by default. What does not fit is dropped.
    pub fn spill_bytes_max(mut self, bytes: u64) -> Self {
        self.spill_bytes_max = bytes;
        self
    }

    /// The pauses between attempts while the server is out of reach; from 100 ms to 10 s by default. There is no
    /// last attempt.
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.pauses.pause_first = first;
        self.pauses.pause_max = longest;
        self
    }

    /// Hear of records that the server will never take, for instance of an event type that no meter reads. With a
    /// spill directory they are kept in its `rejected.ndjson` too.
    pub fn on_rejected(mut self, hear: impl Fn(&Rejected) + Send + Sync + 'static) -> Self {
        self.on_rejected = Some(Arc::new(hear));
        self
    }

    /// How long dropping the last clone may wait for what is not sent; 2 s by default.
    pub fn drop_wait(mut self, wait: Duration) -> Self {
        self.drop_wait = wait;
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Tracker, StartError> {
        let drop_wait = self.drop_wait;
        let journal = match &self.spill {
            Some(path) => Some(
                Journal::open(path, self.spill_bytes_max)
                    .map_err(|error| StartError::Spill { path: path.clone(), reason: error.to_string() })?,
            ),
            None => None,
        };
        let shared = Arc::new(Shared::new(self.records_max, self.bytes_max, self.flush_records));
        worker::start(self, Arc::clone(&shared), journal).map_err(StartError::Thread)?;
        Ok(Tracker { inner: Arc::new(Inner { shared, drop_wait }) })
    }
}
