//! The native API.
pub mod aggregation_import;
pub mod aggregations;
pub mod api_keys;
pub mod audit;
pub mod clear;
pub mod customers;
pub mod events;
pub mod invitations;
pub mod jobs;
pub mod members;
pub mod meters;
pub mod rejected_events;
pub mod test_clock;
pub mod time;
pub mod usage;
pub mod webhook_deliveries;
pub mod webhook_endpoints;
