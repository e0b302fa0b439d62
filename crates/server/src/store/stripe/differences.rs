//! What Stripe has and what is written down here, where they differ. Times are real.
use crate::sql;
use crate::store::exec::Exec;
use crate::store::page::{Cursor, Limit, Page};
use crate::store::{Result, Tx, row};
use reckoner_domain::id::{ChargeId, ProjectId};
use reckoner_domain::time::Timestamp;

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It was sent, and Stripe does not have it.
    MissingThere,
    /// Stripe has it, and it is not written down here.
    MissingHere,
    /// Stripe has it with another amount.
    OtherAmount,
}

impl Kind {
    const ALL: [Self; 3] = [Self::MissingThere, Self::MissingHere, Self::OtherAmount];

    /// The name in the store and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingThere => "missing_there",
            Self::MissingHere => "missing_here",
            Self::OtherAmount => "other_amount",
        }
    }
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub kind: Kind,
    /// What Stripe calls the item.
    pub item: String,
    /// The charge.
    pub charge: Option<ChargeId>,
    /// The currency, as Stripe writes it.
    pub currency: String,
    /// How much was sent, as Stripe counts.
    pub here_minor: Option<i64>,
    /// How much Stripe has, as it counts.
    pub there_minor: Option<i64>,
    /// When it was seen first.
    pub first_seen_at: Timestamp,
    /// When it was seen last.
    pub last_seen_at: Timestamp,
    /// Since when it is not so any more.
    pub resolved_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    item: String,
    charge_id: Option<String>,
    currency: String,
    here_minor: Option<i64>,
    there_minor: Option<i64>,
    first_seen_at: i64,
    last_seen_at: i64,
    resolved_at: Option<i64>,
}

fn from_row(row: Row) -> Result<Difference> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
    Ok(Difference {
        kind: kind.ok_or_else(|| crate::store::StoreError::corrupt("kind", &row.kind))?,
        item: row.item,
        charge: row.charge_id.map(row::id).transpose()?,
        currency: row.currency,
        here_minor: row.here_minor,
        there_minor: row.there_minor,
        first_seen_at: row::time("first_seen_at", row.first_seen_at)?,
        last_seen_at: row::time("last_seen_at", row.last_seen_at)?,
        resolved_at: row.resolved_at.map(|at| row::time("resolved_at", at)).transpose()?,
    })
}

/// Writes a difference down as it is seen; true where it was not known, or held to be gone.
pub async fn see(tx: &mut Tx, project: ProjectId, seen: &Difference) -> Result<bool> {
    let known = sql!(
        "update stripe_differences set here_minor = $4, there_minor = $5, last_seen_at = $6
         where project_id = $1 and kind = $2 and item = $3 and resolved_at is null",
        project,
        seen.kind.as_str(),
        seen.item.as_str(),
        seen.here_minor,
        seen.there_minor,
        seen.last_seen_at
    );
    if tx.run(known).await? == 1 {
        return Ok(false);
    }
    let query = sql!(
        "insert into stripe_differences
           (project_id, kind, item, charge_id, currency, here_minor, there_minor, first_seen_at, last_seen_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         on conflict (project_id, kind, item) do update set here_minor = excluded.here_minor,
           there_minor = excluded.there_minor, last_seen_at = excluded.last_seen_at, resolved_at = null",
        project,
        seen.kind.as_str(),
        seen.item.as_str(),
        seen.charge.as_ref(),
        seen.currency.as_str(),
        seen.here_minor,
        seen.there_minor,
        seen.last_seen_at
    );
    tx.run(query).await?;
    Ok(true)
}

/// Open differences of a project that were not seen at an instant or later, the oldest look first; so many.
pub async fn unseen(
    on: impl Exec,
    project: ProjectId,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Difference>> {
    let query = sql!(
        "select * from stripe_differences where project_id = $1 and resolved_at is null and last_seen_at < $2
         order by last_seen_at, kind, item limit $3",
        project,
        since,
        limit
    );
    row::each(on.all(query).await?, from_row)
}

/// Notes that a difference is gone.
pub async fn resolve(tx: &mut Tx, project: ProjectId, gone: &Difference, now: Timestamp) -> Result<()> {
    let query = sql!(
        "update stripe_differences set resolved_at = $4
         where project_id = $1 and kind = $2 and item = $3 and resolved_at is null",
        project,
        gone.kind.as_str(),
        gone.item.as_str(),
        now
    );
    tx.run(query).await.map(drop)
}

/// Differences of a project in the order in which they were seen first; without those that are gone, where
/// they are not wanted.
pub async fn list(
    on: impl Exec,
    project: ProjectId,
    is_open: bool,
    after: Option<&Cursor>,
    limit: Limit,
) -> Result<Page<Difference>> {
    let mut query = sql!("select * from stripe_differences where project_id = $1", project);
    if is_open {
        query = query.push(" and resolved_at is null", []);
    }
    if let Some(after) = after {
        let (kind, item) = after.id.split_once(' ').unwrap_or_default();
        query = query.push(
            " and (first_seen_at, kind, item) > (?, ?, ?)",
            [after.time.into(), kind.into(), item.into()],
        );
    }
    let rows =
        on.all(query.push(" order by first_seen_at, kind, item limit ?", [limit.probe().into()])).await?;
    let cursor = |one: &Difference| Cursor {
        time: one.first_seen_at,
        id: format!("{} {}", one.kind.as_str(), one.item),
    };
    Ok(Page::new(row::each(rows, from_row)?, limit, cursor))
}
