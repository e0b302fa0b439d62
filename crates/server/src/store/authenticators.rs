//! Second factors: authenticators, and codes for whoever has lost one. All times are real.
use super::error::Result;
use super::exec::Exec;
use super::row;
use super::token_hash::TokenHash;
use super::{Db, Tx};
use crate::sql;
use reckoner_domain::id::UserId;
use reckoner_domain::time::Timestamp;

/// A user's authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticator {
    /// Whose it is.
    pub user: UserId,
    /// What codes are made of, sealed.
    pub secret: String,
    /// When its holder showed to have it; until then it asks for nothing.
    pub confirmed_at: Option<Timestamp>,
    /// The step of the last code that was used.
    pub last_step: u64,
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: String,
    secret: String,
    confirmed_at: Option<i64>,
    last_step: i64,
}

fn from_row(row: Row) -> Result<Authenticator> {
    Ok(Authenticator {
        user: row::id(row.user_id)?,
        secret: row.secret,
        confirmed_at: row::opt_time("confirmed_at", row.confirmed_at)?,
        last_step: row::sequence("last_step", row.last_step)?,
    })
}

/// A user's authenticator, confirmed or not.
pub async fn find(on: impl Exec, user: &UserId) -> Result<Option<Authenticator>> {
    let query =
        sql!("select user_id, secret, confirmed_at, last_step from authenticators where user_id = $1", user);
    on.opt(query).await?.map(from_row).transpose()
}

/// Every authenticator.
pub async fn list(db: &Db) -> Result<Vec<Authenticator>> {
    let query = sql!("select user_id, secret, confirmed_at, last_step from authenticators order by user_id");
    row::each(db.all(query).await?, from_row)
}

/// Stores a secret that is to be confirmed, in the place of another such; says whether it was: one that
/// is confirmed stays.
pub async fn begin(on: impl Exec, user: &UserId, secret: &str, now: Timestamp) -> Result<bool> {
    let query = sql!(
        "insert into authenticators (user_id, secret, created_at, last_step) values ($1, $2, $3, 0)
         on conflict (user_id) do update set secret = excluded.secret, created_at = excluded.created_at
         where authenticators.confirmed_at is null",
        user,
        secret,
        now
    );
    Ok(on.run(query).await? == 1)
}

/// Confirms the authenticator that has still this secret; says whether that is news.
pub async fn confirm(on: impl Exec, known: &Authenticator, step: u64, now: Timestamp) -> Result<bool> {
    let query = sql!(
        "update authenticators set confirmed_at = $1, last_step = $2
         where user_id = $3 and secret = $4 and confirmed_at is null",
        now,
        step,
        &known.user,
        known.secret.as_str()
    );
    Ok(on.run(query).await? == 1)
}

/// Uses the code of a step up; of any number at once one gets `true`.
pub async fn use_step(on: impl Exec, user: &UserId, step: u64) -> Result<bool> {
    let query = sql!(
        "update authenticators set last_step = $1
         where user_id = $2 and last_step < $1 and confirmed_at is not null",
        step,
        user
    );
    Ok(on.run(query).await? == 1)
}

/// Removes a user's authenticator with all codes.
pub async fn remove(tx: &mut Tx, user: &UserId) -> Result<()> {
    tx.run(sql!("delete from recovery_codes where user_id = $1", user)).await?;
    tx.run(sql!("delete from authenticators where user_id = $1", user)).await.map(drop)
}

/// Puts recovery codes in the place of all that there were.
pub async fn replace_codes(tx: &mut Tx, user: &UserId, hashes: &[TokenHash], now: Timestamp) -> Result<()> {
    tx.run(sql!("delete from recovery_codes where user_id = $1", user)).await?;
    for hash in hashes {
        let query = sql!(
            "insert into recovery_codes (user_id, hash, created_at) values ($1, $2, $3)",
            user,
            hash.0.as_slice(),
            now
        );
        tx.run(query).await?;
    }
    Ok(())
}

/// Uses a recovery code up; of any number at once one gets `true`.
pub async fn use_code(on: impl Exec, user: &UserId, hash: TokenHash, now: Timestamp) -> Result<bool> {
    let query = sql!(
        "update recovery_codes set used_at = $1 where user_id = $2 and hash = $3 and used_at is null",
        now,
        user,
        hash.0.as_slice()
    );
    Ok(on.run(query).await? == 1)
}

/// How many recovery codes a user has left.
pub async fn count_codes(on: impl Exec, user: &UserId) -> Result<u32> {
    let query = sql!("select count(*) from recovery_codes where user_id = $1 and used_at is null", user);
    let (number,): (i64,) = on.one(query).await?;
    row::count("count", number)
}
