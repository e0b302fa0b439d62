//! What happens while customers do not pay: they are reminded, at last suspended, and restored at once when
//! nothing is overdue any more.
use super::messages::{self, Message};
use super::recipients;
use super::standing::Standings;
use crate::clock::Clock;
use crate::mail::{About, MailError, Mailer, PaymentOverdue, Template};
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::billing_standings::{self, Standing, Unpaid};
use crate::store::{Db, StoreError, Tx, billing_details, customers, memberships};
use crate::webhooks::dispatcher::Waker;
use reckoner_domain::billing_status::{BillingStatus, Notice, Owing, suspended_at};
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::time::Timestamp;
use serde_json::{Value, json};

/// How many customers are looked at at once.
const AT_ONCE: u32 = 200;

/// Most unpaid invoices that a message names.
const NAMED_MAX: u32 = 100;

/// Looks after customers that owe. Clones share one state.
#[derive(Clone)]
pub struct Debts {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) standings: Standings,
    pub(super) waker: Waker,
    pub(super) mailer: Mailer,
}

/// Why customers were not told.
#[derive(Debug, thiserror::Error)]
pub enum DebtError {
    /// The control plane failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mail could not be queued.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// Amounts do not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// What a run told.
#[derive(Debug, Default)]
pub struct Told {
    /// How many notices were given.
    pub notices: u64,
    /// Who could not be told, and why.
    pub failed: Vec<(CustomerId, DebtError)>,
}

impl Debts {
    /// After invoices of a customer were made, paid or withdrawn in this transaction, or a payment failed or was made
    /// elsewhere: what that changes about
    /// what is owed, with everything that is to be told until then. Call [`Self::noticed`] after the commit.
    pub async fn settle(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        customer: (&CustomerId, &str),
        now: Timestamp,
        noted: &mut Vec<Change>,
    ) -> Result<(), DebtError> {
        self.settle_all(tx, project, &[customer], now, noted).await
    }

    /// The same for several customers, each named once.
    pub async fn settle_all(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        customers: &[(&CustomerId, &str)],
        now: Timestamp,
        noted: &mut Vec<Change>,
    ) -> Result<(), DebtError> {
        let ids: Vec<&CustomerId> = customers.iter().map(|(id, _)| *id).collect();
        let mut owing = billing_standings::lock(tx, project, &ids).await?;
        let unpaid = billing_standings::first_unpaid(tx, project, &ids).await?;
        let mut standings = Vec::with_capacity(customers.len());
        for (customer, external_id) in customers {
            let (customer, external_id) = ((*customer).clone(), (*external_id).to_owned());
            let due_at = unpaid.get(&customer).copied();
            let owing = owing.remove(&customer).unwrap_or_default();
            let mut standing = Standing { customer, external_id, owing };
            self.tell(tx, project, &mut standing, now, noted).await?;
            let before = standing.owing;
            standing.owing = before.with_unpaid(due_at, now);
            if standing.owing.told == 0 && before.status_told() != BillingStatus::Active {
                let restored = Changed { from: before.status_told(), to: BillingStatus::Active, at: now };
                self.tell_status(tx, project, (&standing, before), restored, noted).await?;
            }
            self.tell(tx, project, &mut standing, now, noted).await?;
            standings.push(standing);
        }
        billing_standings::put(tx, project, &standings).await?;
        Ok(())
    }

    /// Lets everybody see how a customer stands, after it was committed.
    pub fn noticed(&self, project: ProjectId, external_id: &str) {
        self.standings.forget(project, external_id);
        self.wake();
    }

    /// Lets what is in the outboxes be sent.
    pub(super) fn wake(&self) {
        self.waker.wake();
        self.mailer.wake();
    }

    /// Tells every customer of a project what it is to be told until `now`. One that fails keeps no other.
    pub async fn tell_due(&self, project: ProjectId, now: Timestamp) -> Result<Told, StoreError> {
        let (mut told, mut after) = (Told::default(), None);
        loop {
            let due = billing_standings::due(&self.db, project, now, (after.as_ref(), AT_ONCE)).await?;
            for (_, customer) in &due {
                match self.tell_one(project, customer, now).await {
                    Ok(notices) => told.notices += notices,
                    Err(error) => told.failed.push((customer.clone(), error)),
                }
            }
            if due.len() < AT_ONCE as usize {
                return Ok(told);
            }
            after = due.into_iter().next_back();
        }
    }

    /// The first instant at which a customer of a project is to be told something.
    pub async fn first_due(&self, project: ProjectId) -> Result<Option<Timestamp>, StoreError> {
        billing_standings::first_due(&self.db, project).await
    }

