//! What Stripe tells: its events, each applied once, and to the same end in whatever order they come.
use super::subscriptions::{Followed, Following, SubscriptionError, Subscriptions, Wanted};
use crate::clock::{Clock, Stopwatch};
use crate::payments::stripe::{Account, BadSignature, Event, Facts, Payment, Stripe, Target, Told};
use crate::store::audit::{self, Change};
use crate::store::customers::{self, Customer};
use crate::store::stripe::events::{self, Outcome};
use crate::store::stripe::subscriptions::{self as known, Known};
use crate::store::stripe::{customers as names, invoices};
use crate::store::{Db, StoreError, Tx};
use reckoner_domain::key::PlanKey;
use reckoner_domain::time::Timestamp;
use serde_json::json;
use std::sync::Arc;

/// Takes events of Stripe. Clones share one state.
#[derive(Clone)]
pub struct StripeEvents {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) subscriptions: Subscriptions,
    pub(super) end_plan: Option<PlanKey>,
    /// The accounts.
    pub stripe: Arc<Stripe>,
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// No account has a secret for them.
    #[error("Stripe is not configured")]
    NotConfigured,
    /// It is not Stripe's.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// It is no event.
    #[error("The payload is no event")]
    Unreadable,
    /// It could not be written down.
    #[error(transparent)]
    Failed(#[from] SubscriptionError),
}

impl From<StoreError> for TakeError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// What an event did.
struct Applied {
    outcome: Outcome,
    detail: Option<String>,
    followed: Followed,
    payment: Option<Payment>,
}

impl Applied {
    fn nothing(outcome: Outcome) -> Self {
        Self { outcome, detail: None, followed: Followed::default(), payment: None }
    }
}

impl StripeEvents {
    /// Takes an event by its raw body and its signature, at real time.
    pub async fn take(&self, body: &[u8], signature: &str) -> Result<Event, TakeError> {
        let watch = Stopwatch::start();
        let taken = self.try_take(body, signature).await;
        let (event_type, status) = match &taken {
            Ok((event, status)) => (event.label(), *status),
            Err(TakeError::Failed(_)) => ("other", "failed"),
            Err(_) => ("other", "invalid"),
        };
        metrics::counter!("stripe_webhook_total", "event_type" => event_type, "status" => status)
            .increment(1);
        metrics::histogram!("stripe_webhook_seconds").record(watch.elapsed().as_secs_f64());
        taken.map(|(event, _)| event)
    }

    async fn try_take(&self, body: &[u8], signature: &str) -> Result<(Event, &'static str), TakeError> {
        if !self.stripe.takes_events() {
            return Err(TakeError::NotConfigured);
        }
        let account = self.stripe.account_of(body, signature, self.clock.real())?;
        let event = Event::read(body).ok_or(TakeError::Unreadable)?;
        let Some(told) = &event.told else { return Ok((event, "ignored")) };
        let applied = match self.apply(account, &event, told).await {
            Ok(applied) => applied,
            Err(error) => match error.as_conflict() {
                Some(reason) => self.keep(account, &event, told, &reason).await?,
                None => return Err(error.into()),
            },
        };
        let Some(applied) = applied else { return Ok((event, "duplicate")) };
        count(&applied);
        for stored in &applied.followed.changed {
            self.subscriptions.noticed(stored);
        }
        if let Some(detail) = &applied.detail {
            tracing::error!(event = %event.id, event_type = %event.event_type, detail, "an event of Stripe cannot be followed");
        }
        Ok((event, applied.outcome.as_str()))
    }

    /// Applies an event, all of it or nothing; `None` where that was done before.
    async fn apply(
        &self,
        account: &Account,
        event: &Event,
        told: &Told,
    ) -> Result<Option<Applied>, SubscriptionError> {
        let mut tx = self.db.begin().await?;
        if !self.insert(&mut tx, account, event, told).await? {
            return Ok(None);
        }
        let project = account.project();
        let Some(customer) = names::who(&mut tx, project, &told.customer).await? else {
            let applied = Applied::nothing(Outcome::UnknownCustomer);
            return self.end(tx, account, event, (applied, Vec::new())).await.map(Some);
        };
        let customer = customers::lock(&mut tx, project, &customer).await?;
        let mut noted = Vec::new();
        let mut applied = Applied::nothing(Outcome::Unchanged);
        applied.payment.clone_from(&told.invoice);
        if let Some(payment) = &told.invoice
            && self.note_payment(&mut tx, account, event, payment, &mut noted).await?
        {
            applied.outcome = Outcome::Applied;
        }
        if let Some(name) = &told.subscription {
            self.learn(&mut tx, account, (event, told), (name, &customer), (&mut applied, &mut noted))
                .await?;
        }
        self.end(tx, account, event, (applied, noted)).await.map(Some)
    }

    /// Takes in what is told of a subscription, and lets ours follow it.
    async fn learn(
        &self,
        tx: &mut Tx,
        account: &Account,
        (event, told): (&Event, &Told),
        (name, customer): (&str, &Customer),
        (applied, noted): (&mut Applied, &mut Vec<Change>),
    ) -> Result<(), SubscriptionError> {
        let (mut row, mut facts) = self.known(tx, account, (name, told), customer).await?;
        let is_news = facts.learn(told.fact.clone());
        let target = facts.target();
        if let Some(target) = &target {
            let wanted = wanted(account, target);
            if let (None, None, Some(price)) = (&row.follower, &wanted.plan, &target.price) {
                applied.outcome = Outcome::Conflict;
                applied.detail = Some(format!("Stripe's price {price} is that of no plan"));
            }
            let by = format!("stripe:{}", event.id);
            let (ours, end_plan) = (row.follower.as_ref(), self.end_plan.as_ref());
            let following = Following { by: &by, customer, ours, end_plan };
            applied.followed = self.subscriptions.follow(tx, &following, &wanted, noted).await?;
            row.follower = applied.followed.ours.clone().or(row.follower);
        }
        if !applied.followed.changed.is_empty() {
            applied.outcome = Outcome::Applied;
        }
        row.is_billing = target.is_some_and(|target| target.is_billing());
        if is_news || !applied.followed.changed.is_empty() {
            row.facts = text_of(&facts)?;
            known::put(tx, &row, self.clock.real()).await?;
        }
        Ok(())
    }

