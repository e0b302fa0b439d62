//! Subscriptions in their trials, and those that expired with them.
use crate::sql;
use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::exec::Exec;
use crate::store::row;
use reckoner_domain::id::{CustomerId, ProjectId, SubscriptionId};
use reckoner_domain::time::Timestamp;

/// When the last trial of a customer ends or ended.
pub async fn last_trial_end(
    on: impl Exec,
    project: ProjectId,
    customer: &CustomerId,
) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select max(trial_ends_at) from subscriptions where project_id = $1 and customer_id = $2",
        project,
        customer
    );
    let (at,): (Option<i64>,) = on.one(query).await?;
    row::opt_time("trial_ends_at", at)
}

/// How many trials of a project end when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrialCounts {
    /// They go on.
    pub active: u64,
    /// Of these, end before the end of this day of UTC.
    pub ending_today: u64,
    /// Of these, end on the next.
    pub ending_tomorrow: u64,
    /// They have ended, and the plan that follows has not begun.
    pub pending: u64,
}

/// How many trials of a project end when, seen from `now`; `midnights` are the next two of UTC.
pub async fn count_trials(
    on: impl Exec,
    project: ProjectId,
    now: Timestamp,
    midnights: [Timestamp; 2],
) -> Result<TrialCounts> {
    let [tonight, after] = midnights;
    let query = sql!(
        "select cast(coalesce(sum(case when trial_ends_at > $2 then 1 else 0 end), 0) as bigint),
           cast(coalesce(sum(case when trial_ends_at > $2 and trial_ends_at < $3 then 1 else 0 end), 0) as bigint),
           cast(coalesce(sum(case when trial_ends_at >= $3 and trial_ends_at < $4 then 1 else 0 end), 0) as bigint),
           cast(coalesce(sum(case when trial_ends_at <= $2 and after_trial = 'expire' then 1 else 0 end), 0) as bigint)
         from subscriptions where project_id = $1 and status = 'trialing'",
        project,
        now,
        tonight,
        after
    );
    let (active, ending_today, ending_tomorrow, unnoticed): (i64, i64, i64, i64) = on.one(query).await?;
    let count = |number| row::sequence("count", number);
    Ok(TrialCounts {
        active: count(active)?,
        ending_today: count(ending_today)?,
        ending_tomorrow: count(ending_tomorrow)?,
        pending: count(unnoticed)?,
    })
}

/// How many customers of a project wait for the plan that follows their trial.
pub async fn count_lapsed(on: impl Exec, project: ProjectId) -> Result<u64> {
    let query =
        sql!("select count(*) from subscriptions where project_id = $1 and lapsed_at is not null", project);
    let (number,): (i64,) = on.one(query).await?;
    row::sequence("count", number)
}

/// Subscriptions of a project that expired with their trials until an instant and that nothing was done
/// about, the earliest first; those after one of them, and so many.
pub async fn lapsed(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    (after, limit): (Option<&(Timestamp, SubscriptionId)>, u32),
) -> Result<Vec<(Timestamp, SubscriptionId)>> {
    let mut query = sql!(
        "select lapsed_at, id from subscriptions
         where project_id = $1 and lapsed_at is not null and lapsed_at <= $2",
        project,
        until
    );
    if let Some((at, id)) = after {
        query = query.push(" and (lapsed_at, id) > (?, ?)", [(*at).into(), id.into()]);
    }
    let rows: Vec<(i64, String)> =
        on.all(query.push(" order by lapsed_at, id limit ?", [limit.into()])).await?;
    row::each(rows, |(at, id)| Ok((row::time("lapsed_at", at)?, row::id(id)?)))
}

/// Notes that something is done about a subscription that expired; false where it was before.
pub async fn clear_lapse(tx: &mut Tx, project: ProjectId, id: &SubscriptionId) -> Result<bool> {
    let query = sql!(
        "update subscriptions set lapsed_at = null
         where project_id = $1 and id = $2 and lapsed_at is not null",
        project,
        id
    );
    Ok(tx.run(query).await? == 1)
}

/// Lets a subscription that expired be looked at as if it had done so at another instant.
pub async fn put_lapse_off(
    on: impl Exec,
    project: ProjectId,
    id: &SubscriptionId,
    until: Timestamp,
) -> Result<()> {
    let query = sql!(
        "update subscriptions set lapsed_at = $1
         where project_id = $2 and id = $3 and lapsed_at is not null",
        until,
        project,
        id
    );
    on.run(query).await.map(drop)
}
