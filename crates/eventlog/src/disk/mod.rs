//! The seam to the file system: thin, so that tests can lose power behind it.
mod real;
#[cfg(test)]
pub mod sim;

pub use real::RealDisk;
use std::any::Any;
use std::io;
use std::sync::Arc;

/// One directory of files.
pub trait Disk: Send + Sync + 'static {
    /// Locks the directory against other processes for as long as the answer lives; `None` when
    /// another one holds the lock.
    fn lock(&self) -> io::Result<Option<Box<dyn Any + Send + Sync>>>;
    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens a file to read and write.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Makes an empty file; whatever had that name is gone.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Gives a file another name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names themselves durable.
    fn sync_names(&self) -> io::Result<()>;
    /// Bytes that can still be allocated.
    fn free_bytes(&self) -> io::Result<u64>;
    /// The directory as shown in messages.
    fn describe(&self) -> String;
}

/// One open file.
pub trait File: Send + Sync + 'static {
    /// Fills the front of the buffer from `offset`; fewer bytes only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes at `offset`, or fails with any part of them written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the file's contents durable.
    fn sync(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn length(&self) -> io::Result<u64>;
}

/// Whether an error says that there is no space left, which can come back.
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
