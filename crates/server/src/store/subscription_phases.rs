//! What subscriptions were from when on.
use super::db::Tx;
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use super::row;
use super::subscriptions::{anchor, cycle, named, plan_key, zone_name};
use crate::sql;
use reckoner_domain::cycle::BillingCycle;
use reckoner_domain::id::SubscriptionId;
use reckoner_domain::key::PlanKey;
use reckoner_domain::subscription::{Subscription, SubscriptionStatus};
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;

/// What a subscription was from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Since when.
    pub starts_at: Timestamp,
    /// The plan.
    pub plan: PlanKey,
    /// The plan's version.
    pub plan_version: u32,
    /// Where it stood.
    pub status: SubscriptionStatus,
    /// When its billing periods begin.
    pub cycle: BillingCycle,
}

#[derive(sqlx::FromRow)]
struct Row {
    subscription_id: String,
    starts_at: i64,
    plan_key: String,
    plan_version: i64,
    status: String,
    billing_interval: String,
    zone: String,
    anchor: Option<i64>,
    periods_since: Option<i64>,
}

fn from_row(row: Row) -> Result<(SubscriptionId, Phase)> {
    let phase = Phase {
        starts_at: row::time("starts_at", row.starts_at)?,
        plan: plan_key(&row.plan_key)?,
        plan_version: row::count("plan_version", row.plan_version)?,
        status: named("status", &row.status)?,
        cycle: cycle((&row.billing_interval, &row.zone), row.anchor, row.periods_since)?,
    };
    Ok((row::id(row.subscription_id)?, phase))
}

/// Notes what a subscription is from an instant on.
pub async fn add(
    tx: &mut Tx,
    id: &SubscriptionId,
    starts_at: Timestamp,
    subscription: &Subscription,
) -> Result<()> {
    let last =
        sql!("select coalesce(max(number), 0) from subscription_phases where subscription_id = $1", id);
    let (last,): (i64,) = tx.one(last).await?;
    let query = sql!(
        "insert into subscription_phases
           (subscription_id, number, starts_at, plan_key, plan_version, status, billing_interval, zone, anchor,
            periods_since)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id,
        last + 1,
        starts_at,
        subscription.plan.as_str(),
        subscription.plan_version,
        subscription.status.as_str(),
        subscription.cycle.interval.as_str(),
        zone_name(&subscription.cycle.zone),
        anchor(&subscription.cycle),
        subscription.cycle.since
    );
    tx.run(query).await.map(drop)
}

/// What a subscription was, in order.
pub async fn of(on: impl Exec, id: &SubscriptionId) -> Result<Vec<Phase>> {
    let mut phases = of_many(on, std::slice::from_ref(id)).await?;
    Ok(phases.remove(id).unwrap_or_default())
}

/// What subscriptions were, each in order.
pub async fn of_many(on: impl Exec, ids: &[SubscriptionId]) -> Result<BTreeMap<SubscriptionId, Vec<Phase>>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select subscription_id, starts_at, plan_key, plan_version, status, billing_interval, zone, anchor,
           periods_since
         from subscription_phases where subscription_id in "
    );
    let query = query.list(ids.iter().map(Val::from)).push(" order by subscription_id, number", []);
    Ok(row::grouped(row::each(on.all(query).await?, from_row)?))
}
