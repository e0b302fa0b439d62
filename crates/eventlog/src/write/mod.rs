//! Writing: one thread that judges, writes, syncs, applies and answers, group by group.
pub mod builder;
pub mod committer;
pub mod core;
pub mod corrections;
mod merger;
pub mod outcome;
pub mod prepare;
pub mod segments;
