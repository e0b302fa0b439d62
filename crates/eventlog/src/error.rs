//! What can go wrong.
use std::io;
use std::sync::Arc;

/// Why events were not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The queue is full; the same request can be sent again in a moment.
    #[error("too many requests wait to be committed")]
    Busy,
    /// The disk is full. Nothing is lost; appends are taken again when there is space.
    #[error("no space is left for new events")]
    Full,
    /// The log has stopped for good and must be opened anew. Whether the events of a request in
    /// flight were stored shows after that: sending them again is safe.
    #[error("the event log has stopped: {reason}")]
    Stopped {
        /// What stopped it.
        reason: Arc<str>,
    },
    /// The batch does not fit into a segment.
    #[error("the batch is larger than a segment of the event log")]
    TooLarge,
}

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error("cannot read the event log: {0}")]
    Io(#[from] io::Error),
    /// What lies on disk is not what was written.
    #[error("the event log is damaged: segment {segment:016x}, offset {offset}")]
    Damaged {
        /// The segment's number.
        segment: u64,
        /// Where its record begins.
        offset: u32,
    },
    /// What was being read is gone.
    #[error("the project was cleared meanwhile")]
    Cleared,
    /// Sealed events are not what was written.
    #[error("{file} is damaged at offset {offset}: restore the directory from a backup")]
    DamagedEvents {
        /// The damaged file.
        file: String,
        /// Where in it.
        offset: u64,
    },
    /// What was told from the log, and can be told again, is not what was written.
    #[error(
        "{file} is damaged at offset {offset}: stop the server and remove it, it is made anew at the next start"
    )]
    DamagedPart {
        /// The damaged file.
        file: String,
        /// Where in it.
        offset: u64,
    },
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{dir} is in use by another process; stop that one first")]
    Locked {
        /// The log's directory.
        dir: String,
    },
    /// The disk failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// How it failed.
        source: io::Error,
    },
    /// What lies on disk is not what was written.
    #[error(
        "{file} is damaged at offset {offset}: {what}. Restore the directory from a backup; nothing was changed"
    )]
    Corrupt {
        /// The damaged file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// What was told from the log, and can be told again, cannot be read.
    #[error(transparent)]
    Part(ReadError),
    /// Written in another version of the format.
    #[error("{file} has version {version} of the format; this program reads version {ours}", ours = crate::format::FORMAT_VERSION)]
    Version {
        /// The file.
        file: String,
        /// The version it states.
        version: u32,
    },
}
