//! Coupons that subscriptions were given.
use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::query::Val;
use super::row;
use crate::sql;
use reckoner_domain::id::{ProjectId, SubscriptionId};
use reckoner_domain::key::CouponKey;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;

/// A coupon of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its place among the coupons of the subscription, from 1.
    pub number: u32,
    /// Names the coupon.
    pub coupon: CouponKey,
    /// The version of it.
    pub version: u32,
    /// The first closing that it takes off.
    pub from_closing: u64,
    /// The first that it takes off no more, where it was taken away.
    pub until_closing: Option<u64>,
    /// When it was given.
    pub given_at: Timestamp,
    /// When it was taken away, or had taken off all that it was for.
    pub ended_at: Option<Timestamp>,
}

impl Given {
    /// How many closings it took off before this one; `None` where it is not for this one.
    pub fn used_before(&self, closing: u64) -> Option<u64> {
        let used = closing.checked_sub(self.from_closing)?;
        self.until_closing.is_none_or(|until| closing < until).then_some(used)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    subscription_id: String,
    number: i64,
    coupon_key: String,
    coupon_version: i64,
    from_closing: i64,
    until_closing: Option<i64>,
    given_at: i64,
    ended_at: Option<i64>,
}

fn from_row(row: Row) -> Result<(SubscriptionId, Given)> {
    let until = row.until_closing.map(|until| row::sequence("until_closing", until)).transpose()?;
    let given = Given {
        number: row::count("number", row.number)?,
        coupon: CouponKey::parse(&row.coupon_key)
            .map_err(|error| StoreError::corrupt("coupon_key", error))?,
        version: row::count("coupon_version", row.coupon_version)?,
        from_closing: row::sequence("from_closing", row.from_closing)?,
        until_closing: until,
        given_at: row::time("given_at", row.given_at)?,
        ended_at: row::opt_time("ended_at", row.ended_at)?,
    };
    Ok((row::id(row.subscription_id)?, given))
}

/// The coupons of a subscription, in the order in which they were given.
pub async fn list(on: impl Exec, project: ProjectId, id: &SubscriptionId) -> Result<Vec<Given>> {
    let mut given = list_many(on, project, std::slice::from_ref(id)).await?;
    Ok(given.remove(id).unwrap_or_default())
}

/// The coupons of subscriptions that have some.
pub async fn list_many(
    on: impl Exec,
    project: ProjectId,
    ids: &[SubscriptionId],
) -> Result<BTreeMap<SubscriptionId, Vec<Given>>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sql!(
        "select subscription_id, number, coupon_key, coupon_version, from_closing, until_closing, given_at, ended_at
         from subscription_coupons where project_id = $1 and subscription_id in ",
        project
    );
    let query = query.list(ids.iter().map(Val::from)).push(" order by subscription_id, number", []);
    Ok(row::grouped(row::each(on.all(query).await?, from_row)?))
}

/// Adds a coupon to a subscription that is held.
pub async fn add(tx: &mut Tx, project: ProjectId, id: &SubscriptionId, given: &Given) -> Result<()> {
    let query = sql!(
        "insert into subscription_coupons
           (subscription_id, number, project_id, coupon_key, coupon_version, from_closing, until_closing, given_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        id,
        given.number,
        project,
        given.coupon.as_str(),
        given.version,
        given.from_closing,
        given.until_closing,
        given.given_at
    );
    tx.run(query).await.map(drop)
}

/// Ends a coupon from a closing on.
pub async fn end(
    tx: &mut Tx,
    id: &SubscriptionId,
    number: u32,
    (until_closing, ended_at): (u64, Timestamp),
) -> Result<()> {
    let query = sql!(
        "update subscription_coupons set until_closing = $1, ended_at = $2
         where subscription_id = $3 and number = $4 and ended_at is null",
        until_closing,
        ended_at,
        id,
        number
    );
    tx.run(query).await.map(drop)
}

/// The coupons that subscriptions of a project had at an instant.
pub async fn in_force(
    on: impl Exec,
    project: ProjectId,
    at: Timestamp,
) -> Result<Vec<(SubscriptionId, CouponKey, u32)>> {
    let query = sql!(
        "select subscription_id, coupon_key, coupon_version from subscription_coupons
         where project_id = $1 and given_at <= $2 and (ended_at is null or ended_at > $2)
         order by subscription_id, number",
        project,
        at
    );
    let rows: Vec<(String, String, i64)> = on.all(query).await?;
    row::each(rows, |(id, key, version)| {
        let key = CouponKey::parse(&key).map_err(|error| StoreError::corrupt("coupon_key", error))?;
        Ok((row::id(id)?, key, row::count("coupon_version", version)?))
    })
}
