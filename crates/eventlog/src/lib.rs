//! The event engine: an append-only log with exact ids, rollups and queries.
//!
//! One thread commits: it takes what waits in a bounded queue, judges each event by its id, writes
//! the new ones of all requests with one write and one sync, shows them to readers and answers.
//! Everything in memory can be told from the log, and is, when it is opened.
//! docs/STORAGE.md describes the files.
mod backup;
mod batch;
mod check;
mod columns;
mod disk;
mod erase;
mod error;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod hash;
mod log;
mod memory;
mod part;
mod read;
mod recover;
mod shared;
mod status;
#[cfg(test)]
mod tests;
mod thread;
mod watch;
mod write;

pub use backup::{Copied, backup};
pub use batch::{BATCH_EVENTS_MAX, Batch, BatchError, SealedBatch};
pub use erase::{Dropped, DroppedOf, ERASURES_MAX, Erasure, KEPT_MAX, Kept, Progress, Retention};
pub use error::{AppendError, OpenError, ReadError};
pub use log::{EventLog, Options, SEGMENT_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use read::changes::{Changes, Since, Stats};
pub use read::export::Export;
pub use read::fold::Fold;
pub use read::history::Revision;
pub use read::list::{Cursor, LIST_EVENTS_MAX, ListFilter, Order};
pub use read::query::{GroupBy, OTHER, QUERY_EVENTS_MAX, QUERY_ROWS_MAX, Query, QueryError, Row};
pub use read::verify::Verified;
pub use status::{COMMIT_MICROS_BOUNDS, Health, Status};
pub use watch::{Committed, Watcher};
pub use write::committer::{GROUP_BATCHES_MAX, GROUP_BYTES_MAX, QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX};
pub use write::corrections::{CORRECTIONS_MAX, Change, Content, Corrected, Corrections};
pub use write::outcome::{OnAppended, Outcome};
