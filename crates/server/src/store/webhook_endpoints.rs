//! Webhook endpoints: who is told, and of what.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::row;
use crate::sql;
use reckoner_domain::id::{EndpointId, ProjectId};
use reckoner_domain::time::Timestamp;

/// The type that tells of a completed aggregation.
pub const COMPLETED: &str = "aggregation.completed";

/// One instant, in real time and by a project's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// In real time.
    pub real: Timestamp,
    /// By the project's clock.
    pub project: Timestamp,
}

/// Who made an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator's own file.
    File,
    /// A client of the API.
    Api,
}

impl Source {
    /// The name in database and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// Why an endpoint gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// A client disabled it; what is pending waits.
    Manual,
    /// The operator's file disables it; what is pending waits.
    File,
    /// It left the operator's file, or was deleted.
    Removed,
    /// It answered 410.
    Gone,
    /// It failed for days.
    Failing,
}

impl Disabled {
    /// The name in database and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::File => "file",
            Self::Removed => "removed",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// Whether what is pending waits for the endpoint to come back, instead of being given up.
    pub fn keeps_pending(self) -> bool {
        matches!(self, Self::Manual | Self::File)
    }

    fn parse(text: &str) -> Result<Self> {
        [Self::Manual, Self::File, Self::Removed, Self::Gone, Self::Failing]
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| StoreError::corrupt("disabled_reason", text))
    }
}

/// The secret before the last rotation, which signs too until its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The sealed secret.
    pub secret: String,
    /// When it ends, in real time.
    pub expires_at: Timestamp,
}

/// A webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Identifies it.
    pub id: EndpointId,
    /// The project whose messages it gets.
    pub project: ProjectId,
    /// Where deliveries go.
    pub url: String,
    /// Which types it gets; all of them when empty.
    pub event_types: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The sealed secret that signs.
    pub secret: String,
    /// The one before it.
    pub previous: Option<Previous>,
    /// Why it gets nothing; `None` while it is enabled.
    pub disabled: Option<Disabled>,
    /// Who made it.
    pub source: Source,
    /// Since when every attempt failed; `None` after a success.
    pub failing_since: Option<Moment>,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
    /// When it was last changed, by the project's clock.
    pub updated_at: Timestamp,
    /// Counts changes from 1.
    pub version: u32,
}

impl Endpoint {
    /// Whether it gets messages of this type; `invoice.*` stands for all that begin with `invoice.`.
    /// One from the operator's file gets completed aggregations only, whatever else there is.
    pub fn takes(&self, event_type: &str) -> bool {
        match self.source {
            Source::File => event_type == COMPLETED,
            Source::Api => {
                self.event_types.is_empty() || self.event_types.iter().any(|taken| matches(taken, event_type))
            }
        }
    }
}

