//! Customers, made on first use or by API.
use super::db::{Db, Tx};
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::time::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Customers of one insert: six arguments each stay far below both engines' limits.
const INSERT_ROWS_MAX: usize = 500;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Our identifier.
    pub id: CustomerId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The customer's own id, the `customer` of events; unique in the project.
    pub external_id: String,
    /// What may be changed.
    pub details: Details,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
    /// Counts changes from 1.
    pub version: u32,
}

/// What may be changed about a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The name shown.
    pub display_name: Option<String>,
    /// The IANA time zone of its periods; the project's without one.
    pub time_zone: Option<String>,
    /// Free properties.
    pub metadata: Map<String, Value>,
}

/// Which customers to list.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Whose own id begins with this.
    pub external_id_prefix: Option<&'a str>,
    /// Whose name shown is this.
    pub display_name: Option<&'a str>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    project_id: i64,
    external_id: String,
    display_name: Option<String>,
    time_zone: Option<String>,
    metadata: String,
    created_at: i64,
    version: i64,
}

pub(super) fn from_row(row: Row) -> Result<Customer> {
    Ok(Customer {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        external_id: row.external_id,
        details: Details {
            display_name: row.display_name,
            time_zone: row.time_zone,
            metadata: row::json("metadata", &row.metadata)?,
        },
        created_at: row::time("created_at", row.created_at)?,
        version: row::count("version", row.version)?,
    })
}

pub(super) fn metadata_text(metadata: &Map<String, Value>) -> String {
    Value::Object(metadata.clone()).to_string()
}

/// Makes the customers that are absent and returns the own ids of those made. Any number of callers
/// may do so at once: each customer is made once, and is there for all of them afterwards.
pub async fn ensure_many(
    db: &Db,
    project: ProjectId,
    external_ids: &[&str],
    now: Timestamp,
    mut make_id: impl FnMut() -> CustomerId + Send,
) -> Result<Vec<String>> {
    // In order, so that two callers cannot wait for each other.
    let sorted: Vec<&str> = external_ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let mut made = Vec::new();
    for chunk in sorted.chunks(INSERT_ROWS_MAX) {
        let rows: Vec<Vec<Val>> = chunk
            .iter()
            .map(|&external_id| {
                let id = Val::from(&make_id());
                let (text, number) = (Val::from(external_id), Val::from(1_u32));
                vec![id, project.into(), text, "{}".into(), now.into(), number]
            })
            .collect();
        let query = sql!(
            "insert into customers (id, project_id, external_id, metadata, created_at, version) values "
        )
        .rows(rows)
        .push(" on conflict (project_id, external_id) do nothing returning external_id", []);
        let new: Vec<(String,)> = db.all(query).await?;
        made.extend(new.into_iter().map(|(external_id,)| external_id));
    }
    Ok(made)
}

/// Makes a customer; [`StoreError::Conflict`] when the own id is taken.
pub async fn create(on: impl Exec, customer: &Customer) -> Result<()> {
    let details = &customer.details;
    let query = sql!(
        "insert into customers
         (id, project_id, external_id, display_name, time_zone, metadata, created_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &customer.id,
        customer.project,
        customer.external_id.as_str(),
        details.display_name.as_deref(),
        details.time_zone.as_deref(),
        metadata_text(&details.metadata),
        customer.created_at,
        customer.version
    );
    on.run(query).await.map(drop)
}

/// The customer with this identifier of ours.
pub async fn get(on: impl Exec, project: ProjectId, id: &CustomerId) -> Result<Customer> {
    let query = sql!("select * from customers where project_id = $1 and id = $2", project, id);
    from_row(on.one(query).await?)
}

/// The same, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, id: &CustomerId) -> Result<Customer> {
    let query = sql!("select * from customers where project_id = $1 and id = $2", project, id).locking();
    from_row(tx.one(query).await?)
}

/// The customer with this own id.
pub async fn get_by_external_id(on: impl Exec, project: ProjectId, external_id: &str) -> Result<Customer> {
    let query =
        sql!("select * from customers where project_id = $1 and external_id = $2", project, external_id);
    from_row(on.one(query).await?)
}

/// The customer addressed by either: ours begins with `cus_`, which an own id never does.
pub async fn find(on: impl Exec, project: ProjectId, either: &str) -> Result<Customer> {
    match CustomerId::parse(either) {
        Ok(id) => get(on, project, &id).await,
        Err(_) => get_by_external_id(on, project, either).await,
    }
}

/// Own ids in place of those identifiers of ours among these texts. One that is no customer's stays as
/// it is, which is nobody's own id.
pub async fn own_ids(on: impl Exec, project: ProjectId, eithers: Vec<String>) -> Result<Vec<String>> {
    let ours: Vec<CustomerId> = eithers.iter().filter_map(|text| CustomerId::parse(text).ok()).collect();
    if ours.is_empty() {
        return Ok(eithers);
    }
    let query = sql!("select id, external_id from customers where project_id = $1", project)
        .push(" and id in ", [])
        .list(ours.iter().map(Val::from));
    let found: Vec<(String, String)> = on.all(query).await?;
    let own: BTreeMap<String, String> = found.into_iter().collect();
    Ok(eithers.into_iter().map(|text| own.get(&text).cloned().unwrap_or(text)).collect())
}

/// The same for one text.
pub async fn own_id(on: impl Exec, project: ProjectId, either: Option<String>) -> Result<Option<String>> {
    Ok(own_ids(on, project, either.into_iter().collect()).await?.pop())
}

/// Changes a customer that is still at `version`, and returns it; [`StoreError::NotFound`], or
/// [`StoreError::Stale`] when it has another version. Its time zone stays: that changes with
/// [`super::customer_zones::change`].
pub async fn update(
    tx: &mut Tx,
    project: ProjectId,
    id: &CustomerId,
    version: u32,
    details: &Details,
) -> Result<Customer> {
    let query = sql!(
        "update customers set display_name = $1, metadata = $2, version = version + 1
         where project_id = $3 and id = $4 and version = $5 returning *",
        details.display_name.as_deref(),
        metadata_text(&details.metadata),
        project,
        id,
        version
    );
    match tx.opt(query).await? {
        Some(row) => from_row(row),
        None => get(tx, project, id).await.and(Err(StoreError::Stale)),
    }
}

/// Customers in the order of making.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Customer>> {
    let mut query = sql!("select * from customers where project_id = $1", project)
        .when(filter.display_name, " and display_name = ?");
    if let Some(prefix) = filter.external_id_prefix {
        // The texts that begin with it are those from it to before it with its end raised.
        query =
            query.push(" and external_id >= ?", [prefix.into()]).when(raised(prefix), " and external_id < ?");
    }
    if let Some(after) = after {
        query = query.push(" and (created_at, id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by created_at, id limit ?", [limit.probe().into()])).await?;
    let cursor = |customer: &Customer| Cursor { time: customer.created_at, id: customer.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

/// How many customers there are.
pub async fn count(on: impl Exec, project: ProjectId) -> Result<u64> {
    let (number,): (i64,) =
        on.one(sql!("select count(*) from customers where project_id = $1", project)).await?;
    row::sequence("count", number)
}

/// The least text above every text that begins with `prefix`; `None` when there is none.
fn raised(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The range of chars jumps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_raised_at_its_end() {
        assert_eq!(raised("ab").as_deref(), Some("ac"));
        assert_eq!(raised("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(raised("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!((raised("\u{10ffff}"), raised("")), (None, None));
    }
}