    async fn tell_one(
        &self,
        project: ProjectId,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<u64, DebtError> {
        let mut tx = self.db.begin().await?;
        let owing = billing_standings::lock(&mut tx, project, &[customer]).await?;
        let owing = owing.get(customer).copied().unwrap_or_default();
        let external_id = customers::get(&mut tx, project, customer).await?.external_id;
        let mut standing = Standing { customer: customer.clone(), external_id, owing };
        let mut noted = Vec::new();
        let notices = self.tell(&mut tx, project, &mut standing, now, &mut noted).await?;
        billing_standings::put(&mut tx, project, std::slice::from_ref(&standing)).await?;
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.noticed(project, &standing.external_id);
        Ok(notices)
    }

    /// Gives the notices that fell due until `now`; answers how many.
    async fn tell(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        standing: &mut Standing,
        now: Timestamp,
        noted: &mut Vec<Change>,
    ) -> Result<u64, DebtError> {
        let mut from = standing.owing.status_told();
        let notices = standing.owing.tell_until(now);
        let owing = standing.owing;
        for (at, notice) in &notices {
            let to = match notice {
                Notice::Due => BillingStatus::Due,
                Notice::Suspended => BillingStatus::Suspended,
                Notice::Reminder(number) => {
                    self.remind(tx, project, standing, (*number, *at)).await?;
                    continue;
                }
            };
            self.tell_status(tx, project, (standing, owing), Changed { from, to, at: *at }, noted).await?;
            from = to;
        }
        Ok(notices.len() as u64)
    }

    /// Tells endpoints and the record of changes that a customer's status is another.
    async fn tell_status(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        (standing, owing): (&Standing, Owing),
        changed: Changed,
        noted: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        let (from, to) = (changed.from.as_str(), changed.to.as_str());
        let event_type = messages::BILLING_STATUS_CHANGED;
        let since = owing.due_since.map(|since| since.to_string());
        let data = json!({
            "customer": standing.external_id,
            "previous_status": from,
            "status": to,
            "changed_at": changed.at.to_string(),
            "due_since": since,
        });
        let dedupe_key =
            format!("{event_type}:{}:{}:{to}", standing.customer, since.as_deref().unwrap_or_default());
        let message =
            Message { project, event_type, subject: &standing.external_id, dedupe_key, data: data.clone() };
        messages::enqueue(tx, &self.clock, message).await?;
        metrics::counter!("billing_status_changes_total", "to" => to).increment(1);
        noted.push(Change::new(Some(project), SYSTEM, event_type, &standing.customer).after(data));
        Ok(())
    }

    /// Reminds a customer, by webhook and by mail to its people and to where its billing details say.
    async fn remind(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        standing: &Standing,
        (number, at): (u32, Timestamp),
    ) -> Result<(), DebtError> {
        let Some(since) = standing.owing.due_since else { return Ok(()) };
        let unpaid = billing_standings::unpaid(&mut *tx, project, &standing.customer, NAMED_MAX).await?;
        let overdue: Vec<&Unpaid> = unpaid.iter().filter(|invoice| invoice.due_at <= at).collect();
        // Of what Stripe collects it is known that it is not paid, and not how much it is.
        let amount = total(&overdue)?;
        let event_type = messages::PAYMENT_REMINDER;
        let message = Message {
            project,
            event_type,
            subject: &standing.external_id,
            dedupe_key: format!("{event_type}:{}:{since}:{number}", standing.customer),
            data: json!({
                "customer": standing.external_id,
                "reminder": number,
                "due_since": since.to_string(),
                "suspended_at": suspended_at(since).to_string(),
                "amount_due": amount.map(|amount| amount.amount()),
                "currency": amount.map(|amount| amount.currency().code().to_owned()),
                "invoices": overdue.iter().map(|invoice| shown(invoice)).collect::<Vec<_>>(),
            }),
        };
        messages::enqueue(tx, &self.clock, message).await?;
        let template = Template::PaymentOverdue(PaymentOverdue {
            reminder: number,
            amount: amount.map(|amount| format!("{} {}", amount.amount(), amount.currency().code())),
            invoices: overdue.iter().map(|invoice| invoice.number).collect(),
            due_since: since.to_string(),
            suspended_at: suspended_at(since).to_string(),
        });
        let people = memberships::addresses_of_customer(&mut *tx, project, &standing.external_id).await?;
        let details = billing_details::get(&mut *tx, project, &standing.customer).await?.details;
        for (user, recipient) in recipients::all(&people, details.email.as_deref()) {
            let about = About { project, user, recipient };
            self.mailer.queue(tx, about, &template, self.clock.real(), None).await?;
        }
        Ok(())
    }
}

/// A change of a customer's status.
#[derive(Clone, Copy)]
struct Changed {
    from: BillingStatus,
    to: BillingStatus,
    at: Timestamp,
}

/// What is left to pay of all of them; `None` where there is nothing.
fn total(unpaid: &[&Unpaid]) -> Result<Option<Money>, MoneyError> {
    let Some(first) = unpaid.first() else { return Ok(None) };
    Money::total(unpaid.iter().map(|invoice| invoice.due), first.due.currency()).map(Some)
}

fn shown(invoice: &Unpaid) -> Value {
    json!({
        "id": invoice.id.as_str(),
        "number": invoice.number,
        "amount_due": invoice.due.amount(),
        "due_at": invoice.due_at.to_string(),
    })
}
