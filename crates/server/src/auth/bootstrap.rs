//! The administrator keys of the first start.
use super::keys::{make_key, to_row};
use crate::config::{Config, Secret};
use crate::random::NoRandomness;
use crate::store::Limit;
use crate::store::Scopes;
use crate::store::projects::{self, Project};
use crate::store::{Db, StoreError, api_keys};
use reckoner_domain::time::Timestamp;

/// A key made at this start, to be shown once.
#[derive(Clone, Debug)]
pub struct ShownKey {
    /// The project it belongs to.
    pub project: String,
    /// Its value.
    pub key: String,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// A key that the configuration gives to one project belongs to another.
    #[error("the bootstrap key of project {0} belongs to another project already")]
    Taken(String),
    /// A key that the configuration gives was revoked.
    #[error("the bootstrap key of project {0} was revoked; configure another")]
    Revoked(String),
}

/// Gives each project its configured administrator key, or, while it has no key at all, a new one.
/// Running it again changes nothing.
pub async fn run(db: &Db, config: &Config, now: Timestamp) -> Result<Vec<ShownKey>, BootstrapError> {
    let mut shown = Vec::new();
    for project in projects::list(db).await? {
        let configured = match project.name.as_str() {
            "live" => config.bootstrap_api_key.as_ref(),
            "test" => config.bootstrap_test_api_key.as_ref(),
            _ => None,
        };
        match configured {
            Some(key) => give(db, &project, key, now).await?,
            None => shown.extend(make_first(db, &project, now).await?),
        }
    }
    Ok(shown)
}

async fn give(db: &Db, project: &Project, key: &Secret, now: Timestamp) -> Result<(), BootstrapError> {
    let row = to_row(key.expose(), project.id, "bootstrap", Scopes::all(), now)?;
    match api_keys::insert(db, &row).await {
        Ok(known) if known.revoked_at.is_some() => Err(BootstrapError::Revoked(project.name.clone())),
        Ok(_) => Ok(()),
        Err(StoreError::Conflict) => Err(BootstrapError::Taken(project.name.clone())),
        Err(error) => Err(error.into()),
    }
}

async fn make_first(db: &Db, project: &Project, now: Timestamp) -> Result<Option<ShownKey>, BootstrapError> {
    let any = api_keys::list(db, project.id, None, Limit::default()).await?;
    if !any.items.is_empty() {
        return Ok(None);
    }
    let key = make_key(&project.name)?;
    api_keys::insert(db, &to_row(&key, project.id, "first", Scopes::all(), now)?).await?;
    Ok(Some(ShownKey { project: project.name.clone(), key }))
}
