//! The record of changes, one chain for each project and one for what belongs to none. Entries are
//! written in the transaction of what they tell of, as its last statements but the commit: the chain
//! is held from then on.
use super::db::{Db, Tx};
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::row;
use crate::clock::Clock;
use crate::random;
use crate::sql;
use reckoner_domain::audit::{self, Entry, FIRST, Hash, Place, Salt};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Whoever runs the server: by its configuration, or by commands on the store.
pub const OPERATOR: &str = "operator";
/// The server by itself.
pub const SYSTEM: &str = "system";
/// Whoever calls without showing who it is.
pub const ANONYMOUS: &str = "anonymous";
/// Most bytes of what an entry says about before, and of what it says about after, as JSON.
pub const DETAILS_BYTES_MAX: usize = 16 * 1_024;
/// Entries of one insert: twelve arguments each stay far below both engines' limits.
const INSERT_ROWS_MAX: usize = 500;

/// A change that is to be written down.
#[derive(Clone, Debug)]
pub struct Change {
    project: Option<ProjectId>,
    actor: String,
    action: &'static str,
    object: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Change {
    /// What `actor` did to `object`, in a project or in the installation as a whole.
    pub fn new(
        project: Option<ProjectId>,
        actor: impl Display,
        action: &'static str,
        object: impl Display,
    ) -> Self {
        let (actor, object) = (actor.to_string(), object.to_string());
        Self { project, actor, action, object, before: None, after: None }
    }

    /// What the object was before; nothing secret.
    pub fn before(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    /// What the object is after; nothing secret.
    pub fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }

    fn chain(&self) -> u32 {
        chain_of(self.project)
    }
}

fn chain_of(project: Option<ProjectId>) -> u32 {
    project.map_or(0, |project| project.0)
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What the chain holds of it.
    pub entry: Entry,
    /// Its hash.
    pub hash: Hash,
    /// What its details were hashed with.
    pub salt: Salt,
    /// What it was before and is after, as JSON text.
    pub details: String,
    /// The erasure that took salt and details away.
    pub redacted_by: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    chain: i64,
    pub(super) number: i64,
    made_at: i64,
    project_time: i64,
    actor: String,
    action: String,
    object: String,
    salt: Vec<u8>,
    details: String,
    details_hash: Vec<u8>,
    previous_hash: Vec<u8>,
    hash: Vec<u8>,
    redacted_by: Option<String>,
}

fn bytes<const N: usize>(column: &'static str, bytes: Vec<u8>) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| StoreError::corrupt(column, format!("not {N} bytes")))
}

pub(super) fn from_row(row: Row) -> Result<Stored> {
    let entry = Entry {
        chain: row::count("chain", row.chain)?,
        number: row::sequence("number", row.number)?,
        at: row::time("made_at", row.made_at)?,
        project_time: row::time("project_time", row.project_time)?,
        actor: row.actor,
        action: row.action,
        object: row.object,
        details_hash: bytes("details_hash", row.details_hash)?,
        previous: bytes("previous_hash", row.previous_hash)?,
    };
    let (hash, salt) = (bytes("hash", row.hash)?, bytes("salt", row.salt)?);
    Ok(Stored { entry, hash, salt, details: row.details, redacted_by: row.redacted_by })
}

#[derive(sqlx::FromRow)]
struct Head {
    last_number: i64,
    last_hash: Vec<u8>,
}

impl Head {
    fn place(self) -> Result<Place> {
        let number = row::sequence("last_number", self.last_number)?;
        Ok(Place { number, hash: bytes("last_hash", self.last_hash)? })
    }
}

/// Writes changes down, each at the end of its chain. Chains are held in the order of their numbers,
/// so that no two transactions wait for each other.
pub async fn write(tx: &mut Tx, clock: &Clock, changes: Vec<Change>) -> Result<()> {
    let mut chains: BTreeMap<u32, Vec<Change>> = BTreeMap::new();
    for change in changes {
        chains.entry(change.chain()).or_default().push(change);
    }
    for (chain, changes) in chains {
        let mut last = hold(tx, chain).await?;
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let (place, row) = add(clock, last, change)?;
            last = place;
            rows.push(row);
        }
        insert(tx, rows).await?;
        let query = sql!(
            "update audit_chains set last_number = $2, last_hash = $3 where chain = $1",
            chain,
            last.number,
            last.hash.as_slice()
        );
        tx.run(query).await?;
    }
    Ok(())
}

