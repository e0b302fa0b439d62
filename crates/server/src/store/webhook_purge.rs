//! Forgetting messages that were dealt with long ago, with their deliveries and attempts.
use super::db::Db;
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use super::webhook_endpoints::Moment;
use crate::sql;
use reckoner_domain::id::ProjectId;

/// Messages of one transaction.
pub const BATCH_MESSAGES: u32 = 200;

/// Deletes up to [`BATCH_MESSAGES`] of a project's messages that arose before an instant and of which
/// nothing is pending, or was made or tried since; says how many it were.
pub async fn purge(db: &Db, project: ProjectId, before: Moment) -> Result<u64> {
    let mut tx = db.begin().await?;
    let query = sql!(
        "select m.id from webhook_messages m where m.project_id = $1 and m.created_at < $2
         and not exists (select 1 from webhook_deliveries d where d.message_id = m.id
             and (d.state = 'pending' or d.created_at >= $2 or d.last_attempt_at >= $3))
         order by m.created_at, m.id limit $4",
        project,
        before.project,
        before.real,
        BATCH_MESSAGES
    );
    let ids: Vec<(String,)> = tx.all(query).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let list = || ids.iter().map(|(id,)| Val::from(id.as_str()));
    let attempts = sql!(
        "delete from webhook_attempts where delivery_id in
         (select d.id from webhook_deliveries d where d.state <> 'pending' and d.message_id in "
    );
    tx.run(attempts.list(list()).push(")", [])).await?;
    // One that is sent again at this moment keeps its message from being deleted, and all of this from
    // being done; the next time knows better.
    let deliveries = sql!("delete from webhook_deliveries where state <> 'pending' and message_id in ");
    tx.run(deliveries.list(list())).await?;
    let gone = tx.run(sql!("delete from webhook_messages where id in ").list(list())).await?;
    tx.commit().await?;
    Ok(gone)
}
