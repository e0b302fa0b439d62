//! Writes down what is known of sealed segments, one after the other, on a thread of its own.
use super::merger::Merger;
use crate::disk::Disk;
use crate::part::build::{SealedSegment, build};
use crate::shared::Shared;
use crate::status::add;
use crate::thread::Thread;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Sealed segments that wait; whoever seals another one waits with it.
const QUEUE_SEGMENTS_MAX: usize = 1;
/// How long after a failure it is tried again, where no other segment comes.
const RETRY: Duration = Duration::from_mins(1);

/// The way to the builder's thread, or the builder where it has none.
pub struct Builder {
    queue: Option<Sender<SealedSegment>>,
    here: Option<Work>,
    /// Wakes the merging thread.
    merger: Option<Sender<()>>,
    _thread: Option<Thread>,
}

struct Work {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    /// What could not be written down yet.
    waiting: VecDeque<SealedSegment>,
    merger: Merger,
}

impl Builder {
    /// A builder with a thread, or one that works while it is called.
    pub fn start(disk: Arc<dyn Disk>, shared: Arc<Shared>, on_thread: bool) -> io::Result<Self> {
        let merger = Merger::start(Arc::clone(&disk), Arc::clone(&shared), on_thread)?;
        let waker = merger.waker();
        let mut work = Work { disk, shared, waiting: VecDeque::new(), merger };
        if !on_thread {
            return Ok(Self { queue: None, here: Some(work), merger: None, _thread: None });
        }
        let (queue, sealed): (Sender<SealedSegment>, Receiver<SealedSegment>) = bounded(QUEUE_SEGMENTS_MAX);
        let thread = Thread::start("eventlog-parts", move |end| {
            loop {
                let next = sealed.recv_timeout(RETRY);
                // What is not written down is told from the segments at the next start.
                if end.load(Ordering::Relaxed) || matches!(next, Err(RecvTimeoutError::Disconnected)) {
                    break;
                }
                work.waiting.extend(next);
                work.write_down();
            }
        })?;
        Ok(Self { queue: Some(queue), here: None, merger: waker, _thread: Some(thread) })
    }

    /// Looks whether there is something to merge.
    pub fn wake(&self) {
        match (&self.merger, &self.here) {
            // Where it is woken already, or has ended, nothing is to be done.
            (Some(merger), _) => drop(merger.try_send(())),
            (None, Some(work)) => work.merger.wake(),
            (None, None) => {}
        }
    }

    /// Writes down what is known of a segment, soon.
    pub fn write_down(&mut self, sealed: SealedSegment) {
        match (&self.queue, &mut self.here) {
            // A thread that ended left everything in memory, where it is as good.
            (Some(queue), _) => drop(queue.send(sealed)),
            (None, Some(work)) => {
                work.waiting.push_back(sealed);
                work.write_down();
            }
            (None, None) => {}
        }
    }
}

impl Work {
    fn write_down(&mut self) {
        while let Some(next) = self.waiting.front() {
            match build(self.disk.as_ref(), &self.shared, next) {
                Ok(part) => {
                    self.shared.memory.write().replace(&next.delta, part);
                    self.waiting.pop_front();
                    self.merger.wake();
                }
                Err(_) => {
                    // It stays in memory, and is tried again.
                    add(&self.shared.counters.part_failures, 1);
                    break;
                }
            }
        }
    }
}
