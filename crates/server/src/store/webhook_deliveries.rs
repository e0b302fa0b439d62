//! Deliveries of messages to endpoints, and the attempts made at each.
use super::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use super::webhook_endpoints::{Endpoint, Moment};
use crate::sql;
use reckoner_domain::id::{DeliveryId, EndpointId, MessageId, ProjectId};
use reckoner_domain::time::Timestamp;

/// Deliveries of one insert: eight arguments each stay far below both engines' limits.
const INSERT_ROWS_MAX: usize = 500;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be tried, at once or again.
    Pending,
    /// Taken by the endpoint.
    Delivered,
    /// Given up after the last attempt.
    Failed,
    /// Given up with its endpoint.
    Canceled,
}

impl State {
    /// The name in database and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed, Self::Canceled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A delivery of one message to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Identifies it.
    pub id: DeliveryId,
    /// The project of both.
    pub project: ProjectId,
    /// What is delivered.
    pub message: MessageId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Where it stands.
    pub state: State,
    /// Attempts made so far.
    pub attempts: u32,
    /// When it is tried next, if it is pending: as soon as either clock has got there.
    pub due: Moment,
    /// The status of the last answer.
    pub last_status: Option<u32>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When the last attempt was made, in real time.
    pub last_attempt_at: Option<Timestamp>,
    /// When the endpoint took it, in real time.
    pub delivered_at: Option<Timestamp>,
    /// Whether it was only logged.
    pub dry_run: bool,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
}

/// One attempt at a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// When it began, in real time.
    pub at: Timestamp,
    /// The status of the answer; `None` without one.
    pub status: Option<u32>,
    /// From its begin to the end of the answer, in milliseconds.
    pub latency_ms: u64,
    /// Why it failed; `None` for a success.
    pub error: Option<String>,
    /// The first bytes of the answer, as text.
    pub body_head: Option<String>,
    /// Whether it was only logged.
    pub dry_run: bool,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    project_id: i64,
    message_id: String,
    endpoint_id: String,
    state: String,
    attempts: i64,
    due_at: i64,
    due_at_clock: i64,
    last_status: Option<i64>,
    last_error: Option<String>,
    last_attempt_at: Option<i64>,
    delivered_at: Option<i64>,
    dry_run: bool,
    created_at: i64,
}

pub(super) fn from_row(row: Row) -> Result<Delivery> {
    Ok(Delivery {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        message: row::id(row.message_id)?,
        endpoint: row::id(row.endpoint_id)?,
        state: State::parse(&row.state).ok_or_else(|| StoreError::corrupt("state", &row.state))?,
        attempts: row::count("attempts", row.attempts)?,
        due: Moment {
            real: row::time("due_at", row.due_at)?,
            project: row::time("due_at_clock", row.due_at_clock)?,
        },
        last_status: row.last_status.map(|status| row::count("last_status", status)).transpose()?,
        last_error: row.last_error,
        last_attempt_at: row::opt_time("last_attempt_at", row.last_attempt_at)?,
        delivered_at: row::opt_time("delivered_at", row.delivered_at)?,
        dry_run: row.dry_run,
        created_at: row::time("created_at", row.created_at)?,
    })
}

/// A row for [`insert`]: a delivery that is due at once.
pub(super) fn values(id: &DeliveryId, message: &MessageId, endpoint: &Endpoint, at: Moment) -> Vec<Val> {
    vec![
        id.into(),
        endpoint.project.into(),
        message.into(),
        (&endpoint.id).into(),
        at.real.into(),
        at.project.into(),
        at.project.into(),
        State::Pending.as_str().into(),
        0_i64.into(),
        false.into(),
    ]
}

/// Inserts rows of [`values`].
pub(super) async fn insert(tx: &mut Tx, rows: Vec<Vec<Val>>) -> Result<()> {
    for chunk in rows.chunks(INSERT_ROWS_MAX) {
        let query = sql!(
            "insert into webhook_deliveries
             (id, project_id, message_id, endpoint_id, due_at, due_at_clock, created_at, state, attempts, dry_run)
             values "
        )
        .rows(chunk.iter().cloned());
        tx.run(query).await?;
    }
    Ok(())
}

/// Makes another delivery of a message to an endpoint, due at once, with all its attempts before it.
pub async fn create(
    tx: &mut Tx,
    id: &DeliveryId,
    message: &MessageId,
    endpoint: &Endpoint,
    at: Moment,
) -> Result<()> {
    insert(tx, vec![values(id, message, endpoint, at)]).await
}

