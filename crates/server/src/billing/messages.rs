//! Messages about what customers have: their types, and how they come into the outbox.
use crate::clock::Clock;
use crate::random;
use crate::store::credit_notes::Stored as StoredNote;
use crate::store::invoices::Stored;
use crate::store::webhook_endpoints::{self, Endpoint, Moment};
use crate::store::webhook_messages::{self, NewMessage};
use crate::store::{StoreError, Tx};
use reckoner_domain::id::ProjectId;
use serde_json::{Value, json};

/// A subscription began.
pub const SUBSCRIPTION_CREATED: &str = "subscription.created";
/// A subscription got another plan, status or schedule.
pub const SUBSCRIPTION_UPDATED: &str = "subscription.updated";
/// A subscription ended.
pub const SUBSCRIPTION_ENDED: &str = "subscription.ended";
/// A trial ends tomorrow.
pub const TRIAL_ENDING: &str = "trial.ending";
/// A trial ended.
pub const TRIAL_ENDED: &str = "trial.ended";
/// A customer used so much of a quota that its plan warns.
pub const QUOTA_WARNING: &str = "quota.warning";
/// A customer used a quota up.
pub const QUOTA_EXCEEDED: &str = "quota.exceeded";

/// An invoice became final.
pub const INVOICE_FINALIZED: &str = "invoice.finalized";
/// An invoice was paid, or nothing was due.
pub const INVOICE_PAID: &str = "invoice.paid";
/// An invoice was withdrawn.
pub const INVOICE_VOIDED: &str = "invoice.voided";
/// An invoice was given up on.
pub const INVOICE_UNCOLLECTIBLE: &str = "invoice.uncollectible";

/// A credit note was issued.
pub const CREDIT_NOTE_ISSUED: &str = "credit_note.issued";
/// A customer owes, is suspended, or has paid.
pub const BILLING_STATUS_CHANGED: &str = "customer.billing_status_changed";
/// A customer that owes is reminded.
pub const PAYMENT_REMINDER: &str = "customer.payment_reminder";

/// What a message says.
pub struct Message<'a> {
    /// Whose endpoints get it.
    pub project: ProjectId,
    /// Its type.
    pub event_type: &'static str,
    /// What it tells of.
    pub subject: &'a str,
    /// Unique in the project: a second one is not sent.
    pub dedupe_key: String,
    /// What it says of that.
    pub data: Value,
}

/// Puts a message into the outbox; false where one with its key is there already.
pub async fn enqueue(tx: &mut Tx, clock: &Clock, message: Message<'_>) -> Result<bool, StoreError> {
    Ok(enqueue_all(tx, clock, message.project, &[message]).await? == 1)
}

/// Puts messages of a project into the outbox, except those with the key of one that is there already; answers how
/// many.
pub async fn enqueue_all(
    tx: &mut Tx,
    clock: &Clock,
    project: ProjectId,
    messages: &[Message<'_>],
) -> Result<usize, StoreError> {
    let endpoints = webhook_endpoints::list_enabled(&mut *tx, project).await?;
    let takers = |event_type: &str| endpoints.iter().filter(|one| one.takes(event_type)).collect();
    store(tx, clock, messages, takers).await
}

/// Puts a message into the outbox for these endpoints, whatever types they take; false where one with its key is there
/// already.
pub async fn enqueue_for(
    tx: &mut Tx,
    clock: &Clock,
    message: Message<'_>,
    takers: &[&Endpoint],
) -> Result<bool, StoreError> {
    Ok(store(tx, clock, &[message], |_| takers.to_vec()).await? == 1)
}

async fn store<'e>(
    tx: &mut Tx,
    clock: &Clock,
    messages: &[Message<'_>],
    takers: impl Fn(&str) -> Vec<&'e Endpoint>,
) -> Result<usize, StoreError> {
    let body = |message: &Message<'_>| {
        let at = Moment { real: clock.real(), project: clock.of_project(message.project) };
        let created = at.project.as_seconds();
        let body = json!({"type": message.event_type, "data": message.data, "created": created});
        (at, body.to_string())
    };
    let bodies: Vec<(Moment, String)> = messages.iter().map(body).collect();
    let mut new = Vec::with_capacity(messages.len());
    for (message, (at, body)) in messages.iter().zip(&bodies) {
        new.push(NewMessage {
            bits: random::id_bits(at.real)?,
            project: message.project,
            event_type: message.event_type,
            subject: Some(message.subject),
            dedupe_key: &message.dedupe_key,
            payload: body,
            at: *at,
        });
    }
    let stored = webhook_messages::enqueue_all(tx, &new, |message| takers(message.event_type)).await?;
    Ok(stored.len())
}

/// An invoice as messages and the record of changes show it.
pub fn invoice(stored: &Stored) -> Value {
    let (header, totals) = (stored.invoice.header(), stored.invoice.totals());
    json!({
        "id": stored.id.as_str(),
        "number": header.number,
        "customer": stored.external_id,
        "subscription": stored.subscription.as_str(),
        "status": stored.status.as_str(),
        "currency": totals.total.currency().code(),
        "total": totals.total.amount(),
        "amount_due": totals.due.amount(),
        "period_start": header.period.start.to_string(),
        "period_end": header.period.end.to_string(),
        "finalized_at": header.finalized_at.to_string(),
        "due_at": header.due_at.to_string(),
        "hash": stored.invoice.hash(),
    })
}

/// A credit note as messages and the record of changes show it.
pub fn credit_note(stored: &StoredNote) -> Value {
    let (header, total) = (stored.note.header(), stored.note.note().total);
    let settlement = stored.note.settlement();
    json!({
        "id": stored.id.as_str(),
        "number": header.number,
        "customer": stored.external_id,
        "invoice": stored.invoice.as_str(),
        "invoice_number": header.invoice,
        "currency": total.currency().code(),
        "total": total.amount(),
        "off_invoice": settlement.invoice.amount(),
        "to_wallet": settlement.wallet.amount(),
        "outside": settlement.outside.amount(),
        "reason": header.reason,
        "issued_at": header.issued_at.to_string(),
        "hash": stored.note.hash(),
    })
}
