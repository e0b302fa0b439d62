//! Sessions and their refresh tokens. All times are real.
use super::audit::{self, ANONYMOUS, Change};
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use super::row;
use super::token_hash::TokenHash;
use super::{Db, Tx};
use crate::clock::Clock;
use crate::sql;
use reckoner_domain::id::{SessionId, UserId};
use reckoner_domain::time::Timestamp;
use serde_json::json;

/// Most sessions that a user has at once; a further login ends the oldest.
pub const PER_USER_MAX: u32 = 50;
/// Most sessions removed in one go.
pub const PURGE_SESSIONS: u32 = 500;

/// One login and every token that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifies it.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When its tokens were last renewed.
    pub last_used_at: Timestamp,
    /// When its last refresh token ends.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The client's address.
    pub address: Option<String>,
}

impl Session {
    /// Whether it opens anything at this instant.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its holder logged out.
    Logout,
    /// The user ended it from elsewhere.
    Revoked,
    /// A refresh token came a second time.
    Reuse,
    /// The password was changed in another session.
    PasswordChanged,
    /// The password was reset by mail.
    PasswordReset,
    /// The user had too many.
    TooMany,
}

impl Ended {
    /// The name in the store and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::Reuse => "reuse",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::TooMany => "too_many",
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    user_id: String,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    user_agent: Option<String>,
    address: Option<String>,
}

fn from_row(row: Row) -> Result<Session> {
    Ok(Session {
        id: row::id(row.id)?,
        user: row::id(row.user_id)?,
        created_at: row::time("created_at", row.created_at)?,
        last_used_at: row::time("last_used_at", row.last_used_at)?,
        expires_at: row::time("expires_at", row.expires_at)?,
        ended_at: row::opt_time("ended_at", row.ended_at)?,
        user_agent: row.user_agent,
        address: row.address,
    })
}

/// Begins a session with its first refresh token. The oldest ones of a user who has too many end.
pub async fn begin(tx: &mut Tx, session: &Session, token: TokenHash) -> Result<()> {
    insert(tx, session, None).await?;
    add_token(&mut *tx, &session.id, token, session.created_at).await?;
    end_oldest(tx, session).await
}

/// Begins a session with a token for its whole life. The oldest ones of a user who has too many end.
pub async fn begin_with_cookie(tx: &mut Tx, session: &Session, cookie: TokenHash) -> Result<()> {
    insert(tx, session, Some(cookie)).await?;
    end_oldest(tx, session).await
}

async fn insert(tx: &mut Tx, session: &Session, cookie: Option<TokenHash>) -> Result<()> {
    let query = sql!(
        "insert into sessions
           (id, user_id, created_at, last_used_at, expires_at, user_agent, address, cookie_hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &session.id,
        &session.user,
        session.created_at,
        session.last_used_at,
        session.expires_at,
        session.user_agent.as_deref(),
        session.address.as_deref(),
        cookie.as_ref().map(|hash| hash.0.as_slice())
    );
    tx.run(query).await.map(drop)
}

async fn end_oldest(tx: &mut Tx, session: &Session) -> Result<()> {
    let query = sql!(
        "update sessions set ended_at = $1, ended_reason = 'too_many' where ended_at is null and user_id = $2
         and id in (select id from sessions where user_id = $2 and ended_at is null
             order by created_at desc, id desc limit 1000 offset $3)",
        session.created_at,
        &session.user,
        PER_USER_MAX
    );
    tx.run(query).await.map(drop)
}

async fn add_token(tx: &mut Tx, session: &SessionId, token: TokenHash, now: Timestamp) -> Result<()> {
    let query = sql!(
        "insert into refresh_tokens (hash, session_id, created_at) values ($1, $2, $3)",
        token.0.as_slice(),
        session,
        now
    );
    tx.run(query).await.map(drop)
}

/// What came of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It was in force; the new one is now.
    Renewed(Session),
    /// It had been used before: the whole session was ended by this call, or had been already.
    Reused(Session),
    /// It is unknown, or its session has ended.
    Unknown,
}