/// Makes further deliveries of messages to an endpoint, due at once; messages that have a pending
/// one already are left out. Returns how many were made.
pub async fn create_many(
    tx: &mut Tx,
    messages: impl IntoIterator<Item = (DeliveryId, MessageId)>,
    endpoint: &Endpoint,
    at: Moment,
) -> Result<u32> {
    let pending = sql!(
        "select message_id from webhook_deliveries where endpoint_id = $1 and state = 'pending'",
        &endpoint.id
    );
    let pending: Vec<(String,)> = tx.all(pending).await?;
    let pending: std::collections::BTreeSet<String> = pending.into_iter().map(|(id,)| id).collect();
    let rows: Vec<Vec<Val>> = messages
        .into_iter()
        .filter(|(_, message)| !pending.contains(message.as_str()))
        .map(|(id, message)| values(&id, &message, endpoint, at))
        .collect();
    let made = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    insert(tx, rows).await?;
    Ok(made)
}

/// Makes a pending delivery due at once; `false` when it is not pending.
pub async fn hasten(on: impl Exec, id: &DeliveryId, at: Moment) -> Result<bool> {
    let query = sql!(
        "update webhook_deliveries set due_at = $1, due_at_clock = $2 where id = $3 and state = 'pending'",
        at.real,
        at.project,
        id,
    );
    Ok(on.run(query).await? == 1)
}

/// Gives up what is pending for an endpoint and returns how much it was.
pub async fn cancel_pending(on: impl Exec, endpoint: &EndpointId) -> Result<u64> {
    let query = sql!(
        "update webhook_deliveries set state = 'canceled', claimed_by = null, claimed_until = null
         where endpoint_id = $1 and state = 'pending'",
        endpoint
    );
    on.run(query).await
}

/// The delivery.
pub async fn get(on: impl Exec, project: ProjectId, id: &DeliveryId) -> Result<Delivery> {
    let query = sql!("select * from webhook_deliveries where project_id = $1 and id = $2", project, id);
    from_row(on.one(query).await?)
}

/// Which deliveries to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Those to this endpoint.
    pub endpoint: Option<&'a EndpointId>,
    /// Those of this message.
    pub message: Option<&'a MessageId>,
    /// Those that stand there.
    pub state: Option<State>,
}

/// Deliveries, the newest first.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Delivery>> {
    let mut query = sql!("select * from webhook_deliveries where project_id = $1", project)
        .when(filter.endpoint, " and endpoint_id = ?")
        .when(filter.message, " and message_id = ?")
        .when(filter.state.map(State::as_str), " and state = ?");
    if let Some(after) = after {
        query = query.push(" and (created_at, id) < (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let query = query.push(" order by created_at desc, id desc limit ?", [limit.probe().into()]);
    let rows = on.all(query).await?;
    let cursor = |delivery: &Delivery| Cursor { time: delivery.created_at, id: delivery.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    number: i64,
    at: i64,
    status: Option<i64>,
    latency_ms: i64,
    error: Option<String>,
    body_head: Option<String>,
    dry_run: bool,
}

fn from_attempt_row(row: AttemptRow) -> Result<Attempt> {
    Ok(Attempt {
        number: row::count("number", row.number)?,
        at: row::time("at", row.at)?,
        status: row.status.map(|status| row::count("status", status)).transpose()?,
        latency_ms: row::sequence("latency_ms", row.latency_ms)?,
        error: row.error,
        body_head: row.body_head,
        dry_run: row.dry_run,
    })
}

/// The attempts at a delivery, the first one first; at most [`reckoner_domain::webhook::ATTEMPTS_MAX`].
pub async fn attempts(on: impl Exec, project: ProjectId, id: &DeliveryId) -> Result<Vec<Attempt>> {
    let query = sql!(
        "select a.* from webhook_attempts a join webhook_deliveries d on d.id = a.delivery_id
         where d.project_id = $1 and d.id = $2 order by a.number",
        project,
        id
    );
    row::each(on.all(query).await?, from_attempt_row)
}

/// Adds an attempt; `false` when there is one of its number already.
pub(super) async fn add_attempt(tx: &mut Tx, id: &DeliveryId, attempt: &Attempt) -> Result<bool> {
    let query = sql!(
        "insert into webhook_attempts (delivery_id, number, at, status, latency_ms, error, body_head, dry_run)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (delivery_id, number) do nothing",
        id,
        attempt.number,
        attempt.at,
        attempt.status,
        attempt.latency_ms,
        attempt.error.as_deref(),
        attempt.body_head.as_deref(),
        attempt.dry_run,
    );
    Ok(tx.run(query).await? == 1)
}
