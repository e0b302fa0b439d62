//! Which customers owe, since when, and what they were told of it.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Limit, Page};
use super::query::Val;
use super::{Cursor, row};
use crate::sql;
use reckoner_domain::billing_status::Owing;
use reckoner_domain::id::{CustomerId, InvoiceId, ProjectId};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How a customer that was billed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The customer.
    pub customer: CustomerId,
    /// The customer's own id.
    pub external_id: String,
    /// Since when it owes.
    pub owing: Owing,
}

/// An invoice that is not paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpaid {
    /// Identifies it.
    pub id: InvoiceId,
    /// Its number.
    pub number: u64,
    /// What is left to pay.
    pub due: Money,
    /// When it is or was to be paid.
    pub due_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    customer_id: String,
    external_id: String,
    due_since: Option<i64>,
    told: i64,
}

fn owing(due_since: Option<i64>, told: i64) -> Result<Owing> {
    let told: u32 = row::count("told", told)?;
    Ok(Owing { due_since: row::opt_time("due_since", due_since)?, told: told as usize })
}

fn from_row(row: Row) -> Result<Standing> {
    Ok(Standing {
        customer: row::id(row.customer_id)?,
        external_id: row.external_id,
        owing: owing(row.due_since, row.told)?,
    })
}

/// Since when a customer owes, by its own id; nothing is known of one that was never billed.
pub async fn of_customer(on: impl Exec, project: ProjectId, external_id: &str) -> Result<Owing> {
    let query = sql!(
        "select s.due_since, s.told from billing_standings s join customers c on c.id = s.customer_id
         where c.project_id = $1 and c.external_id = $2",
        project,
        external_id
    );
    let row: Option<(Option<i64>, i64)> = on.opt(query).await?;
    row.map_or(Ok(Owing::default()), |(due_since, told)| owing(due_since, told))
}

/// Since when each customer of a project owes that does.
pub async fn owing_of_all(on: impl Exec, project: ProjectId) -> Result<BTreeMap<CustomerId, Owing>> {
    let query = sql!(
        "select customer_id, due_since, told from billing_standings
         where project_id = $1 and due_since is not null",
        project
    );
    let rows: Vec<(String, Option<i64>, i64)> = on.all(query).await?;
    row::each(rows, |(id, due_since, told)| Ok((row::id(id)?, owing(due_since, told)?)))
        .map(BTreeMap::from_iter)
}

/// Since when customers owe, each held until the transaction ends.
pub async fn lock(
    tx: &mut Tx,
    project: ProjectId,
    customers: &[&CustomerId],
) -> Result<BTreeMap<CustomerId, Owing>> {
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    // In one order, so that nobody waits in a circle.
    let customers: BTreeSet<&CustomerId> = customers.iter().copied().collect();
    let to_row = |id: &CustomerId| vec![id.into(), project.into(), 0_i64.into()];
    // What is there is written as it is: that holds it too.
    let query = sql!("insert into billing_standings (customer_id, project_id, told) values ")
        .rows(customers.into_iter().map(to_row))
        .push(
            " on conflict (customer_id) do update set told = billing_standings.told
             returning customer_id, due_since, told",
            [],
        );
    let rows: Vec<(String, Option<i64>, i64)> = tx.all(query).await?;
    let read = |(id, due_since, told)| Ok((row::id(id)?, owing(due_since, told)?));
    rows.into_iter().map(read).collect()
}

/// Writes down how customers stand. Whoever does so holds them.
pub async fn put(tx: &mut Tx, project: ProjectId, standings: &[Standing]) -> Result<()> {
    let to_row = |standing: &Standing| {
        let owing = &standing.owing;
        let told = u32::try_from(owing.told).map_err(|error| StoreError::corrupt("told", error))?;
        let next_at = owing.next_at().into();
        Ok(vec![(&standing.customer).into(), project.into(), owing.due_since.into(), told.into(), next_at])
    };
    let rows = standings.iter().map(to_row).collect::<Result<Vec<Vec<Val>>>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let query =
        sql!("insert into billing_standings (customer_id, project_id, due_since, told, next_at) values ");
    let query = query.rows(rows).push(
        " on conflict (customer_id) do update set due_since = excluded.due_since, told = excluded.told,
           next_at = excluded.next_at",
        [],
    );
    tx.run(query).await.map(drop)
}