fn matches(filter: &str, event_type: &str) -> bool {
    match filter.strip_suffix('*') {
        Some(begin) => event_type.starts_with(begin),
        None => filter == event_type,
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    url: String,
    event_types: String,
    description: Option<String>,
    secret: String,
    previous_secret: Option<String>,
    previous_secret_expires_at: Option<i64>,
    enabled: bool,
    disabled_reason: Option<String>,
    source: String,
    failing_since: Option<i64>,
    failing_since_clock: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

fn from_row(row: Row) -> Result<Endpoint> {
    let expires_at = row::opt_time("previous_secret_expires_at", row.previous_secret_expires_at)?;
    let failing_since = row::opt_time("failing_since", row.failing_since)?;
    let failing_since_clock = row::opt_time("failing_since_clock", row.failing_since_clock)?;
    Ok(Endpoint {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        url: row.url,
        event_types: row::json("event_types", &row.event_types)?,
        description: row.description,
        secret: row.secret,
        previous: row
            .previous_secret
            .zip(expires_at)
            .map(|(secret, expires_at)| Previous { secret, expires_at }),
        disabled: match row.disabled_reason {
            Some(reason) if !row.enabled => Some(Disabled::parse(&reason)?),
            _ => None,
        },
        source: match row.source.as_str() {
            "file" => Source::File,
            "api" => Source::Api,
            other => return Err(StoreError::corrupt("source", other)),
        },
        failing_since: failing_since.zip(failing_since_clock).map(|(real, project)| Moment { real, project }),
        created_at: row::time("created_at", row.created_at)?,
        updated_at: row::time("updated_at", row.updated_at)?,
        version: row::count("version", row.version)?,
    })
}

fn types_text(event_types: &[String]) -> String {
    serde_json::Value::from(event_types.to_vec()).to_string()
}

/// Makes an endpoint at version 1.
pub async fn create(on: impl Exec, endpoint: &Endpoint) -> Result<()> {
    let previous = endpoint.previous.as_ref();
    let query = sql!(
        "insert into webhook_endpoints
         (id, project_id, url, event_types, description, secret, previous_secret, previous_secret_expires_at,
          enabled, disabled_reason, source, created_at, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)",
        &endpoint.id,
        endpoint.project,
        endpoint.url.as_str(),
        types_text(&endpoint.event_types),
        endpoint.description.as_deref(),
        endpoint.secret.as_str(),
        previous.map(|previous| previous.secret.as_str()),
        previous.map(|previous| previous.expires_at),
        endpoint.disabled.is_none(),
        endpoint.disabled.map(Disabled::as_str),
        endpoint.source.as_str(),
        endpoint.created_at,
        endpoint.updated_at,
    );
    on.run(query).await.map(drop)
}

/// Writes what may be changed about an endpoint that is still at `endpoint.version`, and counts the
/// version up; [`StoreError::Stale`] otherwise.
pub async fn save(on: impl Exec, endpoint: &Endpoint) -> Result<()> {
    let previous = endpoint.previous.as_ref();
    let since = endpoint.failing_since;
    let query = sql!(
        "update webhook_endpoints set url = $1, event_types = $2, description = $3, secret = $4,
         previous_secret = $5, previous_secret_expires_at = $6, enabled = $7, disabled_reason = $8,
         failing_since = $9, failing_since_clock = $10, updated_at = $11, version = version + 1
         where project_id = $12 and id = $13 and version = $14 and deleted_at is null",
        endpoint.url.as_str(),
        types_text(&endpoint.event_types),
        endpoint.description.as_deref(),
        endpoint.secret.as_str(),
        previous.map(|previous| previous.secret.as_str()),
        previous.map(|previous| previous.expires_at),
        endpoint.disabled.is_none(),
        endpoint.disabled.map(Disabled::as_str),
        since.map(|since| since.real),
        since.map(|since| since.project),
        endpoint.updated_at,
        endpoint.project,
        &endpoint.id,
        endpoint.version,
    );
    if on.run(query).await? == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// Sets or clears since when an endpoint fails; no change that clients see.
pub async fn set_failing_since(on: impl Exec, id: &EndpointId, since: Option<Moment>) -> Result<()> {
    let query = sql!(
        "update webhook_endpoints set failing_since = $1, failing_since_clock = $2 where id = $3",
        since.map(|since| since.real),
        since.map(|since| since.project),
        id,
    );
    on.run(query).await.map(drop)
}

/// Deletes an endpoint: it keeps its past deliveries and gets no more.
pub async fn delete(on: impl Exec, project: ProjectId, id: &EndpointId, now: Timestamp) -> Result<()> {
    let query = sql!(
        "update webhook_endpoints set deleted_at = $1, updated_at = $1, enabled = $2,
         disabled_reason = 'removed', version = version + 1
         where project_id = $3 and id = $4 and deleted_at is null",
        now,
        false,
        project,
        id,
    );
    if on.run(query).await? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// The endpoint, unless it was deleted.
pub async fn get(on: impl Exec, project: ProjectId, id: &EndpointId) -> Result<Endpoint> {
    let query = sql!(
        "select * from webhook_endpoints where project_id = $1 and id = $2 and deleted_at is null",
        project,
        id
    );
    from_row(on.one(query).await?)
}

/// The endpoint, kept from being changed by others until the transaction ends. Messages for it may
/// still be added.
pub async fn lock(tx: &mut super::Tx, id: &EndpointId) -> Result<Endpoint> {
    let query = sql!(
        sqlite: "select * from webhook_endpoints where id = $1 and deleted_at is null",
        postgres: "select * from webhook_endpoints where id = $1 and deleted_at is null for no key update",
        id
    );
    from_row(tx.one(query).await?)
}

/// The endpoints made by API that send to this URL and ask for this type alone, in the order of making.
pub async fn ids_of_type(
    on: impl Exec,
    project: ProjectId,
    url: &str,
    event_type: &str,
) -> Result<Vec<EndpointId>> {
    let query = sql!(
        "select id from webhook_endpoints where project_id = $1 and url = $2 and event_types = $3
         and source = 'api' and enabled and deleted_at is null order by created_at, id",
        project,
        url,
        types_text(&[event_type.to_owned()])
    );
    row::each(on.all(query).await?, |(id,): (String,)| row::id(id))
}

/// The endpoint of the operator's file with this URL.
pub async fn get_of_file(on: impl Exec, project: ProjectId, url: &str) -> Result<Option<Endpoint>> {
    let query = sql!(
        "select * from webhook_endpoints where project_id = $1 and url = $2 and source = 'file'",
        project,
        url
    );
    on.opt(query).await?.map(from_row).transpose()
}

/// Every endpoint of the operator's file, in the order of making.
pub async fn list_of_file(on: impl Exec) -> Result<Vec<Endpoint>> {
    let query = sql!("select * from webhook_endpoints where source = 'file' order by created_at, id");
    row::each(on.all(query).await?, from_row)
}

/// Every endpoint of every project.
pub async fn list_all(on: impl Exec) -> Result<Vec<Endpoint>> {
    let query = sql!("select * from webhook_endpoints where deleted_at is null order by id");
    row::each(on.all(query).await?, from_row)
}

/// Every enabled endpoint of a project, in the order of making.
pub async fn list_enabled(on: impl Exec, project: ProjectId) -> Result<Vec<Endpoint>> {
    let query = sql!(
        "select * from webhook_endpoints where project_id = $1 and enabled and deleted_at is null
         order by created_at, id",
        project
    );
    row::each(on.all(query).await?, from_row)
}

/// The projects that have an enabled endpoint.
pub async fn projects(on: impl Exec) -> Result<Vec<ProjectId>> {
    let query = sql!(
        "select distinct project_id from webhook_endpoints where enabled and deleted_at is null
         order by project_id"
    );
    row::each(on.all(query).await?, |(number,): (i64,)| row::project(number))
}

/// How many endpoints a project has.
pub async fn count(on: impl Exec, project: ProjectId) -> Result<u32> {
    let query =
        sql!("select count(*) from webhook_endpoints where project_id = $1 and deleted_at is null", project);
    let (number,): (i64,) = on.one(query).await?;
    row::count("count", number)
}

/// Endpoints in the order of making.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Endpoint>> {
    let mut query =
        sql!("select * from webhook_endpoints where project_id = $1 and deleted_at is null", project);
    if let Some(after) = after {
        query = query.push(" and (created_at, id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by created_at, id limit ?", [limit.probe().into()])).await?;
    let cursor = |endpoint: &Endpoint| Cursor { time: endpoint.created_at, id: endpoint.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}