/// Writes down a change that nothing of the store follows from.
pub async fn write_alone(db: &Db, clock: &Clock, change: Change) -> Result<()> {
    let mut tx = db.begin().await?;
    write(&mut tx, clock, vec![change]).await?;
    tx.commit().await
}

/// Holds a chain, which is made where it is not there, until the transaction ends.
async fn hold(tx: &mut Tx, chain: u32) -> Result<Place> {
    // An update that changes nothing holds the row too.
    let query = sql!(
        "insert into audit_chains (chain, last_number, last_hash) values ($1, 0, $2)
         on conflict (chain) do update set last_number = audit_chains.last_number
         returning last_number, last_hash",
        chain,
        FIRST.as_slice()
    );
    tx.one::<Head>(query).await?.place()
}

/// A change at the end of a chain: where that ends then, and the row.
fn add(clock: &Clock, last: Place, change: Change) -> Result<(Place, Vec<Val>)> {
    let salt: Salt = random::bytes()?;
    let details = json!({"before": bounded(change.before), "after": bounded(change.after)}).to_string();
    let at = clock.real();
    let entry = Entry {
        chain: chain_of(change.project),
        number: last.number + 1,
        at,
        project_time: change.project.map_or(at, |project| clock.of_project(project)),
        actor: change.actor,
        action: change.action.to_owned(),
        object: change.object,
        details_hash: audit::details_hash(&salt, &details),
        previous: last.hash,
    };
    let hash = entry.hash();
    let place = Place { number: entry.number, hash };
    let row = vec![
        entry.chain.into(),
        entry.number.into(),
        entry.at.into(),
        entry.project_time.into(),
        entry.actor.into(),
        entry.action.into(),
        entry.object.into(),
        salt.as_slice().into(),
        details.into(),
        entry.details_hash.as_slice().into(),
        entry.previous.as_slice().into(),
        hash.as_slice().into(),
    ];
    Ok((place, row))
}

async fn insert(tx: &mut Tx, mut rows: Vec<Vec<Val>>) -> Result<()> {
    while !rows.is_empty() {
        let chunk = rows.drain(..rows.len().min(INSERT_ROWS_MAX));
        let query = sql!(
            "insert into audit_entries (chain, number, made_at, project_time, actor, action, object,
               salt, details, details_hash, previous_hash, hash) values "
        );
        tx.run(query.rows(chunk)).await?;
    }
    Ok(())
}

/// What is too large is told by its hash: lists of entries are held in memory.
fn bounded(value: Option<Value>) -> Option<Value> {
    let value = value?;
    let text = value.to_string();
    if text.len() <= DETAILS_BYTES_MAX {
        return Some(value);
    }
    let hash: Hash = Sha256::digest(text.as_bytes()).into();
    Some(json!({"too_large": true, "bytes": text.len(), "sha256": audit::hex(&hash)}))
}

/// Which entries are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Who made them.
    pub actor: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// To what.
    pub object: Option<String>,
    /// Made then or later, in real time.
    pub from: Option<Timestamp>,
    /// Made before, in real time.
    pub to: Option<Timestamp>,
}

/// Entries of a chain, the newest first.
pub async fn list(
    on: impl Exec,
    project: Option<ProjectId>,
    filter: &Filter,
    before: Option<u64>,
    limit: Limit,
) -> Result<Page<Stored>> {
    let query = sql!("select * from audit_entries where chain = $1", chain_of(project))
        .when(filter.actor.as_deref(), " and actor = ?")
        .when(filter.action.as_deref(), " and action = ?")
        .when(filter.object.as_deref(), " and object = ?")
        .when(filter.from, " and made_at >= ?")
        .when(filter.to, " and made_at < ?")
        .when(before, " and number < ?")
        .push(" order by number desc limit ?", [limit.probe().into()]);
    let rows = row::each(on.all(query).await?, from_row)?;
    let cursor = |stored: &Stored| Cursor { time: Timestamp::EPOCH, id: stored.entry.number.to_string() };
    Ok(Page::new(rows, limit, cursor))
}

/// Entries of a chain after one of them, the oldest first; at most 1,000.
pub(super) async fn after(db: &Db, chain: u32, number: u64) -> Result<Vec<Row>> {
    let query = sql!(
        "select * from audit_entries where chain = $1 and number > $2 order by number limit 1000",
        chain,
        number
    );
    db.all(query).await
}

/// The head of a chain; `None` where it has none.
pub async fn head(db: &Db, chain: u32) -> Result<Option<Place>> {
    let query = sql!("select last_number, last_hash from audit_chains where chain = $1", chain);
    db.opt::<Head>(query).await?.map(Head::place).transpose()
}
