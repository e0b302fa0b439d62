//! From a request's bytes to stored events.
pub mod amend;
pub mod assignments;
pub mod catalogues;
pub mod cloudevents;
pub mod customers;
pub mod draft;
pub mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod names;
pub mod record;
pub mod rejections;
pub mod scan;
pub mod used;

#[cfg(test)]
mod hostile_tests;
