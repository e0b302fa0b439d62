//! Who is calling, and what they may do; and what people do to become callers.
pub mod access;
pub mod accounts;
pub mod attempts;
pub mod bootstrap;
pub mod caller;
pub mod cookies;
pub mod error;
pub mod key_changes;
pub mod keys;
pub mod passwords;
pub mod people;
pub mod rates;
pub mod services;
pub mod tokens;
