//! Alerts: what somebody is told of.
use super::Tx;
use super::error::{Result, StoreError};
use super::exec::Exec;
use super::page::{Cursor, Limit, Page};
use super::row;
use crate::sql;
use reckoner_domain::alert::{ALERTS_MAX, AlertKind, AlertPeriod, Channel, ThresholdUnit};
use reckoner_domain::currency::Currency;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::{AlertId, EndpointId, ProjectId};
use reckoner_domain::money::Money;
use reckoner_domain::time::Timestamp;
use std::fmt::Display;
use std::str::FromStr;

/// What an alert says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What people call it.
    pub name: Option<String>,
    /// What it watches.
    pub kind: AlertKind,
    /// The customer's own id; every customer without one.
    pub customer: Option<String>,
    /// The subject whose usage it is.
    pub subject: Option<String>,
    /// The meter's key, of usage.
    pub meter: Option<String>,
    /// What is to be reached.
    pub threshold: Decimal,
    /// What that is counted in.
    pub unit: ThresholdUnit,
    /// How long usage adds up.
    pub period: Option<AlertPeriod>,
    /// The only currency that it is about; any without one.
    pub currency: Option<Currency>,
    /// What percent of spend and credit are of.
    pub budget: Option<Money>,
    /// How somebody is told.
    pub channels: Vec<Channel>,
    /// The addresses that get mails; the project's owners and administrators where there are none.
    pub recipients: Vec<String>,
    /// Where webhooks go instead of the project's endpoints.
    pub webhook_url: Option<String>,
    /// Whether it watches at all.
    pub enabled: bool,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Identifies it.
    pub id: AlertId,
    /// The project.
    pub project: ProjectId,
    /// What it says.
    pub terms: Terms,
    /// The endpoint of its own URL.
    pub endpoint: Option<EndpointId>,
    /// Who made it.
    pub created_by: String,
    /// Counts changes of what it watches from 1: each begins anew.
    pub revision: u32,
    /// Since when it watches that, by the project's clock.
    pub armed_at: Timestamp,
    /// When it last fired, by the project's clock.
    pub last_triggered_at: Option<Timestamp>,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
    /// When it was last changed, by the project's clock.
    pub updated_at: Timestamp,
    /// Counts changes from 1.
    pub version: u32,
}

/// Which alerts are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Of this kind.
    pub kind: Option<AlertKind>,
    /// Of the customer with this own id.
    pub customer: Option<&'a str>,
    /// Of this subject.
    pub subject: Option<&'a str>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project_id: i64,
    name: Option<String>,
    kind: String,
    customer: Option<String>,
    subject: Option<String>,
    meter_key: Option<String>,
    threshold: String,
    unit: String,
    period: Option<String>,
    currency: Option<String>,
    budget: Option<String>,
    channels: String,
    recipients: String,
    webhook_url: Option<String>,
    endpoint_id: Option<String>,
    enabled: bool,
    created_by: String,
    revision: i64,
    armed_at: i64,
    last_triggered_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

fn from_row(row: Row) -> Result<Alert> {
    let terms = Terms {
        name: row.name,
        kind: named("kind", &row.kind)?,
        customer: row.customer,
        subject: row.subject,
        meter: row.meter_key,
        threshold: named_decimal("threshold", &row.threshold)?,
        unit: named("unit", &row.unit)?,
        period: row.period.map(|text| named("period", &text)).transpose()?,
        currency: row.currency.map(|text| named("currency", &text)).transpose()?,
        budget: row.budget.map(|text| row::json("budget", &text)).transpose()?,
        channels: channels(&row.channels)?,
        recipients: row::json("recipients", &row.recipients)?,
        webhook_url: row.webhook_url,
        enabled: row.enabled,
    };
    Ok(Alert {
        id: row::id(row.id)?,
        project: row::project(row.project_id)?,
        terms,
        endpoint: row.endpoint_id.map(row::id).transpose()?,
        created_by: row.created_by,
        revision: row::count("revision", row.revision)?,
        armed_at: row::time("armed_at", row.armed_at)?,
        last_triggered_at: row::opt_time("last_triggered_at", row.last_triggered_at)?,
        created_at: row::time("created_at", row.created_at)?,
        updated_at: row::time("updated_at", row.updated_at)?,
        version: row::count("version", row.version)?,
    })
}

/// A stored name.
pub(super) fn named<T: FromStr<Err: Display>>(column: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|error| StoreError::corrupt(column, error))
}

/// A stored number.
pub(super) fn named_decimal(column: &'static str, text: &str) -> Result<Decimal> {
    Decimal::parse(text).map_err(|error| StoreError::corrupt(column, error))
}

/// Stored channels.
pub(super) fn channels(text: &str) -> Result<Vec<Channel>> {
    row::each(row::json::<Vec<String>>("channels", text)?, |name| named("channels", &name))
}

/// Channels as they are stored.
pub(super) fn channels_text(channels: &[Channel]) -> String {
    let names: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
    serde_json::json!(names).to_string()
}

fn budget_text(budget: Option<Money>) -> Result<Option<String>> {
    let text = budget.map(|money| serde_json::to_string(&money)).transpose();
    text.map_err(|error| StoreError::corrupt("budget", error))
}

