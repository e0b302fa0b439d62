//! How far subscriptions are billed, and the billing periods that are closed.
use super::db::Tx;
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::billing_period::Billed;
use reckoner_domain::id::{CustomerId, InvoiceId, ProjectId, SubscriptionId};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::BTreeMap;

/// Customers of one statement.
const CUSTOMERS_MAX: usize = 500;

/// How far a subscription is billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// How many closings there were: the first one only begins billing.
    pub closings: u64,
    /// How far it is billed; not at all where `None`.
    pub billed: Option<Billed>,
    /// When it changed so that what changed is to be invoiced before the end of the period.
    pub interim_at: Option<Timestamp>,
    /// When the next closing is to be run; never where `None`.
    pub run_at: Option<Timestamp>,
}

/// A billing period that is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// Whose.
    pub subscription: SubscriptionId,
    /// Its place among the closings of the subscription.
    pub ordinal: u64,
    /// The project.
    pub project: ProjectId,
    /// The customer.
    pub customer: CustomerId,
    /// The period.
    pub window: Window,
    /// Of how many phases the changes of fees were billed before it.
    pub phases_before: usize,
    /// The same with it: it was rated with those; `None` where that was not written down.
    pub phases: Option<usize>,
    /// When it was closed.
    pub closed_at: Timestamp,
    /// The invoice that closed it; none where nothing was due, or a provider collects.
    pub invoice: Option<InvoiceId>,
    /// What usage beyond limits came to; none where there was none.
    pub overage: Option<Money>,
    /// What was charged for usage in it so far, as JSON.
    pub charges: String,
    /// Whether something of it became known that it was not rated with.
    pub late: bool,
}

#[derive(sqlx::FromRow)]
struct CursorRow {
    subscription_id: String,
    closings: i64,
    billed_until: Option<i64>,
    phases: i64,
    interim_at: Option<i64>,
    run_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct PeriodRow {
    subscription_id: String,
    ordinal: i64,
    project_id: i64,
    customer_id: String,
    period_start: i64,
    period_end: i64,
    phases_before: i64,
    phases: Option<i64>,
    closed_at: i64,
    invoice_id: Option<String>,
    currency: Option<String>,
    overage: Option<String>,
    charges: String,
    late: bool,
}

fn from_row(row: PeriodRow) -> Result<ClosedPeriod> {
    let overage = match (row.currency, row.overage) {
        (Some(currency), Some(amount)) => Some(row::money("overage", &currency, &amount)?),
        _ => None,
    };
    Ok(ClosedPeriod {
        subscription: row::id(row.subscription_id)?,
        ordinal: row::sequence("ordinal", row.ordinal)?,
        project: row::project(row.project_id)?,
        customer: row::id(row.customer_id)?,
        window: Window {
            start: row::time("period_start", row.period_start)?,
            end: row::time("period_end", row.period_end)?,
        },
        phases_before: row::place("phases_before", row.phases_before)?,
        phases: row.phases.map(|phases| row::place("phases", phases)).transpose()?,
        closed_at: row::time("closed_at", row.closed_at)?,
        invoice: row.invoice_id.map(row::id).transpose()?,
        overage,
        charges: row.charges,
        late: row.late,
    })
}

/// How far a subscription is billed; a subscription that nothing is known of is not billed yet.
pub async fn cursor(on: impl Exec, id: &SubscriptionId) -> Result<Cursor> {
    let mut cursors = cursors(on, std::slice::from_ref(id)).await?;
    Ok(cursors.remove(id).unwrap_or_default())
}

/// How far subscriptions are billed; those that nothing is known of are left out.
pub async fn cursors(on: impl Exec, ids: &[SubscriptionId]) -> Result<BTreeMap<SubscriptionId, Cursor>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select subscription_id, closings, billed_until, phases, interim_at, run_at from billing_cursors
         where subscription_id in "
    );
    let rows: Vec<CursorRow> = on.all(query.list(ids.iter().map(Val::from))).await?;
    let read = |row: CursorRow| {
        let phases = row::place("phases", row.phases)?;
        let until = row::opt_time("billed_until", row.billed_until)?;
        let cursor = Cursor {
            closings: row::sequence("closings", row.closings)?,
            billed: until.map(|until| Billed { until, phases }),
            interim_at: row::opt_time("interim_at", row.interim_at)?,
            run_at: row::opt_time("run_at", row.run_at)?,
        };
        Ok((row::id(row.subscription_id)?, cursor))
    };
    rows.into_iter().map(read).collect()
}

/// Writes down how far a subscription is billed. Whoever does so holds the subscription.
pub async fn put_cursor(tx: &mut Tx, project: ProjectId, id: &SubscriptionId, cursor: Cursor) -> Result<()> {
    put_cursors(tx, project, [(id, cursor)]).await
}

