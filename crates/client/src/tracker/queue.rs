//! Between the callers and the worker: a bounded queue that nobody waits at.
use super::Unsent;
use super::counters::{Counters, Counting, add};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Called once when a record is settled: whether it is newly stored.
pub(crate) type OnSettled = Box<dyn FnOnce(bool) + Send>;

/// A record on its way.
pub(super) struct Entry {
    pub line: Bytes,
    pub settled: Option<OnSettled>,
    pub since: Instant,
}

/// What the worker should do beside its routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    None,
    /// Send at once.
    Flush,
    /// Send at once, and end when nothing is left or the time has come.
    End(Instant),
}

struct Queue {
    entries: VecDeque<Entry>,
    /// Records and bytes that count against the bounds: those here, and those that the worker has in memory only.
    records: usize,
    bytes: usize,
    closed: Option<Instant>,
    /// Somebody waits until so many are settled.
    flush_upto: u64,
}

pub(super) struct Shared {
    queue: Mutex<Queue>,
    records_max: usize,
    bytes_max: usize,
    flush_records: usize,
    pub wake: Notify,
    pub counting: Counting,
    /// Grows with each attempt that failed.
    failures: watch::Sender<u64>,
    /// How many are settled or lost; a change wakes those who flush.
    gone: watch::Sender<u64>,
    over: Mutex<bool>,
    ended: Condvar,
    told: Notify,
}

impl Shared {
    pub fn new(records_max: usize, bytes_max: usize, flush_records: usize) -> Self {
        let queue = Queue { entries: VecDeque::new(), records: 0, bytes: 0, closed: None, flush_upto: 0 };
        Self {
            queue: Mutex::new(queue),
            records_max,
            bytes_max,
            flush_records,
            wake: Notify::new(),
            counting: Counting::default(),
            failures: watch::Sender::new(0),
            gone: watch::Sender::new(0),
            over: Mutex::new(false),
            ended: Condvar::new(),
            told: Notify::new(),
        }
    }

    /// Takes a record if there is room. The worker is woken for the first that waits and when there are enough to
    /// send; in between it comes by itself.
    pub fn push(&self, entry: Entry) -> bool {
        let mut queue = self.queue.lock();
        let bytes = queue.bytes + entry.line.len();
        if queue.closed.is_some() || queue.records >= self.records_max || bytes > self.bytes_max {
            drop(queue);
            self.drop_one();
            return false;
        }
        queue.bytes = bytes;
        queue.records += 1;
        queue.entries.push_back(entry);
        let waiting = queue.entries.len();
        add(&self.counting.queued, 1);
        drop(queue);
        if waiting == 1 || waiting == self.flush_records {
            self.wake.notify_one();
        }
        true
    }

    /// Counts a record that was not taken.
    pub fn drop_one(&self) {
        add(&self.counting.dropped, 1);
    }

    /// All that came since; it still counts against the bounds.
    pub fn take(&self) -> VecDeque<Entry> {
        std::mem::take(&mut self.queue.lock().entries)
    }

    /// Makes room for others.
    pub fn release(&self, records: usize, bytes: usize) {
        let mut queue = self.queue.lock();
        queue.records = queue.records.saturating_sub(records);
        queue.bytes = queue.bytes.saturating_sub(bytes);
    }

    pub fn wish(&self) -> Wish {
        let queue = self.queue.lock();
        match queue.closed {
            Some(until) => Wish::End(until),
            None if *self.gone.borrow() < queue.flush_upto => Wish::Flush,
            None => Wish::None,
        }
    }

    /// Tells those who flush how it stands.
    pub fn progress(&self, failed: bool) {
        if failed {
            self.queue.lock().flush_upto = 0;
            self.failures.send_modify(|failures| *failures += 1);
        }
        let counters = self.counters();
        self.gone.send_replace(counters.queued - counters.waiting);
    }

    pub async fn flush(&self) -> Result<(), Unsent> {
        let (mut gone, mut failures) = (self.gone.subscribe(), self.failures.subscribe());
        failures.borrow_and_update();
        let upto = self.counters().queued;
        self.queue.lock().flush_upto = upto;
        self.wake.notify_one();
        let over = self.told.notified();
        if *self.over.lock() {
            return self.left();
        }
        tokio::select! {
            // Both senders live as long as `self`.
            _ = gone.wait_for(|gone| *gone >= upto) => Ok(()),
            _ = failures.changed() => self.left(),
            () = over => self.left(),
        }
    }

    /// Takes no more, and gives the worker so long to send what is there.
    pub fn close(&self, patience: Duration) {
        self.queue.lock().closed.get_or_insert_with(|| Instant::now() + patience);
        self.wake.notify_one();
    }

    /// The worker has ended; what is left is on disk or lost.
    pub fn end(&self) {
        *self.over.lock() = true;
        self.ended.notify_all();
        self.told.notify_waiters();
    }

    pub async fn ended(&self) -> Result<(), Unsent> {
        loop {
            let told = self.told.notified();
            if *self.over.lock() {
                return self.left();
            }
            told.await;
        }
    }

    /// Blocks until the worker has ended, for at most so long.
    pub fn wait_for_end(&self, wait: Duration) {
        let mut over = self.over.lock();
        if !*over {
            self.ended.wait_for(&mut over, wait);
        }
    }

    pub fn counters(&self) -> Counters {
        self.counting.read()
    }

    fn left(&self) -> Result<(), Unsent> {
        match self.counters().waiting {
            0 => Ok(()),
            records => Err(Unsent { records }),
        }
    }
}
