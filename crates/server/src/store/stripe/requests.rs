//! Calls that change something at Stripe, written down before and after. Times are real.
use crate::sql;
use crate::store::exec::Exec;
use crate::store::{Db, Result, row};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// How many calls are removed at a time.
const PURGE_ROWS: u32 = 1_000;

/// A call that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Intent<'a> {
    /// Names it, for every attempt.
    pub key: &'a str,
    /// Whose.
    pub project: ProjectId,
    /// What it does.
    pub operation: &'a str,
}

/// A call as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which idempotency key it goes by, counted from 1.
    pub generation: u32,
    /// How often it was begun under any.
    pub attempts: u32,
    /// Since when it goes by this one.
    pub first_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// What Stripe calls what was made.
    pub reference: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    generation: i64,
    attempts: i64,
    first_at: i64,
    answered_at: Option<i64>,
    reference: Option<String>,
}

fn from_row(row: Row) -> Result<Request> {
    Ok(Request {
        generation: row::count("generation", row.generation)?,
        attempts: row::count("attempts", row.attempts)?,
        first_at: row::time("first_at", row.first_at)?,
        answered_at: row.answered_at.map(|at| row::time("answered_at", at)).transpose()?,
        reference: row.reference,
    })
}

/// Writes down that a call is made, or made again.
pub async fn begin(db: &Db, intent: Intent<'_>, now: Timestamp) -> Result<Request> {
    let query = sql!(
        "insert into stripe_requests (key, project_id, operation, generation, attempts, first_at, tried_at)
         values ($1, $2, $3, 1, 1, $4, $4)
         on conflict (key) do update set attempts = stripe_requests.attempts + 1, tried_at = excluded.tried_at
         returning generation, attempts, first_at, answered_at, reference",
        intent.key,
        intent.project,
        intent.operation,
        now
    );
    from_row(db.one(query).await?)
}

/// Lets a call that made nothing under its idempotency key go by another one; answers which it goes by now,
/// where somebody else did so before.
pub async fn renew(db: &Db, key: &str, generation: u32, now: Timestamp) -> Result<Request> {
    let query = sql!(
        "update stripe_requests set generation = generation + 1, first_at = $3, answered_at = null, error = null
         where key = $1 and generation = $2 and reference is null",
        key,
        generation,
        now
    );
    db.run(query).await?;
    let query = sql!(
        "select generation, attempts, first_at, answered_at, reference from stripe_requests where key = $1",
        key
    );
    from_row(db.one(query).await?)
}

/// Writes down what a call made.
pub async fn succeed(on: impl Exec, key: &str, reference: &str, now: Timestamp) -> Result<()> {
    let query = sql!(
        "update stripe_requests set reference = $2, answered_at = $3, error = null where key = $1",
        key,
        reference,
        now
    );
    on.run(query).await.map(drop)
}

/// Writes down why a call made nothing (with an answer), or why it is not known whether it did (without).
pub async fn fail(
    on: impl Exec,
    (key, generation): (&str, u32),
    error: &str,
    answered_at: Option<Timestamp>,
) -> Result<()> {
    let query = sql!(
        "update stripe_requests set error = $3, answered_at = coalesce($4, answered_at)
         where key = $1 and generation = $2 and reference is null",
        key,
        generation,
        error,
        answered_at
    );
    on.run(query).await.map(drop)
}

/// Removes calls that were answered before an instant, so many at a time; answers how many.
pub async fn purge(db: &Db, before: Timestamp) -> Result<u64> {
    let query = sql!(
        "delete from stripe_requests where key in
         (select key from stripe_requests where answered_at is not null and answered_at < $1
          order by answered_at, key limit $2)",
        before,
        PURGE_ROWS
    );
    db.run(query).await
}