/// Writes down how far some subscriptions are billed. Whoever does so holds them.
pub async fn put_cursors(
    tx: &mut Tx,
    project: ProjectId,
    cursors: impl IntoIterator<Item = (&SubscriptionId, Cursor)>,
) -> Result<()> {
    let to_row = |(id, cursor): (&SubscriptionId, Cursor)| {
        let Cursor { closings, billed, interim_at, run_at } = cursor;
        let (until, phases) = (billed.map(|billed| billed.until), billed.map_or(0, |billed| billed.phases));
        let phases = phases as u64;
        vec![
            id.into(),
            project.into(),
            closings.into(),
            until.into(),
            phases.into(),
            interim_at.into(),
            run_at.into(),
        ]
    };
    let rows: Vec<Vec<Val>> = cursors.into_iter().map(to_row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let query = sql!(
        "insert into billing_cursors
           (subscription_id, project_id, closings, billed_until, phases, interim_at, run_at) values "
    );
    let query = query.rows(rows).push(
        " on conflict (subscription_id) do update set closings = excluded.closings,
           billed_until = excluded.billed_until, phases = excluded.phases, interim_at = excluded.interim_at,
           run_at = excluded.run_at",
        [],
    );
    tx.run(query).await.map(drop)
}

/// Subscriptions of a project whose closing is to be run until an instant, the earliest first; those after
/// one of them, and so many.
pub async fn due(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    (after, limit): (Option<&(Timestamp, SubscriptionId)>, u32),
) -> Result<Vec<(Timestamp, SubscriptionId)>> {
    let mut query = sql!(
        "select run_at, subscription_id from billing_cursors
         where project_id = $1 and run_at is not null and run_at <= $2",
        project,
        until
    );
    if let Some((at, id)) = after {
        query = query.push(" and (run_at, subscription_id) > (?, ?)", [(*at).into(), id.into()]);
    }
    let query = query.push(" order by run_at, subscription_id limit ?", [limit.into()]);
    let rows: Vec<(i64, String)> = on.all(query).await?;
    row::each(rows, |(at, id)| Ok((row::time("run_at", at)?, row::id(id)?)))
}

/// The first instant at which a closing of a project is to be run.
pub async fn first_due(on: impl Exec, project: ProjectId) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select run_at from billing_cursors where project_id = $1 and run_at is not null order by run_at limit 1",
        project
    );
    let row: Option<(i64,)> = on.opt(query).await?;
    row.map(|(at,)| row::time("run_at", at)).transpose()
}

/// Puts a closing off that could not be run.
pub async fn put_off(on: impl Exec, id: &SubscriptionId, until: Timestamp) -> Result<()> {
    let query = sql!(
        "update billing_cursors set run_at = $1 where subscription_id = $2 and run_at is not null",
        until,
        id
    );
    on.run(query).await.map(drop)
}

/// Since when usage of a project is still to be billed, or rated anew: of periods that end later than
/// `rerated` microseconds before what is billed so far. `None` where nothing is.
pub async fn billed_since(on: impl Exec, project: ProjectId, rerated: i64) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select min(needed.since) from (
           select coalesce(b.billed_until, s.started_at) as since
             from billing_cursors b join subscriptions s on s.id = b.subscription_id
             where b.project_id = $1 and b.run_at is not null
           union all
           select c.period_start as since
             from closed_periods c join billing_cursors b on b.subscription_id = c.subscription_id
             where c.project_id = $1 and b.run_at is not null and c.period_end > b.billed_until - $2
         ) needed",
        project,
        rerated
    );
    let (since,): (Option<i64>,) = on.one(query).await?;
    row::opt_time("since", since)
}

/// Stores closed periods.
pub async fn insert_closed(tx: &mut Tx, closed: &[ClosedPeriod]) -> Result<()> {
    if closed.is_empty() {
        return Ok(());
    }
    let to_row = |closed: &ClosedPeriod| {
        vec![
            (&closed.subscription).into(),
            closed.ordinal.into(),
            closed.project.into(),
            (&closed.customer).into(),
            closed.window.start.into(),
            closed.window.end.into(),
            (closed.phases_before as u64).into(),
            closed.phases.map(|phases| phases as u64).into(),
            closed.closed_at.into(),
            closed.invoice.as_ref().into(),
            closed.overage.map(|overage| overage.currency().code().to_owned()).into(),
            closed.overage.map(Money::amount).into(),
            closed.charges.as_str().into(),
            closed.late.into(),
        ]
    };
    let query = sql!(
        "insert into closed_periods
           (subscription_id, ordinal, project_id, customer_id, period_start, period_end, phases_before, phases, closed_at,
            invoice_id, currency, overage, charges, late) values "
    );
    tx.run(query.rows(closed.iter().map(to_row))).await.map(drop)
}

/// Writes down what was charged for usage in a closed period so far.
pub async fn set_charges(tx: &mut Tx, closed: &ClosedPeriod, charges: &str) -> Result<()> {
    let query = sql!(
        "update closed_periods set charges = $1 where subscription_id = $2 and ordinal = $3",
        charges,
        &closed.subscription,
        closed.ordinal
    );
    tx.run(query).await.map(drop)
}

