//! The rest of `/v1`: what is made, changed, listed and made again.
mod customers;
mod idempotency;
mod imported;
mod keys;
mod meters;
mod pages;
