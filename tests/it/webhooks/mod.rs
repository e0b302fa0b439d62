//! Webhooks, from the outbox to real receivers on loopback, on SQLite and on PostgreSQL.
mod disabling;
mod endpoints;
mod file;
mod guard;
mod outbox;
mod own_key;
mod purging;
pub mod receiver;
mod resend;
mod retries;
mod sending;
mod stopping;
mod together;
mod world;
