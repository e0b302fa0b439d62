//! The time zones of projects, with every change.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// The zones of one project: IANA names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectZones {
    /// The zone before any change.
    pub first: String,
    /// When another was set, and which, in the order in which that was done.
    pub changes: Vec<(Timestamp, String)>,
}

impl ProjectZones {
    /// One zone for ever.
    pub fn fixed(name: impl Into<String>) -> Self {
        Self { first: name.into(), changes: Vec::new() }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    current: String,
    made_at: Option<i64>,
    time_zone_before: Option<String>,
    time_zone_after: Option<String>,
}

/// The zones that a project has and had.
pub async fn get(on: impl Exec, project: ProjectId) -> Result<ProjectZones> {
    let query = sql!(
        "select projects.time_zone as current, changes.made_at, changes.time_zone_before,
         changes.time_zone as time_zone_after
         from projects left join project_zone_changes changes on changes.project_id = projects.id
         where projects.id = $1 order by changes.position",
        project
    );
    let rows: Vec<Row> = on.all(query).await?;
    let Some(first) = rows.first() else { return Err(StoreError::NotFound) };
    let before = first.time_zone_before.as_ref().unwrap_or(&first.current);
    let mut zones = ProjectZones::fixed(before);
    for row in rows {
        if let (Some(at), Some(zone)) = (row.made_at, row.time_zone_after) {
            zones.changes.push((row::time("made_at", at)?, zone));
        }
    }
    Ok(zones)
}

/// Changes a project's zone, an IANA name that has been checked, from its next periods on. `made_at`
/// is not before that of any earlier change.
pub async fn change(tx: &mut Tx, project: ProjectId, name: &str, made_at: Timestamp) -> Result<()> {
    let query = sql!(
        "insert into project_zone_changes (project_id, position, made_at, time_zone_before, time_zone)
         select id, (select count(*) from project_zone_changes where project_id = $1) + 1, $2, time_zone, $3
         from projects where id = $1",
        project,
        made_at,
        name
    );
    tx.run(query).await?;
    set_current(tx, project, name).await
}

/// Sets a project's zone, an IANA name that has been checked, as if it had been so for ever.
pub async fn set(tx: &mut Tx, project: ProjectId, name: &str) -> Result<()> {
    forget_changes(&mut *tx, project).await?;
    set_current(tx, project, name).await
}

async fn set_current(tx: &mut Tx, project: ProjectId, name: &str) -> Result<()> {
    let query = sql!("update projects set time_zone = $1 where id = $2", name, project);
    if tx.run(query).await? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Forgets a project's changes: it has had the zone that it has for ever.
pub async fn forget_changes(on: impl Exec, project: ProjectId) -> Result<()> {
    on.run(sql!("delete from project_zone_changes where project_id = $1", project)).await.map(drop)
}