/// Notes that something became known of customers' usage in a time: in closed periods that have some of it. Where no
/// closing is to come any more, one is to be run at an instant.
pub async fn set_late(
    tx: &mut Tx,
    project: ProjectId,
    window: Window,
    customers: &[&str],
    run_at: Timestamp,
) -> Result<()> {
    for some in customers.chunks(CUSTOMERS_MAX) {
        let some = || some.iter().map(|id| Val::from(*id));
        let periods = sql!(
            "update closed_periods set late = true
             where project_id = $1 and not late and period_start < $3 and period_end > $2
               and customer_id in (select id from customers where project_id = $1 and external_id in ",
            project,
            window.start,
            window.end
        );
        tx.run(periods.list(some()).push(")", [])).await?;
        let cursors = sql!(
            "update billing_cursors set run_at = $2
             where project_id = $1 and run_at is null and subscription_id in
               (select p.subscription_id from closed_periods p join customers c on c.id = p.customer_id
                where p.late and c.project_id = $1 and c.external_id in ",
            project,
            run_at
        );
        tx.run(cursors.list(some()).push(")", [])).await?;
    }
    Ok(())
}

/// Has another closing run of subscriptions for which none is to come, where something of a closed period became known
/// that it was not rated with.
pub async fn run_late(tx: &mut Tx, ids: &[SubscriptionId], run_at: Timestamp) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let query = sql!(
        "update billing_cursors set run_at = $1 where run_at is null and exists (select 1 from closed_periods p
           where p.subscription_id = billing_cursors.subscription_id and p.late) and subscription_id in ",
        run_at
    );
    tx.run(query.list(ids.iter().map(Val::from))).await.map(drop)
}

/// Notes that a closed period is rated with all that is known of it.
pub async fn set_rated(tx: &mut Tx, closed: &ClosedPeriod) -> Result<()> {
    let query = sql!(
        "update closed_periods set late = false where subscription_id = $1 and ordinal = $2 and late",
        &closed.subscription,
        closed.ordinal
    );
    tx.run(query).await.map(drop)
}

/// The closed periods of subscriptions that are rated anew, in order: those that end after an instant, or later than
/// `within` microseconds before the end of the last one, and those of which something became known.
pub async fn to_rate(
    on: impl Exec,
    ids: &[SubscriptionId],
    (since, within): (Timestamp, i64),
) -> Result<BTreeMap<SubscriptionId, Vec<ClosedPeriod>>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select * from closed_periods c where (late or period_end > $1
           or period_end > (select l.period_end from closed_periods l where l.subscription_id = c.subscription_id
             order by l.ordinal desc limit 1) - $2)
           and subscription_id in ",
        since,
        within
    );
    let query = query.list(ids.iter().map(Val::from)).push(" order by subscription_id, ordinal", []);
    let closed = row::each(on.all(query).await?, from_row)?;
    Ok(row::grouped(closed.into_iter().map(|one| (one.subscription.clone(), one)).collect()))
}

/// The last closed period of a customer.
pub async fn last_closed(
    on: impl Exec,
    project: ProjectId,
    customer: &CustomerId,
) -> Result<Option<ClosedPeriod>> {
    let query = sql!(
        "select * from closed_periods where project_id = $1 and customer_id = $2
         order by period_end desc, ordinal desc limit 1",
        project,
        customer
    );
    on.opt(query).await?.map(from_row).transpose()
}

/// Rows of a page of charges.
const CHARGES_AT_ONCE: u32 = 1_000;

/// What some closed periods were charged.
pub struct ChargesPage {
    /// The charges of each, as JSON.
    pub charges: Vec<String>,
    /// The last of them; none where there are no more.
    pub last: Option<(Timestamp, SubscriptionId, u64)>,
}

#[derive(sqlx::FromRow)]
struct ChargesRow {
    closed_at: i64,
    subscription_id: String,
    ordinal: i64,
    charges: String,
}

/// What was charged in periods that were closed in a time, after one of them.
pub async fn charges_in(
    on: impl Exec,
    project: ProjectId,
    window: Window,
    after: Option<&(Timestamp, SubscriptionId, u64)>,
) -> Result<ChargesPage> {
    let mut query = sql!(
        "select closed_at, subscription_id, ordinal, charges from closed_periods
         where project_id = $1 and closed_at >= $2 and closed_at < $3",
        project,
        window.start,
        window.end
    );
    if let Some((at, id, ordinal)) = after {
        query = query.push(
            " and (closed_at, subscription_id, ordinal) > (?, ?, ?)",
            [(*at).into(), id.into(), (*ordinal).into()],
        );
    }
    let query = query.push(" order by closed_at, subscription_id, ordinal limit ?", [CHARGES_AT_ONCE.into()]);
    let rows: Vec<ChargesRow> = on.all(query).await?;
    let last = rows.last().filter(|_| rows.len() == CHARGES_AT_ONCE as usize);
    let last = last.map(|row| {
        let place = (row::time("closed_at", row.closed_at)?, row::id(row.subscription_id.clone())?);
        Ok::<_, super::StoreError>((place.0, place.1, row::sequence("ordinal", row.ordinal)?))
    });
    let last = last.transpose()?;
    Ok(ChargesPage { charges: rows.into_iter().map(|row| row.charges).collect(), last })
}
