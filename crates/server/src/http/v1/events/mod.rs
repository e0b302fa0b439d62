//! `/v1/events`.
pub mod correct;
pub mod export;
pub mod ingest;
pub mod judge;
pub mod lines;
pub mod list;
pub mod ndjson;
