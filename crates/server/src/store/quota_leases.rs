//! Units of quotas that clients took ahead. Expiry is in real time.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::{LeaseId, ProjectId};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::time::Timestamp;

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLease {
    /// Identifies it.
    pub id: LeaseId,
    /// The project.
    pub project: ProjectId,
    /// The customer's own id.
    pub customer: String,
    /// The meter's key.
    pub meter: String,
    /// How much it holds in all.
    pub granted: Ratio,
    /// How much of it was used, as last told.
    pub used: Ratio,
    /// The begin of the window that it counts in.
    pub window_start: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    customer: String,
    meter_key: String,
    granted: String,
    used: String,
    window_start: i64,
    expires_at: i64,
}

fn from_row(row: Row) -> Result<StoredLease> {
    let number = |column, text: &str| Ratio::parse(text).map_err(|error| StoreError::corrupt(column, error));
    Ok(StoredLease {
        granted: number("granted", &row.granted)?,
        used: number("used", &row.used)?,
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        customer: row.customer,
        meter: row.meter_key,
        window_start: row::time("window_start", row.window_start)?,
        expires_at: row::time("expires_at", row.expires_at)?,
    })
}

/// Stores a lease.
pub async fn create(on: impl Exec, lease: &StoredLease) -> Result<()> {
    let query = sql!(
        "insert into quota_leases
           (id, project_id, customer, meter_key, granted, used, window_start, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &lease.id,
        lease.project,
        lease.customer.as_str(),
        lease.meter.as_str(),
        lease.granted.to_string(),
        lease.used.to_string(),
        lease.window_start,
        lease.expires_at
    );
    on.run(query).await.map(drop)
}

/// Writes down how much of a lease was used, and when it ends; [`StoreError::NotFound`] without it.
pub async fn update(on: impl Exec, lease: &StoredLease) -> Result<()> {
    let query = sql!(
        "update quota_leases set used = $1, expires_at = $2 where project_id = $3 and id = $4",
        lease.used.to_string(),
        lease.expires_at,
        lease.project,
        &lease.id
    );
    if on.run(query).await? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Ends a lease.
pub async fn remove(on: impl Exec, project: ProjectId, id: &LeaseId) -> Result<()> {
    on.run(sql!("delete from quota_leases where project_id = $1 and id = $2", project, id)).await.map(drop)
}

/// Every lease that has not ended at an instant; those that have are removed.
pub async fn load(on: &super::Db, now: Timestamp) -> Result<Vec<StoredLease>> {
    purge(on, now).await?;
    row::each(on.all(sql!("select * from quota_leases order by id")).await?, from_row)
}

/// Removes leases that have ended.
pub async fn purge(on: impl Exec, now: Timestamp) -> Result<()> {
    on.run(sql!("delete from quota_leases where expires_at <= $1", now)).await.map(drop)
}
