//! Messages to deliver: the outbox, written in the transaction of the change it tells of.
use super::Tx;
use super::error::Result;
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use super::webhook_deliveries;
use super::webhook_endpoints::{self, Endpoint, Moment};
use crate::sql;
use reckoner_domain::id::{DeliveryId, MessageId, ProjectId};
use reckoner_domain::time::Timestamp;
use std::collections::BTreeSet;

/// Messages of one insert: seven arguments each stay far below both engines' limits.
const INSERT_ROWS_MAX: usize = 500;

/// A message before it is stored.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// 128 unique bits, for its identifier and those of its deliveries.
    pub bits: u128,
    /// The project whose endpoints get it.
    pub project: ProjectId,
    /// Its type, such as `aggregation.completed`.
    pub event_type: &'a str,
    /// What it tells of, for instance the id of an aggregation.
    pub subject: Option<&'a str>,
    /// Unique in the project: a second message with the same key is not stored.
    pub dedupe_key: &'a str,
    /// The body of every delivery, compact JSON.
    pub payload: &'a str,
    /// When it arose.
    pub at: Moment,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identifies it; the `webhook-id` of all its deliveries.
    pub id: MessageId,
    /// The project whose endpoints get it.
    pub project: ProjectId,
    /// Its type.
    pub event_type: String,
    /// What it tells of.
    pub subject: Option<String>,
    /// The body of every delivery.
    pub payload: String,
    /// When it arose, by the project's clock.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    #[sqlx(rename = "type")]
    event_type: String,
    subject_id: Option<String>,
    payload: String,
    created_at: i64,
}

fn from_row(row: Row) -> Result<Message> {
    Ok(Message {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        event_type: row.event_type,
        subject: row.subject_id,
        payload: row.payload,
        created_at: row::time("created_at", row.created_at)?,
    })
}

/// Stores a message and a pending delivery for each enabled endpoint that takes its type. `None`
/// when there is one with its key already: then nothing is stored.
pub async fn enqueue(tx: &mut Tx, message: NewMessage<'_>) -> Result<Option<MessageId>> {
    let endpoints = webhook_endpoints::list_enabled(&mut *tx, message.project).await?;
    let takers: Vec<&Endpoint> =
        endpoints.iter().filter(|endpoint| endpoint.takes(message.event_type)).collect();
    enqueue_for(tx, message, &takers).await
}

/// Stores a message and a pending delivery for each of these endpoints, which are of its project.
pub async fn enqueue_for(
    tx: &mut Tx,
    message: NewMessage<'_>,
    takers: &[&Endpoint],
) -> Result<Option<MessageId>> {
    let stored = enqueue_all(tx, &[message], |_| takers.to_vec()).await?;
    Ok(stored.into_iter().next())
}

/// Stores messages, each with a pending delivery for each endpoint that takes it; answers those whose keys were not
/// there: nothing is stored of others.
pub async fn enqueue_all<'e>(
    tx: &mut Tx,
    messages: &[NewMessage<'_>],
    takers: impl Fn(&NewMessage<'_>) -> Vec<&'e Endpoint>,
) -> Result<BTreeSet<MessageId>> {
    let mut stored = BTreeSet::new();
    for chunk in messages.chunks(INSERT_ROWS_MAX) {
        let to_row = |message: &NewMessage<'_>| {
            vec![
                (&MessageId::from_bits(message.bits)).into(),
                message.project.into(),
                message.event_type.into(),
                message.subject.into(),
                message.dedupe_key.into(),
                message.payload.into(),
                message.at.project.into(),
            ]
        };
        let query = sql!(
            "insert into webhook_messages (id, project_id, type, subject_id, dedupe_key, payload, created_at) values "
        );
        let query = query
            .rows(chunk.iter().map(to_row))
            .push(" on conflict (project_id, dedupe_key) do nothing returning id", []);
        let ids: Vec<(String,)> = tx.all(query).await?;
        stored.extend(row::each(ids, |(id,)| row::id(id))?);
    }
    let mut rows: Vec<Vec<Val>> = Vec::new();
    for message in messages {
        let id = MessageId::from_bits(message.bits);
        if !stored.contains(&id) {
            continue;
        }
        // Random bits lie at the end: the next numbers are as unique as the first.
        let ids = (1..).map(|step| DeliveryId::from_bits(message.bits.wrapping_add(step)));
        let of_message = ids.zip(takers(message));
        rows.extend(
            of_message.map(|(delivery, to)| webhook_deliveries::values(&delivery, &id, to, message.at)),
        );
    }
    webhook_deliveries::insert(tx, rows).await?;
    Ok(stored)
}

/// Takes their keys and subjects from a project's messages of a type: what they told of was cleared,
/// and what comes in its place is told anew. The messages stay, and so do their deliveries.
pub async fn detach_all(on: impl Exec, project: ProjectId, event_type: &str) -> Result<()> {
    let query = sql!(
        "update webhook_messages set dedupe_key = 'cleared:' || id, subject_id = null
         where project_id = $1 and type = $2 and subject_id is not null",
        project,
        event_type
    );
    on.run(query).await.map(drop)
}

/// The message.
pub async fn get(on: impl Exec, project: ProjectId, id: &MessageId) -> Result<Message> {
    let query = sql!("select * from webhook_messages where project_id = $1 and id = $2", project, id);
    from_row(on.one(query).await?)
}

/// Messages of `[from, to)`, by the project's clock, in the order of making.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    between: (Timestamp, Timestamp),
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Message>> {
    let (from, to) = between;
    let mut query = sql!(
        "select * from webhook_messages where project_id = $1 and created_at >= $2 and created_at < $3",
        project,
        from,
        to,
    );
    if let Some(after) = after {
        query = query.push(" and (created_at, id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by created_at, id limit ?", [limit.probe().into()])).await?;
    let cursor = |message: &Message| Cursor { time: message.created_at, id: message.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}
