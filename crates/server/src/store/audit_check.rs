//! Holding the chains of the record of changes against themselves.
use super::audit::{self, Stored, from_row};
use super::db::Db;
use super::erasing::REDACTED;
use super::error::Result;
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::audit::{Broken, Place, Walk};
use serde_json::Value;
use std::collections::BTreeSet;

/// What came of checking a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The chain: the number of a project, 0 for what belongs to none.
    pub chain: u32,
    /// The last entry that is good.
    pub last: Place,
    /// What is wrong with it.
    pub broken: Option<Broken>,
    /// Entries whose details an erasure took away, as a later entry says.
    pub redacted: u64,
}

/// What a walk has seen of redactions.
#[derive(Default)]
struct Redactions {
    /// Entries without details.
    found: BTreeSet<u64>,
    /// Entries that others say have none.
    told: BTreeSet<u64>,
}

impl Redactions {
    fn see(&mut self, stored: &Stored) {
        if stored.redacted_by.is_some() {
            self.found.insert(stored.entry.number);
        } else if stored.entry.action == REDACTED {
            let details: Value = serde_json::from_str(&stored.details).unwrap_or_default();
            let entries = details.pointer("/after/entries").and_then(Value::as_array);
            self.told.extend(entries.into_iter().flatten().filter_map(Value::as_u64));
        }
    }
}

/// The chains there are, whether they have a head or not, in the order of their numbers.
pub async fn chains(db: &Db) -> Result<Vec<u32>> {
    let query = sql!(
        "select chain from audit_chains union select chain from audit_entries union select id from projects
         union select 0 order by chain"
    );
    row::each(db.all(query).await?, |(chain,): (i64,)| row::count("chain", chain))
}

/// Walks a chain from its first entry to its head. `anchors` are entries of it whose hashes were
/// written down elsewhere. Others may add entries meanwhile.
pub async fn check(db: &Db, chain: u32, anchors: &[Place]) -> Result<Checked> {
    let mut walk = Walk::default();
    let mut redactions = Redactions::default();
    let walked = walk_to_end(db, chain, (anchors, &mut redactions), &mut walk).await?;
    // Details that nobody says were to be taken away were taken away by somebody else.
    let unseen = redactions.found.difference(&redactions.told).next();
    let broken = walked.err().or(unseen.map(|number| Broken::Details(*number)));
    Ok(Checked { chain, last: walk.place(), broken, redacted: redactions.found.len() as u64 })
}

async fn walk_to_end(
    db: &Db,
    chain: u32,
    (anchors, redactions): (&[Place], &mut Redactions),
    walk: &mut Walk,
) -> Result<std::result::Result<(), Broken>> {
    loop {
        // Before the entries: those up to it are there, and where no more come, no more were added.
        let head = audit::head(db, chain).await?.unwrap_or(Place::START);
        let rows = audit::after(db, chain, walk.place().number).await?;
        if rows.is_empty() {
            let end = walk.place().number;
            let beyond = anchors.iter().find(|anchor| anchor.number > end);
            let at_end = walk.end(head);
            return Ok(at_end.and(beyond.map_or(Ok(()), |anchor| Err(Broken::Anchor(anchor.number)))));
        }
        for row in rows {
            let number = row::sequence("number", row.number)?;
            // What does not read back was not written here.
            let Ok(stored) = from_row(row) else { return Ok(Err(Broken::Changed(number))) };
            redactions.see(&stored);
            let details = stored.redacted_by.is_none().then_some((&stored.salt, stored.details.as_str()));
            if let Err(broken) = walk.take(&stored.entry, stored.hash, details) {
                return Ok(Err(broken));
            }
            if anchors.iter().any(|anchor| anchor.number == number && anchor.hash != stored.hash) {
                return Ok(Err(Broken::Anchor(number)));
            }
        }
    }
}
