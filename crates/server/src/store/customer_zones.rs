//! The time zones of customers, with every change.
use super::customers::{self, Customer, Details, from_row, metadata_text};
use super::db::{Db, Tx};
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::time::Timestamp;

/// Customers of one query.
const NAMES_MAX: usize = 1_000;

/// The zones of one customer: IANA names, none where it is the project's.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneHistory {
    /// The zone before any change.
    pub first: Option<String>,
    /// When another was set, and which, in the order in which that was done.
    pub changes: Vec<(Timestamp, Option<String>)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    external_id: String,
    time_zone: Option<String>,
    made_at: Option<i64>,
    time_zone_before: Option<String>,
    time_zone_after: Option<String>,
}

macro_rules! select_histories {
    () => {
        "select customers.external_id, customers.time_zone, changes.made_at, changes.time_zone_before,
         changes.time_zone as time_zone_after
         from customers left join customer_zone_changes changes
         on changes.project_id = customers.project_id and changes.customer_id = customers.id
         where customers.project_id = $1 and (customers.time_zone is not null or changes.made_at is not null)"
    };
}

/// The customers, by their own ids, that have or had a time zone of their own.
pub async fn histories(on: impl Exec, project: ProjectId) -> Result<Vec<(String, ZoneHistory)>> {
    let query = sql!(select_histories!(), project);
    from_rows(on.all(query.push(" order by customers.external_id, changes.version", [])).await?)
}

/// Those of these customers that have or had a time zone of their own.
pub async fn histories_of(
    db: &Db,
    project: ProjectId,
    external_ids: &[&str],
) -> Result<Vec<(String, ZoneHistory)>> {
    let mut found = Vec::new();
    for chunk in external_ids.chunks(NAMES_MAX) {
        let query = sql!(select_histories!(), project)
            .push(" and customers.external_id in ", [])
            .list(chunk.iter().map(|id| Val::from(*id)))
            .push(" order by customers.external_id, changes.version", []);
        found.extend(from_rows(db.all(query).await?)?);
    }
    Ok(found)
}

/// Rows in the order of customers and changes.
fn from_rows(rows: Vec<Row>) -> Result<Vec<(String, ZoneHistory)>> {
    let mut histories: Vec<(String, ZoneHistory)> = Vec::new();
    for row in rows {
        let change = row.made_at.map(|at| row::time("made_at", at)).transpose()?;
        let change = change.map(|at| (at, row.time_zone_after));
        match histories.last_mut().filter(|(customer, _)| *customer == row.external_id) {
            Some((_, history)) => history.changes.extend(change),
            None => {
                let first = if change.is_some() { row.time_zone_before } else { row.time_zone };
                let history = ZoneHistory { first, changes: change.into_iter().collect() };
                histories.push((row.external_id, history));
            }
        }
    }
    Ok(histories)
}

/// Changes a customer that is still at `version`, its time zone included, and returns it;
/// [`StoreError::NotFound`], or [`StoreError::Stale`] when it has another version. `made_at` is not
/// before that of any earlier change.
pub async fn change(
    tx: &mut Tx,
    project: ProjectId,
    id: &CustomerId,
    version: u32,
    details: &Details,
    made_at: Timestamp,
) -> Result<Customer> {
    let noted = tx
        .run(sql!(
            "insert into customer_zone_changes
             (project_id, customer_id, version, made_at, time_zone_before, time_zone)
             select project_id, id, version + 1, $1, time_zone, $2 from customers
             where project_id = $3 and id = $4 and version = $5 on conflict do nothing",
            made_at,
            details.time_zone.as_deref(),
            project,
            id,
            version
        ))
        .await?;
    let query = sql!(
        "update customers set display_name = $1, time_zone = $2, metadata = $3, version = version + 1
         where project_id = $4 and id = $5 and version = $6 returning *",
        details.display_name.as_deref(),
        details.time_zone.as_deref(),
        metadata_text(&details.metadata),
        project,
        id,
        version
    );
    match tx.opt(query).await?.filter(|_| noted == 1) {
        Some(row) => from_row(row),
        None => customers::get(tx, project, id).await.and(Err(StoreError::Stale)),
    }
}

/// Forgets a project's changes: each customer has had the zone that it has for ever.
pub async fn forget_changes(on: impl Exec, project: ProjectId) -> Result<()> {
    on.run(sql!("delete from customer_zone_changes where project_id = $1", project)).await.map(drop)
}