/// Puts `new` in the place of `old`, or ends the session when `old` was used before.
pub async fn rotate(
    db: &Db,
    clock: &Clock,
    (old, new): (TokenHash, TokenHash),
    expires_at: Timestamp,
) -> Result<Rotated> {
    let now = clock.real();
    let mut tx = db.begin().await?;
    let known: Option<(String,)> =
        tx.opt(sql!("select session_id from refresh_tokens where hash = $1", old.0.as_slice())).await?;
    let Some((id,)) = known else { return Ok(Rotated::Unknown) };
    let id: SessionId = row::id(id)?;
    // The session's lock decides between two that come with the same token.
    let session = lock(&mut tx, &id).await?;
    let used = tx
        .run(sql!(
            "update refresh_tokens set used_at = $1 where hash = $2 and used_at is null",
            now,
            old.0.as_slice()
        ))
        .await?;
    if used == 0 {
        if end(&mut tx, &session.user, &id, Ended::Reuse, now).await?.is_some() {
            let change = Change::new(None, ANONYMOUS, "session.ended_by_reuse", &id);
            let change = change.before(json!({"user": session.user.as_str()}));
            audit::write(&mut tx, clock, vec![change]).await?;
        }
        tx.commit().await?;
        return Ok(Rotated::Reused(session));
    }
    if !session.is_valid_at(now) {
        return Ok(Rotated::Unknown);
    }
    add_token(&mut tx, &id, new, now).await?;
    let query = sql!(
        "update sessions set last_used_at = $1, expires_at = $2 where id = $3 returning *",
        now,
        expires_at,
        &id
    );
    let session = from_row(tx.one(query).await?)?;
    tx.commit().await?;
    Ok(Rotated::Renewed(session))
}

async fn lock(tx: &mut Tx, id: &SessionId) -> Result<Session> {
    from_row(tx.one(sql!("select * from sessions where id = $1", id).locking()).await?)
}

/// The session with this identifier, ended or not.
pub async fn get(on: impl Exec, id: &SessionId) -> Result<Session> {
    from_row(on.one(sql!("select * from sessions where id = $1", id)).await?)
}

/// The session whose cookie this is, ended or not.
pub async fn find_by_cookie(on: impl Exec, cookie: TokenHash) -> Result<Option<Session>> {
    let query = sql!("select * from sessions where cookie_hash = $1", cookie.0.as_slice());
    on.opt(query).await?.map(from_row).transpose()
}

/// The sessions of a user that are open, the newest first; at most [`PER_USER_MAX`].
pub async fn open(on: impl Exec, user: &UserId, now: Timestamp) -> Result<Vec<Session>> {
    let query = sql!(
        "select * from sessions where user_id = $1 and ended_at is null and expires_at > $2
         order by created_at desc, id desc limit $3",
        user,
        now,
        PER_USER_MAX
    );
    row::each(on.all(query).await?, from_row)
}

/// Ends a session of a user and returns it; `None` when there is none that is open.
pub async fn end(
    on: impl Exec,
    user: &UserId,
    id: &SessionId,
    why: Ended,
    now: Timestamp,
) -> Result<Option<Session>> {
    let query = sql!(
        "update sessions set ended_at = $1, ended_reason = $2
         where id = $3 and user_id = $4 and ended_at is null returning *",
        now,
        why.as_str(),
        id,
        user
    );
    on.opt(query).await?.map(from_row).transpose()
}

/// Ends every session of a user but `except`, and returns them.
pub async fn end_all(
    on: impl Exec,
    user: &UserId,
    except: Option<&SessionId>,
    why: Ended,
    now: Timestamp,
) -> Result<Vec<Session>> {
    let query = sql!(
        "update sessions set ended_at = $1, ended_reason = $2 where user_id = $3 and ended_at is null",
        now,
        why.as_str(),
        user
    )
    .when(except, " and id <> ?")
    .push(" returning *", []);
    row::each(on.all(query).await?, from_row)
}

/// How many sessions are open.
pub async fn count_open(on: impl Exec, now: Timestamp) -> Result<u64> {
    let query = sql!("select count(*) from sessions where ended_at is null and expires_at > $1", now);
    let (number,): (i64,) = on.one(query).await?;
    row::sequence("count", number)
}

/// Deletes sessions that ended or expired before `before`, with their tokens: at most
/// [`PURGE_SESSIONS`]. Says how many.
pub async fn purge(db: &Db, before: Timestamp) -> Result<u64> {
    let mut tx = db.begin().await?;
    let query = sql!(
        "select id from sessions where expires_at <= $1 or ended_at <= $1 limit $2",
        before,
        PURGE_SESSIONS
    );
    let ids: Vec<(String,)> = tx.all(query).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let vals = || ids.iter().map(|(id,)| Val::from(id.as_str()));
    tx.run(sql!("delete from refresh_tokens where session_id in ").list(vals())).await?;
    let gone = tx.run(sql!("delete from sessions where id in ").list(vals())).await?;
    tx.commit().await?;
    Ok(gone)
}
