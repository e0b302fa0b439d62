//! Changes of meters, each with its entry in the record of changes.
use super::to_api;
use crate::clock::Clock;
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::random;
use crate::store::audit::{self, Change, OPERATOR};
use crate::store::meters::{self, Source, StoredMeter};
use crate::store::{Exec, StoreError, Tx};
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::meter::{Catalogue, Meter, Version, newest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Puts a definition in force; see [`put_in`].
pub async fn put(
    app: &App,
    by: &impl Display,
    project: ProjectId,
    meter: Meter,
    source: Source,
) -> Result<(bool, StoredMeter), ApiError> {
    let mut tx = app.db.begin().await?;
    let mut changes = Vec::new();
    let put = put_in(&mut tx, &app.clock, (by, project), meter, source, &mut changes).await?;
    audit::write(&mut tx, &app.clock, changes).await?;
    tx.commit().await?;
    reload(app, project).await?;
    Ok(put)
}

/// Stores a definition, whatever its id and version say: no change, other names shown, or a new
/// version. Says whether a version was made, and notes what changed. The caller writes that down,
/// commits, and then reads the catalogue anew.
pub async fn put_in(
    tx: &mut Tx,
    clock: &Clock,
    (by, project): (&impl Display, ProjectId),
    mut meter: Meter,
    source: Source,
    changes: &mut Vec<Change>,
) -> Result<(bool, StoredMeter), ApiError> {
    let versions = meters::list_versions(&mut *tx, project, meter.key.as_str()).await?;
    let before = versions.first().map(to_value);
    let changed = match versions.first() {
        Some(known) if known.archived_at.is_none() && known.meter.means_the_same(&meter) => {
            meter.id = known.meter.id.clone();
            meter.version = known.meter.version;
            if known.meter != meter {
                meters::rewrite(&mut *tx, project, &meter).await?;
            }
            false
        }
        newest => {
            meter.id = MeterId::from_bits(random::id_bits(clock.real())?);
            meter.version = newest.map_or(0, |known| known.meter.version) + 1;
            meters::insert(&mut *tx, project, &meter, source, clock.of_project(project)).await?;
            true
        }
    };
    let stored = meters::list_versions(&mut *tx, project, meter.key.as_str()).await?;
    let newest = stored.into_iter().next().ok_or_else(|| ApiError::not_found("meter"))?;
    let after = to_value(&newest);
    if before.as_ref() != Some(&after) {
        let action = if before.is_some() { "meter.updated" } else { "meter.created" };
        let change = Change::new(Some(project), by, action, &newest.meter.key).after(after);
        changes.push(match before {
            Some(before) => change.before(before),
            None => change,
        });
    }
    Ok((changed, newest))
}

/// Archives the meters that once came from the operator's file and are not in it any more.
pub async fn archive_left_out(
    tx: &mut Tx,
    clock: &Clock,
    project: ProjectId,
    file: &[Meter],
    changes: &mut Vec<Change>,
) -> Result<(), StoreError> {
    for stored in meters::list_current(&mut *tx, project).await? {
        let left_out =
            stored.source == Source::File && !file.iter().any(|meter| meter.key == stored.meter.key);
        if left_out {
            let now = clock.of_project(project);
            meters::archive(&mut *tx, project, stored.meter.key.as_str(), now).await?;
            changes.push(archived(&OPERATOR, project, &stored));
        }
    }
    Ok(())
}

/// Reads a project's meters from the store again.
pub async fn reload(app: &App, project: ProjectId) -> Result<(), ApiError> {
    app.recorder.catalogues.put(project, in_force(&app.db, project).await?);
    Ok(())
}

/// A project's meters as the store has them.
pub async fn in_force(on: impl Exec, project: ProjectId) -> Result<Catalogue, StoreError> {
    let mut versions: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for StoredMeter { meter, created_at: since, .. } in meters::list_current_versions(on, project).await? {
        versions.entry(meter.key.to_string()).or_default().push(Version { meter, since });
    }
    Ok(Catalogue::new(versions.into_values().filter_map(newest)))
}

/// Archives a meter.
pub async fn archive(app: &App, by: &impl Display, project: ProjectId, key: &str) -> Result<(), ApiError> {
    let mut tx = app.db.begin().await?;
    let versions = meters::list_versions(&mut tx, project, key).await?;
    meters::archive(&mut tx, project, key, app.clock.of_project(project)).await?;
    let change = versions.first().map(|meter| archived(by, project, meter));
    audit::write(&mut tx, &app.clock, change.into_iter().collect()).await?;
    tx.commit().await?;
    reload(app, project).await
}

fn archived(by: &impl Display, project: ProjectId, meter: &StoredMeter) -> Change {
    Change::new(Some(project), by, "meter.archived", &meter.meter.key).before(to_value(meter))
}

/// A meter as the record of changes shows it.
fn to_value(stored: &StoredMeter) -> Value {
    serde_json::to_value(to_api(stored)).unwrap_or_default()
}
