//! Aggregations that a run of a job could not make while it made the others.
use super::Tx;
use super::aggregations::{Span, id_of};
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// Most that a run takes up again; the rest waits for the next one.
pub const RETRIES_MAX: u32 = 10_000;
/// Rows of one statement: ten arguments each stay far below both engines' limits.
const ROWS_MAX: usize = 500;

/// An aggregation to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The customer's own id.
    pub customer: String,
    /// The period, which has ended.
    pub span: Span,
    /// Why it failed.
    pub reason: String,
}

impl Retry {
    /// The aggregation's id.
    pub fn id(&self) -> String {
        id_of(&self.customer, &self.span)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    customer: String,
    period: String,
    period_key: String,
    period_start: i64,
    period_end: i64,
    reason: String,
}

fn from_row(row: Row) -> Result<Retry> {
    Ok(Retry {
        customer: row.customer,
        span: Span {
            period: row.period,
            key: row.period_key,
            start: row::time("period_start", row.period_start)?,
            end: row::time("period_end", row.period_end)?,
        },
        reason: row.reason,
    })
}

/// What is to be tried again, the longest known first; at most [`RETRIES_MAX`].
pub async fn list(on: impl Exec, project: ProjectId, job: &str) -> Result<Vec<Retry>> {
    let query = sql!(
        "select customer, period, period_key, period_start, period_end, reason from job_retries
         where project_id = $1 and job = $2 order by since, subject_id limit $3",
        project,
        job,
        RETRIES_MAX
    );
    row::each(on.all(query).await?, from_row)
}

/// Notes what failed at `now`; what is noted already keeps its place and gets the new reason.
pub async fn put(
    tx: &mut Tx,
    (project, job): (ProjectId, &str),
    retries: &[Retry],
    now: Timestamp,
) -> Result<()> {
    for chunk in retries.chunks(ROWS_MAX) {
        let rows = chunk.iter().map(|retry| values(project, job, retry, now));
        let query = sql!(
            "insert into job_retries (project_id, job, subject_id, customer, period, period_key, period_start,
             period_end, reason, since) values "
        )
        .rows(rows)
        .push(" on conflict (project_id, job, subject_id) do update set reason = excluded.reason", []);
        tx.run(query).await?;
    }
    Ok(())
}

fn values(project: ProjectId, job: &str, retry: &Retry, now: Timestamp) -> Vec<Val> {
    let span = &retry.span;
    vec![
        project.into(),
        job.into(),
        retry.id().into(),
        retry.customer.as_str().into(),
        span.period.as_str().into(),
        span.key.as_str().into(),
        span.start.into(),
        span.end.into(),
        retry.reason.as_str().into(),
        now.into(),
    ]
}

/// Forgets what needs no further try.
pub async fn remove(tx: &mut Tx, (project, job): (ProjectId, &str), ids: &[String]) -> Result<()> {
    for chunk in ids.chunks(ROWS_MAX) {
        let query = sql!(
            "delete from job_retries where project_id = $1 and job = $2 and subject_id in ",
            project,
            job
        )
        .list(chunk.iter().map(|id| Val::from(id.as_str())));
        tx.run(query).await?;
    }
    Ok(())
}

/// Forgets everything that was to be tried again.
pub async fn remove_all(on: impl Exec, project: ProjectId, job: &str) -> Result<()> {
    on.run(sql!("delete from job_retries where project_id = $1 and job = $2", project, job)).await.map(drop)
}
