//! Holding the chains of the record of changes against themselves.
use super::audit::{self, from_row};
use super::db::Db;
use super::error::Result;
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::audit::{Broken, Place, Walk};

/// What came of checking a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The chain: the number of a project, 0 for what belongs to none.
    pub chain: u32,
    /// The last entry that is good.
    pub last: Place,
    /// What is wrong with it.
    pub broken: Option<Broken>,
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
    let broken = walk_to_end(db, chain, anchors, &mut walk).await?.err();
    Ok(Checked { chain, last: walk.place(), broken })
}

async fn walk_to_end(
    db: &Db,
    chain: u32,
    anchors: &[Place],
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
            if let Err(broken) = walk.take(&stored.entry, stored.hash, &stored.salt, &stored.details) {
                return Ok(Err(broken));
            }
            if anchors.iter().any(|anchor| anchor.number == number && anchor.hash != stored.hash) {
                return Ok(Err(Broken::Anchor(number)));
            }
        }
    }
}
