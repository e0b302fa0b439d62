//! Events that were not stored, and why: the newest of each project, for some days.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::{ProjectId, RejectedEventId};
use reckoner_domain::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};

/// Most rejected events kept of a project: the newest.
pub const KEPT_MAX: u32 = 10_000;
/// For how long they are kept, in days of the project's clock.
pub const KEPT_DAYS: i64 = 7;
/// Most rejected events of one statement.
pub const INSERT_MAX: usize = 256;

/// Why an event was not stored, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Its text is no JSON.
    Malformed,
    /// Fields are wrong.
    Invalid,
    /// Its id is taken by an event with other content.
    Conflict,
}

impl Code {
    /// Every code, as named in the API.
    pub const NAMES: [&'static str; 3] = ["malformed", "invalid", "conflict"];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
        }
    }

    /// The code of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Malformed, Self::Invalid, Self::Conflict].into_iter().find(|code| code.as_str() == name)
    }
}

/// One thing that is wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which field.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// An event that was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEvent {
    /// Identifies the rejection.
    pub id: RejectedEventId,
    /// Whose event it was to be.
    pub project: ProjectId,
    /// When it arrived, by the project's clock.
    pub received_at: Timestamp,
    /// Its place in the request, from 0.
    pub index: u64,
    /// Why it was rejected, in a word.
    pub code: Code,
    /// The event's id, where one could be read.
    pub event_id: Option<String>,
    /// The customer, where one could be read.
    pub customer: Option<String>,
    /// The event type, where one could be read.
    pub meter: Option<String>,
    /// Why it was rejected.
    pub errors: Vec<Reason>,
    /// Its text as sent.
    pub event: String,
    /// Whether the text goes on.
    pub is_cut: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    received_at: i64,
    position: i64,
    code: String,
    event_id: Option<String>,
    customer: Option<String>,
    meter: Option<String>,
    errors: String,
    event: String,
    is_cut: bool,
}

fn from_row(row: Row) -> Result<RejectedEvent> {
    Ok(RejectedEvent {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        received_at: row::time("received_at", row.received_at)?,
        index: row::sequence("position", row.position)?,
        code: Code::parse(&row.code).ok_or_else(|| StoreError::corrupt("code", &row.code))?,
        event_id: row.event_id,
        customer: row.customer,
        meter: row.meter,
        errors: row::json("errors", &row.errors)?,
        event: row.event,
        is_cut: row.is_cut,
    })
}

fn to_row(rejected: &RejectedEvent) -> Result<Vec<Val>> {
    let errors =
        serde_json::to_string(&rejected.errors).map_err(|error| StoreError::corrupt("errors", error))?;
    Ok(vec![
        (&rejected.id).into(),
        rejected.project.into(),
        rejected.received_at.into(),
        rejected.index.into(),
        rejected.code.as_str().into(),
        rejected.event_id.as_deref().into(),
        rejected.customer.as_deref().into(),
        rejected.meter.as_deref().into(),
        errors.into(),
        rejected.event.as_str().into(),
        rejected.is_cut.into(),
    ])
}

/// Keeps rejected events, at most [`INSERT_MAX`].
pub async fn insert_many(tx: &mut Tx, rejected: &[RejectedEvent]) -> Result<()> {
    debug_assert!(rejected.len() <= INSERT_MAX, "at most {INSERT_MAX} rows");
    let rows: Vec<Vec<Val>> = rejected.iter().map(to_row).collect::<Result<_>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let query = sql!(
        "insert into rejected_events (id, project_id, received_at, position, code, event_id, customer, meter,
         errors, event, is_cut) values "
    );
    tx.run(query.rows(rows)).await.map(drop)
}

/// Lets go of all but the newest [`KEPT_MAX`] of a project.
pub async fn trim(tx: &mut Tx, project: ProjectId) -> Result<u64> {
    tx.run(sql!(
        "delete from rejected_events where project_id = $1 and (received_at, id) <
         (select received_at, id from rejected_events where project_id = $1
          order by received_at desc, id desc limit 1 offset $2)",
        project,
        KEPT_MAX - 1
    ))
    .await
}

/// Which rejected events to list.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Of this customer.
    pub customer: Option<&'a str>,
    /// Of this event type.
    pub meter: Option<&'a str>,
    /// Rejected for this.
    pub code: Option<Code>,
}

/// Rejected events of the last [`KEPT_DAYS`] before `now`, the newest first.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    now: Timestamp,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<RejectedEvent>> {
    let mut query = sql!(
        "select * from rejected_events where project_id = $1 and received_at >= $2",
        project,
        kept_from(now)
    )
    .when(filter.customer, " and customer = ?")
    .when(filter.meter, " and meter = ?")
    .when(filter.code.map(Code::as_str), " and code = ?");
    if let Some(after) = after {
        query = query.push(" and (received_at, id) < (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let query = query.push(" order by received_at desc, id desc limit ?", [limit.probe().into()]);
    let rejected = row::each(on.all(query).await?, from_row)?;
    let cursor = |one: &RejectedEvent| Cursor { time: one.received_at, id: one.id.to_string() };
    Ok(Page::new(rejected, limit, cursor))
}

/// Deletes what is too old at `now` and says how many that were.
pub async fn purge(on: impl Exec, project: ProjectId, now: Timestamp) -> Result<u64> {
    on.run(sql!(
        "delete from rejected_events where project_id = $1 and received_at < $2",
        project,
        kept_from(now)
    ))
    .await
}

/// Deletes all of a project.
pub async fn delete_all(on: impl Exec, project: ProjectId) -> Result<u64> {
    on.run(sql!("delete from rejected_events where project_id = $1", project)).await
}

fn kept_from(now: Timestamp) -> Timestamp {
    now.plus_micros(-KEPT_DAYS * DAY)
}
