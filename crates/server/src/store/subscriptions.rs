//! Subscriptions of customers, and what they were from when on.
mod trials;

pub use trials::{
    TrialCounts, clear_lapse, count_lapsed, count_trials, lapsed, last_trial_end, put_lapse_off,
};

use super::db::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::query::Val;
use super::{row, subscription_phases};
use crate::clock;
use crate::sql;
use jiff::tz::TimeZone;
use reckoner_domain::calendar::ZoneChange;
use reckoner_domain::cycle::{Alignment, BillingCycle};
use reckoner_domain::id::{CustomerId, ProjectId, SubscriptionId};
use reckoner_domain::key::PlanKey;
use reckoner_domain::subscription::{
    Collection, Scheduled, ScheduledAction, Subscription, SubscriptionStatus,
};
use reckoner_domain::time::Timestamp;
use reckoner_domain::trial;
use std::collections::BTreeMap;

/// A subscription as it is stored: what fell due by itself since may not have been noticed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Identifies it.
    pub id: SubscriptionId,
    /// The project.
    pub project: ProjectId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The customer's own id.
    pub external_id: String,
    /// What it is.
    pub subscription: Subscription,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
    /// Counts changes from 1.
    pub version: u32,
}

/// Which subscriptions to list.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Those of this customer.
    pub customer: Option<&'a CustomerId>,
    /// Those to this plan.
    pub plan: Option<&'a str>,
    /// Those that stand so.
    pub status: Option<SubscriptionStatus>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    project_id: i64,
    customer_id: String,
    external_id: String,
    plan_key: String,
    plan_version: i64,
    status: String,
    started_at: i64,
    trial_ends_at: Option<i64>,
    after_trial: String,
    billing_interval: String,
    zone: String,
    anchor: Option<i64>,
    collection: String,
    scheduled_at: Option<i64>,
    scheduled_plan: Option<String>,
    scheduled_version: Option<i64>,
    next_zone: Option<String>,
    next_zone_decided_at: Option<i64>,
    periods_since: Option<i64>,
    ended_at: Option<i64>,
    created_at: i64,
    version: i64,
}

pub(super) fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
    column: &'static str,
    text: &str,
) -> Result<T> {
    text.parse().map_err(|error| StoreError::corrupt(column, error))
}

pub(super) fn plan_key(text: &str) -> Result<PlanKey> {
    PlanKey::parse(text).map_err(|error| StoreError::corrupt("plan_key", error))
}

pub(super) fn cycle(
    (interval, zone): (&str, &str),
    anchor: Option<i64>,
    since: Option<i64>,
) -> Result<BillingCycle> {
    Ok(BillingCycle {
        interval: named("billing_interval", interval)?,
        zone: zone_named(zone)?,
        alignment: match row::opt_time("anchor", anchor)? {
            Some(anchor) => Alignment::Anniversary(anchor),
            None => Alignment::Calendar,
        },
        since: row::opt_time("periods_since", since)?,
    })
}

fn zone_named(name: &str) -> Result<TimeZone> {
    clock::zone(name).ok_or_else(|| StoreError::corrupt("zone", format!("no such zone: {name}")))
}

fn next_zone(zone: Option<&str>, decided_at: Option<i64>) -> Result<Option<ZoneChange>> {
    let Some((zone, at)) = zone.zip(row::opt_time("next_zone_decided_at", decided_at)?) else {
        return Ok(None);
    };
    Ok(Some(ZoneChange { at, zone: zone_named(zone)? }))
}

pub(super) fn anchor(cycle: &BillingCycle) -> Option<Timestamp> {
    match cycle.alignment {
        Alignment::Anniversary(anchor) => Some(anchor),
        Alignment::Calendar => None,
    }
}

/// The name of a zone.
pub fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

fn scheduled(at: Option<i64>, plan: Option<String>, version: Option<i64>) -> Result<Option<Scheduled>> {
    let Some(at) = row::opt_time("scheduled_at", at)? else { return Ok(None) };
    let action = match (plan, version) {
        (Some(plan), Some(version)) => ScheduledAction::Change {
            plan: plan_key(&plan)?,
            version: row::count("scheduled_version", version)?,
        },
        _ => ScheduledAction::Cancel,
    };
    Ok(Some(Scheduled { at, action }))
}

