//! Invoices: what each billing period comes to, closed at its end for ever.
mod bill;
mod close;
mod collect;
mod credit;
mod known;
mod late;
mod mails;
mod state;
mod terms;
mod usage;
mod write;

pub use bill::{Charged, RERATED_DAYS};
pub use close::{Closed, Run};
pub use collect::Collected;
pub use credit::NewCreditNote;
pub use known::{next_closing, phases_of};

use super::debts::{DebtError, Debts};
use super::plans::Plans;
use super::standing::steps_until;
use super::subscriptions::{SubscriptionError, Subscriptions};
use super::wallet::MovementError;
use crate::clock::Clock;
use crate::events::{Events, EventsError};
use crate::ingest::catalogues::Catalogues;
use crate::mail::{MailError, Mailer};
use crate::payments::Provider;
use crate::random::NoRandomness;
use crate::store::closings::{self, Cursor};
use crate::store::subscriptions::Stored;
use crate::store::{Db, StoreError, provider_charges, stripe};
use reckoner_domain::billing_period::{Closing, Phase, PlanVersion};
use reckoner_domain::credit_note::CreditError;
use reckoner_domain::id::ProjectId;
use reckoner_domain::invoice::{Draft, InvoiceEvent, InvoiceStatus};
use reckoner_domain::money::MoneyError;
use reckoner_domain::sum::Overflow;
use reckoner_domain::time::{DAY, Timestamp};
use std::sync::Arc;
use usage::Readings;

/// The longest time between a reset of a quota and a billing period that begins before the next one, in
/// days: a month with a change of time zone in it.
const RESET_DAYS: i64 = 34;

/// A result of billing.
pub type Result<T> = std::result::Result<T, InvoicingError>;

/// When invoices become final, and when they are to be paid.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a period stays open after its end, in microseconds.
    pub grace_micros: i64,
    /// How long there is to pay an invoice, in microseconds.
    pub payment_micros: i64,
}

impl Terms {
    /// When a closing is to be run: where billing only begins, at once.
    pub fn run_at(self, closing: &Closing) -> Timestamp {
        if closing.period.is_some() { self.ended_at(closing.at) } else { closing.at }
    }

    /// When the next closing of a subscription that is billed so far is to be run.
    pub fn next_run(self, phases: &[Phase], cursor: &Cursor) -> Option<Timestamp> {
        next_closing(phases, cursor).map(|closing| self.run_at(&closing))
    }

    /// How far a subscription is billed after a closing.
    fn after(self, phases: &[Phase], cursor: &Cursor, closing: &Closing) -> Cursor {
        let mut after = Cursor { billed: Some(closing.billed), ..*cursor };
        if closing.is_interim {
            after.interim_at = None;
        } else {
            after.closings += 1;
            after.interim_at = cursor.interim_at.filter(|at| closing.at < *at);
        }
        Cursor { run_at: self.next_run(phases, &after), ..after }
    }

    /// When a period that ends at an instant is to be closed.
    fn ended_at(self, end: Timestamp) -> Timestamp {
        end.plus_micros(self.grace_micros)
    }
}

/// Makes invoices. Clones share one state.
#[derive(Clone)]
pub struct Invoicing {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) events: Events,
    pub(super) catalogues: Catalogues,
    pub(super) plans: Plans,
    pub(super) subscriptions: Subscriptions,
    pub(super) debts: Debts,
    /// Queues mails with invoices, where they are wanted.
    pub(super) mailer: Option<Mailer>,
    /// The name of who sells.
    pub(super) seller: Option<String>,
    pub(super) terms: Terms,
    pub(super) provider: Option<Arc<dyn Provider>>,
}

