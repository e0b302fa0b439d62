//! Invoices of Stripe that are made for closings which nothing there bills.
use crate::sql;
use crate::store::exec::Exec;
use crate::store::{Db, Result, StoreError, row};
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::time::Timestamp;

/// A closing: the subscription, and its place among its closings.
pub type Closing<'a> = (&'a SubscriptionId, u64);

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// What it bills.
    pub subscription: SubscriptionId,
    /// Which closing of that.
    pub ordinal: u64,
    /// Whose.
    pub project: ProjectId,
    /// Who pays, as Stripe calls it.
    pub customer: String,
    /// The currency, as Stripe writes it.
    pub currency: String,
    /// How it is paid, in Stripe's words.
    pub collection_method: String,
    /// What Stripe calls it, once it is made.
    pub name: Option<String>,
    /// `draft`, `final`, `paid` or `failed`.
    pub status: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    subscription_id: String,
    ordinal: i64,
    project_id: i64,
    stripe_customer: String,
    currency: String,
    collection_method: String,
    invoice: Option<String>,
    status: String,
}

fn from_row(row: Row) -> Result<Invoice> {
    Ok(Invoice {
        subscription: row::id(row.subscription_id)?,
        ordinal: row::sequence("ordinal", row.ordinal)?,
        project: row::project(row.project_id)?,
        customer: row.stripe_customer,
        currency: row.currency,
        collection_method: row.collection_method,
        name: row.invoice,
        status: row.status,
    })
}

/// The invoice of a closing.
pub async fn find(on: impl Exec, project: ProjectId, closing: Closing<'_>) -> Result<Option<Invoice>> {
    let query = sql!(
        "select subscription_id, ordinal, project_id, stripe_customer, currency, collection_method, invoice, status
         from stripe_invoices where project_id = $1 and subscription_id = $2 and ordinal = $3",
        project,
        closing.0,
        closing.1
    );
    on.opt(query).await?.map(from_row).transpose()
}

/// Writes down what invoice is to be made; what was decided before stays. Answers what holds.
pub async fn decide(db: &Db, invoice: &Invoice, at: Timestamp) -> Result<Invoice> {
    let query = sql!(
        "insert into stripe_invoices
           (subscription_id, ordinal, project_id, stripe_customer, currency, collection_method, status, try_at, made_at)
         values ($1, $2, $3, $4, $5, $6, 'draft', $7, $7) on conflict (subscription_id, ordinal) do nothing",
        &invoice.subscription,
        invoice.ordinal,
        invoice.project,
        invoice.customer.as_str(),
        invoice.currency.as_str(),
        invoice.collection_method.as_str(),
        at
    );
    db.run(query).await?;
    let closing = (&invoice.subscription, invoice.ordinal);
    find(db, invoice.project, closing).await?.ok_or(StoreError::NotFound)
}

/// Writes down what Stripe calls an invoice.
pub async fn set_name(on: impl Exec, closing: Closing<'_>, name: &str) -> Result<()> {
    let query = sql!(
        "update stripe_invoices set invoice = $3 where subscription_id = $1 and ordinal = $2 and invoice is null",
        closing.0,
        closing.1,
        name
    );
    on.run(query).await.map(drop)
}

/// Lets it be decided anew what invoice is made, where Stripe refused it as it was.
pub async fn undecide(on: impl Exec, closing: Closing<'_>) -> Result<()> {
    let query = sql!(
        "delete from stripe_invoices where subscription_id = $1 and ordinal = $2 and invoice is null",
        closing.0,
        closing.1
    );
    on.run(query).await.map(drop)
}

/// Drafts of a project whose closings are charged whole and that are due, the earliest first, so many.
pub async fn complete(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Invoice>> {
    let query = sql!(
        "select subscription_id, ordinal, project_id, stripe_customer, currency, collection_method, invoice, status
         from stripe_invoices i
         where project_id = $1 and status = 'draft' and try_at <= $2 and invoice is not null
           and not exists (select 1 from provider_charges p where p.subscription_id = i.subscription_id
             and p.ordinal = i.ordinal and p.status = 'pending')
         order by try_at, subscription_id, ordinal limit $3",
        project,
        until,
        limit
    );
    row::each(on.all(query).await?, from_row)
}

/// When the next complete draft of a project is due.
pub async fn first_due(on: impl Exec, project: ProjectId) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select try_at from stripe_invoices i
         where project_id = $1 and status = 'draft' and invoice is not null
           and not exists (select 1 from provider_charges p where p.subscription_id = i.subscription_id
             and p.ordinal = i.ordinal and p.status = 'pending')
         order by try_at limit 1",
        project
    );
    let row: Option<(i64,)> = on.opt(query).await?;
    row.map(|(at,)| row::time("try_at", at)).transpose()
}

/// Writes down that a draft was made final; false where it was.
pub async fn set_final(on: impl Exec, closing: Closing<'_>) -> Result<bool> {
    let query = sql!(
        "update stripe_invoices set status = 'final', error = null
         where subscription_id = $1 and ordinal = $2 and status = 'draft'",
        closing.0,
        closing.1
    );
    Ok(on.run(query).await? == 1)
}

/// Writes down why a draft could not be made final, and when that is tried again.
pub async fn put_off(on: impl Exec, closing: Closing<'_>, error: &str, until: Timestamp) -> Result<()> {
    let query = sql!(
        "update stripe_invoices set error = $3, try_at = $4
         where subscription_id = $1 and ordinal = $2 and status = 'draft'",
        closing.0,
        closing.1,
        error,
        until
    );
    on.run(query).await.map(drop)
}

/// Writes down what an event told of an invoice, unless a later one told something; false where no invoice of
/// ours is called so, or nothing changes.
pub async fn told(
    on: impl Exec,
    project: ProjectId,
    name: &str,
    (status, at): (&str, Timestamp),
) -> Result<bool> {
    let query = sql!(
        "update stripe_invoices set status = $3, told_at = $4
         where project_id = $1 and invoice = $2 and status <> 'paid' and status <> $3
           and (told_at is null or told_at <= $4)",
        project,
        name,
        status,
        at
    );
    Ok(on.run(query).await? == 1)
}
