//! The SDK against a stand-in that keeps exact counts; `tests/it` runs it against the real server.
#![cfg(test)]

mod layer;
mod limits;
mod rates;
mod standin;
mod tracker;