/// Stores a new alert.
pub async fn insert(on: impl Exec, alert: &Alert) -> Result<()> {
    let terms = &alert.terms;
    let query = sql!(
        "insert into alerts (id, project_id, name, kind, customer, subject, meter_key, threshold, unit, period,
           currency, budget, channels, recipients, webhook_url, endpoint_id, enabled, created_by, revision,
           armed_at, created_at, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
           $22, $23)",
        &alert.id,
        alert.project,
        terms.name.as_deref(),
        terms.kind.as_str(),
        terms.customer.as_deref(),
        terms.subject.as_deref(),
        terms.meter.as_deref(),
        terms.threshold.to_string(),
        terms.unit.as_str(),
        terms.period.map(AlertPeriod::as_str),
        terms.currency.map(|currency| currency.code().to_owned()),
        budget_text(terms.budget)?,
        channels_text(&terms.channels),
        serde_json::json!(terms.recipients).to_string(),
        terms.webhook_url.as_deref(),
        alert.endpoint.as_ref(),
        terms.enabled,
        alert.created_by.as_str(),
        alert.revision,
        alert.armed_at,
        alert.created_at,
        alert.updated_at,
        alert.version
    );
    on.run(query).await.map(drop)
}

/// Writes what may be changed about an alert that the caller holds, and counts its version up.
pub async fn save(tx: &mut Tx, alert: &Alert) -> Result<()> {
    let terms = &alert.terms;
    let query = sql!(
        "update alerts set name = $1, meter_key = $2, threshold = $3, unit = $4, period = $5, currency = $6,
           budget = $7, channels = $8, recipients = $9, webhook_url = $10, endpoint_id = $11, enabled = $12,
           revision = $13, armed_at = $14, updated_at = $15, version = version + 1
         where project_id = $16 and id = $17",
        terms.name.as_deref(),
        terms.meter.as_deref(),
        terms.threshold.to_string(),
        terms.unit.as_str(),
        terms.period.map(AlertPeriod::as_str),
        terms.currency.map(|currency| currency.code().to_owned()),
        budget_text(terms.budget)?,
        channels_text(&terms.channels),
        serde_json::json!(terms.recipients).to_string(),
        terms.webhook_url.as_deref(),
        alert.endpoint.as_ref(),
        terms.enabled,
        alert.revision,
        alert.armed_at,
        alert.updated_at,
        alert.project,
        &alert.id
    );
    tx.run(query).await.map(drop)
}

/// Notes that an alert fired.
pub async fn set_triggered(tx: &mut Tx, project: ProjectId, id: &AlertId, at: Timestamp) -> Result<()> {
    let query =
        sql!("update alerts set last_triggered_at = $1 where project_id = $2 and id = $3", at, project, id);
    tx.run(query).await.map(drop)
}

/// Deletes an alert.
pub async fn delete(tx: &mut Tx, project: ProjectId, id: &AlertId) -> Result<()> {
    let query = sql!("delete from alerts where project_id = $1 and id = $2", project, id);
    tx.run(query).await.map(drop)
}

/// An alert.
pub async fn get(on: impl Exec, project: ProjectId, id: &AlertId) -> Result<Alert> {
    let query = sql!("select * from alerts where project_id = $1 and id = $2", project, id);
    from_row(on.one(query).await?)
}

/// An alert, held until the transaction ends.
pub async fn lock(tx: &mut Tx, project: ProjectId, id: &AlertId) -> Result<Alert> {
    let query = sql!("select * from alerts where project_id = $1 and id = $2", project, id).locking();
    from_row(tx.one(query).await?)
}

/// Alerts in the order of making.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    filter: &Filter<'_>,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Alert>> {
    let mut query = sql!("select * from alerts where project_id = $1", project)
        .when(filter.kind.map(AlertKind::as_str), " and kind = ?")
        .when(filter.customer, " and customer = ?")
        .when(filter.subject, " and subject = ?");
    if let Some(after) = after {
        query = query.push(" and (created_at, id) > (?, ?)", [after.time.into(), after.id.as_str().into()]);
    }
    let rows = on.all(query.push(" order by created_at, id limit ?", [limit.probe().into()])).await?;
    let cursor = |alert: &Alert| Cursor { time: alert.created_at, id: alert.id.to_string() };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}

/// Every alert of a project that watches, in the order of making: at most [`ALERTS_MAX`].
pub async fn enabled(on: impl Exec, project: ProjectId) -> Result<Vec<Alert>> {
    let query = sql!(
        "select * from alerts where project_id = $1 and enabled order by created_at, id limit $2",
        project,
        ALERTS_MAX
    );
    row::each(on.all(query).await?, from_row)
}

/// How many alerts a project has.
pub async fn count(on: impl Exec, project: ProjectId) -> Result<u32> {
    let (number,): (i64,) =
        on.one(sql!("select count(*) from alerts where project_id = $1", project)).await?;
    row::count("count", number)
}

/// Whether any alert of a project watches.
pub async fn any_enabled(on: impl Exec, project: ProjectId) -> Result<bool> {
    let query = sql!("select id from alerts where project_id = $1 and enabled limit 1", project);
    Ok(on.opt::<(String,)>(query).await?.is_some())
}

/// How many alerts send to an endpoint of their own.
pub async fn count_of_endpoint(on: impl Exec, project: ProjectId, endpoint: &EndpointId) -> Result<u32> {
    let query =
        sql!("select count(*) from alerts where project_id = $1 and endpoint_id = $2", project, endpoint);
    let (number,): (i64,) = on.one(query).await?;
    row::count("count", number)
}
