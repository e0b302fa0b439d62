//! Checked events become stored ones.
use super::assignments::Assignments;
use super::catalogues::Catalogues;
use super::customers::KnownCustomers;
use super::draft::{Checked, Rules, SYSTEM_CUSTOMER};
use super::names::Names;
use super::used::Used;
use crate::clock::Clock;
use crate::config;
use crate::events::{AppendError, Batch, Events, Outcome};
use crate::random::{self, NoRandomness};
use crate::store::{Db, StoreError, customers};
use reckoner_domain::decimal::{Excess, ONE};
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::meter::Catalogue;
use reckoner_domain::time::Timestamp;

/// The type of the events that count traffic.
const TRAFFIC: &str = "traffic.bytes";

/// Why events were not stored.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The event engine took none of them, or cannot say.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// They are stored, but their new customers are not yet; sending again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No id could be made for a customer.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The request has more events than a batch.
    #[error("{0}")]
    Batch(String),
}

/// Stores events and makes their customers. Clones share one state.
#[derive(Clone)]
pub struct Recorder {
    db: Db,
    clock: Clock,
    events: Events,
    limits: config::Ingest,
    /// The meters that events are held against.
    pub catalogues: Catalogues,
    /// Whose usage subjects' is.
    pub assignments: Assignments,
    /// The names that are shown for subjects.
    pub names: Names,
    /// The customers whose usage moved lately.
    pub used: Used,
    /// The same, of the projects that have alerts.
    pub watched: Used,
    known: KnownCustomers,
}

impl Recorder {
    /// A recorder with these limits.
    pub fn new(db: Db, clock: Clock, events: Events, limits: config::Ingest) -> Self {
        Self {
            db,
            clock,
            events,
            limits,
            catalogues: Catalogues::default(),
            assignments: Assignments::default(),
            names: Names::default(),
            used: Used::default(),
            watched: Used::default(),
            known: KnownCustomers::default(),
        }
    }

    /// The event engine that it stores to.
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// What events of a request that arrived at `now` are held against.
    pub fn rules<'c>(&self, catalogue: &'c Catalogue, now: Timestamp, backfill: bool) -> Rules<'c> {
        Rules {
            catalogue,
            now,
            future_s_max: self.limits.future_s_max,
            past_s_max: (!backfill).then_some(self.limits.past_s_max),
            accept_unmetered: self.limits.accept_unmetered,
            names_meters: false,
            assigned: None,
            excess: Excess::Refuse,
        }
    }

    /// Stores events that arrived at `now`; each is judged by itself. Answers once they and their
    /// customers are on stable storage.
    pub async fn record(
        &self,
        project: ProjectId,
        now: Timestamp,
        checked: &[Checked<'_>],
    ) -> Result<Vec<Outcome>, RecordError> {
        if checked.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = Batch::new(project, now);
        for event in checked {
            batch.push(&event.draft()).map_err(|error| RecordError::Batch(error.to_string()))?;
        }
        let mut outcomes = self.events.append(batch).await?;
        for (event, outcome) in checked.iter().zip(&mut outcomes) {
            if let Outcome::Conflict { sequence } = *outcome
                && event.attributed
                && self.is_the_same_of_another(project, event).await
            {
                *outcome = Outcome::Duplicate { sequence };
            }
        }
        count_outcomes(&outcomes);
        count_unattributed(checked.iter().zip(&outcomes));
        // A conflict changes nothing: its customer may not exist.
        let stored = checked.iter().zip(&outcomes);
        let stored = stored.filter(|(_, outcome)| !matches!(outcome, Outcome::Conflict { .. }));
        let unknown = self.known.unknown(project, stored.map(|(event, _)| event.customer.as_ref()));
        self.ensure_customers(project, unknown).await?;
        self.used.note(project, checked.iter().map(|event| event.customer.as_ref()));
        self.watched.note(project, checked.iter().map(|event| event.customer.as_ref()));
        Ok(outcomes)
    }

    /// Whether an event that names no customer was stored when its subject was assigned to another one: then it
    /// is a repeat, and stays whose it was.
    async fn is_the_same_of_another(&self, project: ProjectId, event: &Checked<'_>) -> bool {
        let Ok(Some(stored)) = self.events.get(project, event.id.to_string()).await else { return false };
        stored.says_the_same(&EventDraft { customer: &stored.customer, ..event.draft() })
    }

    /// The id of a customer was given to a pseudonym: its next event makes a new customer, and one that came
    /// meanwhile made one now.
    pub async fn free_customer(&self, project: ProjectId, customer: &str) -> Result<(), RecordError> {
        self.known.forget(project, customer);
        let there =
            self.events.customers(project).await.map_err(|error| RecordError::Batch(error.to_string()))?;
        let again = there.iter().any(|known| **known == *customer);
        self.ensure_customers(project, again.then(|| customer.to_owned()).into_iter().collect()).await
    }

    /// Makes the customers that are absent. Run at start for all customers with events, it closes
    /// the gap that a crash between the two stores may leave.
    pub async fn ensure_customers(
        &self,
        project: ProjectId,
        customers: Vec<String>,
    ) -> Result<(), RecordError> {
        if customers.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = customers.iter().map(String::as_str).collect();
        let now = self.clock.of_project(project);
        let real = self.clock.real();
        let first = random::id_bits(real)?;
        // Random bits lie at the end: the next numbers are as unique as the first.
        let mut ids = (0..).map(|step| CustomerId::from_bits(first.wrapping_add(step)));
        let make_id = move || ids.next().unwrap_or_else(|| CustomerId::from_bits(first));
        customers::ensure_many(&self.db, project, &names, now, make_id).await?;
        self.known.remember(project, customers);
        Ok(())
    }
}

/// Counts the traffic that nobody can be charged for.
fn count_unattributed<'e>(stored: impl Iterator<Item = (&'e Checked<'e>, &'e Outcome)>) {
    let unattributed = stored.filter(|(event, outcome)| {
        let of_nobody = event.customer == SYSTEM_CUSTOMER && event.event_type == TRAFFIC;
        of_nobody && matches!(outcome, Outcome::Accepted { .. })
    });
    let bytes = unattributed.map(|(event, _)| u64::try_from(event.value.units() / ONE).unwrap_or(0)).sum();
    metrics::counter!("traffic_unattributed_bytes_total").increment(bytes);
}

fn count_outcomes(outcomes: &[Outcome]) {
    let (mut accepted, mut duplicate, mut conflict) = (0, 0, 0);
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted { .. } => accepted += 1,
            Outcome::Duplicate { .. } => duplicate += 1,
            Outcome::Conflict { .. } => conflict += 1,
        }
    }
    metrics::counter!("ingest_events_total", "result" => "accepted").increment(accepted);
    metrics::counter!("ingest_events_total", "result" => "duplicate").increment(duplicate);
    metrics::counter!("ingest_events_total", "result" => "conflict").increment(conflict);
    metrics::counter!("usage_duplicates_total").increment(duplicate);
}
