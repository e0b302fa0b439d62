//! What handlers work with.
use crate::alerts::Alerts;
use crate::auth::accounts::{Accounts, Resets};
use crate::auth::keys::Keys;
use crate::auth::services::Services;
use crate::billing::Billing;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::config::{Config, Definitions};
use crate::documents::Documents;
use crate::entitlements::Entitlements;
use crate::events::Events;
use crate::http::body::Budget;
use crate::http::own_traffic::OwnTraffic;
use crate::ingest::record::Recorder;
use crate::ingest::rejections::Rejections;
use crate::jobs::{Jobs, Trigger};
use crate::store::Db;
use crate::store::projects::Project;
use crate::webhooks::service::Webhooks;
use crate::webhooks::vault::Vault;
use metrics_exporter_prometheus::PrometheusHandle;
use reckoner_client::rates::Buckets;
use reckoner_domain::id::ProjectId;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A running server's parts. Clones share them.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What a running server consists of.
pub struct Parts {
    /// What it was told at its start.
    pub config: Config,
    /// Time.
    pub clock: Clock,
    /// The control plane.
    pub db: Db,
    /// The event engine.
    pub events: Events,
    /// The memory of large bodies.
    pub bodies: Budget,
    /// What calls were like.
    pub calls: Calls,
    /// Ingest.
    pub recorder: Recorder,
    /// What customers have.
    pub billing: Billing,
    /// Invoices for people.
    pub documents: Documents,
    /// What customers may use.
    pub entitlements: Entitlements,
    /// Alerts.
    pub alerts: Alerts,
    /// The traffic of the API itself, where it is metered.
    pub own_traffic: Option<OwnTraffic>,
    /// Rejected events.
    pub rejections: Rejections,
    /// How often one may call.
    pub rates: Buckets,
    /// API keys.
    pub keys: Keys,
    /// People.
    pub accounts: Arc<Accounts>,
    /// Services that call in their own name.
    pub services: Services,
    /// Takes requests for links that reset passwords.
    pub resets: Resets,
    /// Jobs.
    pub jobs: Jobs,
    /// Runs aggregations on demand.
    pub trigger: Trigger,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// Seals what must not lie in the store in the clear.
    pub vault: Vault,
    /// Held while meters change, so that the catalogue in memory is that of the last change.
    pub meters_changing: tokio::sync::Mutex<()>,
    /// Held while subjects are assigned, so that the assignments in memory are those of the last change.
    pub assignments_changing: tokio::sync::Mutex<()>,
    /// Metrics.
    pub metrics: PrometheusHandle,
    /// The projects there are.
    pub projects: Vec<Project>,
    /// Whether the server is going down and wants no more requests.
    pub stopping: AtomicBool,
}

impl App {
    /// Takes the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The operator's files, as last read.
    pub fn definitions(&self) -> Arc<Definitions> {
        self.jobs.definitions.read().clone()
    }

    /// A project by its number.
    pub fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
