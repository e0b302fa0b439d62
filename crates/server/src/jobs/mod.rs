//! What runs by the clock: aggregation of completed periods, on real time or as a test clock is
//! advanced.
mod advance;
mod aggregate;
mod clear;
mod due;
mod erase;
mod figures;
mod frozen;
mod housekeeping;
mod payload;
mod plan;
mod reader;
mod reconcile;
mod retain;
mod rezone;
mod run;
mod schedule;
mod scheduler;
mod snapshots;
mod trigger;
mod view;

pub use advance::{ClockError, Moving};
pub use aggregate::Done;
pub use clear::ClearError;
pub use due::{BILLING_STATUS, INVOICES, SUBSCRIPTIONS};
pub use reconcile::RECONCILE;
pub use rezone::{change_project_zone, change_project_zones};
pub use run::JobError;
pub use schedule::Schedule;
pub use scheduler::{Kept, Scheduler};
pub use snapshots::LEVEL_SNAPSHOTS;
pub use trigger::{Trigger, Triggered};

use crate::alerts::Alerts;
use crate::billing::Billing;
use crate::clock::Clock;
use crate::config::Definitions;
use crate::events::Events;
use crate::ingest::catalogues::Catalogues;
use crate::ingest::record::Recorder;
use crate::store::Db;
use crate::webhooks::dispatcher::Waker;
use parking_lot::RwLock;
use std::path::PathBuf;
use std::sync::Arc;

/// The job that aggregates periods.
pub const AGGREGATE: &str = "aggregate";

/// What jobs work with. Clones share it.
#[derive(Clone)]
pub struct Jobs {
    /// The control plane.
    pub db: Db,
    /// Time.
    pub clock: Clock,
    /// The event engine.
    pub events: Events,
    /// The meters of every project.
    pub catalogues: Catalogues,
    /// What customers have.
    pub billing: Billing,
    /// Alerts.
    pub alerts: Alerts,
    /// Which periods are aggregated.
    pub definitions: Arc<RwLock<Arc<Definitions>>>,
    /// Wakes the webhook dispatcher.
    pub waker: Waker,
    /// When periods are aggregated.
    pub schedule: Schedule,
    /// Whose clocks move.
    pub moving: Moving,
    /// Stores events, and knows customers.
    pub recorder: Recorder,
    /// Where mails are put that no mail server takes.
    pub outbox: PathBuf,
    /// Erasures are carried out once at a time.
    pub erasing: Arc<tokio::sync::Mutex<()>>,
    /// Names this process among several.
    pub worker: String,
}
