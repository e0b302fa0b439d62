//! Changes of API keys, each with its entry in the record of changes.
use super::keys::{make_key, to_row};
use crate::clock::Clock;
use crate::random::NoRandomness;
use crate::store::api_keys::{self, ApiKey};
use crate::store::audit::{self, Change};
use crate::store::projects::Project;
use crate::store::{Db, StoreError};
use reckoner_domain::id::{ApiKeyId, CustomerId, ProjectId};
use reckoner_domain::time::{HOUR, Timestamp};
use serde_json::{Value, json};
use std::fmt::Display;

/// For how long a replaced key goes on working when nothing is said, in hours.
pub const OVERLAP_HOURS_DEFAULT: u32 = 24;
/// The same, at most.
pub const OVERLAP_HOURS_MAX: u32 = 24 * 7;

/// How a key is to be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// For how long the old key works beside the new one, in hours.
    pub overlap_hours: u32,
    /// When the new one ends; when the old one would have, unless said.
    pub expires_at: Option<Timestamp>,
}

/// A key in the place of another.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new key.
    pub new: ApiKey,
    /// Its value.
    pub value: String,
    /// The old one, which works until it expires.
    pub replaced: ApiKey,
}

/// Why a key was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It is revoked or has expired.
    #[error("the key is revoked or has expired: make a new one")]
    Ended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// Stores a new key.
pub async fn create(db: &Db, clock: &Clock, by: &impl Display, key: &ApiKey) -> Result<ApiKey, StoreError> {
    let mut tx = db.begin().await?;
    let stored = api_keys::insert_in(&mut tx, key).await?;
    audit::write(&mut tx, clock, vec![created(by, &stored)]).await?;
    tx.commit().await?;
    Ok(stored)
}

/// The entry of a key that was made.
pub fn created(by: &impl Display, key: &ApiKey) -> Change {
    Change::new(Some(key.project), by, "api_key.created", &key.id).after(shown(key))
}

/// Revokes a key, if it is not revoked yet, and returns it.
pub async fn revoke(
    db: &Db,
    clock: &Clock,
    by: &impl Display,
    (project, id): (ProjectId, &ApiKeyId),
) -> Result<ApiKey, StoreError> {
    let mut tx = db.begin().await?;
    let known = api_keys::lock(&mut tx, project, id).await?;
    if known.revoked_at.is_some() {
        return Ok(known);
    }
    let revoked = api_keys::revoke(&mut tx, project, id, clock.real()).await?;
    let change = Change::new(Some(project), by, "api_key.revoked", id);
    let change = change.before(shown(&known)).after(shown(&revoked));
    audit::write(&mut tx, clock, vec![change]).await?;
    tx.commit().await?;
    Ok(revoked)
}

/// Makes a key of the same name and scopes, and lets the old one end once the overlap is over, if it
/// does not end before.
pub async fn rotate(
    db: &Db,
    clock: &Clock,
    by: &impl Display,
    (project, id): (&Project, &ApiKeyId),
    rotation: Rotation,
) -> Result<Rotated, RotateError> {
    let now = clock.real();
    let mut tx = db.begin().await?;
    let known = api_keys::lock(&mut tx, project.id, id).await?;
    if !known.is_valid_at(now) {
        return Err(RotateError::Ended);
    }
    let value = make_key(&project.name)?;
    let expires_at = rotation.expires_at.or(known.expires_at);
    let row = to_row(&value, project.id, &known.name, known.scopes.clone(), now)?;
    let customer = known.customer.clone();
    let new = api_keys::insert_in(&mut tx, &ApiKey { customer, expires_at, ..row }).await?;
    let over = now.plus_micros(i64::from(rotation.overlap_hours) * HOUR);
    let end = known.expires_at.map_or(over, |end| end.min(over));
    let replaced = api_keys::end_at(&mut tx, project.id, id, end).await?;
    let change = Change::new(Some(project.id), by, "api_key.rotated", id);
    let mut after = shown(&replaced);
    if let Some(after) = after.as_object_mut() {
        after.insert("replaced_by".to_owned(), new.id.to_string().into());
    }
    let changes = vec![change.before(shown(&known)).after(after), created(by, &new)];
    audit::write(&mut tx, clock, changes).await?;
    tx.commit().await?;
    Ok(Rotated { new, value, replaced })
}

fn shown(key: &ApiKey) -> Value {
    json!({
        "name": key.name,
        "scopes": key.scopes.to_string(),
        "customer": key.customer.as_ref().map(CustomerId::as_str),
        "expires_at": key.expires_at.map(|time| time.to_string()),
        "revoked_at": key.revoked_at.map(|time| time.to_string()),
    })
}
