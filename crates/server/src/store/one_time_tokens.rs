//! Tokens of mailed links: each works once, until it ends.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use super::token_hash::TokenHash;
use crate::sql;
use reckoner_domain::id::UserId;
use reckoner_domain::time::Timestamp;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Showing that an address is one's own.
    VerifyEmail,
    /// Setting a new password.
    ResetPassword,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// Stores a token that works until `expires_at`; both times are real.
pub async fn create(
    on: impl Exec,
    hash: TokenHash,
    user: &UserId,
    purpose: Purpose,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    let query = sql!(
        "insert into one_time_tokens (hash, user_id, purpose, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
        hash.0.as_slice(),
        user,
        purpose.as_str(),
        now,
        expires_at
    );
    on.run(query).await.map(drop)
}

/// Whose token this is, if it works now.
pub async fn peek(
    on: impl Exec,
    hash: TokenHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<UserId>> {
    let query = sql!(
        "select user_id from one_time_tokens
         where hash = $1 and purpose = $2 and used_at is null and expires_at > $3",
        hash.0.as_slice(),
        purpose.as_str(),
        now
    );
    let found: Option<(String,)> = on.opt(query).await?;
    found.map(|(id,)| row::id(id)).transpose()
}

/// Uses a token up: of any number at once, one gets the user, the others [`StoreError::NotFound`].
pub async fn take(on: impl Exec, hash: TokenHash, purpose: Purpose, now: Timestamp) -> Result<UserId> {
    let query = sql!(
        "update one_time_tokens set used_at = $1
         where hash = $2 and purpose = $3 and used_at is null and expires_at > $1 returning user_id",
        now,
        hash.0.as_slice(),
        purpose.as_str()
    );
    let found: Option<(String,)> = on.opt(query).await?;
    found.map_or(Err(StoreError::NotFound), |(id,)| row::id(id))
}

/// Uses up every token of a user for this purpose.
pub async fn take_all(on: impl Exec, user: &UserId, purpose: Purpose, now: Timestamp) -> Result<u64> {
    let query = sql!(
        "update one_time_tokens set used_at = $1 where user_id = $2 and purpose = $3 and used_at is null",
        now,
        user,
        purpose.as_str()
    );
    on.run(query).await
}

/// Deletes what has ended.
pub async fn purge(on: impl Exec, now: Timestamp) -> Result<u64> {
    on.run(sql!("delete from one_time_tokens where expires_at <= $1", now)).await
}
