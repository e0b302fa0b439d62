//! What payment providers are to collect: written down before they are asked, and when they have answered.
use super::db::Tx;
use super::error::Result;
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::{ChargeId, CustomerId, ProjectId, SubscriptionId};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;

/// A charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCharge {
    /// Identifies it, for the provider too.
    pub id: ChargeId,
    /// The project.
    pub project: ProjectId,
    /// Who pays.
    pub customer: CustomerId,
    /// The customer's own id.
    pub external_id: String,
    /// For what.
    pub subscription: SubscriptionId,
    /// The closing that made it.
    pub ordinal: u64,
    /// Its place among the charges of that closing.
    pub position: u32,
    /// How much.
    pub amount: Money,
    /// What it says to the customer.
    pub description: String,
    /// The time that is charged for.
    pub period: Window,
    /// When it was made.
    pub made_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    customer_id: String,
    external_id: String,
    subscription_id: String,
    ordinal: i64,
    position: i64,
    currency: String,
    amount: String,
    description: String,
    period_start: i64,
    period_end: i64,
    made_at: i64,
    try_at: i64,
}

fn from_row(row: Row) -> Result<ProviderCharge> {
    Ok(ProviderCharge {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        customer: row::id(row.customer_id)?,
        external_id: row.external_id,
        subscription: row::id(row.subscription_id)?,
        ordinal: row::sequence("ordinal", row.ordinal)?,
        position: row::count("position", row.position)?,
        amount: row::money("amount", &row.currency, &row.amount)?,
        description: row.description,
        period: Window {
            start: row::time("period_start", row.period_start)?,
            end: row::time("period_end", row.period_end)?,
        },
        made_at: row::time("made_at", row.made_at)?,
    })
}

/// Stores a charge that nobody has been asked for yet.
pub async fn insert(tx: &mut Tx, charge: &ProviderCharge) -> Result<()> {
    let query = sql!(
        "insert into provider_charges
           (id, project_id, customer_id, subscription_id, ordinal, position, currency, amount, description,
            period_start, period_end, status, made_at, try_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', $12, $12)",
        &charge.id,
        charge.project,
        &charge.customer,
        &charge.subscription,
        charge.ordinal,
        charge.position,
        charge.amount.currency().code(),
        charge.amount.amount(),
        charge.description.as_str(),
        charge.period.start,
        charge.period.end,
        charge.made_at
    );
    tx.run(query).await.map(drop)
}

/// Charges of a project that a provider is to be asked for until an instant, the earliest first; those after
/// one of them, and so many.
pub async fn due(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    (after, limit): (Option<&(Timestamp, ChargeId)>, u32),
) -> Result<Vec<(Timestamp, ProviderCharge)>> {
    let mut query = sql!(
        "select p.*, c.external_id from provider_charges p join customers c on c.id = p.customer_id
         where p.project_id = $1 and p.status = 'pending' and p.try_at <= $2",
        project,
        until
    );
    if let Some((at, id)) = after {
        query = query.push(" and (p.try_at, p.id) > (?, ?)", [(*at).into(), id.into()]);
    }
    let rows = on.all(query.push(" order by p.try_at, p.id limit ?", [limit.into()])).await?;
    row::each(rows, |row: Row| Ok((row::time("try_at", row.try_at)?, from_row(row)?)))
}

/// The first instant at which a provider is to be asked for a charge of a project.
pub async fn first_due(on: impl Exec, project: ProjectId) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select try_at from provider_charges where project_id = $1 and status = 'pending' order by try_at limit 1",
        project
    );
    let row: Option<(i64,)> = on.opt(query).await?;
    row.map(|(at,)| row::time("try_at", at)).transpose()
}

/// Whether something that a closing charges still waits to be collected.
pub async fn waits(on: impl Exec, subscription: &SubscriptionId, ordinal: u64) -> Result<bool> {
    let query = sql!(
        "select count(*) from provider_charges where subscription_id = $1 and ordinal = $2 and status = 'pending'",
        subscription,
        ordinal
    );
    let (waiting,): (i64,) = on.one(query).await?;
    Ok(waiting > 0)
}

/// Writes down that a provider has taken a charge, and what it calls it; false where that was known.
pub async fn set_charged(
    tx: &mut Tx,
    charge: &ProviderCharge,
    reference: &str,
    at: Timestamp,
) -> Result<bool> {
    let query = sql!(
        "update provider_charges set status = 'charged', reference = $1, charged_at = $2, error = null
         where project_id = $3 and id = $4 and status = 'pending'",
        reference,
        at,
        charge.project,
        &charge.id
    );
    Ok(tx.run(query).await? == 1)
}

/// Writes down why a provider has not taken a charge, and when it is asked again.
pub async fn put_off(on: impl Exec, charge: &ProviderCharge, error: &str, until: Timestamp) -> Result<()> {
    let query = sql!(
        "update provider_charges set error = $1, try_at = $2
         where project_id = $3 and id = $4 and status = 'pending'",
        error,
        until,
        charge.project,
        &charge.id
    );
    on.run(query).await.map(drop)
}
