//! Who is to be reminded that a trial ends.
use super::db::Tx;
use super::error::Result;
use super::exec::Exec;
use super::row;
use crate::sql;
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::time::Timestamp;

/// Subscriptions of a project that are to be reminded until an instant, the earliest first; those after one of
/// them, and so many.
pub async fn due(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    (after, limit): (Option<&(Timestamp, SubscriptionId)>, u32),
) -> Result<Vec<(Timestamp, SubscriptionId)>> {
    let mut query = sql!(
        "select remind_at, id from subscriptions
         where project_id = $1 and remind_at is not null and remind_at <= $2",
        project,
        until
    );
    if let Some((at, id)) = after {
        query = query.push(" and (remind_at, id) > (?, ?)", [(*at).into(), id.into()]);
    }
    let rows: Vec<(i64, String)> =
        on.all(query.push(" order by remind_at, id limit ?", [limit.into()])).await?;
    row::each(rows, |(at, id)| Ok((row::time("remind_at", at)?, row::id(id)?)))
}

/// Writes down that a subscription is reminded; false where it was. The subscription is held then.
pub async fn done(tx: &mut Tx, project: ProjectId, id: &SubscriptionId) -> Result<bool> {
    let query = sql!(
        "update subscriptions set remind_at = null where project_id = $1 and id = $2 and remind_at is not null",
        project,
        id
    );
    Ok(tx.run(query).await? == 1)
}

/// Puts a reminder off that failed.
pub async fn put_off(on: impl Exec, project: ProjectId, id: &SubscriptionId, until: Timestamp) -> Result<()> {
    let query = sql!(
        "update subscriptions set remind_at = $1 where project_id = $2 and id = $3 and remind_at is not null",
        until,
        project,
        id
    );
    on.run(query).await.map(drop)
}
