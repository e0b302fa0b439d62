//! What customers held at midnights.
use super::db::Db;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{DAY, Timestamp};

/// Rows of one insert: six arguments each.
const INSERT_ROWS_MAX: usize = 500;
/// For how long they are kept, in days of the project's clock.
pub const KEPT_DAYS: i64 = 800;

/// What a customer held at an instant, as one meter counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelSnapshot {
    /// The instant: what happened at it is not in yet.
    pub taken_at: Timestamp,
    /// The customer's own id.
    pub customer: String,
    /// The meter's key.
    pub meter: String,
    /// The subject; `None` for what no subject holds.
    pub subject: Option<String>,
    /// An exact decimal, below zero where more was released than was held.
    pub level: String,
}

/// Which are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Only this customer's.
    pub customer: Option<&'a str>,
    /// Only of this subject.
    pub subject: Option<&'a str>,
    /// Only of this meter.
    pub meter: Option<&'a str>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    taken_at: i64,
    customer: String,
    meter_key: String,
    subject: String,
    level: String,
}

fn from_row(row: Row) -> Result<LevelSnapshot> {
    Ok(LevelSnapshot {
        taken_at: row::time("taken_at", row.taken_at)?,
        customer: row.customer,
        meter: row.meter_key,
        subject: Some(row.subject).filter(|subject| !subject.is_empty()),
        level: row.level,
    })
}

/// Keeps snapshots; those that are there already stay as they are.
pub async fn insert(on: &Db, project: ProjectId, snapshots: &[LevelSnapshot]) -> Result<()> {
    for chunk in snapshots.chunks(INSERT_ROWS_MAX) {
        let rows = chunk.iter().map(|one| {
            let (customer, meter) = (Val::from(one.customer.as_str()), Val::from(one.meter.as_str()));
            let subject = Val::from(one.subject.as_deref().unwrap_or_default());
            vec![project.into(), one.taken_at.into(), customer, meter, subject, one.level.as_str().into()]
        });
        let query = sql!(
            "insert into level_snapshots (project_id, taken_at, customer, meter_key, subject, level) values "
        );
        let query = query
            .rows(rows)
            .push(" on conflict (project_id, taken_at, customer, meter_key, subject) do nothing", []);
        on.run(query).await?;
    }
    Ok(())
}

/// Snapshots, the latest first; of one instant by customer, meter and subject.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<LevelSnapshot>> {
    let mut query = sql!(
        "select taken_at, customer, meter_key, subject, level from level_snapshots where project_id = $1",
        project
    )
    .when(filter.customer, " and customer = ?")
    .when(filter.subject, " and subject = ?")
    .when(filter.meter, " and meter_key = ?")
    .when(filter.from, " and taken_at >= ?")
    .when(filter.to, " and taken_at < ?");
    if let Some(after) = after {
        let last: Vec<String> =
            serde_json::from_str(&after.id).map_err(|error| StoreError::corrupt("cursor", error))?;
        let mut last = last.into_iter().map(Val::from);
        let [customer, meter, subject] =
            [last.next(), last.next(), last.next()].map(|text| text.unwrap_or_else(|| Val::from("")));
        let time = || Val::from(after.time);
        query = query.push(
            " and (taken_at < ? or (taken_at = ? and (customer, meter_key, subject) > (?, ?, ?)))",
            [time(), time(), customer, meter, subject],
        );
    }
    let query =
        query.push(" order by taken_at desc, customer, meter_key, subject limit ?", [limit.probe().into()]);
    let rows = row::each(on.all(query).await?, from_row)?;
    Ok(Page::new(rows, limit, cursor))
}

fn cursor(last: &LevelSnapshot) -> Cursor {
    let names = [last.customer.as_str(), &last.meter, last.subject.as_deref().unwrap_or_default()];
    Cursor { time: last.taken_at, id: serde_json::json!(names).to_string() }
}

/// Whether a cursor is one of this list.
pub fn knows(cursor: &Cursor) -> bool {
    serde_json::from_str::<Vec<String>>(&cursor.id).is_ok_and(|names| names.len() == 3)
}

/// Removes those that are too old.
pub async fn purge(on: impl Exec, project: ProjectId, now: Timestamp) -> Result<u64> {
    let before = now.plus_micros(-KEPT_DAYS * DAY);
    on.run(sql!("delete from level_snapshots where project_id = $1 and taken_at < $2", project, before)).await
}

/// Removes all of a project.
pub async fn delete_all(on: impl Exec, project: ProjectId) -> Result<()> {
    on.run(sql!("delete from level_snapshots where project_id = $1", project)).await.map(drop)
}

/// Removes a customer's.
pub async fn delete_of(on: impl Exec, project: ProjectId, customer: &str) -> Result<()> {
    let query =
        sql!("delete from level_snapshots where project_id = $1 and customer = $2", project, customer);
    on.run(query).await.map(drop)
}
