//! The control plane, every test on SQLite and on PostgreSQL.

mod aggregations;
mod audit;
mod basics;
mod catalogue;
mod customers;
mod identity;
mod jobs;
mod mails;
mod rejected;

use reckoner_domain::id::CustomerId;
use reckoner_domain::time::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// An instant some seconds after the tests' beginning of time.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_768_383_000_000_000 + seconds * 1_000_000).expect("in range")
}

/// Bits that no other call of this run gets.
fn bits() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn customer_id() -> CustomerId {
    CustomerId::from_bits(bits())
}