/// Customers of a project that are to be told something until an instant, the earliest first; those after one
/// of them, and so many.
pub async fn due(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    (after, limit): (Option<&(Timestamp, CustomerId)>, u32),
) -> Result<Vec<(Timestamp, CustomerId)>> {
    let mut query = sql!(
        "select next_at, customer_id from billing_standings
         where project_id = $1 and next_at is not null and next_at <= $2",
        project,
        until
    );
    if let Some((at, id)) = after {
        query = query.push(" and (next_at, customer_id) > (?, ?)", [(*at).into(), id.into()]);
    }
    let query = query.push(" order by next_at, customer_id limit ?", [limit.into()]);
    let rows: Vec<(i64, String)> = on.all(query).await?;
    row::each(rows, |(at, id)| Ok((row::time("next_at", at)?, row::id(id)?)))
}

/// The first instant at which a customer of a project is to be told something.
pub async fn first_due(on: impl Exec, project: ProjectId) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select next_at from billing_standings where project_id = $1 and next_at is not null
         order by next_at limit 1",
        project
    );
    let row: Option<(i64,)> = on.opt(query).await?;
    row.map(|(at,)| row::time("next_at", at)).transpose()
}

/// Customers who owe since before `until` and, where there is a `from`, not since before that; those who owe
/// longest first.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    (from, until): (Option<Timestamp>, Timestamp),
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Standing>> {
    let mut query = sql!(
        "select s.customer_id, c.external_id, s.due_since, s.told
         from billing_standings s join customers c on c.id = s.customer_id
         where s.project_id = $1 and s.due_since is not null and s.due_since <= $2",
        project,
        until
    )
    .when(from, " and s.due_since > ?");
    if let Some(after) = after {
        let place = [after.time.into(), after.id.as_str().into()];
        query = query.push(" and (s.due_since, s.customer_id) > (?, ?)", place);
    }
    let query = query.push(" order by s.due_since, s.customer_id limit ?", [limit.probe().into()]);
    let rows = row::each(on.all(query).await?, from_row)?;
    let cursor = |one: &Standing| Cursor {
        time: one.owing.due_since.unwrap_or(Timestamp::EPOCH),
        id: one.customer.to_string(),
    };
    Ok(Page::new(rows, limit, cursor))
}

/// When the first invoice falls or fell due that is not paid, or since when a payment is that Stripe collects, of
/// customers that have one.
pub async fn first_unpaid(
    tx: &mut Tx,
    project: ProjectId,
    customers: &[&CustomerId],
) -> Result<BTreeMap<CustomerId, Timestamp>> {
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select i.customer_id, min(i.due_at) from invoices i join invoice_states s on s.invoice_id = i.id
         where i.project_id = $1 and s.status = 'finalized' and i.customer_id in ",
        project
    );
    let query = query.list(customers.iter().map(|id| Val::from(*id))).push(" group by i.customer_id", []);
    let mut rows: Vec<(String, i64)> = tx.all(query).await?;
    let query = sql!(
        "select u.customer_id, min(p.starts_at)
         from subscriptions u join subscription_phases p on p.subscription_id = u.id
         where u.project_id = $1 and u.status = 'past_due' and p.number =
             (select coalesce(max(o.number), 0) + 1 from subscription_phases o
              where o.subscription_id = u.id and o.status <> 'past_due')
           and u.customer_id in ",
        project
    );
    let query = query.list(customers.iter().map(|id| Val::from(*id))).push(" group by u.customer_id", []);
    rows.extend(tx.all::<(String, i64)>(query).await?);
    let mut first: BTreeMap<CustomerId, Timestamp> = BTreeMap::new();
    for (id, since) in rows {
        let since = row::time("due_at", since)?;
        first.entry(row::id(id)?).and_modify(|first| *first = since.min(*first)).or_insert(since);
    }
    Ok(first)
}

/// A customer's invoices that are not paid, the first to fall due first; at most so many.
pub async fn unpaid(
    on: impl Exec,
    project: ProjectId,
    customer: &CustomerId,
    limit: u32,
) -> Result<Vec<Unpaid>> {
    let query = sql!(
        "select i.id, i.number, i.currency, i.amount_due, i.due_at, s.credited
         from invoices i join invoice_states s on s.invoice_id = i.id
         where i.project_id = $1 and i.customer_id = $2 and s.status = 'finalized'
         order by i.due_at, i.number limit $3",
        project,
        customer,
        limit
    );
    let rows: Vec<(String, i64, String, String, i64, Option<String>)> = on.all(query).await?;
    row::each(rows, |(id, number, currency, due, due_at, credited)| {
        let mut due = row::money("amount_due", &currency, &due)?;
        if let Some(credited) = credited {
            let credited = row::money("credited", &currency, &credited)?;
            due = due.minus(credited).map_err(|error| StoreError::corrupt("credited", error))?;
        }
        Ok(Unpaid {
            id: row::id(id)?,
            number: row::sequence("number", number)?,
            due,
            due_at: row::time("due_at", due_at)?,
        })
    })
}
