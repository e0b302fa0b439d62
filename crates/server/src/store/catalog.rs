//! Plans and coupons: each version a row that never changes.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::coupon::{Coupon, CouponForm};
use reckoner_domain::id::ProjectId;
use reckoner_domain::plan::{Plan, PlanForm};
use reckoner_domain::problem::Problems;
use reckoner_domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a catalogue consists of.
pub trait Entry: Sized + Send + Sync {
    /// The kind's name.
    const KIND: &'static str;
    /// How it is written.
    type Form: Serialize + DeserializeOwned;
    /// Its key.
    fn key(&self) -> &str;
    /// As it is written.
    fn form(&self) -> Self::Form;
    /// Reads what was written.
    fn read(form: &Self::Form, version: u32, problems: &mut Problems) -> Option<Self>;
    /// Whether another version says the same.
    fn says_the_same(&self, other: &Self) -> bool;
}

impl Entry for Plan {
    const KIND: &'static str = "plan";
    type Form = PlanForm;
    fn key(&self) -> &str {
        self.key.as_str()
    }
    fn form(&self) -> PlanForm {
        PlanForm::from(self)
    }
    fn read(form: &PlanForm, version: u32, problems: &mut Problems) -> Option<Self> {
        form.read(version, problems)
    }
    fn says_the_same(&self, other: &Self) -> bool {
        Plan::says_the_same(self, other)
    }
}

impl Entry for Coupon {
    const KIND: &'static str = "coupon";
    type Form = CouponForm;
    fn key(&self) -> &str {
        self.key.as_str()
    }
    fn form(&self) -> CouponForm {
        CouponForm::from(self)
    }
    fn read(form: &CouponForm, _: u32, problems: &mut Problems) -> Option<Self> {
        form.read(problems)
    }
    fn says_the_same(&self, other: &Self) -> bool {
        self == other
    }
}

/// A stored version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<E> {
    /// What it says.
    pub entry: E,
    /// Counts the versions of its key from 1.
    pub version: u32,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
    /// When the key was archived, by the project's clock: nobody new gets it.
    pub archived_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    version: i64,
    definition: String,
    created_at: i64,
    archived_at: Option<i64>,
}

fn from_row<E: Entry>(row: Row) -> Result<Stored<E>> {
    let Row { version, definition, created_at, archived_at } = row;
    let version = row::count("version", version)?;
    let form: E::Form = row::json("definition", &definition)?;
    let mut problems = Problems::default();
    let entry = E::read(&form, version, &mut problems);
    let entry = problems.into_result(entry).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        StoreError::corrupt("definition", told.join("; "))
    })?;
    Ok(Stored {
        entry,
        version,
        created_at: row::time("created_at", created_at)?,
        archived_at: row::opt_time("archived_at", archived_at)?,
    })
}

/// Stores a version; [`StoreError::Conflict`] when the key has that version already.
pub async fn insert<E: Entry>(
    tx: &mut Tx,
    project: ProjectId,
    (entry, version): (&E, u32),
    now: Timestamp,
) -> Result<()> {
    let definition = serde_json::to_string(&entry.form());
    let query = sql!(
        "insert into catalog_entries (project_id, kind, key, version, definition, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        project,
        E::KIND,
        entry.key(),
        version,
        definition.map_err(|error| StoreError::corrupt("definition", error))?,
        now
    );
    tx.run(query).await.map(drop)
}

/// Archives every version of a key, or makes its newest one be had again. [`StoreError::NotFound`]
/// without such a key.
pub async fn set_archived<E: Entry>(
    tx: &mut Tx,
    project: ProjectId,
    key: &str,
    at: Option<Timestamp>,
) -> Result<()> {
    let query = sql!(
        "update catalog_entries set archived_at = $1 where project_id = $2 and kind = $3 and key = $4",
        at,
        project,
        E::KIND,
        key
    );
    if tx.run(query).await? > 0 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// The newest version of every key, archived ones included, by key.
pub async fn list<E: Entry>(on: impl Exec, project: ProjectId) -> Result<Vec<Stored<E>>> {
    let query = sql!(
        "select e.version, e.definition, e.created_at, e.archived_at from catalog_entries e
         where e.project_id = $1 and e.kind = $2 and e.version =
           (select max(n.version) from catalog_entries n
            where n.project_id = e.project_id and n.kind = e.kind and n.key = e.key)
         order by e.key",
        project,
        E::KIND
    );
    row::each(on.all(query).await?, from_row)
}

/// Every version of a key, the newest first; none when there is no such key.
pub async fn versions<E: Entry>(on: impl Exec, project: ProjectId, key: &str) -> Result<Vec<Stored<E>>> {
    let query = sql!(
        "select version, definition, created_at, archived_at from catalog_entries
         where project_id = $1 and kind = $2 and key = $3 order by version desc",
        project,
        E::KIND,
        key
    );
    row::each(on.all(query).await?, from_row)
}

/// A version of a key; [`StoreError::NotFound`] without it.
pub async fn get<E: Entry>(on: impl Exec, project: ProjectId, key: &str, version: u32) -> Result<Stored<E>> {
    let query = sql!(
        "select version, definition, created_at, archived_at from catalog_entries
         where project_id = $1 and kind = $2 and key = $3 and version = $4",
        project,
        E::KIND,
        key,
        version
    );
    from_row(on.one(query).await?)
}

/// Whether a project has any plan that may be had.
pub async fn has_plans(on: impl Exec, project: ProjectId) -> Result<bool> {
    let query = sql!(
        "select version from catalog_entries where project_id = $1 and kind = 'plan' and archived_at is null limit 1",
        project
    );
    let found: Option<(i64,)> = on.opt(query).await?;
    Ok(found.is_some())
}