pub(super) fn from_row(row: Row) -> Result<Stored> {
    let subscription = Subscription {
        plan: plan_key(&row.plan_key)?,
        plan_version: row::count("plan_version", row.plan_version)?,
        status: named("status", &row.status)?,
        started_at: row::time("started_at", row.started_at)?,
        trial_ends_at: row::opt_time("trial_ends_at", row.trial_ends_at)?,
        after_trial: named("after_trial", &row.after_trial)?,
        cycle: cycle((&row.billing_interval, &row.zone), row.anchor, row.periods_since)?,
        collection: named::<Collection>("collection", &row.collection)?,
        at_period_end: scheduled(row.scheduled_at, row.scheduled_plan, row.scheduled_version)?,
        next_zone: next_zone(row.next_zone.as_deref(), row.next_zone_decided_at)?,
    };
    Ok(Stored {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        customer: row::id(row.customer_id)?,
        external_id: row.external_id,
        subscription,
        ended_at: row::opt_time("ended_at", row.ended_at)?,
        created_at: row::time("created_at", row.created_at)?,
        version: row::count("version", row.version)?,
    })
}

/// Stores a new subscription with its first phase; [`StoreError::Conflict`] while the customer has one
/// that is not over.
pub async fn create(tx: &mut Tx, new: &Stored) -> Result<()> {
    let subscription = &new.subscription;
    // Who has a trial of a few hours only just heard of it.
    let reminder = subscription.trial_ends_at.filter(|_| subscription.status == SubscriptionStatus::Trialing);
    let reminder = reminder.map(trial::reminded_at).filter(|at| *at > subscription.started_at);
    let query = sql!(
        "insert into subscriptions
           (id, project_id, customer_id, plan_key, plan_version, status, started_at, trial_ends_at, after_trial,
            billing_interval, zone, anchor, collection, due_at, created_at, version, remind_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        &new.id,
        new.project,
        &new.customer,
        subscription.plan.as_str(),
        subscription.plan_version,
        subscription.status.as_str(),
        subscription.started_at,
        subscription.trial_ends_at,
        subscription.after_trial.as_str(),
        subscription.cycle.interval.as_str(),
        zone_name(&subscription.cycle.zone),
        anchor(&subscription.cycle),
        subscription.collection.as_str(),
        subscription.due_at(),
        new.created_at,
        new.version,
        reminder
    );
    tx.run(query).await?;
    subscription_phases::add(tx, &new.id, subscription.started_at, subscription).await
}

/// Writes down what a subscription that is still at `version` has become.
pub async fn update(
    tx: &mut Tx,
    stored: &Stored,
    subscription: &Subscription,
    ended_at: Option<Timestamp>,
) -> Result<()> {
    let scheduled = subscription.at_period_end.as_ref();
    let change = scheduled.and_then(|scheduled| match &scheduled.action {
        ScheduledAction::Change { plan, version } => Some((plan.as_str(), *version)),
        ScheduledAction::Cancel => None,
    });
    let next_zone = subscription.next_zone.as_ref();
    let query = sql!(
        "update subscriptions set plan_key = $1, plan_version = $2, status = $3, trial_ends_at = $4,
           after_trial = $5, billing_interval = $6, anchor = $7, collection = $8, scheduled_at = $9,
           scheduled_plan = $10, scheduled_version = $11, due_at = $12, ended_at = $13, lapsed_at = $14,
           zone = $15, periods_since = $16, next_zone = $17, next_zone_decided_at = $18,
           remind_at = case when $3 = 'trialing' then remind_at else null end, version = version + 1
         where project_id = $19 and id = $20 and version = $21",
        subscription.plan.as_str(),
        subscription.plan_version,
        subscription.status.as_str(),
        subscription.trial_ends_at,
        subscription.after_trial.as_str(),
        subscription.cycle.interval.as_str(),
        anchor(&subscription.cycle),
        subscription.collection.as_str(),
        scheduled.map(|scheduled| scheduled.at),
        change.map(|(plan, _)| plan),
        change.map(|(_, version)| version),
        subscription.due_at(),
        ended_at,
        ended_at.filter(|_| subscription.status == SubscriptionStatus::Expired),
        zone_name(&subscription.cycle.zone),
        subscription.cycle.since,
        next_zone.map(|change| zone_name(&change.zone)),
        next_zone.map(|change| change.at),
        stored.project,
        &stored.id,
        stored.version
    );
    if tx.run(query).await? == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// A subscription, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, id: &SubscriptionId) -> Result<Stored> {
    let held = sql!("select id from subscriptions where project_id = $1 and id = $2", project, id).locking();
    let _: (String,) = tx.one(held).await?;
    get(tx, project, id).await
}

/// A subscription.
pub async fn get(on: impl Exec, project: ProjectId, id: &SubscriptionId) -> Result<Stored> {
    let query = sql!(
        "select s.*, c.external_id from subscriptions s join customers c on c.id = s.customer_id
         where s.project_id = $1 and s.id = $2",
        project,
        id
    );
    from_row(on.one(query).await?)
}

/// Subscriptions; those that are not there are left out.
pub async fn get_many(on: impl Exec, project: ProjectId, ids: &[SubscriptionId]) -> Result<Vec<Stored>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = sql!(
        "select s.*, c.external_id from subscriptions s join customers c on c.id = s.customer_id
         where s.project_id = $1 and s.id in ",
        project
    );
    row::each(on.all(query.list(ids.iter().map(Val::from)).push(" order by s.id", [])).await?, from_row)
}

