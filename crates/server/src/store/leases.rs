//! Leases: one worker at a time does a thing, and a dead worker's turn ends by itself.
use super::error::Result;
use super::exec::Exec;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// What is leased, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease<'a> {
    /// The project.
    pub project: ProjectId,
    /// What is done, such as a job's name.
    pub name: &'a str,
    /// Who does it: different for each worker of each process, and after each start.
    pub holder: &'a str,
}

/// Takes a lease until `until`, unless somebody, the holder itself included, has it at `now`. Both
/// are real time.
pub async fn claim(on: impl Exec, lease: Lease<'_>, now: Timestamp, until: Timestamp) -> Result<bool> {
    // One statement: of two at once, the second sees the first one's row and its condition fails.
    let query = sql!(
        "insert into job_leases (project_id, name, holder, expires_at) values ($1, $2, $3, $4)
         on conflict (project_id, name) do update set holder = excluded.holder,
         expires_at = excluded.expires_at where job_leases.expires_at <= $5",
        lease.project,
        lease.name,
        lease.holder,
        until,
        now
    );
    Ok(on.run(query).await? == 1)
}

/// Keeps a lease that has not ended until `until`. False when it has ended or is another's: then
/// the holder must stop.
pub async fn renew(on: impl Exec, lease: Lease<'_>, now: Timestamp, until: Timestamp) -> Result<bool> {
    let query = sql!(
        "update job_leases set expires_at = $1
         where project_id = $2 and name = $3 and holder = $4 and expires_at > $5",
        until,
        lease.project,
        lease.name,
        lease.holder,
        now
    );
    Ok(on.run(query).await? == 1)
}

/// Gives a lease back; nothing happens when it is another's by now.
pub async fn release(on: impl Exec, lease: Lease<'_>) -> Result<()> {
    let query = sql!(
        "delete from job_leases where project_id = $1 and name = $2 and holder = $3",
        lease.project,
        lease.name,
        lease.holder
    );
    on.run(query).await.map(drop)
}

/// Ends every lease: for a start that knows that no other worker lives.
pub async fn end_all(on: impl Exec) -> Result<()> {
    on.run(sql!("delete from job_leases")).await.map(drop)
}
