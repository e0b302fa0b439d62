//! What alerts told of, each once in a period.
use super::Tx;
use super::alerts::{channels, channels_text, named, named_decimal};
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::row;
use crate::sql;
use reckoner_domain::alert::{AlertKind, Channel, ThresholdUnit};
use reckoner_domain::currency::Currency;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::{AlertId, AlertNoticeId, ProjectId};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;

/// The turn of credit that was too little and is so still.
pub const OPEN: &str = "open";

/// What an alert fires for once.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The alert.
    pub alert: &'a AlertId,
    /// What it watches, as it was last changed.
    pub revision: u32,
    /// The customer's own id; empty for a subject alone.
    pub customer: &'a str,
    /// The period, or [`OPEN`].
    pub turn: &'a str,
}

/// One time that an alert fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Identifies it.
    pub id: AlertNoticeId,
    /// The project.
    pub project: ProjectId,
    /// The alert, which may be gone.
    pub alert: AlertId,
    /// What the alert was called.
    pub name: Option<String>,
    /// What it watched.
    pub kind: AlertKind,
    /// The customer's own id.
    pub customer: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The meter's key.
    pub meter: Option<String>,
    /// What was to be reached.
    pub threshold: Decimal,
    /// What that was counted in.
    pub unit: ThresholdUnit,
    /// What the threshold came to.
    pub bound: String,
    /// What reached it.
    pub value: String,
    /// The currency of both, of money.
    pub currency: Option<Currency>,
    /// How somebody was told.
    pub channels: Vec<Channel>,
    /// The period.
    pub period: Option<Window>,
    /// When it fired, by the project's clock.
    pub triggered_at: Timestamp,
    /// When somebody said that it was read, by the project's clock.
    pub read_at: Option<Timestamp>,
}

/// Which notices are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Of this alert.
    pub alert: Option<&'a AlertId>,
    /// Of the customer with this own id.
    pub customer: Option<&'a str>,
    /// Whether they were read.
    pub read: Option<bool>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    alert_id: String,
    name: Option<String>,
    kind: String,
    customer: String,
    subject: Option<String>,
    meter_key: Option<String>,
    threshold: String,
    unit: String,
    bound: String,
    value: String,
    currency: Option<String>,
    channels: String,
    period_start: Option<i64>,
    period_end: Option<i64>,
    triggered_at: i64,
    read_at: Option<i64>,
}

fn from_row(row: Row) -> Result<Notice> {
    let start = row::opt_time("period_start", row.period_start)?;
    let end = row::opt_time("period_end", row.period_end)?;
    Ok(Notice {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        alert: row::id(row.alert_id)?,
        name: row.name,
        kind: named("kind", &row.kind)?,
        customer: Some(row.customer).filter(|name| !name.is_empty()),
        subject: row.subject,
        meter: row.meter_key,
        threshold: named_decimal("threshold", &row.threshold)?,
        unit: named("unit", &row.unit)?,
        bound: row.bound,
        value: row.value,
        currency: row.currency.map(|text| named("currency", &text)).transpose()?,
        channels: channels(&row.channels)?,
        period: start.zip(end).map(|(start, end)| Window { start, end }),
        triggered_at: row::time("triggered_at", row.triggered_at)?,
        read_at: row::opt_time("read_at", row.read_at)?,
    })
}

/// Whether an alert fired in a turn.
pub async fn is_told(on: impl Exec, of: Turn<'_>) -> Result<bool> {
    let query = sql!(
        "select id from alert_notices where alert_id = $1 and revision = $2 and customer = $3 and turn = $4",
        of.alert,
        of.revision,
        of.customer,
        of.turn
    );
    Ok(on.opt::<(String,)>(query).await?.is_some())
}

/// Stores that an alert fires; false where it did in this turn.
pub async fn insert(tx: &mut Tx, of: Turn<'_>, notice: &Notice) -> Result<bool> {
    let query = sql!(
        "insert into alert_notices (id, project_id, alert_id, revision, customer, turn, name, kind, subject,
           meter_key, threshold, unit, bound, value, currency, channels, period_start, period_end, mails,
           triggered_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, '[]', $19)
         on conflict (alert_id, revision, customer, turn) do nothing",
        &notice.id,
        notice.project,
        of.alert,
        of.revision,
        of.customer,
        of.turn,
        notice.name.as_deref(),
        notice.kind.as_str(),
        notice.subject.as_deref(),
        notice.meter.as_deref(),
        notice.threshold.to_string(),
        notice.unit.as_str(),
        notice.bound.as_str(),
        notice.value.as_str(),
        notice.currency.map(|currency| currency.code().to_owned()),
        channels_text(&notice.channels),
        notice.period.map(|period| period.start),
        notice.period.map(|period| period.end),
        notice.triggered_at
    );
    Ok(tx.run(query).await? == 1)
}

/// Notes the mails that tell of it.
pub async fn set_mails(tx: &mut Tx, id: &AlertNoticeId, mails: &[String]) -> Result<()> {
    let query =
        sql!("update alert_notices set mails = $1 where id = $2", serde_json::json!(mails).to_string(), id);
    tx.run(query).await.map(drop)
}

/// Ends an open turn: there is enough credit again.
pub async fn close(on: impl Exec, of: Turn<'_>) -> Result<()> {
    let query = sql!(
        "update alert_notices set turn = id
         where alert_id = $1 and revision = $2 and customer = $3 and turn = $4",
        of.alert,
        of.revision,
        of.customer,
        of.turn
    );
    on.run(query).await.map(drop)
}

/// Notes that a notice was read, once; answers it.
pub async fn mark_read(
    on: impl Exec,
    project: ProjectId,
    id: &AlertNoticeId,
    at: Timestamp,
) -> Result<Notice> {
    let query = sql!(
        "update alert_notices set read_at = coalesce(read_at, $1) where project_id = $2 and id = $3
         returning *",
        at,
        project,
        id
    );
    on.opt(query).await?.map(from_row).transpose()?.ok_or(StoreError::NotFound)
}

/// Notices, the newest first.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    before: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Notice>> {
    let mut query = sql!("select * from alert_notices where project_id = $1", project)
        .when(filter.alert, " and alert_id = ?")
        .when(filter.customer, " and customer = ?");
    query = match filter.read {
        Some(true) => query.push(" and read_at is not null", []),
        Some(false) => query.push(" and read_at is null", []),
        None => query,
    };
    if let Some(before) = before {
        query =
            query.push(" and (triggered_at, id) < (?, ?)", [before.time.into(), before.id.as_str().into()]);
    }
    let order = " order by triggered_at desc, id desc limit ?";
    let rows = on.all(query.push(order, [limit.probe().into()])).await?;
    let cursor = |notice: &Notice| Cursor { time: notice.triggered_at, id: notice.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}
