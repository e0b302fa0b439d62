//! The administrator keys of the first start.
use super::key_changes;
use super::keys::{make_key, to_row};
use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::random::NoRandomness;
use crate::store::api_keys::{self, KeyHash};
use crate::store::audit::{self, Change, OPERATOR, SYSTEM};
use crate::store::projects::Project;
use crate::store::{Db, Limit, Scopes, StoreError, Tx};
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
}

/// Refuses configured keys that no project can be given; changes nothing.
pub async fn check(db: &Db, config: &Config, projects: &[Project]) -> Result<(), BootstrapError> {
    for project in projects {
        let Some(key) = configured(config, project) else { continue };
        let known = api_keys::find_by_hash(db, KeyHash::of(key.expose())).await?;
        if known.is_some_and(|known| known.project != project.id) {
            return Err(BootstrapError::Taken(project.name.clone()));
        }
    }
    Ok(())
}

/// Gives each project its configured administrator key, or, while it has no key at all, a new one:
/// all of them or none. Running it again changes nothing. A start does it when nothing else can fail
/// any more: a key that is stored and never shown opens nothing, and keeps the next start from
/// making one.
pub async fn run(
    db: &Db,
    config: &Config,
    projects: &[Project],
    clock: &Clock,
) -> Result<Vec<ShownKey>, BootstrapError> {
    let now = clock.real();
    let (mut shown, mut changes) = (Vec::new(), Vec::new());
    let mut tx = db.begin().await?;
    for project in projects {
        match configured(config, project) {
            Some(key) => give(&mut tx, project, key, now, &mut changes).await?,
            None => shown.extend(make_first(&mut tx, project, now, &mut changes).await?),
        }
    }
    audit::write(&mut tx, clock, changes).await?;
    tx.commit().await?;
    Ok(shown)
}

fn configured<'a>(config: &'a Config, project: &Project) -> Option<&'a Secret> {
    match project.name.as_str() {
        "live" => config.bootstrap_api_key.as_ref(),
        "test" => config.bootstrap_test_api_key.as_ref(),
        _ => None,
    }
}

async fn give(
    tx: &mut Tx,
    project: &Project,
    key: &Secret,
    now: Timestamp,
    changes: &mut Vec<Change>,
) -> Result<(), BootstrapError> {
    let row = to_row(key.expose(), project.id, "bootstrap", Scopes::all(), now)?;
    match api_keys::insert_in(tx, &row).await {
        Ok(known) => {
            if known.id == row.id {
                changes.push(key_changes::created(&OPERATOR, &known));
            }
            if !known.is_valid_at(now) {
                let (project, why) =
                    (&project.name, if known.revoked_at.is_some() { "was revoked" } else { "has expired" });
                tracing::warn!(project, "the bootstrap key {why} and stays so: configure another or none");
            }
            Ok(())
        }
        Err(StoreError::Conflict) => Err(BootstrapError::Taken(project.name.clone())),
        Err(error) => Err(error.into()),
    }
}

async fn make_first(
    tx: &mut Tx,
    project: &Project,
    now: Timestamp,
    changes: &mut Vec<Change>,
) -> Result<Option<ShownKey>, BootstrapError> {
    let any = api_keys::list(&mut *tx, project.id, None, Limit::default()).await?;
    if !any.items.is_empty() {
        return Ok(None);
    }
    let key = make_key(&project.name)?;
    let stored = api_keys::insert_in(tx, &to_row(&key, project.id, "first", Scopes::all(), now)?).await?;
    changes.push(key_changes::created(&SYSTEM, &stored));
    Ok(Some(ShownKey { project: project.name.clone(), key }))
}
