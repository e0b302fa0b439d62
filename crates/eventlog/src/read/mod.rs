//! Reading: single events, lists, queries, and what changed.
mod asked;
mod bulk;
pub mod changes;
pub mod export;
pub mod fetch;
pub mod fold;
mod groups;
pub mod history;
mod level;
pub mod list;
pub mod query;
mod recent;
pub mod scan;
mod sweep;
mod tallies;
pub mod values;
pub mod verify;
