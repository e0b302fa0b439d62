//! From a request's bytes to stored events.
pub mod amend;
pub mod catalogues;
pub mod cloudevents;
pub mod customers;
pub mod draft;
pub mod fields;
pub mod record;
pub mod rejections;
pub mod scan;

#[cfg(test)]
mod hostile_tests;
