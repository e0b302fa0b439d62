//! Open subscriptions that are to get another plan.
use super::error::Result;
use super::exec::Exec;
use super::page::{Limit, Page};
use super::subscriptions::{Row, Stored, from_row};
use super::{Cursor, row};
use crate::sql;
use reckoner_domain::id::ProjectId;

/// Which open subscriptions are to get another plan.
#[derive(Clone, Debug)]
pub struct Moving<'a> {
    /// Those to this plan.
    pub plan: &'a str,
    /// Only to this version of it.
    pub version: Option<u32>,
    /// None to this version of it.
    pub but: Option<u32>,
}

/// Open subscriptions that are to get another plan, in the order of making.
pub async fn moving(
    on: impl Exec,
    project: ProjectId,
    moving: &Moving<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Stored>> {
    let mut query = sql!(
        "select s.*, c.external_id from subscriptions s join customers c on c.id = s.customer_id
         where s.project_id = $1 and s.plan_key = $2 and s.ended_at is null",
        project,
        moving.plan
    )
    .when(moving.version, " and s.plan_version = ?")
    .when(moving.but, " and s.plan_version <> ?");
    if let Some(after) = after {
        query =
            query.push(" and (s.created_at, s.id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows: Vec<Row> =
        on.all(query.push(" order by s.created_at, s.id limit ?", [limit.probe().into()])).await?;
    let cursor = |one: &Stored| Cursor { time: one.created_at, id: one.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

/// How many they are, by version.
pub async fn count_moving(on: impl Exec, project: ProjectId, moving: &Moving<'_>) -> Result<Vec<(u32, u64)>> {
    let query = sql!(
        "select plan_version, count(*) from subscriptions
         where project_id = $1 and plan_key = $2 and ended_at is null
         group by plan_version order by plan_version",
        project,
        moving.plan
    );
    let mut counted = row::each(on.all::<(i64, i64)>(query).await?, |(version, count)| {
        Ok((row::count("plan_version", version)?, row::sequence("count", count)?))
    })?;
    counted.retain(|(version, _)| {
        moving.version.is_none_or(|only| only == *version) && moving.but != Some(*version)
    });
    Ok(counted)
}
