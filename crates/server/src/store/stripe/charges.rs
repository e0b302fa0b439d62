//! Charges as they are sent to Stripe.
use crate::sql;
use crate::store::exec::Exec;
use crate::store::{Db, Result, StoreError, row};
use reckoner_domain::id::{ChargeId, ProjectId};
use reckoner_domain::time::Timestamp;

/// What bills a charge at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BilledBy {
    /// The next invoice of a subscription there.
    Subscription(String),
    /// An invoice that was made for its closing.
    Invoice(String),
}

/// A charge as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The charge.
    pub charge: ChargeId,
    /// Whose.
    pub project: ProjectId,
    /// Who pays, as Stripe calls it.
    pub customer: String,
    /// What bills it.
    pub billed_by: BilledBy,
    /// The currency, as Stripe writes it.
    pub currency: String,
    /// How much, as Stripe counts.
    pub minor: i64,
    /// What Stripe calls it, once it has it.
    pub name: Option<String>,
    /// When it had it, in real time.
    pub sent_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    charge_id: String,
    project_id: i64,
    stripe_customer: String,
    stripe_subscription: Option<String>,
    invoice: Option<String>,
    currency: String,
    amount_minor: i64,
    item: Option<String>,
    sent_at: Option<i64>,
}

fn from_row(row: Row) -> Result<Item> {
    let billed_by = match (row.stripe_subscription, row.invoice) {
        (Some(name), None) => BilledBy::Subscription(name),
        (None, Some(name)) => BilledBy::Invoice(name),
        _ => return Err(StoreError::corrupt("stripe_subscription", "neither this nor an invoice, or both")),
    };
    Ok(Item {
        charge: row::id(row.charge_id)?,
        project: row::project(row.project_id)?,
        customer: row.stripe_customer,
        billed_by,
        currency: row.currency,
        minor: row.amount_minor,
        name: row.item,
        sent_at: row.sent_at.map(|at| row::time("sent_at", at)).transpose()?,
    })
}

/// How a charge is sent, where that is decided.
pub async fn find(on: impl Exec, project: ProjectId, charge: &ChargeId) -> Result<Option<Item>> {
    let query = sql!("select * from stripe_items where project_id = $1 and charge_id = $2", project, charge);
    on.opt(query).await?.map(from_row).transpose()
}

/// Writes down how a charge is to be sent; what was decided before stays. Answers what holds.
pub async fn decide(db: &Db, item: &Item) -> Result<Item> {
    let (subscription, invoice) = match &item.billed_by {
        BilledBy::Subscription(name) => (Some(name.as_str()), None),
        BilledBy::Invoice(name) => (None, Some(name.as_str())),
    };
    let query = sql!(
        "insert into stripe_items
           (charge_id, project_id, stripe_customer, stripe_subscription, invoice, currency, amount_minor)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (charge_id) do nothing",
        &item.charge,
        item.project,
        item.customer.as_str(),
        subscription,
        invoice,
        item.currency.as_str(),
        item.minor
    );
    db.run(query).await?;
    find(db, item.project, &item.charge).await?.ok_or(StoreError::NotFound)
}

/// Lets it be decided anew how a charge is sent that Stripe refused as it was.
pub async fn undecide(on: impl Exec, project: ProjectId, charge: &ChargeId) -> Result<()> {
    let query = sql!(
        "delete from stripe_items where project_id = $1 and charge_id = $2 and item is null",
        project,
        charge
    );
    on.run(query).await.map(drop)
}

/// Writes down what Stripe calls a charge that it has.
pub async fn set_sent(on: impl Exec, charge: &ChargeId, name: &str, now: Timestamp) -> Result<()> {
    let query = sql!(
        "update stripe_items set item = $2, sent_at = $3 where charge_id = $1 and item is null",
        charge,
        name,
        now
    );
    on.run(query).await.map(drop)
}

/// Charges that were sent since an instant, in order; those after one of them, and so many.
pub async fn sent(
    on: impl Exec,
    project: ProjectId,
    since: Timestamp,
    (after, limit): (Option<(Timestamp, &ChargeId)>, u32),
) -> Result<Vec<Item>> {
    let mut query = sql!(
        "select * from stripe_items where project_id = $1 and sent_at is not null and sent_at >= $2",
        project,
        since
    );
    if let Some((at, id)) = after {
        query = query.push(" and (sent_at, charge_id) > (?, ?)", [at.into(), id.into()]);
    }
    let query = query.push(" order by sent_at, charge_id limit ?", [limit.into()]);
    row::each(on.all(query).await?, from_row)
}

/// The charge that Stripe calls so, as it was sent.
pub async fn by_name(on: impl Exec, project: ProjectId, name: &str) -> Result<Option<Item>> {
    let query = sql!("select * from stripe_items where project_id = $1 and item = $2", project, name);
    on.opt(query).await?.map(from_row).transpose()
}
