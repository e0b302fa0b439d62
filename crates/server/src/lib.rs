//! Reckoner's server: usage events in; totals, webhooks and aggregations out.
pub mod app;
pub mod auth;
pub mod billing;
pub mod cli;
pub mod clock;
pub mod config;
pub mod entitlements;
pub mod events;
pub mod gateway;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod mail;
pub mod random;
pub mod store;
pub mod telemetry;
pub mod webhooks;