    async fn known(
        &self,
        tx: &mut Tx,
        account: &Account,
        (name, told): (&str, &Told),
        customer: &Customer,
    ) -> Result<(Known, Facts), StoreError> {
        let project = account.project();
        if let Some(row) = known::find(&mut *tx, project, name).await? {
            let facts = serde_json::from_str(&row.facts);
            return Ok((row, facts.map_err(|error| StoreError::corrupt("facts", error))?));
        }
        let row = Known {
            project,
            name: name.to_owned(),
            stripe_customer: told.customer.clone(),
            customer: customer.id.clone(),
            facts: String::new(),
            is_billing: false,
            follower: None,
        };
        Ok((row, Facts::default()))
    }

    /// Keeps what an event tells that cannot be followed: a later one may be, with it.
    async fn keep(
        &self,
        account: &Account,
        event: &Event,
        told: &Told,
        reason: &str,
    ) -> Result<Option<Applied>, SubscriptionError> {
        let mut tx = self.db.begin().await?;
        if !self.insert(&mut tx, account, event, told).await? {
            return Ok(None);
        }
        let whose = names::who(&mut tx, account.project(), &told.customer).await?;
        if let (Some(name), Some(customer)) = (&told.subscription, whose) {
            let customer = customers::lock(&mut tx, account.project(), &customer).await?;
            let (mut row, mut facts) = self.known(&mut tx, account, (name, told), &customer).await?;
            facts.learn(told.fact.clone());
            row.facts = text_of(&facts)?;
            known::put(&mut tx, &row, self.clock.real()).await?;
        }
        let mut applied = Applied::nothing(Outcome::Conflict);
        applied.detail = Some(reason.to_owned());
        applied.payment.clone_from(&told.invoice);
        self.end(tx, account, event, (applied, Vec::new())).await.map(Some)
    }

    async fn insert(
        &self,
        tx: &mut Tx,
        account: &Account,
        event: &Event,
        told: &Told,
    ) -> Result<bool, StoreError> {
        let invoice = told.invoice.as_ref().map(|payment| payment.invoice.as_str());
        let row = events::Event {
            project: account.project(),
            id: &event.id,
            event_type: &event.event_type,
            object: told.subscription.as_deref().or(invoice).unwrap_or_default(),
            created_at: event.created_at,
            received_at: self.clock.real(),
        };
        events::insert(tx, &row).await
    }

    /// Notes what became of an invoice that we made at Stripe.
    async fn note_payment(
        &self,
        tx: &mut Tx,
        account: &Account,
        event: &Event,
        payment: &Payment,
        noted: &mut Vec<Change>,
    ) -> Result<bool, StoreError> {
        let (status, action) = if payment.is_paid {
            ("paid", "stripe.invoice_paid")
        } else {
            ("failed", "stripe.invoice_failed")
        };
        let told = (status, event.created_at);
        if !invoices::told(&mut *tx, account.project(), &payment.invoice, told).await? {
            return Ok(false);
        }
        let by = format!("stripe:{}", event.id);
        let change = Change::new(Some(account.project()), by, action, &payment.invoice);
        noted.push(change.after(json!({"minor": payment.minor, "currency": payment.currency})));
        Ok(true)
    }

    async fn end(
        &self,
        mut tx: Tx,
        account: &Account,
        event: &Event,
        (applied, noted): (Applied, Vec<Change>),
    ) -> Result<Applied, SubscriptionError> {
        let which = (account.project(), event.id.as_str());
        events::set_outcome(&mut tx, which, applied.outcome, applied.detail.as_deref()).await?;
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        Ok(applied)
    }

    /// Removes what is kept of Stripe and not looked at any more: calls that were answered, and events.
    pub async fn purge(db: &Db, before: Timestamp) -> Result<u64, StoreError> {
        let requests = crate::store::stripe::requests::purge(db, before).await?;
        Ok(requests + events::purge(db, before).await?)
    }
}

/// The plan that is meant, and where it stands.
fn wanted(account: &Account, target: &Target) -> Wanted {
    let chosen = target.chosen.as_deref().filter(|_| target.price.is_none());
    let chosen = chosen.and_then(|plan| account.plans().find(|known| *known == plan));
    let plan = target.price.as_deref().and_then(|price| account.plan_of(price)).cloned();
    let plan = plan.or_else(|| chosen.and_then(|plan| PlanKey::parse(plan).ok()));
    Wanted { plan, standing: target.standing }
}

fn text_of(facts: &Facts) -> Result<String, StoreError> {
    serde_json::to_string(facts).map_err(|error| StoreError::corrupt("facts", error))
}

/// Counts a payment, by the plan that it is for.
fn count(applied: &Applied) {
    let Some(payment) = &applied.payment else { return };
    let tier = applied.followed.plan.as_ref().map_or("none", PlanKey::as_str).to_owned();
    let status = if payment.is_paid { "succeeded" } else { "failed" };
    metrics::counter!("payment_total", "status" => status, "tier" => tier.clone()).increment(1);
    if payment.is_paid {
        let currency = payment.currency.clone();
        let minor = u64::try_from(payment.minor).unwrap_or(0);
        metrics::counter!("payment_amount_total", "tier" => tier, "currency" => currency).increment(minor);
    }
}
