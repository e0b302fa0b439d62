//! Users: people who log in. What they are to projects is in [`super::memberships`].
use super::Tx;
use super::error::Result;
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::UserId;
use reckoner_domain::time::Timestamp;

/// A user. All times are real.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Identifies it.
    pub id: UserId,
    /// The address, in lower case; unique.
    pub email: String,
    /// The password as a PHC string of Argon2id.
    pub password_hash: String,
    /// When the address was shown to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// When the password was last set.
    pub password_changed_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    email: String,
    password_hash: String,
    email_verified_at: Option<i64>,
    password_changed_at: i64,
    created_at: i64,
}

fn from_row(row: Row) -> Result<User> {
    Ok(User {
        id: row::id(row.id)?,
        email: row.email,
        password_hash: row.password_hash,
        email_verified_at: row::opt_time("email_verified_at", row.email_verified_at)?,
        password_changed_at: row::time("password_changed_at", row.password_changed_at)?,
        created_at: row::time("created_at", row.created_at)?,
    })
}

/// Makes a user; [`super::StoreError::Conflict`] when the address is taken.
pub async fn create(on: impl Exec, user: &User) -> Result<()> {
    let query = sql!(
        "insert into users (id, email, password_hash, email_verified_at, password_changed_at, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        &user.id,
        user.email.as_str(),
        user.password_hash.as_str(),
        user.email_verified_at,
        user.password_changed_at,
        user.created_at
    );
    on.run(query).await.map(drop)
}

/// The user with this identifier.
pub async fn get(on: impl Exec, id: &UserId) -> Result<User> {
    from_row(on.one(sql!("select * from users where id = $1", id)).await?)
}

/// The same, held until the transaction ends.
pub async fn lock(tx: &mut Tx, id: &UserId) -> Result<User> {
    from_row(tx.one(sql!("select * from users where id = $1", id).locking()).await?)
}

/// The user with this address, given in lower case.
pub async fn find_by_email(on: impl Exec, email: &str) -> Result<Option<User>> {
    on.opt(sql!("select * from users where email = $1", email)).await?.map(from_row).transpose()
}

/// Notes that the address is the user's; says whether that is news.
pub async fn verify_email(on: impl Exec, id: &UserId, now: Timestamp) -> Result<bool> {
    let query =
        sql!("update users set email_verified_at = $1 where id = $2 and email_verified_at is null", now, id);
    Ok(on.run(query).await? == 1)
}

/// Sets the password, given as a PHC string, if it is still the one that was read.
/// [`super::StoreError::Stale`] when it was changed meanwhile.
pub async fn set_password(on: impl Exec, id: &UserId, from: &str, to: &str, now: Timestamp) -> Result<()> {
    let query = sql!(
        "update users set password_hash = $1, password_changed_at = $2 where id = $3 and password_hash = $4",
        to,
        now,
        id,
        from
    );
    if on.run(query).await? == 1 { Ok(()) } else { Err(super::StoreError::Stale) }
}
