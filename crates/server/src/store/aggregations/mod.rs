//! Aggregations: what a customer used in a period, made exactly once and revised after that.
mod apply;
mod import;
mod list;

pub use apply::{Announcement, Applied, Candidate, InForce, Outcome, apply, apply_many};
pub use import::{Imported, NewImport, Taken, import};
pub use list::{Filter, count, count_current, delete_all, find_many, get, list, of_time, open_customers};

use super::error::Result;
use super::row;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The period of an aggregation, with the edges it had when it was first aggregated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The period's name, such as `daily`.
    pub period: String,
    /// Its key, such as `20260114`.
    pub key: String,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// What one meter shows for a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// The value, a decimal as text.
    pub value: String,
    /// How many events it comes from.
    pub count: u64,
}

/// What each meter shows, by its key.
pub type Figures = BTreeMap<String, Figure>;

/// A stored aggregation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// The project it belongs to.
    pub project: ProjectId,
    /// `{customer}_{period}_{key}`, unique in the project.
    pub id: String,
    /// The customer's own id.
    pub customer: String,
    /// The period.
    pub span: Span,
    /// What each meter shows; only meters that had events.
    pub figures: Figures,
    /// How many events there were.
    pub event_count: u64,
    /// Whether the period had ended.
    pub complete: bool,
    /// Counts changes of the complete aggregation from 1.
    pub revision: u32,
    /// The last event that was looked at.
    pub through_sequence: u64,
    /// When it was made, by the project's clock.
    pub created_at: Timestamp,
    /// When what it says last changed, by the project's clock.
    pub updated_at: Timestamp,
    /// Where another system made it: its figures never change here.
    pub imported: Option<Imported>,
}

/// The id of an aggregation. It tells customers apart whatever their ids: neither a period's name
/// nor its key has an underscore.
pub fn id_of(customer: &str, span: &Span) -> String {
    format!("{customer}_{}_{}", span.period, span.key)
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: i64,
    id: String,
    customer: String,
    period: String,
    period_key: String,
    period_start: i64,
    period_end: i64,
    data: String,
    event_count: i64,
    complete: bool,
    revision: i64,
    through_sequence: i64,
    created_at: i64,
    updated_at: i64,
    imported_at: Option<i64>,
    imported_status: Option<String>,
}

fn from_row(row: Row) -> Result<Aggregation> {
    Ok(Aggregation {
        project: row::project(row.project_id)?,
        id: row.id,
        customer: row.customer,
        span: Span {
            period: row.period,
            key: row.period_key,
            start: row::time("period_start", row.period_start)?,
            end: row::time("period_end", row.period_end)?,
        },
        figures: row::json("data", &row.data)?,
        event_count: row::sequence("event_count", row.event_count)?,
        complete: row.complete,
        revision: row::count("revision", row.revision)?,
        through_sequence: row::sequence("through_sequence", row.through_sequence)?,
        created_at: row::time("created_at", row.created_at)?,
        updated_at: row::time("updated_at", row.updated_at)?,
        imported: import::from_columns(row.imported_at, row.imported_status.as_deref())?,
    })
}
