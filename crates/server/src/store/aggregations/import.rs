//! Aggregations that another system made, taken as they are.
use super::super::db::Tx;
use super::super::error::{Result, StoreError};
use super::super::exec::Exec;
use super::super::query::Val;
use super::super::row;
use super::super::webhook_status::Status;
use super::{Aggregation, Figures, Span, find_many, id_of};
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Aggregations of one statement: sixteen arguments each stay below both engines' limits.
const ROWS_MAX: usize = 500;

/// That an aggregation was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// When, by the project's clock.
    pub at: Timestamp,
    /// How its webhook fared in the system that made it; none is sent for it here.
    pub status: Status,
}

/// A completed aggregation to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImport {
    /// The customer's own id.
    pub customer: String,
    /// The period, which has ended.
    pub span: Span,
    /// What each meter shows.
    pub figures: Figures,
    /// How many events there were.
    pub event_count: u64,
    /// How its webhook fared.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A [`Status`] as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredStatus {
    delivered: bool,
    attempts: u32,
    delivered_at: Option<i64>,
    last_error: Option<String>,
    last_attempt_at: Option<i64>,
    dry_run: bool,
}

impl NewImport {
    /// The aggregation's id.
    pub fn id(&self) -> String {
        id_of(&self.customer, &self.span)
    }

    /// Whether an aggregation that is there says the same.
    fn is(&self, known: &Aggregation) -> bool {
        known.complete
            && known.span == self.span
            && known.figures == self.figures
            && known.event_count == self.event_count
    }
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The ids of those that are new.
    pub created: BTreeSet<String>,
    /// The ids that are there with other content.
    pub conflicts: BTreeSet<String>,
}

/// Imports aggregations whose ids differ from each other. One that is there and says the same is
/// left alone; where there are conflicts the caller takes the transaction back.
pub async fn import(tx: &mut Tx, project: ProjectId, new: &[NewImport], now: Timestamp) -> Result<Taken> {
    // In the order of ids, as everyone who writes aggregations: nobody waits in a circle.
    let by_id: BTreeMap<String, &NewImport> = new.iter().map(|one| (one.id(), one)).collect();
    let mut rows = Vec::with_capacity(by_id.len());
    for (id, one) in &by_id {
        rows.push(to_row(project, id, one, now)?);
    }
    let mut created: BTreeSet<String> = BTreeSet::new();
    while !rows.is_empty() {
        let chunk = rows.drain(..rows.len().min(ROWS_MAX));
        let query = sql!(
            "insert into aggregations (project_id, id, customer, period, period_key, period_start, period_end,
             data, event_count, complete, revision, through_sequence, created_at, updated_at, imported_at,
             imported_status) values "
        )
        .rows(chunk)
        .push(" on conflict (project_id, id) do nothing returning id", []);
        let inserted: Vec<(String,)> = tx.all(query).await?;
        created.extend(inserted.into_iter().map(|(id,)| id));
    }
    let known: Vec<&str> = by_id.keys().filter(|id| !created.contains(*id)).map(String::as_str).collect();
    let known = find_many(&mut *tx, project, &known).await?;
    let differs = |stored: &Aggregation| by_id.get(&stored.id).is_some_and(|one| !one.is(stored));
    let conflicts = known.into_iter().filter(differs).map(|stored| stored.id).collect();
    Ok(Taken { created, conflicts })
}

fn to_row(project: ProjectId, id: &str, new: &NewImport, now: Timestamp) -> Result<Vec<Val>> {
    let unprintable = |error| StoreError::corrupt("data", error);
    let status = &new.status;
    let status = StoredStatus {
        delivered: status.delivered,
        attempts: status.attempts,
        delivered_at: status.delivered_at.map(Timestamp::as_micros),
        last_error: status.last_error.clone(),
        last_attempt_at: status.last_attempt_at.map(Timestamp::as_micros),
        dry_run: status.dry_run,
    };
    Ok(vec![
        project.into(),
        id.into(),
        new.customer.as_str().into(),
        new.span.period.as_str().into(),
        new.span.key.as_str().into(),
        new.span.start.into(),
        new.span.end.into(),
        serde_json::to_string(&new.figures).map_err(unprintable)?.into(),
        new.event_count.into(),
        true.into(),
        1_u32.into(),
        // No event of the log was looked at.
        0_u64.into(),
        new.created_at.into(),
        new.created_at.into(),
        now.into(),
        serde_json::to_string(&status).map_err(unprintable)?.into(),
    ])
}

/// What the two columns say.
pub(super) fn from_columns(at: Option<i64>, status: Option<&str>) -> Result<Option<Imported>> {
    let Some(at) = at else { return Ok(None) };
    let stored: StoredStatus = row::json("imported_status", status.unwrap_or_default())?;
    let status = Status {
        delivered: stored.delivered,
        attempts: stored.attempts,
        delivered_at: row::opt_time("imported_status", stored.delivered_at)?,
        last_error: stored.last_error,
        last_attempt_at: row::opt_time("imported_status", stored.last_attempt_at)?,
        dry_run: stored.dry_run,
    };
    Ok(Some(Imported { at: row::time("imported_at", at)?, status }))
}
