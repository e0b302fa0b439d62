//! The queue of mails: written with what causes them, claimed, sent, and kept for a while without
//! what they said. All times are real.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::query::Val;
use super::row;
use super::{Db, Tx};
use crate::sql;
use reckoner_domain::id::{MailId, ProjectId, UserId};
use reckoner_domain::time::Timestamp;

/// Most mails removed in one go.
pub const PURGE_MAILS: u32 = 500;

/// A mail to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail<'a> {
    /// Identifies it.
    pub id: MailId,
    /// The project it is about.
    pub project: ProjectId,
    /// The user it is about.
    pub user: Option<&'a UserId>,
    /// The name of its template.
    pub template: &'a str,
    /// The address it goes to.
    pub recipient: &'a str,
    /// What the template is filled with, sealed.
    pub content: &'a str,
    /// When it was made, and is due.
    pub now: Timestamp,
    /// From when on nobody wants it any more: it is given up then.
    pub useless_at: Option<Timestamp>,
}

/// What became of a mail so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is to be sent.
    Pending,
    /// A server took it, or it lies in the file outbox.
    Sent,
    /// It was given up.
    Failed,
}

impl State {
    /// The name in the store and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// A mail in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Identifies it.
    pub id: MailId,
    /// The project it is about.
    pub project: ProjectId,
    /// The name of its template.
    pub template: String,
    /// The address it goes to.
    pub recipient: String,
    /// What the template is filled with, sealed; gone once it is dealt with.
    pub content: Option<String>,
    /// What became of it.
    pub state: State,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// From when on nobody wants it any more.
    pub useless_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was dealt with.
    pub finished_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    template: String,
    recipient: String,
    content: Option<String>,
    state: String,
    attempts: i64,
    due_at: i64,
    useless_at: Option<i64>,
    last_error: Option<String>,
    created_at: i64,
    finished_at: Option<i64>,
}

fn from_row(row: Row) -> Result<Mail> {
    let state = match row.state.as_str() {
        "pending" => State::Pending,
        "sent" => State::Sent,
        "failed" => State::Failed,
        other => return Err(StoreError::corrupt("state", other)),
    };
    Ok(Mail {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        template: row.template,
        recipient: row.recipient,
        content: row.content,
        state,
        attempts: row::count("attempts", row.attempts)?,
        due_at: row::time("due_at", row.due_at)?,
        useless_at: row::opt_time("useless_at", row.useless_at)?,
        last_error: row.last_error,
        created_at: row::time("created_at", row.created_at)?,
        finished_at: row::opt_time("finished_at", row.finished_at)?,
    })
}

/// Puts a mail into the queue, in the transaction of what causes it.
pub async fn queue(tx: &mut Tx, mail: &NewMail<'_>) -> Result<()> {
    let query = sql!(
        "insert into mails
         (id, project_id, user_id, template, recipient, content, state, attempts, due_at, useless_at, created_at)
         values ($1, $2, $3, $4, $5, $6, 'pending', 0, $7, $8, $7)",
        &mail.id,
        mail.project,
        mail.user,
        mail.template,
        mail.recipient,
        mail.content,
        mail.now,
        mail.useless_at
    );
    tx.run(query).await.map(drop)
}

/// The mail with this identifier.
pub async fn get(on: impl Exec, id: &MailId) -> Result<Mail> {
    from_row(on.one(sql!("select * from mails where id = $1", id)).await?)
}

/// Claims up to `want` mails that are due, for `worker` until `until`. A worker that dies leaves them
/// to others then.
pub async fn claim(
    on: impl Exec,
    worker: &str,
    now: Timestamp,
    until: Timestamp,
    want: u32,
) -> Result<Vec<Mail>> {
    // Of two at once, the second waits for the first one's rows and finds them claimed.
    let query = sql!(
        "update mails set claimed_by = $1, claimed_until = $2
         where state = 'pending' and (claimed_until is null or claimed_until <= $3) and id in
           (select id from mails where state = 'pending' and due_at <= $3
            and (claimed_until is null or claimed_until <= $3) order by due_at, id limit $4)
         returning *",
        worker,
        until,
        now,
        want
    );
    row::each(on.all(query).await?, from_row)
}

