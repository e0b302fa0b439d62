//! How the log is doing.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the commit latency's buckets, in microseconds; one more bucket has no bound.
pub const COMMIT_MICROS_BOUNDS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// Whether the log takes events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It does.
    #[default]
    Healthy,
    /// There was no space for the next segment; it does again when there is.
    Full,
    /// It stopped for good.
    Stopped {
        /// What stopped it.
        reason: Arc<str>,
    },
}

/// The log at a moment, for metrics and health checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether it takes events.
    pub health: Health,
    /// The sequence of the last committed record.
    pub sequence: u64,
    /// How many segments there are.
    pub segments: u64,
    /// Segments that what is known of is written down.
    pub parts: u64,
    /// Since the start: failures to write such a part, or to make one of several; what they tell stays
    /// where it was, and it is tried again.
    pub part_failures: u64,
    /// Bytes of records and their frames in all segments, preallocated space not included, and of columns.
    pub bytes: u64,
    /// Events that were dropped since they need not be kept, of all projects.
    pub dropped_events: u64,
    /// Erasures that are written down and not done.
    pub erasures_pending: u64,
    /// Requests that wait to be committed.
    pub queued_batches: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Since the start: groups committed (each one sync).
    pub commits: u64,
    /// Since the start: events accepted.
    pub accepted: u64,
    /// Since the start: repeats of stored events.
    pub duplicates: u64,
    /// Since the start: ids repeated with other content.
    pub conflicts: u64,
    /// The last group's microseconds from the start of its write to the end of its sync.
    pub commit_micros_last: u64,
    /// The same, of all groups together.
    pub commit_micros_total: u64,
    /// Groups by that time: as many as took no longer than each of [`COMMIT_MICROS_BOUNDS`] (and
    /// longer than the one before), and last those beyond.
    pub commit_micros_buckets: [u64; COMMIT_MICROS_BOUNDS.len() + 1],
}

/// Counts since the start.
#[derive(Default)]
pub struct Counters {
    /// Bytes of frames in all segments.
    pub bytes: AtomicU64,
    /// Requests in the queue.
    pub queued_batches: AtomicU64,
    /// Bytes in the queue.
    pub queued_bytes: AtomicU64,
    /// Events accepted.
    pub accepted: AtomicU64,
    /// Repeats.
    pub duplicates: AtomicU64,
    /// Conflicts.
    pub conflicts: AtomicU64,
    /// Parts that could not be written.
    pub part_failures: AtomicU64,
    commits: AtomicU64,
    commit_micros_last: AtomicU64,
    commit_micros_total: AtomicU64,
    commit_micros_buckets: [AtomicU64; COMMIT_MICROS_BOUNDS.len() + 1],
}

impl Counters {
    /// A group was written and synced in this time.
    pub fn committed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = COMMIT_MICROS_BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.commit_micros_buckets.get(bucket) {
            add(bucket, 1);
        }
        add(&self.commits, 1);
        add(&self.commit_micros_total, micros);
        self.commit_micros_last.store(micros, Ordering::Relaxed);
    }

    /// The counts as they are; the rest of the status is the caller's.
    pub fn status(&self) -> Status {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            bytes: get(&self.bytes),
            queued_batches: get(&self.queued_batches),
            queued_bytes: get(&self.queued_bytes),
            commits: get(&self.commits),
            accepted: get(&self.accepted),
            duplicates: get(&self.duplicates),
            conflicts: get(&self.conflicts),
            part_failures: get(&self.part_failures),
            commit_micros_last: get(&self.commit_micros_last),
            commit_micros_total: get(&self.commit_micros_total),
            commit_micros_buckets: self.commit_micros_buckets.each_ref().map(get),
            ..Status::default()
        }
    }
}

/// Adds to a count.
pub fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
