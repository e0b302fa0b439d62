//! Meters, each version a row that never changes its meaning.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::meter_definition::Definition;
use super::row;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::Meter;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;

/// Where a meter was defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a configuration file.
    File,
    /// By API.
    Api,
}

impl Source {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// A stored version of a meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMeter {
    /// The version.
    pub meter: Meter,
    /// Where it was defined.
    pub source: Source,
    /// When, by the project's clock.
    pub created_at: Timestamp,
    /// When the meter was archived, by the project's clock.
    pub archived_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    version: i64,
    definition: String,
    source: String,
    created_at: i64,
    archived_at: Option<i64>,
}

fn from_row(row: Row) -> Result<StoredMeter> {
    let definition: Definition = row::json("definition", &row.definition)?;
    let meter = definition.into_meter(row::id(row.id)?, row::count("version", row.version)?);
    let source = match row.source.as_str() {
        "file" => Source::File,
        "api" => Source::Api,
        other => return Err(StoreError::corrupt("source", other)),
    };
    Ok(StoredMeter {
        meter: meter.map_err(|error| StoreError::corrupt("definition", error))?,
        source,
        created_at: row::time("created_at", row.created_at)?,
        archived_at: row::opt_time("archived_at", row.archived_at)?,
    })
}

fn definition_text(meter: &Meter) -> Result<String> {
    serde_json::to_string(&Definition::from_meter(meter))
        .map_err(|error| StoreError::corrupt("definition", error))
}

/// Stores a version; [`StoreError::Conflict`] when the key has that version already.
pub async fn insert(
    on: impl Exec,
    project: ProjectId,
    meter: &Meter,
    source: Source,
    now: Timestamp,
) -> Result<()> {
    let query = sql!(
        "insert into meters (id, project_id, key, version, event_type, definition, source, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &meter.id,
        project,
        meter.key.as_str(),
        meter.version,
        meter.event_type.as_str(),
        definition_text(meter)?,
        source.as_str(),
        now
    );
    on.run(query).await.map(drop)
}

/// Writes a version anew: for its names and units shown, or its meaning while it has no events.
pub async fn rewrite(on: impl Exec, project: ProjectId, meter: &Meter) -> Result<()> {
    let query = sql!(
        "update meters set event_type = $1, definition = $2
         where project_id = $3 and id = $4 and key = $5 and version = $6",
        meter.event_type.as_str(),
        definition_text(meter)?,
        project,
        &meter.id,
        meter.key.as_str(),
        meter.version
    );
    if on.run(query).await? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// The newest version of every meter that is not archived, by key.
pub async fn list_current(on: impl Exec, project: ProjectId) -> Result<Vec<StoredMeter>> {
    let query = sql!(
        "select m.* from meters m where m.project_id = $1 and m.archived_at is null and m.version =
           (select max(n.version) from meters n where n.project_id = m.project_id and n.key = m.key)
         order by m.key",
        project
    );
    row::each(on.all(query).await?, from_row)
}

/// Every version of every meter there ever was.
pub async fn list_all_versions(on: impl Exec, project: ProjectId) -> Result<Vec<StoredMeter>> {
    let query = sql!("select * from meters where project_id = $1 order by key, version", project);
    row::each(on.all(query).await?, from_row)
}

/// Every version of every meter that is not archived, by key, then version.
pub async fn list_current_versions(on: impl Exec, project: ProjectId) -> Result<Vec<StoredMeter>> {
    let query = sql!(
        "select m.* from meters m where m.project_id = $1 and exists
           (select 1 from meters n where n.project_id = m.project_id and n.key = m.key and n.archived_at is null)
         order by m.key, m.version",
        project
    );
    row::each(on.all(query).await?, from_row)
}

/// What each archived meter read, by its key.
pub async fn archived(on: impl Exec, project: ProjectId) -> Result<BTreeMap<String, String>> {
    let query = sql!(
        "select m.key, m.event_type from meters m where m.project_id = $1 and m.archived_at is not null
         and m.version = (select max(n.version) from meters n where n.project_id = m.project_id and n.key = m.key)",
        project
    );
    let rows: Vec<(String, String)> = on.all(query).await?;
    Ok(rows.into_iter().collect())
}

/// Every version of a meter, the newest first; none when there is no such meter.
pub async fn list_versions(on: impl Exec, project: ProjectId, key: &str) -> Result<Vec<StoredMeter>> {
    let query =
        sql!("select * from meters where project_id = $1 and key = $2 order by version desc", project, key);
    row::each(on.all(query).await?, from_row)
}

/// Archives every version of a meter; archived versions keep their time. A later version revives the
/// meter.
pub async fn archive(on: impl Exec, project: ProjectId, key: &str, now: Timestamp) -> Result<()> {
    let query = sql!(
        "update meters set archived_at = coalesce(archived_at, $1) where project_id = $2 and key = $3",
        now,
        project,
        key
    );
    if on.run(query).await? > 0 { Ok(()) } else { Err(StoreError::NotFound) }
}