/// The versions of subscriptions, each held until the transaction ends.
pub async fn lock_versions(
    tx: &mut Tx,
    project: ProjectId,
    ids: &[SubscriptionId],
) -> Result<BTreeMap<SubscriptionId, u32>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let held = sql!("select id, version from subscriptions where project_id = $1 and id in ", project);
    let held = held.list(ids.iter().map(Val::from)).push(" order by id", []);
    let rows: Vec<(String, i64)> = tx.all(held.locking()).await?;
    rows.into_iter().map(|(id, version)| Ok((row::id(id)?, row::count("version", version)?))).collect()
}

/// The last subscription of a customer, by its own id, which may be over.
pub async fn last_of(on: impl Exec, project: ProjectId, external_id: &str) -> Result<Option<Stored>> {
    let query = sql!(
        "select s.*, c.external_id
         from customers c join subscriptions s on s.project_id = c.project_id and s.customer_id = c.id
         where c.project_id = $1 and c.external_id = $2
         order by case when s.ended_at is null then 1 else 0 end desc, s.created_at desc, s.id desc limit 1",
        project,
        external_id
    );
    on.opt(query).await?.map(from_row).transpose()
}

/// The subscription of a customer that is not over.
pub async fn open_of(
    on: impl Exec,
    project: ProjectId,
    customer: &CustomerId,
) -> Result<Option<SubscriptionId>> {
    let query = sql!(
        "select id from subscriptions where project_id = $1 and customer_id = $2 and ended_at is null",
        project,
        customer
    );
    let found: Option<(String,)> = on.opt(query).await?;
    found.map(|(id,)| row::id(id)).transpose()
}

/// Subscriptions that are not over of customers whose time zone is the project's, by id: those after one of them, and
/// so many.
pub async fn open_in_project_zone(
    on: impl Exec,
    project: ProjectId,
    after: Option<&SubscriptionId>,
    limit: u32,
) -> Result<Vec<SubscriptionId>> {
    let query = sql!(
        "select s.id from subscriptions s join customers c on c.id = s.customer_id
         where s.project_id = $1 and s.ended_at is null and c.time_zone is null",
        project
    )
    .when(after, " and s.id > ?")
    .push(" order by s.id limit ?", [limit.into()]);
    let rows: Vec<(String,)> = on.all(query).await?;
    row::each(rows, |(id,)| row::id(id))
}

/// Subscriptions of a project to which something happened by itself until an instant, the earliest
/// first; those after one of them, and so many.
pub async fn due(
    on: impl Exec,
    project: ProjectId,
    until: Timestamp,
    (after, limit): (Option<&(Timestamp, SubscriptionId)>, u32),
) -> Result<Vec<(Timestamp, SubscriptionId)>> {
    let mut query = sql!(
        "select due_at, id from subscriptions where project_id = $1 and due_at is not null and due_at <= $2",
        project,
        until
    );
    if let Some((at, id)) = after {
        query = query.push(" and (due_at, id) > (?, ?)", [(*at).into(), id.into()]);
    }
    let rows: Vec<(i64, String)> = on.all(query.push(" order by due_at, id limit ?", [limit.into()])).await?;
    row::each(rows, |(at, id)| Ok((row::time("due_at", at)?, row::id(id)?)))
}

/// The first instant at which something happens to a subscription of a project by itself.
pub async fn first_due(on: impl Exec, project: ProjectId) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select due_at from subscriptions where project_id = $1 and due_at is not null order by due_at limit 1",
        project
    );
    let row: Option<(i64,)> = on.opt(query).await?;
    row.map(|(at,)| row::time("due_at", at)).transpose()
}

/// How many subscriptions to a plan are not over.
pub async fn count_open(on: impl Exec, project: ProjectId, plan: &str) -> Result<u64> {
    let query = sql!(
        "select count(*) from subscriptions where project_id = $1 and plan_key = $2 and ended_at is null",
        project,
        plan
    );
    let (number,): (i64,) = on.one(query).await?;
    row::sequence("count", number)
}

/// Subscriptions in the order of making.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Stored>> {
    let mut query = sql!(
        "select s.*, c.external_id from subscriptions s join customers c on c.id = s.customer_id
         where s.project_id = $1",
        project
    )
    .when(filter.customer, " and s.customer_id = ?")
    .when(filter.plan, " and s.plan_key = ?")
    .when(filter.status.map(SubscriptionStatus::as_str), " and s.status = ?");
    if let Some(after) = after {
        query =
            query.push(" and (s.created_at, s.id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by s.created_at, s.id limit ?", [limit.probe().into()])).await?;
    let cursor = |one: &Stored| Cursor { time: one.created_at, id: one.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}
