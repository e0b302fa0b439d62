//! Keeps parts few: as soon as several small ones follow each other they become one. Erasures are carried
//! out here as well, so that nobody else changes parts meanwhile.
use crate::disk::Disk;
use crate::erase::{Carried, carry_out};
use crate::error::ReadError;
use crate::format::segment;
use crate::part::Part;
use crate::part::merge::merge;
use crate::shared::Shared;
use crate::status::{Health, add};
use crate::thread::Thread;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many parts of one size become one.
const PARTS: usize = if cfg!(test) { 3 } else { 8 };
/// Parts of so many segments are not merged any more.
const SEGMENTS_MAX: usize = PARTS * PARTS;
/// Bytes of the log that one part tells of at most: places in a block of it have 32 bits.
const LOG_BYTES_MAX: u64 = 1 << 32;
/// How long the thread works before it rests.
const WORK: Duration = Duration::from_millis(20);
/// How many times as long it rests while events come.
const REST_SHARE: u32 = 3;
/// Longest rest at once, so that closing does not wait for it.
const REST_MAX: Duration = Duration::from_millis(100);
/// How long after a failure it is tried again, where nothing else wakes the thread.
const RETRY: Duration = Duration::from_mins(1);
/// Sealed segments in the log from which on it does not rest: some GiB of disk that columns would spare.
const BEHIND_MAX: usize = 64;

/// The way to the merging thread, or the merger where it has none.
pub struct Merger {
    wake: Option<Sender<()>>,
    here: Option<Work>,
    _thread: Option<Thread>,
}

struct Work {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    /// Whether to rest between two pieces of work.
    rests: bool,
}

impl Merger {
    /// A merger with a thread, or one that works while it is called.
    pub fn start(disk: Arc<dyn Disk>, shared: Arc<Shared>, on_thread: bool) -> io::Result<Self> {
        let work = Work { disk, shared, rests: on_thread };
        if !on_thread {
            return Ok(Self { wake: None, here: Some(work), _thread: None });
        }
        let (wake, woken): (Sender<()>, Receiver<()>) = bounded(1);
        let thread = Thread::start("eventlog-merge", move |end| {
            // Not before it is woken first: until then the log is being opened.
            let mut next = woken.recv().map_err(|_| RecvTimeoutError::Disconnected);
            while !matches!(next, Err(RecvTimeoutError::Disconnected)) {
                work.run(end);
                next = woken.recv_timeout(RETRY);
            }
        })?;
        Ok(Self { wake: Some(wake), here: None, _thread: Some(thread) })
    }

    /// Wakes the thread, where it has one.
    pub fn waker(&self) -> Option<Sender<()>> {
        self.wake.clone()
    }

    /// There is another part.
    pub fn wake(&self) {
        match (&self.wake, &self.here) {
            // Where it is woken already, or has ended, nothing is to be done.
            (Some(wake), _) => drop(wake.try_send(())),
            (None, Some(work)) => work.run(&AtomicBool::new(false)),
            (None, None) => {}
        }
    }
}

impl Work {
    fn run(&self, end: &AtomicBool) {
        loop {
            match self.next_piece(end) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // They stay several, and are tried again later.
                    add(&self.shared.counters.part_failures, 1);
                    if let ReadError::Damaged { .. } | ReadError::DamagedEvents { .. } = error {
                        *self.shared.health.lock() = Health::Stopped { reason: error.to_string().into() };
                    }
                    return;
                }
            }
        }
    }

    /// Does what is next; whether there was something, and it was done.
    fn next_piece(&self, end: &AtomicBool) -> Result<bool, ReadError> {
        // What waits to be erased goes first: what is merged meanwhile would have to be done again.
        match carry_out(self.disk.as_ref(), &self.shared, self.pace(end))? {
            Carried::Done => return Ok(true),
            Carried::NotYet => return Ok(false),
            Carried::Nothing => {}
        }
        let parts = next(&self.shared.memory.read().parts);
        parts.map_or(Ok(false), |parts| self.join(&parts, end))
    }

    /// Rests now and then while events come, unless too much waits; tells whether to go on.
    fn pace<'a>(&'a self, end: &'a AtomicBool) -> impl FnMut() -> bool + 'a {
        let mut worked_from = Instant::now();
        let accepted = || self.shared.counters.status().accepted;
        let mut before = accepted();
        let behind = self.shared.memory.read().parts.iter().filter(|part| part.columns().is_empty()).count();
        move || {
            if self.rests && worked_from.elapsed() > WORK {
                let busy = std::mem::replace(&mut before, accepted()) != before;
                if busy && behind < BEHIND_MAX {
                    std::thread::sleep((worked_from.elapsed() * REST_SHARE).min(REST_MAX));
                }
                worked_from = Instant::now();
            }
            !end.load(Ordering::Relaxed)
        }
    }

    /// Makes one of these parts; whether it did, and was not told to end.
    fn join(&self, parts: &[Arc<Part>], end: &AtomicBool) -> Result<bool, ReadError> {
        let Some(mut merged) = merge(self.disk.as_ref(), &self.shared, parts, self.pace(end))? else {
            return Ok(false);
        };
        self.shared.memory.read().number(&mut merged);
        let (before, after) = (parts.iter().map(|part| part.bytes()).sum(), merged.bytes());
        self.shared.memory.write().join(parts, merged);
        self.shared.counters.bytes.fetch_sub(before, Ordering::Relaxed);
        add(&self.shared.counters.bytes, after);
        self.shared.note_columns();
        // Whoever reads them still has them open. The segments go first: a part without its segments
        // and without columns would be told from nothing.
        for part in parts {
            for (segment, _) in part.in_log() {
                self.disk.remove(&segment::file_name(segment.number))?;
            }
        }
        for part in parts {
            self.disk.remove(part.name())?;
        }
        Ok(true)
    }
}

/// The first parts that follow each other and are enough to become one: in the log parts of one size,
/// since its segments become columns from the first one on; of columns any that are not large, since
/// an erasure may leave some of any size.
fn next(parts: &[Arc<Part>]) -> Option<Vec<Arc<Part>>> {
    let size = |part: &Arc<Part>| part.index().segments.len();
    let bytes = |part: &Arc<Part>| part.index().segments.iter().map(|covered| covered.bytes).sum::<u64>();
    let in_log = parts.iter().position(|part| part.columns().is_empty()).unwrap_or(parts.len());
    let same = |parts: &[Arc<Part>]| parts.iter().all(|part| Some(size(part)) == parts.first().map(size));
    let fit = |(at, parts): &(usize, &[Arc<Part>])| {
        (*at + PARTS <= in_log || (*at == in_log && same(parts)))
            && parts.iter().map(bytes).sum::<u64>() <= LOG_BYTES_MAX
            && parts.iter().all(|part| size(part) < SEGMENTS_MAX)
    };
    parts.windows(PARTS).enumerate().find(fit).map(|(_, parts)| parts.to_vec())
}
