//! The queue of deliveries that are due: claiming them, and recording what came of an attempt.
//!
//! A claim is a lease in real time. A worker that dies leaves it to others when the lease has run
//! out; whoever records an attempt first decides what came of it.
use super::audit::{self, Change, SYSTEM};
use super::changes;
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use super::row;
use super::webhook_deliveries::{self, Attempt, Delivery, State};
use super::webhook_endpoints::{self, Disabled, Endpoint, Moment};
use super::{Db, StoreError, Tx};
use crate::clock::Clock;
use crate::sql;
use reckoner_domain::id::{DeliveryId, EndpointId, ProjectId};
use reckoner_domain::time::Timestamp;

/// Who claims, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The worker's name, unique among workers.
    pub worker: &'a str,
    /// When others may take over, in real time.
    pub until: Timestamp,
    /// Most deliveries that all workers together may have under way to one endpoint.
    pub per_endpoint_max: u32,
}

/// A claimed delivery, with all that is needed to send it.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The delivery, as it stood.
    pub delivery: Delivery,
    /// The type of its message.
    pub event_type: String,
    /// The body to send.
    pub payload: String,
}

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    #[sqlx(flatten)]
    delivery: webhook_deliveries::Row,
    #[sqlx(rename = "type")]
    event_type: String,
    payload: String,
}

/// The enabled endpoints of a project that have an unclaimed delivery due at `at`.
pub async fn due_endpoints(on: impl Exec, project: ProjectId, at: Moment) -> Result<Vec<EndpointId>> {
    let query = sql!(
        "select e.id from webhook_endpoints e where e.project_id = $1 and e.enabled and e.deleted_at is null
         and exists (select 1 from webhook_deliveries d where d.endpoint_id = e.id and d.state = 'pending'
             and (d.due_at <= $2 or d.due_at_clock <= $3)
             and (d.claimed_until is null or d.claimed_until <= $2))
         order by e.id",
        project,
        at.real,
        at.project,
    );
    row::each(on.all(query).await?, |(id,): (String,)| row::id(id))
}

/// Claims up to `want` due deliveries of an endpoint, and reads the endpoint. `None` when it is
/// disabled or gone, or nothing may be claimed.
pub async fn claim(
    db: &Db,
    endpoint: &EndpointId,
    at: Moment,
    claimant: Claimant<'_>,
    want: u32,
) -> Result<Option<(Endpoint, Vec<Claimed>)>> {
    let mut tx = db.begin().await?;
    let endpoint = match webhook_endpoints::lock(&mut tx, endpoint).await {
        Ok(endpoint) if endpoint.disabled.is_none() => endpoint,
        Ok(_) | Err(StoreError::NotFound) => return Ok(None),
        Err(other) => return Err(other),
    };
    let (under_way,): (i64,) = tx
        .one(sql!(
            "select count(*) from webhook_deliveries
             where endpoint_id = $1 and state = 'pending' and claimed_until > $2",
            &endpoint.id,
            at.real
        ))
        .await?;
    let free = i64::from(claimant.per_endpoint_max).saturating_sub(under_way);
    let limit = free.min(i64::from(want));
    if limit <= 0 {
        return Ok(None);
    }
    let rows: Vec<ClaimedRow> = tx
        .all(sql!(
            "select d.*, m.type, m.payload from webhook_deliveries d
             join webhook_messages m on m.id = d.message_id
             where d.endpoint_id = $1 and d.state = 'pending' and (d.due_at <= $2 or d.due_at_clock <= $3)
             and (d.claimed_until is null or d.claimed_until <= $2)
             order by d.due_at, d.id limit $4",
            &endpoint.id,
            at.real,
            at.project,
            limit
        ))
        .await?;
    let claimed = row::each(rows, |row| {
        let delivery = webhook_deliveries::from_row(row.delivery)?;
        Ok(Claimed { delivery, event_type: row.event_type, payload: row.payload })
    })?;
    if claimed.is_empty() {
        return Ok(None);
    }
    let ids = claimed.iter().map(|claimed| Val::from(&claimed.delivery.id));
    let query = sql!(
        "update webhook_deliveries set claimed_by = $1, claimed_until = $2 where id in ",
        claimant.worker,
        claimant.until
    );
    tx.run(query.list(ids)).await?;
    tx.commit().await?;
    Ok(Some((endpoint, claimed)))
}

/// Gives back every claim of a worker that will not be used.
pub async fn release(on: impl Exec, worker: &str) -> Result<u64> {
    let query = sql!(
        "update webhook_deliveries set claimed_by = null, claimed_until = null where claimed_by = $1",
        worker
    );
    on.run(query).await
}

/// What comes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The endpoint took it.
    Delivered,
    /// It is tried again then.
    Retry(Moment),
    /// It is given up.
    Failed,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// For the delivery.
    pub next: Next,
    /// For the endpoint: why it is disabled, if it is.
    pub disable: Option<Disabled>,
}

