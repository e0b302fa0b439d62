//! A thread that is told to end, and waited for, when its handle goes.
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The handle. What the thread waits for must go before it.
pub struct Thread {
    end: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts a thread; what it runs looks now and then whether it is told to end.
    pub fn start(name: &str, run: impl FnOnce(&AtomicBool) + Send + 'static) -> io::Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&told))?;
        Ok(Self { end, handle: Some(handle) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        // A thread that failed has nothing more to write, which is all that matters here.
        let _ = self.handle.take().map(JoinHandle::join);
    }
}
