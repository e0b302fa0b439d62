//! Events of Stripe that were taken, each once.
use crate::sql;
use crate::store::exec::Exec;
use crate::store::{Db, Result, Tx};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// How many events are removed at a time.
const PURGE_ROWS: u32 = 1_000;

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something changed.
    Applied,
    /// It told nothing new.
    Unchanged,
    /// Nobody here is called as it says.
    UnknownCustomer,
    /// What it tells cannot be followed.
    Conflict,
}

impl Outcome {
    /// The name in the store and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::UnknownCustomer => "unknown_customer",
            Self::Conflict => "conflict",
        }
    }
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The project.
    pub project: ProjectId,
    /// What Stripe calls it.
    pub id: &'a str,
    /// Its type.
    pub event_type: &'a str,
    /// What it tells of.
    pub object: &'a str,
    /// When it was made at Stripe.
    pub created_at: Timestamp,
    /// When it came, in real time.
    pub received_at: Timestamp,
}

/// Writes an event down that may be applied then; false where that was done before. One that is just being
/// applied is waited for.
pub async fn insert(tx: &mut Tx, event: &Event<'_>) -> Result<bool> {
    let query = sql!(
        "insert into stripe_events (project_id, event_id, event_type, object_id, created_at, received_at, outcome)
         values ($1, $2, $3, $4, $5, $6, 'unchanged') on conflict (project_id, event_id) do nothing",
        event.project,
        event.id,
        event.event_type,
        event.object,
        event.created_at,
        event.received_at
    );
    Ok(tx.run(query).await? == 1)
}

/// Writes down what came of an event.
pub async fn set_outcome(
    tx: &mut Tx,
    (project, id): (ProjectId, &str),
    outcome: Outcome,
    detail: Option<&str>,
) -> Result<()> {
    let query = sql!(
        "update stripe_events set outcome = $3, detail = $4 where project_id = $1 and event_id = $2",
        project,
        id,
        outcome.as_str(),
        detail
    );
    tx.run(query).await.map(drop)
}

/// Removes events that came before an instant, so many at a time; answers how many.
pub async fn purge(db: &Db, before: Timestamp) -> Result<u64> {
    // Two columns name an event: of those of one instant all go, or none.
    let query = sql!(
        "delete from stripe_events where received_at < $1 and received_at <= (
           select max(received_at) from (
             select received_at from stripe_events where received_at < $1 order by received_at limit $2) oldest)",
        before,
        PURGE_ROWS
    );
    db.run(query).await
}
