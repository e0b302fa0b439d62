//! The rest of `/v1`: what is made, changed, listed and made again.
mod corrections;
mod customers;
pub(crate) mod erasing;
mod export;
mod exports;
mod idempotency;
mod imported;
mod keys;
mod meters;
mod pages;
mod subjects;
mod usage;
