//! What administrators see of all customers at once.
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::query::Val;
use super::row;
use super::subscriptions::{self, Stored};
use crate::sql;
use reckoner_domain::id::{CustomerId, ProjectId, SubscriptionId};
use reckoner_domain::key::PlanKey;
use reckoner_domain::money::Money;
use reckoner_domain::subscription::SubscriptionStatus;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, HashMap};

/// A customer with the subscription that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Identifies it.
    pub id: CustomerId,
    /// The customer's own id.
    pub external_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The time zone of its own.
    pub time_zone: Option<String>,
    /// The plan that it has, with its version, and where the subscription stands; none without one.
    pub has: Option<(PlanKey, u32, SubscriptionStatus)>,
}

/// A subscription that brought revenue at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paying {
    /// Identifies it.
    pub subscription: SubscriptionId,
    /// The customer's own id.
    pub external_id: String,
    /// The plan that it had.
    pub plan: PlanKey,
    /// The plan's version.
    pub plan_version: u32,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    external_id: String,
    created_at: i64,
    time_zone: Option<String>,
    plan_key: Option<String>,
    plan_version: Option<i64>,
    status: Option<String>,
}

fn key(text: &str) -> Result<PlanKey> {
    PlanKey::parse(text).map_err(|error| StoreError::corrupt("plan_key", error))
}

fn from_row(row: Row) -> Result<Subscriber> {
    let has = match (row.plan_key, row.plan_version, row.status) {
        (Some(plan), Some(version), Some(status)) => Some((
            key(&plan)?,
            row::count("plan_version", version)?,
            status.parse().map_err(|error| StoreError::corrupt("status", error))?,
        )),
        _ => None,
    };
    let created_at = row::time("created_at", row.created_at)?;
    let time_zone = row.time_zone;
    Ok(Subscriber { id: row::id(row.id)?, external_id: row.external_id, created_at, time_zone, has })
}

/// Every customer of a project, in the order of making, with the subscription that it has.
pub async fn subscribers(on: impl Exec, project: ProjectId) -> Result<Vec<Subscriber>> {
    let query = sql!(
        "select c.id, c.external_id, c.created_at, c.time_zone, s.plan_key, s.plan_version, s.status
         from customers c left join subscriptions s on s.customer_id = c.id and s.ended_at is null
         where c.project_id = $1 order by c.created_at, c.id",
        project
    );
    row::each(on.all(query).await?, from_row)
}

/// The last subscription, which may be over, of each of these customers of a project, or of all, that ever had
/// one.
pub async fn last_subscriptions(
    on: impl Exec,
    project: ProjectId,
    customers: Option<&[CustomerId]>,
) -> Result<HashMap<CustomerId, Stored>> {
    let mut query = sql!(
        "select s.*, c.external_id from subscriptions s join customers c on c.id = s.customer_id
         where s.project_id = $1",
        project
    );
    if let Some(customers) = customers {
        if customers.is_empty() {
            return Ok(HashMap::new());
        }
        query = query.push(" and s.customer_id in ", []).list(customers.iter().map(Val::from));
    }
    // Of several the last one stays.
    let last = " order by case when s.ended_at is null then 1 else 0 end, s.created_at, s.id";
    let stored = row::each(on.all(query.push(last, [])).await?, subscriptions::from_row)?;
    Ok(stored.into_iter().map(|stored| (stored.customer.clone(), stored)).collect())
}

/// The subscriptions of a project that brought revenue at an instant.
pub async fn paying_at(on: impl Exec, project: ProjectId, at: Timestamp) -> Result<Vec<Paying>> {
    let query = sql!(
        "select s.id, c.external_id, p.plan_key, p.plan_version
         from subscription_phases p
           join subscriptions s on s.id = p.subscription_id
           join customers c on c.id = s.customer_id
         where s.project_id = $1 and p.starts_at <= $2 and p.status in ('active', 'past_due')
           and not exists (select 1 from subscription_phases q where q.subscription_id = p.subscription_id
             and q.number > p.number and q.starts_at <= $2)
         order by c.external_id",
        project,
        at
    );
    let rows: Vec<(String, String, String, i64)> = on.all(query).await?;
    row::each(rows, |(id, external_id, plan, version)| {
        let plan_version = row::count("plan_version", version)?;
        Ok(Paying { subscription: row::id(id)?, external_id, plan: key(&plan)?, plan_version })
    })
}

/// What usage beyond limits came to in the periods of a project that were closed in a window, by amount.
pub async fn overage_closed(on: impl Exec, project: ProjectId, window: Window) -> Result<Vec<Money>> {
    let query = sql!(
        "select currency, overage from closed_periods
         where project_id = $1 and closed_at >= $2 and closed_at < $3 and overage is not null",
        project,
        window.start,
        window.end
    );
    let rows: Vec<(String, String)> = on.all(query).await?;
    row::each(rows, |(currency, amount)| row::money("overage", &currency, &amount))
}

/// The addresses of users by the customer that they are; of several the earliest.
pub async fn addresses(
    on: impl Exec,
    project: ProjectId,
    customers: &[CustomerId],
) -> Result<BTreeMap<CustomerId, String>> {
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select m.customer_id, u.email from memberships m join users u on u.id = m.user_id
         where m.project_id = $1 and m.customer_id in ",
        project
    )
    .list(customers.iter().map(Into::into))
    .push(" order by m.created_at desc, u.id", []);
    let rows: Vec<(String, String)> = on.all(query).await?;
    rows.into_iter().map(|(id, email)| Ok((row::id(id)?, email))).collect()
}
