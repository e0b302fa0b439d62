//! The wire types of `/v1`: what requests and answers look like as JSON.
//!
//! Times are RFC 3339 in UTC with microseconds, decimals are strings, ranges are half-open.
pub mod aggregation;
pub mod alert;
pub mod api_key;
pub mod audit;
pub mod billing_details;
pub mod billing_status;
pub mod clear;
pub mod coupon;
pub mod credit_note;
pub mod customer;
pub mod entitlement;
pub mod erasure;
pub mod error;
pub mod event;
pub mod invoice;
pub mod job;
pub mod level;
pub mod list;
pub mod member;
pub mod meter;
pub mod plan;
pub mod query;
pub mod rejected_event;
pub mod revenue;
pub mod stripe;
pub mod subject;
pub mod subscription;
pub mod test_clock;
pub mod wallet;
pub mod webhook;
