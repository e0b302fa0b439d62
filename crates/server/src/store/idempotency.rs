//! Answers kept for `Idempotency-Key`, so that a repeated write is answered and not done again.
use super::db::Db;
use super::error::{Result, StoreError};
use super::exec::Exec;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// A request under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The project.
    pub project: ProjectId,
    /// What the client sent as `Idempotency-Key`.
    pub key: &'a str,
    /// Method and path.
    pub route: &'a str,
    /// The SHA-256 of the content.
    pub hash: [u8; 32],
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What is to be done about a request under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Began {
    /// It is new: do it, then [`finish`] or [`abandon`] it.
    New,
    /// The same request is being done at this moment.
    Running,
    /// The same request was answered: answer this.
    Answered(Answer),
    /// Another request has used the key.
    Mismatch,
}

#[derive(sqlx::FromRow)]
struct Row {
    route: String,
    request_hash: Vec<u8>,
    status: Option<i64>,
    content_type: Option<String>,
    body: Option<Vec<u8>>,
}

/// Begins a request. It counts as running until `deadline`, after which the same key begins anew:
/// its worker is taken for dead. All times are real.
pub async fn begin(db: &Db, request: Request<'_>, now: Timestamp, deadline: Timestamp) -> Result<Began> {
    let query = sql!(
        "insert into idempotency (project_id, key, route, request_hash, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (project_id, key) do update set route = excluded.route,
         request_hash = excluded.request_hash, status = null, content_type = null, body = null,
         created_at = excluded.created_at, expires_at = excluded.expires_at
         where idempotency.expires_at <= excluded.created_at",
        request.project,
        request.key,
        request.route,
        request.hash.as_slice(),
        now,
        deadline
    );
    if db.run(query).await? == 1 {
        return Ok(Began::New);
    }
    let query = sql!(
        "select route, request_hash, status, content_type, body from idempotency
         where project_id = $1 and key = $2",
        request.project,
        request.key
    );
    // Gone again: whoever had it gave up a moment ago, and the client is to ask again.
    let Some(row) = db.opt::<Row>(query).await? else { return Ok(Began::Running) };
    if row.route != request.route || row.request_hash != request.hash {
        return Ok(Began::Mismatch);
    }
    let Some(status) = row.status else { return Ok(Began::Running) };
    let status = u16::try_from(status).map_err(|error| StoreError::corrupt("status", error))?;
    let (content_type, body) = (row.content_type.unwrap_or_default(), row.body.unwrap_or_default());
    Ok(Began::Answered(Answer { status, content_type, body }))
}

/// Keeps the answer until `expires_at`; best in the transaction of what the request does. False
/// when the key is not running any more: then another has begun, and this one must not be done.
pub async fn finish(
    on: impl Exec,
    request: Request<'_>,
    began_at: Timestamp,
    answer: &Answer,
    expires_at: Timestamp,
) -> Result<bool> {
    let query = sql!(
        "update idempotency set status = $1, content_type = $2, body = $3, expires_at = $4
         where project_id = $5 and key = $6 and request_hash = $7 and created_at = $8 and status is null",
        u32::from(answer.status),
        answer.content_type.as_str(),
        answer.body.as_slice(),
        expires_at,
        request.project,
        request.key,
        request.hash.as_slice(),
        began_at
    );
    Ok(on.run(query).await? == 1)
}

/// Forgets a request that failed in a way that a repeat may cure.
pub async fn abandon(on: impl Exec, request: Request<'_>, began_at: Timestamp) -> Result<()> {
    let query = sql!(
        "delete from idempotency where project_id = $1 and key = $2 and created_at = $3 and status is null",
        request.project,
        request.key,
        began_at
    );
    on.run(query).await.map(drop)
}

/// Forgets every request that is still running: for a start that knows that no other worker lives.
pub async fn end_all(on: impl Exec) -> Result<()> {
    on.run(sql!("delete from idempotency where status is null")).await.map(drop)
}

/// Deletes what has expired, of every project, and says how much.
pub async fn purge(on: impl Exec, now: Timestamp) -> Result<u64> {
    on.run(sql!("delete from idempotency where expires_at <= $1", now)).await
}
