//! API keys, of which only a hash is kept.
use super::db::{Db, Tx};
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use super::scope::Scopes;
use crate::sql;
use reckoner_domain::id::{ApiKeyId, CustomerId, ProjectId};
use reckoner_domain::time::Timestamp;
use sha2::{Digest, Sha256};

/// Characters of a key that are kept and shown.
pub const PREFIX_CHARS: usize = 12;

/// Keys of one update of last uses.
const TOUCH_KEYS_MAX: usize = 500;

/// The SHA-256 of a key. Keys have 128 random bits or 32 characters chosen by the operator, so
/// nothing slower is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
}

/// An API key; the key itself is known to its holder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Identifies it.
    pub id: ApiKeyId,
    /// The project it acts on.
    pub project: ProjectId,
    /// What it is for.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Its hash, by which it is found.
    pub hash: KeyHash,
    /// What it may do.
    pub scopes: Scopes,
    /// The customer who holds it, and sees its own usage with it; then it has no scopes.
    pub customer: Option<CustomerId>,
    /// When it was made, in real time.
    pub created_at: Timestamp,
    /// When it ends, in real time.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, in real time.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, in real time, to a minute or so.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it opens anything at this instant of real time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The part of a key that is kept and shown.
pub fn prefix_of(key: &str) -> String {
    key.chars().take(PREFIX_CHARS).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    name: String,
    prefix: String,
    hash: Vec<u8>,
    scopes: String,
    customer_id: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

fn from_row(row: Row) -> Result<ApiKey> {
    let hash = row.hash.try_into().map_err(|_| StoreError::corrupt("hash", "not 32 bytes"))?;
    Ok(ApiKey {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        name: row.name,
        prefix: row.prefix,
        hash: KeyHash(hash),
        scopes: row.scopes.parse().map_err(|error| StoreError::corrupt("scopes", error))?,
        customer: row.customer_id.map(row::id).transpose()?,
        created_at: row::time("created_at", row.created_at)?,
        expires_at: row::opt_time("expires_at", row.expires_at)?,
        revoked_at: row::opt_time("revoked_at", row.revoked_at)?,
        last_used_at: row::opt_time("last_used_at", row.last_used_at)?,
    })
}

/// Stores a key. The same key again changes nothing and answers the one that is there, revoked or
/// not; [`StoreError::Conflict`] when it belongs to another project.
pub async fn insert(db: &Db, key: &ApiKey) -> Result<ApiKey> {
    let mut tx = db.begin().await?;
    let stored = insert_in(&mut tx, key).await?;
    tx.commit().await?;
    Ok(stored)
}

/// The same, in a transaction.
pub async fn insert_in(tx: &mut Tx, key: &ApiKey) -> Result<ApiKey> {
    let query = sql!(
        "insert into api_keys (id, project_id, name, prefix, hash, scopes, created_at, expires_at, customer_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (hash) do nothing returning *",
        &key.id,
        key.project,
        key.name.as_str(),
        key.prefix.as_str(),
        key.hash.0.as_slice(),
        key.scopes.to_string(),
        key.created_at,
        key.expires_at,
        key.customer.as_ref().map(CustomerId::as_str)
    );
    if let Some(row) = tx.opt(query).await? {
        return from_row(row);
    }
    let known = find_by_hash(&mut *tx, key.hash).await?.ok_or(StoreError::Conflict)?;
    if known.project == key.project { Ok(known) } else { Err(StoreError::Conflict) }
}

/// The key with this hash, of whatever project, revoked and ended ones included.
pub async fn find_by_hash(on: impl Exec, hash: KeyHash) -> Result<Option<ApiKey>> {
    let query = sql!("select * from api_keys where hash = $1", hash.0.as_slice());
    on.opt(query).await?.map(from_row).transpose()
}

/// The key with this identifier.
pub async fn get(on: impl Exec, project: ProjectId, id: &ApiKeyId) -> Result<ApiKey> {
    from_row(on.one(sql!("select * from api_keys where project_id = $1 and id = $2", project, id)).await?)
}

/// The same, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, id: &ApiKeyId) -> Result<ApiKey> {
    let query = sql!("select * from api_keys where project_id = $1 and id = $2", project, id).locking();
    from_row(tx.one(query).await?)
}

/// Keys in the order of making.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<ApiKey>> {
    let mut query = sql!("select * from api_keys where project_id = $1", project);
    if let Some(after) = after {
        query = query.push(" and (created_at, id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by created_at, id limit ?", [limit.probe().into()])).await?;
    let cursor = |key: &ApiKey| Cursor { time: key.created_at, id: key.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

/// Revokes a key and returns it; one that is revoked keeps its time.
pub async fn revoke(on: impl Exec, project: ProjectId, id: &ApiKeyId, now: Timestamp) -> Result<ApiKey> {
    let query = sql!(
        "update api_keys set revoked_at = coalesce(revoked_at, $1)
         where project_id = $2 and id = $3 returning *",
        now,
        project,
        id
    );
    from_row(on.one(query).await?)
}

/// Lets a key end at an instant of real time, and returns it.
pub async fn end_at(on: impl Exec, project: ProjectId, id: &ApiKeyId, at: Timestamp) -> Result<ApiKey> {
    let query = sql!(
        "update api_keys set expires_at = $1 where project_id = $2 and id = $3 returning *",
        at,
        project,
        id
    );
    from_row(on.one(query).await?)
}

/// Notes that keys were used at `at`; meant to be called for many at once, every minute or so.
pub async fn touch(db: &Db, project: ProjectId, ids: &[ApiKeyId], at: Timestamp) -> Result<()> {
    let mut sorted: Vec<&ApiKeyId> = ids.iter().collect();
    sorted.sort();
    for chunk in sorted.chunks(TOUCH_KEYS_MAX) {
        let query = sql!(
            "update api_keys set last_used_at = $1
             where project_id = $2 and (last_used_at is null or last_used_at < $1) and id in ",
            at,
            project
        );
        db.run(query.list(chunk.iter().map(|&id| Val::from(id)))).await?;
    }
    Ok(())
}