/// An attempt at a delivery.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To which endpoint.
    pub endpoint: EndpointId,
    /// The attempt.
    pub attempt: Attempt,
    /// When it ended.
    pub at: Moment,
}

/// Records an attempt and what follows from it, all or nothing. `judge` decides what that is by the
/// endpoint as it is at this moment, which nobody changes meanwhile; it may be gone. `None` when
/// another worker had recorded an attempt of this number before: then nothing changes.
pub async fn record(
    db: &Db,
    clock: &Clock,
    outcome: &Outcome,
    judge: &(impl Fn(Option<&Endpoint>) -> Verdict + Sync),
) -> Result<Option<Verdict>> {
    let mut tx = db.begin().await?;
    let endpoint = match webhook_endpoints::lock(&mut tx, &outcome.endpoint).await {
        Ok(endpoint) => Some(endpoint),
        Err(StoreError::NotFound) => None,
        Err(other) => return Err(other),
    };
    if !webhook_deliveries::add_attempt(&mut tx, &outcome.delivery, &outcome.attempt).await? {
        return Ok(None);
    }
    let mut verdict = judge(endpoint.as_ref());
    settle(&mut tx, outcome, verdict.next).await?;
    // What is gone or disabled already is not disabled once more.
    if endpoint.as_ref().is_none_or(|endpoint| endpoint.disabled.is_some()) {
        verdict.disable = None;
    }
    if let Some(endpoint) = endpoint {
        let change = follow(&mut tx, endpoint, outcome, verdict).await?;
        audit::write(&mut tx, clock, change.into_iter().collect()).await?;
    }
    tx.commit().await?;
    Ok(Some(verdict))
}

/// Moves the delivery on. One that was canceled meanwhile stays so, unless it was delivered after all.
async fn settle(tx: &mut Tx, outcome: &Outcome, next: Next) -> Result<()> {
    let (state, due) = match next {
        Next::Delivered => (State::Delivered, outcome.at),
        Next::Retry(due) => (State::Pending, due),
        Next::Failed => (State::Failed, outcome.at),
    };
    let attempt = &outcome.attempt;
    let delivered_at = (state == State::Delivered).then_some(outcome.at.real);
    let query = sql!(
        "update webhook_deliveries set
         state = case when state = 'pending' or $1 = 'delivered' then $1 else state end,
         attempts = $2, due_at = $3, due_at_clock = $4, claimed_by = null, claimed_until = null,
         last_status = $5, last_error = $6, last_attempt_at = $7, delivered_at = $8, dry_run = $9
         where id = $10",
        state.as_str(),
        attempt.number,
        due.real,
        due.project,
        attempt.status,
        attempt.error.as_deref(),
        attempt.at,
        delivered_at,
        attempt.dry_run,
        &outcome.delivery,
    );
    tx.run(query).await.map(drop)
}

/// Remembers at the endpoint whether it fails, and disables it where that follows.
async fn follow(
    tx: &mut Tx,
    mut endpoint: Endpoint,
    outcome: &Outcome,
    verdict: Verdict,
) -> Result<Option<Change>> {
    let failing_since = match verdict.next {
        Next::Delivered => None,
        Next::Retry(_) | Next::Failed => endpoint.failing_since.or(Some(outcome.at)),
    };
    if failing_since != endpoint.failing_since {
        webhook_endpoints::set_failing_since(&mut *tx, &endpoint.id, failing_since).await?;
        endpoint.failing_since = failing_since;
    }
    if let Some(reason) = verdict.disable {
        let before = endpoint.clone();
        endpoint.disabled = Some(reason);
        endpoint.updated_at = outcome.at.project;
        webhook_endpoints::save(&mut *tx, &endpoint).await?;
        webhook_deliveries::cancel_pending(&mut *tx, &endpoint.id).await?;
        endpoint.version = endpoint.version.saturating_add(1);
        return Ok(changes::endpoint(&SYSTEM, "webhook_endpoint.disabled", Some(&before), Some(&endpoint)));
    }
    Ok(None)
}

/// The next instant of real time after `now` at which a delivery falls due or a lease runs out.
pub async fn next_due(on: impl Exec, now: Timestamp) -> Result<Option<Timestamp>> {
    let query = sql!(
        "select (select min(d.due_at) from webhook_deliveries d where d.state = 'pending' and d.due_at > $1),
         (select min(d.claimed_until) from webhook_deliveries d where d.claimed_until > $1)",
        now
    );
    let (due, lease): (Option<i64>, Option<i64>) = on.one(query).await?;
    let next = [due, lease].into_iter().flatten().min();
    row::opt_time("due_at", next)
}

/// How many deliveries are pending, due or not.
pub async fn pending(on: impl Exec) -> Result<u64> {
    let query = sql!("select count(*) from webhook_deliveries where state = 'pending'");
    let (number,): (i64,) = on.one(query).await?;
    row::sequence("count", number)
}
