//! What a tracker did.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a tracker did since it was started, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Taken by `track`, or found in the spill directory.
    pub queued: u64,
    /// Acknowledged as newly stored.
    pub sent: u64,
    /// Acknowledged as stored before.
    pub duplicate: u64,
    /// Not stored because an earlier event has the same id and other content: a request that was sent again.
    pub conflicting: u64,
    /// Refused by the server for good.
    pub rejected: u64,
    /// Written to the spill directory.
    pub spilled: u64,
    /// Lost: the queue or the disk was full, or the tracker had ended.
    pub dropped: u64,
    /// Put back because an attempt to send them failed; one record may count many times.
    pub retried: u64,
    /// Not settled yet.
    pub waiting: u64,
    /// Bytes in the spill directory now.
    pub spill_bytes: u64,
}

impl Counters {
    /// Records that need no more attempts.
    pub(super) fn settled(&self) -> u64 {
        self.sent + self.duplicate + self.conflicting + self.rejected
    }
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub queued: AtomicU64,
    pub sent: AtomicU64,
    pub duplicate: AtomicU64,
    pub conflicting: AtomicU64,
    pub rejected: AtomicU64,
    pub spilled: AtomicU64,
    pub dropped: AtomicU64,
    pub retried: AtomicU64,
    /// Taken by `track` and lost later.
    pub lost: AtomicU64,
    /// Bytes in the spill directory.
    pub spill_bytes: AtomicU64,
    /// Whether the last attempt to send came to nothing.
    pub is_away: AtomicBool,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

impl Counting {
    pub fn read(&self) -> Counters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // What leaves is read before what enters, so that no more is seen to leave than to enter.
        let mut counters = Counters {
            queued: 0,
            sent: get(&self.sent),
            duplicate: get(&self.duplicate),
            conflicting: get(&self.conflicting),
            rejected: get(&self.rejected),
            spilled: get(&self.spilled),
            dropped: get(&self.dropped),
            retried: get(&self.retried),
            waiting: 0,
            spill_bytes: get(&self.spill_bytes),
        };
        let gone = counters.settled() + get(&self.lost);
        counters.queued = get(&self.queued);
        counters.waiting = counters.queued.saturating_sub(gone);
        counters
    }
}
