//! How far each job has come.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::period::Period;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeSet;

/// How far a job has come in a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The last event it has dealt with; 0 before the first.
    pub sequence: u64,
    /// The instant it has dealt with, by the project's clock.
    pub time: Timestamp,
    /// For which kinds of periods that is so: others are still to be dealt with from the beginning.
    pub periods: BTreeSet<Period>,
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    time: i64,
    periods: String,
}

fn from_row(row: &Row) -> Result<Watermark> {
    let names = row.periods.split(',').filter(|name| !name.is_empty());
    let read = |name: &str| name.parse().map_err(|_| StoreError::corrupt("periods", name));
    Ok(Watermark {
        sequence: row::sequence("sequence", row.sequence)?,
        time: row::time("time", row.time)?,
        periods: names.map(read).collect::<Result<_>>()?,
    })
}

fn periods_text(periods: &BTreeSet<Period>) -> String {
    periods.iter().map(|period| period.as_str()).collect::<Vec<_>>().join(",")
}

/// How far a job has come; `None` before its first run.
pub async fn get(on: impl Exec, project: ProjectId, job: &str) -> Result<Option<Watermark>> {
    let query = sql!(
        "select sequence, time, periods from job_watermarks where project_id = $1 and job = $2",
        project,
        job
    );
    on.opt(query).await?.as_ref().map(from_row).transpose()
}

/// The same, held until the transaction ends.
pub async fn hold(tx: &mut Tx, project: ProjectId, job: &str) -> Result<Option<Watermark>> {
    let query = sql!(
        "select sequence, time, periods from job_watermarks where project_id = $1 and job = $2",
        project,
        job
    );
    tx.opt(query.locking()).await?.as_ref().map(from_row).transpose()
}

/// Moves a job's watermark from where it was read to where it shall be. False when it was elsewhere
/// already, because another worker moved it.
pub async fn advance(
    on: impl Exec,
    (project, job): (ProjectId, &str),
    from: Option<&Watermark>,
    to: &Watermark,
    now: Timestamp,
) -> Result<bool> {
    let query = match from {
        None => sql!(
            "insert into job_watermarks (project_id, job, sequence, time, updated_at, periods)
             values ($1, $2, $3, $4, $5, $6) on conflict (project_id, job) do nothing",
            project,
            job,
            to.sequence,
            to.time,
            now,
            periods_text(&to.periods)
        ),
        Some(from) => sql!(
            "update job_watermarks set sequence = $3, time = $4, updated_at = $5, periods = $6
             where project_id = $1 and job = $2 and sequence = $7 and time = $8 and periods = $9",
            project,
            job,
            to.sequence,
            to.time,
            now,
            periods_text(&to.periods),
            from.sequence,
            from.time,
            periods_text(&from.periods)
        ),
    };
    Ok(on.run(query).await? == 1)
}

/// Forgets how far a job has come: its next run begins at the beginning.
pub async fn reset(on: impl Exec, project: ProjectId, job: &str) -> Result<()> {
    on.run(sql!("delete from job_watermarks where project_id = $1 and job = $2", project, job))
        .await
        .map(drop)
}

/// Notes that a run of a job may look at everything until an instant, and answers the furthest that
/// any may have looked at. In a transaction, runs that begin wait for its end.
pub async fn reach(on: impl Exec, project: ProjectId, job: &str, until: Timestamp) -> Result<Timestamp> {
    let query = sql!(
        "insert into job_reaches (project_id, job, reached) values ($1, $2, $3)
         on conflict (project_id, job) do update set reached =
         case when excluded.reached > job_reaches.reached then excluded.reached else job_reaches.reached end
         returning reached",
        project,
        job,
        until
    );
    let (reached,): (i64,) = on.one(query).await?;
    row::time("reached", reached)
}

/// Forgets how far a job may have looked: for a clock that is set back.
pub async fn forget_reach(on: impl Exec, project: ProjectId, job: &str) -> Result<()> {
    on.run(sql!("delete from job_reaches where project_id = $1 and job = $2", project, job)).await.map(drop)
}
