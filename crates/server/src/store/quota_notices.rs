//! Thresholds of quotas that were told of.
use super::error::Result;
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// A window of a customer's quota.
#[derive(Clone, Copy, Debug)]
pub struct QuotaWindow<'a> {
    /// The project.
    pub project: ProjectId,
    /// The customer's own id.
    pub customer: &'a str,
    /// The meter's key.
    pub meter: &'a str,
    /// Where it begins.
    pub start: Timestamp,
}

/// The highest threshold that was told of.
pub async fn highest(on: impl Exec, of: QuotaWindow<'_>) -> Result<Option<u32>> {
    let query = sql!(
        "select max(threshold) from quota_notices
         where project_id = $1 and customer = $2 and meter_key = $3 and window_start = $4",
        of.project,
        of.customer,
        of.meter,
        of.start
    );
    let (threshold,): (Option<i64>,) = on.one(query).await?;
    threshold.map(|threshold| row::count("threshold", threshold)).transpose()
}

/// Notes that a threshold is told of; false where it was before.
pub async fn note(on: impl Exec, of: QuotaWindow<'_>, threshold: u32, now: Timestamp) -> Result<bool> {
    let query = sql!(
        "insert into quota_notices (project_id, customer, meter_key, window_start, threshold, made_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (project_id, customer, meter_key, window_start, threshold) do nothing",
        of.project,
        of.customer,
        of.meter,
        of.start,
        threshold,
        now
    );
    Ok(on.run(query).await? == 1)
}
