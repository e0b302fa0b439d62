//! Reading aggregations.
use super::super::db::Db;
use super::super::error::Result;
use super::super::exec::Exec;
use super::super::page::{Cursor, Limit, Page};
use super::super::query::Val;
use super::super::row;
use super::{Aggregation, Row, Span, from_row};
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::BTreeMap;

/// Ids of one statement.
const IDS_MAX: usize = 1_000;

/// Which aggregations to list.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Of this customer, by its own id.
    pub customer: Option<&'a str>,
    /// Of this period, by its name.
    pub period: Option<&'a str>,
    /// Of periods that start at this instant or later.
    pub from: Option<Timestamp>,
    /// Of periods that start at this instant or earlier.
    pub to: Option<Timestamp>,
}

/// Aggregations, those of the newest period first and by id within it.
pub async fn list(
    db: &Db,
    project: ProjectId,
    filter: &Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Aggregation>> {
    let asked = || {
        sql!("select * from aggregations where project_id = $1", project)
            .when(filter.customer, " and customer = ?")
            .when(filter.period, " and period = ?")
            .when(filter.from, " and period_start >= ?")
            .when(filter.to, " and period_start <= ?")
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut rest = asked();
    if let Some(after) = after {
        // Of the same start, and then of earlier ones: one condition for both would have every page look
        // through all of the same start, of which there are as many as there are customers.
        let same = asked()
            .push(" and period_start = ? and id > ?", [after.time.into(), after.id.as_str().into()])
            .push(" order by id limit ?", [limit.probe().into()]);
        rows = db.all(same).await?;
        rest = rest.push(" and period_start < ?", [after.time.into()]);
    }
    let room = limit.probe() - rows.len() as i64;
    if room > 0 {
        let rest = rest.push(" order by period_start desc, id limit ?", [room.into()]);
        rows.extend(db.all::<Row>(rest).await?);
    }
    let cursor =
        |aggregation: &Aggregation| Cursor { time: aggregation.span.start, id: aggregation.id.clone() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

/// The aggregation with this id.
pub async fn get(on: impl Exec, project: ProjectId, id: &str) -> Result<Aggregation> {
    from_row(on.one(sql!("select * from aggregations where project_id = $1 and id = $2", project, id)).await?)
}

/// Those of these aggregations that are there, in no order; at most 1,000 ids.
pub async fn find_many(on: impl Exec, project: ProjectId, ids: &[&str]) -> Result<Vec<Aggregation>> {
    debug_assert!(ids.len() <= IDS_MAX, "at most {IDS_MAX} ids");
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = sql!("select * from aggregations where project_id = $1 and id in ", project)
        .list(ids.iter().map(|id| Val::from(*id)));
    row::each(on.all(query).await?, from_row)
}

/// The customers with an aggregation of this period that is not complete.
pub async fn open_customers(on: impl Exec, project: ProjectId, span: &Span) -> Result<Vec<String>> {
    let query = sql!(
        "select customer from aggregations
         where project_id = $1 and not complete and period = $2 and period_key = $3 order by id",
        project,
        span.period.as_str(),
        span.key.as_str()
    );
    let rows: Vec<(String,)> = on.all(query).await?;
    Ok(rows.into_iter().map(|(customer,)| customer).collect())
}

/// How many aggregations of periods there are that `now` lies in.
pub async fn count_current(on: impl Exec, project: ProjectId, now: Timestamp) -> Result<u64> {
    let (number,): (i64,) = on
        .one(sql!(
            "select count(*) from aggregations
             where project_id = $1 and not complete and period_start <= $2 and period_end > $2",
            project,
            now
        ))
        .await?;
    row::sequence("count", number)
}

/// How many aggregations there are.
pub async fn count(on: impl Exec, project: ProjectId) -> Result<u64> {
    let (number,): (i64,) =
        on.one(sql!("select count(*) from aggregations where project_id = $1", project)).await?;
    row::sequence("count", number)
}

/// Deletes every aggregation of a project and says how many there were.
pub async fn delete_all(on: impl Exec, project: ProjectId) -> Result<u64> {
    on.run(sql!("delete from aggregations where project_id = $1", project)).await
}

/// The completed aggregations of exactly a time, by customer, of those that have one.
pub async fn of_time(
    on: impl Exec,
    project: ProjectId,
    window: Window,
    customers: &[&str],
) -> Result<BTreeMap<String, String>> {
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select customer, min(id) from aggregations
         where project_id = $1 and period_start = $2 and period_end = $3 and complete and customer in ",
        project,
        window.start,
        window.end
    );
    let query = query.list(customers.iter().map(|id| Val::from(*id))).push(" group by customer", []);
    let found: Vec<(String, String)> = on.all(query).await?;
    Ok(found.into_iter().collect())
}
