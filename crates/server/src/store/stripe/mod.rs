//! What is kept of Stripe: calls, names of customers, charges that were sent, invoices, events, subscriptions,
//! differences.
pub mod charges;
pub mod customers;
pub mod differences;
pub mod events;
pub mod invoices;
pub mod requests;
pub mod subscriptions;
