//! Mail to a real SMTP server, and to one that misbehaves.
mod sending;
pub mod server;
