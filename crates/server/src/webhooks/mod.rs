//! Webhooks: what is told to whom, how it is signed, sent, retried and given up.
//!
//! A change and its message are written in one transaction ([`crate::store::webhook_messages`]); the
//! dispatcher claims what is due, sends it and records the outcome. A crash in between sends again,
//! with the same `webhook-id`: every message arrives at least once.
pub mod address;
pub mod dispatcher;
pub mod endpoints;
mod fairness;
mod file_endpoints;
mod flight;
pub mod guard;
pub mod headers;
pub mod own;
mod resend;
pub mod retry_after;
pub mod sender;
pub mod service;
pub mod vault;
pub mod verdict;

pub use endpoints::{Changes, Draft, Revealed};
pub use file_endpoints::FileEndpoint;
pub use resend::Replayed;

use crate::clock::Clock;
use crate::store::webhook_endpoints::Moment;
use reckoner_domain::id::ProjectId;

/// This instant, in real time and by a project's clock.
pub fn moment(clock: &Clock, project: ProjectId) -> Moment {
    Moment { real: clock.real(), project: clock.of_project(project) }
}
