//! What the tests share.

pub mod command;
pub mod database;
pub mod server;
