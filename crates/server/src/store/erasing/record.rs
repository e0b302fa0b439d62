//! The record of changes without what it says of an erased customer. Entries stay where they are; of
//! those that tell of it the details go, with the salt that their hash was made with. Which ones they
//! are is itself an entry, so that nobody takes details away unseen.
use super::{Names, ROWS_AT_ONCE};
use crate::clock::Clock;
use crate::sql;
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::db::{Db, Tx};
use crate::store::error::Result;
use crate::store::exec::Exec;
use crate::store::query::Val;
use crate::store::row;
use reckoner_domain::id::ProjectId;
use serde_json::json;

/// The action of the entries that say which ones were redacted.
pub const REDACTED: &str = "audit.redacted";

/// Takes the details away of the entries of a chain that tell of the customer, that are about one of
/// these objects, or that hold one of these texts.
pub async fn redact(
    db: &Db,
    clock: &Clock,
    project: Option<ProjectId>,
    (names, objects, texts): (Names<'_>, &[String], &[String]),
) -> Result<u64> {
    let chain = project.map_or(0, |project| project.0);
    let (mut after, mut redacted) = (0, 0);
    loop {
        let query = sql!(
            "select number, object, details from audit_entries
             where chain = $1 and number > $2 and redacted_by is null and action <> 'audit.redacted'
             order by number limit $3",
            chain,
            after,
            ROWS_AT_ONCE
        );
        let rows: Vec<(i64, String, String)> = db.all(query).await?;
        let Some((last, ..)) = rows.last() else { return Ok(redacted) };
        after = row::sequence("number", *last)?;
        let told = |(_, object, details): &&(i64, String, String)| {
            objects.contains(object)
                || names.are_in(details)
                || texts.iter().any(|text| details.contains(text.as_str()))
        };
        let numbers: Vec<i64> = rows.iter().filter(told).map(|(number, ..)| *number).collect();
        if !numbers.is_empty() {
            redacted += numbers.len() as u64;
            let mut tx = db.begin().await?;
            take_details(&mut tx, chain, names, &numbers).await?;
            let change = Change::new(project, SYSTEM, REDACTED, &names.erasure.id);
            let change = change.after(json!({"entries": numbers}));
            audit::write(&mut tx, clock, vec![change]).await?;
            tx.commit().await?;
        }
    }
}

async fn take_details(tx: &mut Tx, chain: u32, names: Names<'_>, numbers: &[i64]) -> Result<()> {
    let query = sql!(
        "update audit_entries set redacted_by = $1, salt = $2, details = '{}' where chain = $3 and number in ",
        &names.erasure.id,
        [0_u8; 16].as_slice(),
        chain
    );
    tx.run(query.list(numbers.iter().map(|number| Val::from(*number)))).await.map(drop)
}
