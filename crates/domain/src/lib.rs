//! The rules of Reckoner, pure: no I/O, no clock, no environment, no randomness.
//!
//! Everything here is a function of its arguments, so a total, a period or a signature can be
//! recomputed anywhere and gives the same answer.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::float_arithmetic))]

pub mod access;
pub mod adjustment;
pub mod alert;
pub mod audit;
pub mod billing_details;
pub mod billing_period;
pub mod billing_status;
pub mod calendar;
pub mod calls;
pub mod catalog;
pub mod coupon;
pub mod credit_note;
pub mod currency;
pub mod cycle;
pub mod decimal;
pub mod email;
pub mod entitlement;
pub mod event;
#[cfg(test)]
mod golden;
pub mod id;
pub mod interval;
pub mod invoice;
pub mod js_number;
pub mod json;
pub mod key;
pub mod level;
mod local;
pub mod meter;
pub mod money;
pub mod mrr;
pub mod percent;
pub mod period;
pub mod plan;
pub mod price;
pub mod problem;
pub mod proration;
pub mod quota;
pub mod rate;
pub mod ratio;
pub mod resource_invoice;
pub mod rollup;
mod sealed;
pub mod share;
pub mod sketch;
pub mod source;
pub mod subscription;
pub mod sum;
pub mod tally;
mod text;
pub mod time;
pub mod totp;
pub mod trial;
pub mod wallet;
pub mod webhook;
pub mod weights;
pub mod wide;
pub mod window;
