//! Trials that wait for their plan: whoever registers before the project has it gets the subscription once
//! it does.
use super::db::Tx;
use super::error::Result;
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::time::Timestamp;

/// The trial of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The customer.
    pub customer: CustomerId,
    /// Its project.
    pub project: ProjectId,
    /// The plan that is tried.
    pub plan: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The instant at which it has ended.
    pub ends_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    customer_id: String,
    project_id: i64,
    plan_key: String,
    started_at: i64,
    ends_at: i64,
}

fn from_row(row: Row) -> Result<Trial> {
    Ok(Trial {
        customer: row::id(row.customer_id)?,
        project: row::project(row.project_id)?,
        plan: row.plan_key,
        started_at: row::time("started_at", row.started_at)?,
        ends_at: row::time("ends_at", row.ends_at)?,
    })
}

/// Starts a customer's trial; [`super::StoreError::Conflict`] when it had one.
pub async fn start(on: impl Exec, trial: &Trial) -> Result<()> {
    let query = sql!(
        "insert into trials (customer_id, project_id, plan_key, started_at, ends_at)
         values ($1, $2, $3, $4, $5)",
        &trial.customer,
        trial.project,
        trial.plan.as_str(),
        trial.started_at,
        trial.ends_at
    );
    on.run(query).await.map(drop)
}

/// The trial of a customer.
pub async fn find(on: impl Exec, project: ProjectId, customer: &CustomerId) -> Result<Option<Trial>> {
    let query = sql!("select * from trials where project_id = $1 and customer_id = $2", project, customer);
    on.opt(query).await?.map(from_row).transpose()
}

/// The trials of a project that wait, in the order of beginning; those after one of them, and so many.
pub async fn waiting(
    on: impl Exec,
    project: ProjectId,
    (after, limit): (Option<&Trial>, u32),
) -> Result<Vec<Trial>> {
    let mut query = sql!("select * from trials where project_id = $1", project);
    if let Some(last) = after {
        query = query.push(
            " and (started_at, customer_id) > (?, ?)",
            [last.started_at.into(), (&last.customer).into()],
        );
    }
    let query = query.push(" order by started_at, customer_id limit ?", [limit.into()]);
    row::each(on.all(query).await?, from_row)
}

/// A trial does not wait any more; false where it did not.
pub async fn end_waiting(tx: &mut Tx, trial: &Trial) -> Result<bool> {
    let query =
        sql!("delete from trials where project_id = $1 and customer_id = $2", trial.project, &trial.customer);
    Ok(tx.run(query).await? == 1)
}
