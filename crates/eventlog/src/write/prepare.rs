//! The next segment, written full of zeros ahead of time: commits then overwrite blocks that exist,
//! which syncs faster and cannot run out of space.
use crate::disk::{Disk, File};
use crate::thread::Thread;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the name of a segment that is not in use yet begins with.
pub const NAME_PREFIX: &str = "prepared-";
/// Zeros written at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The name of the segment with this number while it is not in use yet.
pub fn file_name(number: u64) -> String {
    format!("{NAME_PREFIX}{number:016x}.tmp")
}

/// Makes a durable file of zeros; on failure, or when it is told to end, its space is given back.
pub fn zeroed(disk: &dyn Disk, number: u64, bytes: u64, end: &AtomicBool) -> io::Result<Arc<dyn File>> {
    let name = file_name(number);
    let write = || {
        let file = disk.create(&name)?;
        let zeros = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        while offset < bytes {
            if end.load(Ordering::Relaxed) {
                return Err(io::Error::other("the log is being closed"));
            }
            let chunk = (bytes - offset).min(CHUNK_BYTES as u64);
            file.write_at(zeros.get(..chunk as usize).unwrap_or_default(), offset)?;
            offset += chunk;
        }
        file.sync()?;
        Ok(file)
    };
    write().inspect_err(|_: &io::Error| {
        // The space matters, not whether giving it back worked: the next try makes the file anew.
        let _ = disk.remove(&name);
    })
}

/// Prepares segments ahead on a thread of its own.
pub struct Preparer {
    requests: Sender<u64>,
    results: Receiver<io::Result<Arc<dyn File>>>,
    requested: bool,
    _thread: Thread,
}

impl Preparer {
    /// Starts the thread; dropping the preparer waits for its end, so that nothing is written to the
    /// directory after that.
    pub fn start(disk: Arc<dyn Disk>, bytes: u64) -> io::Result<Self> {
        let (requests, inbox) = bounded::<u64>(1);
        let (outbox, results) = bounded(1);
        let thread = Thread::start("eventlog-prepare", move |end| {
            for number in inbox {
                if outbox.send(zeroed(disk.as_ref(), number, bytes, end)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests, results, requested: false, _thread: thread })
    }

    /// Asks for a segment, unless one was asked for already.
    pub fn request(&mut self, number: u64) {
        let ask = || self.requests.send(number).is_ok();
        self.requested = self.requested || ask();
    }

    /// The segment asked for; waits until it is there.
    pub fn take(&mut self, number: u64) -> io::Result<Arc<dyn File>> {
        self.request(number);
        self.requested = false;
        self.results.recv().unwrap_or_else(|_| Err(io::Error::other("the preparing thread has ended")))
    }
}
