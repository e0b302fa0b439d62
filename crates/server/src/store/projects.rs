//! Projects: `live` and `test`, made at the first start.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// The number of project `live`.
pub const LIVE: ProjectId = ProjectId(1);
/// The number of project `test`.
pub const TEST: ProjectId = ProjectId(2);

/// Whether a project's usage is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is, and its clock is the real one.
    Live,
    /// It is not, and its clock may be frozen.
    Test,
}

impl Kind {
    /// The name in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its number.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
    /// Whether its usage is real.
    pub kind: Kind,
    /// Where its clock stands still; `None` while it runs with real time.
    pub frozen_time: Option<Timestamp>,
    /// The IANA time zone of its periods.
    pub time_zone: String,
    /// When it was made, in real time.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    kind: String,
    frozen_time: Option<i64>,
    time_zone: String,
    created_at: i64,
}

fn from_row(row: Row) -> Result<Project> {
    let kind = match row.kind.as_str() {
        "live" => Kind::Live,
        "test" => Kind::Test,
        other => return Err(StoreError::corrupt("kind", other)),
    };
    Ok(Project {
        id: row::project(row.id)?,
        name: row.name,
        kind,
        frozen_time: row::opt_time("frozen_time", row.frozen_time)?,
        time_zone: row.time_zone,
        created_at: row::time("created_at", row.created_at)?,
    })
}

/// Makes `live` and `test` where they are absent; says whether this call made them. Any number of
/// processes may do so at once.
pub async fn ensure(on: impl Exec, now: Timestamp) -> Result<bool> {
    let query = sql!(
        "insert into projects (id, name, kind, time_zone, created_at)
         values ($1, 'live', 'live', 'UTC', $3), ($2, 'test', 'test', 'UTC', $3) on conflict do nothing",
        LIVE,
        TEST,
        now
    );
    Ok(on.run(query).await? > 0)
}

/// The project with this number.
pub async fn get(on: impl Exec, id: ProjectId) -> Result<Project> {
    from_row(on.one(sql!("select * from projects where id = $1", id)).await?)
}

/// The project of this name.
pub async fn get_by_name(on: impl Exec, name: &str) -> Result<Project> {
    from_row(on.one(sql!("select * from projects where name = $1", name)).await?)
}

/// Every project, in the order of making.
pub async fn list(on: impl Exec) -> Result<Vec<Project>> {
    row::each(on.all(sql!("select * from projects order by id")).await?, from_row)
}

/// Moves a test project's clock from where it stood (`None`: real time) to where it shall stand.
/// [`StoreError::Stale`] when it stood elsewhere, or is no test project's.
pub async fn set_frozen_time(
    on: impl Exec,
    id: ProjectId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<()> {
    let query = match from {
        Some(from) => sql!(
            "update projects set frozen_time = $1 where id = $2 and kind = 'test' and frozen_time = $3",
            to,
            id,
            from
        ),
        None => sql!(
            "update projects set frozen_time = $1 where id = $2 and kind = 'test' and frozen_time is null",
            to,
            id
        ),
    };
    if on.run(query).await? == 1 { Ok(()) } else { Err(StoreError::Stale) }
}
