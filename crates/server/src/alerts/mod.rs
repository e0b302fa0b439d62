//! Alerts: thresholds on usage, spend and credit, of which somebody is told once in a period.
//!
//! Customers whose usage moved are looked at next; every few minutes all are, for what moves without an
//! event. A firing, its notice, its messages and its mails are one transaction.
mod change;
mod draft;
mod fire;
mod look;
mod read;
mod watch;

pub use change::{ChangeError, Changes};
pub use draft::{BudgetText, Draft};
pub use look::{Looked, Sweep};
pub use watch::Watcher;

use crate::billing::Billing;
use crate::billing::invoicing::{Invoicing, InvoicingError};
use crate::billing::standing::StandingReader;
use crate::clock::Clock;
use crate::events::{Events, EventsError};
use crate::ingest::catalogues::Catalogues;
use crate::ingest::record::Recorder;
use crate::ingest::used::Used;
use crate::mail::{MailError, Mailer};
use crate::random::NoRandomness;
use crate::store::{Db, StoreError, alerts, projects};
use crate::webhooks::dispatcher::Waker;
use parking_lot::Mutex;
use reckoner_domain::id::{AlertId, ProjectId};
use reckoner_domain::money::MoneyError;
use reckoner_domain::sum::Overflow;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// Looks after alerts. Clones share one state.
#[derive(Clone)]
pub struct Alerts {
    db: Db,
    clock: Clock,
    events: Events,
    catalogues: Catalogues,
    standing: StandingReader,
    invoicing: Invoicing,
    mailer: Mailer,
    waker: Waker,
    /// Customers that are to be looked at.
    moved: Used,
    wanted: Arc<Wanted>,
}

/// The alerts that are to be held against everything that is there: those of a project, or one of them.
#[derive(Default)]
struct Wanted {
    sweeps: Mutex<BTreeSet<(ProjectId, Option<AlertId>)>>,
    noted: Notify,
    /// Held while it is found out whether a project has alerts, so that what is remembered is the last of it.
    counting: tokio::sync::Mutex<()>,
}

/// Why an alert could not be held against what there is, or not be told of.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The control plane failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be read.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// The next invoice could not be worked out.
    #[error(transparent)]
    Invoicing(#[from] InvoicingError),
    /// An amount does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A number does not fit.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// A mail could not be queued.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// No id could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl Alerts {
    /// Over a store and the events; nothing is looked at until [`Watcher::start`], or when asked.
    pub fn new(
        (db, clock): (&Db, &Clock),
        recorder: &Recorder,
        billing: &Billing,
        (waker, mailer): (&Waker, &Mailer),
    ) -> Self {
        Self {
            db: db.clone(),
            clock: clock.clone(),
            events: recorder.events(),
            catalogues: recorder.catalogues.clone(),
            standing: billing.standing.clone(),
            invoicing: billing.invoicing.clone(),
            mailer: mailer.clone(),
            waker: waker.clone(),
            moved: recorder.watched.clone(),
            wanted: Arc::default(),
        }
    }

    /// Finds out which projects have alerts: usage of others is not noted.
    async fn load(&self) -> Result<(), StoreError> {
        for project in projects::list(&self.db).await? {
            self.note_whether_any(project.id).await?;
        }
        Ok(())
    }

    async fn note_whether_any(&self, project: ProjectId) -> Result<(), StoreError> {
        let _last = self.wanted.counting.lock().await;
        self.moved.set_limited(project, alerts::any_enabled(&self.db, project).await?);
        Ok(())
    }

    /// Has an alert held against everything that is there, soon.
    fn want(&self, project: ProjectId, alert: Option<AlertId>) {
        self.wanted.sweeps.lock().insert((project, alert));
        self.wanted.noted.notify_one();
    }
}
