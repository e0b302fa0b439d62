//! Erasures of customers: asked for, then carried out by a job.
use super::error::Result;
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::row;
use crate::sql;
use reckoner_domain::id::{CustomerId, ErasureId, ProjectId};
use reckoner_domain::time::Timestamp;

/// Erasures that are read together.
const PENDING_MAX: u32 = 100;

/// An erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Identifies it.
    pub id: ErasureId,
    /// Whose customer.
    pub project: ProjectId,
    /// The customer.
    pub customer_id: CustomerId,
    /// The own id that is to be erased; gone once nothing else holds it.
    pub customer: Option<String>,
    /// What stands in its place from then on.
    pub pseudonym: String,
    /// When it was asked for, in real time.
    pub requested_at: Timestamp,
    /// When it was done, in real time.
    pub finished_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    customer_id: String,
    customer: Option<String>,
    pseudonym: String,
    requested_at: i64,
    finished_at: Option<i64>,
}

fn from_row(row: Row) -> Result<Erasure> {
    Ok(Erasure {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        customer_id: row::id(row.customer_id)?,
        customer: row.customer,
        pseudonym: row.pseudonym,
        requested_at: row::time("requested_at", row.requested_at)?,
        finished_at: row::opt_time("finished_at", row.finished_at)?,
    })
}

/// Notes that a customer is to be erased.
pub async fn create(on: impl Exec, erasure: &Erasure) -> Result<()> {
    let query = sql!(
        "insert into erasures (id, project_id, customer_id, customer, pseudonym, requested_at)
         values ($1, $2, $3, $4, $5, $6)",
        &erasure.id,
        erasure.project,
        &erasure.customer_id,
        erasure.customer.as_deref(),
        erasure.pseudonym.as_str(),
        erasure.requested_at
    );
    on.run(query).await.map(drop)
}

/// The erasure with this identifier.
pub async fn get(on: impl Exec, project: ProjectId, id: &ErasureId) -> Result<Erasure> {
    from_row(on.one(sql!("select * from erasures where project_id = $1 and id = $2", project, id)).await?)
}

/// The erasure of a customer.
pub async fn find(on: impl Exec, project: ProjectId, customer: &CustomerId) -> Result<Option<Erasure>> {
    let query = sql!("select * from erasures where project_id = $1 and customer_id = $2", project, customer);
    on.opt(query).await?.map(from_row).transpose()
}

/// Erasures in the order in which they were asked for.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Erasure>> {
    let mut query = sql!("select * from erasures where project_id = $1", project);
    if let Some(after) = after {
        query = query.push(" and (requested_at, id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by requested_at, id limit ?", [limit.probe().into()])).await?;
    let cursor = |erasure: &Erasure| Cursor { time: erasure.requested_at, id: erasure.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

/// Some of the erasures that are not done, of every project, those after one where it is given.
pub async fn pending(on: impl Exec, after: Option<&Erasure>) -> Result<Vec<Erasure>> {
    let mut query = sql!("select * from erasures where finished_at is null");
    if let Some(after) = after {
        query = query
            .push(" and (requested_at, id) > (?, ?)", [after.requested_at.into(), after.id.as_str().into()]);
    }
    row::each(on.all(query.push(" order by requested_at, id limit ?", [PENDING_MAX.into()])).await?, from_row)
}

/// How many are not done.
pub async fn count_pending(on: impl Exec) -> Result<u64> {
    let (count,): (i64,) = on.one(sql!("select count(*) from erasures where finished_at is null")).await?;
    row::sequence("count", count)
}

/// Forgets whom one is about.
pub async fn forget_customer(on: impl Exec, project: ProjectId, id: &ErasureId) -> Result<()> {
    let query = sql!("update erasures set customer = null where project_id = $1 and id = $2", project, id);
    on.run(query).await.map(drop)
}

/// Notes that one is done.
pub async fn finish(on: impl Exec, project: ProjectId, id: &ErasureId, now: Timestamp) -> Result<()> {
    let query = sql!(
        "update erasures set finished_at = $1
         where project_id = $2 and id = $3 and customer is null and finished_at is null",
        now,
        project,
        id
    );
    on.run(query).await.map(drop)
}