/// Gives back every claim of a worker that will not be used.
pub async fn release(on: impl Exec, worker: &str) -> Result<u64> {
    let query =
        sql!("update mails set claimed_by = null, claimed_until = null where claimed_by = $1", worker);
    on.run(query).await
}

/// Gives back every claim: for a start that knows that no other worker lives.
pub async fn release_all(on: impl Exec) -> Result<u64> {
    on.run(sql!("update mails set claimed_by = null, claimed_until = null where claimed_until is not null"))
        .await
}

/// An attempt at sending a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It was sent.
    Sent,
    /// It is tried again then.
    Retry(Timestamp),
    /// It is given up.
    Failed,
}

/// Records an attempt and what follows from it. `false` when another worker had recorded an attempt of
/// this number before: then nothing changes.
pub async fn record(db: &Db, id: &MailId, attempt: &Attempt, next: Next) -> Result<bool> {
    let mut tx = db.begin().await?;
    let query = sql!(
        "insert into mail_attempts (mail_id, number, at, latency_ms, error) values ($1, $2, $3, $4, $5)
         on conflict (mail_id, number) do nothing",
        id,
        attempt.number,
        attempt.at,
        attempt.latency_ms,
        attempt.error.as_deref()
    );
    if tx.run(query).await? == 0 {
        return Ok(false);
    }
    let (state, due_at) = match next {
        Next::Sent => (State::Sent, attempt.at),
        Next::Retry(due_at) => (State::Pending, due_at),
        Next::Failed => (State::Failed, attempt.at),
    };
    let finished_at = (state != State::Pending).then_some(attempt.at);
    let query = sql!(
        "update mails set state = $1, attempts = $2, due_at = $3, finished_at = $4, last_error = $5,
         content = case when $1 = 'pending' then content else null end, claimed_by = null, claimed_until = null
         where id = $6",
        state.as_str(),
        attempt.number,
        due_at,
        finished_at,
        attempt.error.as_deref(),
        id
    );
    tx.run(query).await?;
    tx.commit().await?;
    Ok(true)
}

/// The attempts at a mail, in order.
pub async fn attempts(on: impl Exec, id: &MailId) -> Result<Vec<Attempt>> {
    let query = sql!(
        "select number, at, latency_ms, error from mail_attempts where mail_id = $1 order by number limit 100",
        id
    );
    row::each(on.all(query).await?, |(number, at, latency, error): (i64, i64, i64, Option<String>)| {
        Ok(Attempt {
            number: row::count("number", number)?,
            at: row::time("at", at)?,
            latency_ms: row::sequence("latency_ms", latency)?,
            error,
        })
    })
}

/// The next instant after `now` at which a mail falls due or a claim runs out.
pub async fn next_due(on: impl Exec, now: Timestamp) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select (select min(due_at) from mails where state = 'pending' and due_at > $1),
         (select min(claimed_until) from mails where claimed_until > $1)",
        now
    );
    let (due, claim): (Option<i64>, Option<i64>) = on.one(query).await?;
    row::opt_time("due_at", [due, claim].into_iter().flatten().min())
}

/// How many mails are to be sent.
pub async fn pending(on: impl Exec) -> Result<u64> {
    let (number,): (i64,) = on.one(sql!("select count(*) from mails where state = 'pending'")).await?;
    row::sequence("count", number)
}

/// Deletes mails that were dealt with before `before`: at most [`PURGE_MAILS`]. Says how many.
pub async fn purge(db: &Db, before: Timestamp) -> Result<u64> {
    let mut tx = db.begin().await?;
    let query = sql!("select id from mails where finished_at <= $1 limit $2", before, PURGE_MAILS);
    let ids: Vec<(String,)> = tx.all(query).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let vals = || ids.iter().map(|(id,)| Val::from(id.as_str()));
    tx.run(sql!("delete from mail_attempts where mail_id in ").list(vals())).await?;
    let gone = tx.run(sql!("delete from mails where id in ").list(vals())).await?;
    tx.commit().await?;
    Ok(gone)
}