/// Why nothing was billed.
#[derive(Debug, thiserror::Error)]
pub enum InvoicingError {
    /// The control plane failed, or there is no such invoice.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be read.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// What fell due of the subscription could not be written down.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// Amounts do not fit, or are of two currencies.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A number does not fit.
    #[error("a quantity does not fit")]
    Overflow,
    /// A price names a meter that never was.
    #[error("the plan prices the meter {0}, which does not exist")]
    NoMeter(String),
    /// The customer's wallet does not allow it.
    #[error(transparent)]
    Wallet(#[from] MovementError),
    /// What the customer owes could not be written down.
    #[error(transparent)]
    Debt(#[from] DebtError),
    /// The mail with an invoice could not be queued.
    #[error("the mail with the invoice could not be queued: {0}")]
    Mail(#[from] MailError),
    /// No id could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// Nothing can be given back of the invoice as it stands.
    #[error("nothing can be given back of an invoice that is {}", .0.as_str())]
    NotCreditable(InvoiceStatus),
    /// So much cannot be given back.
    #[error(transparent)]
    Credit(#[from] CreditError),
    /// It has credit notes.
    #[error("an invoice with credit notes cannot be voided: give the rest of it back")]
    HasCreditNotes,
    /// That cannot happen to the invoice as it stands.
    #[error("an invoice that is {} cannot be {}", .status.as_str(), verb(*.event))]
    State {
        /// Where it stands.
        status: InvoiceStatus,
        /// What was to happen.
        event: InvoiceEvent,
    },
}

impl InvoicingError {
    /// The reason for whoever looks after the project: what a database said is for the log alone.
    pub fn told(&self) -> String {
        match self {
            Self::Store(StoreError::Unavailable(_)) => "the database is unavailable".to_owned(),
            Self::Store(_) | Self::Subscription(SubscriptionError::Store(_)) | Self::Mail(_) => {
                "the control plane failed".to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl From<Overflow> for InvoicingError {
    fn from(_: Overflow) -> Self {
        Self::Overflow
    }
}

fn verb(event: InvoiceEvent) -> &'static str {
    match event {
        InvoiceEvent::Finalize => "finalized",
        InvoiceEvent::Pay => "paid",
        InvoiceEvent::Void => "voided",
        InvoiceEvent::WriteOff => "written off",
    }
}

/// What the next invoice of a subscription would be.
pub struct Upcoming {
    /// What it bills.
    pub closing: Closing,
    /// What it comes to so far; `None` where nothing is billed.
    pub draft: Option<Draft>,
}

impl Invoicing {
    /// What the next invoice of a subscription would be if its period ended as it is: usage so far, and the
    /// fees of the next period.
    pub async fn upcoming(&self, stored: Stored) -> Result<Option<Upcoming>> {
        self.upcoming_if(stored, None).await
    }

    /// The same if the subscription became something else at an instant.
    pub async fn upcoming_if(&self, stored: Stored, more: Option<Phase>) -> Result<Option<Upcoming>> {
        let mut known = self.known(stored).await?;
        known.phases.extend(more);
        let Some(closing) = Closing::next(&known.phases, known.cursor.billed) else { return Ok(None) };
        // What is scheduled for the end of the period decides what follows it.
        for step in steps_until(&self.db, &self.plans, &known.stored, closing.at).await? {
            known.phases.push(Phase {
                starts_at: step.at,
                plan: PlanVersion {
                    key: step.subscription.plan.clone(),
                    version: step.subscription.plan_version,
                },
                status: step.subscription.status,
                cycle: step.subscription.cycle.clone(),
            });
        }
        let Some(closing) = Closing::next(&known.phases, known.cursor.billed) else { return Ok(None) };
        if closing.period.is_none() && closing.fees.is_empty() {
            return Ok(None);
        }
        let bill = self.bill(&known, &closing, &Readings::default()).await?;
        Ok(Some(Upcoming { closing, draft: bill.map(|bill| bill.draft) }))
    }

    /// The first instant at which there is something to close or to collect in a project.
    pub async fn first_due(&self, project: ProjectId) -> std::result::Result<Option<Timestamp>, StoreError> {
        let closing = closings::first_due(&self.db, project).await?;
        let charge = provider_charges::first_due(&self.db, project).await?;
        let draft = match &self.provider {
            Some(provider) if provider.serves(project) => {
                stripe::invoices::first_due(&self.db, project).await?
            }
            _ => None,
        };
        Ok(closing.into_iter().chain(charge).chain(draft).min())
    }

    /// Since when events of a project are still needed to bill by; `None` where none are.
    pub async fn needs_since(
        &self,
        project: ProjectId,
    ) -> std::result::Result<Option<Timestamp>, StoreError> {
        let since = closings::billed_since(&self.db, project, RERATED_DAYS * DAY).await?;
        // A limit that blocks is held against what was used since its last reset, which lies before.
        Ok(since.map(|since| since.plus_micros(-RESET_DAYS * DAY)))
    }

    /// When an invoice that becomes final at an instant is to be paid.
    pub fn due_at(&self, finalized_at: Timestamp) -> Timestamp {
        finalized_at.plus_micros(self.terms.payment_micros)
    }
}
