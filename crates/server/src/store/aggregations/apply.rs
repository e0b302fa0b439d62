//! Applying freshly computed aggregations, exactly once however many workers compute them.
use super::super::db::Tx;
use super::super::error::{Result, StoreError};
use super::super::exec::Exec;
use super::super::query::Val;
use super::super::row;
use super::{Aggregation, Figures, Row, Span, from_row, id_of};
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Aggregations of one statement: fourteen arguments each stay below both engines' limits.
const ROWS_MAX: usize = 500;

/// The meters by which aggregations are computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// Their keys.
    pub meters: BTreeSet<String>,
    /// The event types that they read.
    pub event_types: BTreeSet<String>,
    /// What archived meters read, by their keys.
    pub archived: BTreeMap<String, String>,
}

impl InForce {
    /// The figures of meters that are in force no more, and of how many events they tell that no
    /// meter counts now.
    fn gone(&self, figures: &Figures) -> (Figures, u64) {
        let gone: Figures = figures
            .iter()
            .filter(|(key, _)| !self.meters.contains(*key))
            .map(|(k, f)| (k.clone(), f.clone()))
            .collect();
        // Several meters may have read the same events; one without filters has counted all of them.
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (key, figure) in &gone {
            let event_type = self.archived.get(key).unwrap_or(key);
            if !self.event_types.contains(event_type) {
                let count = counts.entry(event_type).or_default();
                *count = figure.count.max(*count);
            }
        }
        let count = counts.into_values().fold(0, u64::saturating_add);
        (gone, count)
    }
}

/// An aggregation as it was just computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
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
    /// The last event that was looked at.
    pub through_sequence: u64,
    /// By which meters.
    pub in_force: Arc<InForce>,
}

/// What a candidate did to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is the first of its customer and period.
    Created,
    /// The period had not ended before and has now.
    Completed,
    /// The period had ended before and its content changed.
    Revised,
    /// The period has not ended and its content changed.
    Refreshed,
    /// Nothing that anyone sees changed.
    Unchanged,
    /// It was imported, and the events of the log say otherwise: it stays as it is.
    Kept,
}

/// What customers are told about an aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// `aggregation.completed`
    Completed,
    /// `aggregation.updated`
    Updated,
}

/// What a candidate did, and the aggregation as it is stored now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it did.
    pub applied: Applied,
    /// As stored now.
    pub aggregation: Aggregation,
}

impl Outcome {
    /// Whether anything that anyone sees changed.
    pub fn is_change(&self) -> bool {
        !matches!(self.applied, Applied::Unchanged | Applied::Kept)
    }

    /// The webhook that is due; of all workers that applied a change, exactly one gets it.
    pub fn announcement(&self) -> Option<Announcement> {
        match self.applied {
            Applied::Created if self.aggregation.complete => Some(Announcement::Completed),
            Applied::Completed => Some(Announcement::Completed),
            Applied::Revised => Some(Announcement::Updated),
            Applied::Created | Applied::Refreshed | Applied::Unchanged | Applied::Kept => None,
        }
    }
}

/// Applies one candidate; `None` when it has no event and there is nothing to change.
pub async fn apply(
    tx: &mut Tx,
    project: ProjectId,
    candidate: Candidate,
    now: Timestamp,
) -> Result<Option<Outcome>> {
    Ok(apply_many(tx, project, vec![candidate], now).await?.pop())
}

/// Applies candidates, in a transaction in which the caller also enqueues what is announced.
/// Outcomes come by id. A candidate without events makes no aggregation but empties one that is
/// there; of several for one id the one that looked at most events counts.
///
/// Call it once a transaction. Rows are locked in two rounds, each in the order of ids (first those
/// inserted, then those there before), so that workers wait for each other but never in a circle.
pub async fn apply_many(
    tx: &mut Tx,
    project: ProjectId,
    candidates: Vec<Candidate>,
    now: Timestamp,
) -> Result<Vec<Outcome>> {
    let candidates = by_id(candidates);
    let created = insert_absent(tx, project, &candidates, now).await?;
    let known = lock(tx, project, candidates.keys().filter(|id| !created.contains(*id))).await?;
    let mut outcomes = BTreeMap::new();
    let mut changed = Vec::new();
    for stored in known {
        let Some(candidate) = candidates.get(&stored.id) else { continue };
        let outcome = decide(&stored, candidate, now);
        if outcome.aggregation != stored {
            changed.push(to_row(&outcome.aggregation)?);
        }
        outcomes.insert(stored.id, outcome);
    }
    overwrite(tx, changed).await?;
    for (id, candidate) in candidates {
        if created.contains(&id) {
            let aggregation = fresh(project, id.clone(), candidate, now);
            outcomes.insert(id, Outcome { applied: Applied::Created, aggregation });
        }
    }
    Ok(outcomes.into_values().collect())
}

/// Candidates by id, the one that looked at most events of each.
fn by_id(candidates: Vec<Candidate>) -> BTreeMap<String, Candidate> {
    let mut by_id: BTreeMap<String, Candidate> = BTreeMap::new();
    for candidate in candidates {
        let id = id_of(&candidate.customer, &candidate.span);
        let newer = by_id.get(&id).is_none_or(|known| known.through_sequence <= candidate.through_sequence);
        if newer {
            by_id.insert(id, candidate);
        }
    }
    by_id
}

/// What becomes of a stored aggregation. A candidate that looked at fewer events than the stored one
/// never replaces its content, but its word that the period has ended counts. An open period may get
/// another end with a change of time zone; the edges of one that has ended stay. Where the period had
/// ended before, what meters showed then that are archived by now stays: it was announced. What was imported is
/// never replaced: the events it came from need not be in the log.
fn decide(stored: &Aggregation, candidate: &Candidate, now: Timestamp) -> Outcome {
    let mut aggregation = stored.clone();
    if stored.imported.is_some() {
        let same = stored.figures == candidate.figures && stored.event_count == candidate.event_count;
        // Without any event of the log there is nothing that could say otherwise.
        let applied = if same || candidate.event_count == 0 { Applied::Unchanged } else { Applied::Kept };
        return Outcome { applied, aggregation };
    }
    let mut content_changed = false;
    let newer = candidate.through_sequence >= stored.through_sequence;
    if !stored.complete && (newer || candidate.complete) {
        aggregation.span = candidate.span.clone();
    }
    if newer {
        aggregation.figures = candidate.figures.clone();
        aggregation.event_count = candidate.event_count;
        if stored.complete {
            let (figures, count) = candidate.in_force.gone(&stored.figures);
            aggregation.figures.extend(figures);
            aggregation.event_count = aggregation.event_count.saturating_add(count);
        }
        content_changed =
            stored.figures != aggregation.figures || stored.event_count != aggregation.event_count;
        aggregation.through_sequence = candidate.through_sequence;
    }
    aggregation.complete |= candidate.complete;
    let applied = match (stored.complete, aggregation.complete) {
        (false, true) => Applied::Completed,
        (true, _) if content_changed => Applied::Revised,
        _ if content_changed => Applied::Refreshed,
        _ => Applied::Unchanged,
    };
    if applied == Applied::Revised {
        aggregation.revision = aggregation.revision.saturating_add(1);
    }
    if applied != Applied::Unchanged {
        aggregation.updated_at = now;
    }
    Outcome { applied, aggregation }
}

fn fresh(project: ProjectId, id: String, candidate: Candidate, now: Timestamp) -> Aggregation {
    Aggregation {
        project,
        id,
        customer: candidate.customer,
        span: candidate.span,
        figures: candidate.figures,
        event_count: candidate.event_count,
        complete: candidate.complete,
        revision: 1,
        through_sequence: candidate.through_sequence,
        created_at: now,
        updated_at: now,
        imported: None,
    }
}

/// A row's values in the order of [`COLUMNS`].
fn to_row(aggregation: &Aggregation) -> Result<Vec<Val>> {
    let data =
        serde_json::to_string(&aggregation.figures).map_err(|error| StoreError::corrupt("data", error))?;
    Ok(vec![
        aggregation.project.into(),
        aggregation.id.as_str().into(),
        aggregation.customer.as_str().into(),
        aggregation.span.period.as_str().into(),
        aggregation.span.key.as_str().into(),
        aggregation.span.start.into(),
        aggregation.span.end.into(),
        data.into(),
        aggregation.event_count.into(),
        aggregation.complete.into(),
        aggregation.revision.into(),
        aggregation.through_sequence.into(),
        aggregation.created_at.into(),
        aggregation.updated_at.into(),
    ])
}

macro_rules! insert_into {
    () => {
        "insert into aggregations (project_id, id, customer, period, period_key, period_start, period_end,
         data, event_count, complete, revision, through_sequence, created_at, updated_at) values "
    };
}

/// Inserts what is absent, in order, and returns the ids of what was inserted. Whoever inserts the
/// same at once waits here and finds it there.
async fn insert_absent(
    tx: &mut Tx,
    project: ProjectId,
    candidates: &BTreeMap<String, Candidate>,
    now: Timestamp,
) -> Result<BTreeSet<String>> {
    let mut rows = Vec::with_capacity(candidates.len());
    for (id, candidate) in candidates.iter().filter(|(_, candidate)| candidate.event_count > 0) {
        rows.push(to_row(&fresh(project, id.clone(), candidate.clone(), now))?);
    }
    let mut created = BTreeSet::new();
    while !rows.is_empty() {
        let chunk = rows.drain(..rows.len().min(ROWS_MAX));
        let query = sql!(insert_into!())
            .rows(chunk)
            .push(" on conflict (project_id, id) do nothing returning id", []);
        let new: Vec<(String,)> = tx.all(query).await?;
        created.extend(new.into_iter().map(|(id,)| id));
    }
    Ok(created)
}

/// The stored aggregations, held until the transaction ends.
async fn lock(
    tx: &mut Tx,
    project: ProjectId,
    ids: impl Iterator<Item = &String>,
) -> Result<Vec<Aggregation>> {
    let ids: Vec<&str> = ids.map(String::as_str).collect();
    let mut stored = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(ROWS_MAX) {
        let query = sql!("select * from aggregations where project_id = $1 and id in ", project)
            .list(chunk.iter().map(|id| Val::from(*id)))
            .push(" order by id", [])
            .locking();
        let rows: Vec<Row> = tx.all(query).await?;
        stored.extend(row::each(rows, from_row)?);
    }
    Ok(stored)
}

/// Writes rows that are there and locked anew.
async fn overwrite(tx: &mut Tx, mut rows: Vec<Vec<Val>>) -> Result<()> {
    while !rows.is_empty() {
        let chunk = rows.drain(..rows.len().min(ROWS_MAX));
        let query = sql!(insert_into!()).rows(chunk).push(
            " on conflict (project_id, id) do update set period_start = excluded.period_start,
             period_end = excluded.period_end, data = excluded.data, event_count = excluded.event_count, complete = excluded.complete,
             revision = excluded.revision, through_sequence = excluded.through_sequence,
             updated_at = excluded.updated_at",
            [],
        );
        tx.run(query).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(value: &str, complete: bool, through_sequence: u64) -> Candidate {
        let time = Timestamp::default();
        let figure = super::super::Figure { value: value.into(), count: 1 };
        Candidate {
            customer: "c".into(),
            span: Span { period: "daily".into(), key: "20260114".into(), start: time, end: time },
            figures: [("m".to_owned(), figure)].into(),
            event_count: 1,
            complete,
            through_sequence,
            in_force: in_force(&["m"], &["t"], &[]),
        }
    }

    fn in_force(meters: &[&str], event_types: &[&str], archived: &[(&str, &str)]) -> Arc<InForce> {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let archived = archived.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        Arc::new(InForce { meters: set(meters), event_types: set(event_types), archived })
    }

    fn now() -> Timestamp {
        Timestamp::from_micros_clamped(9)
    }

    fn stored(candidate: Candidate) -> Aggregation {
        fresh(ProjectId(1), "c_daily_20260114".into(), candidate, Timestamp::default())
    }

    #[test]
    fn what_a_candidate_does() {
        use Applied::{Completed, Refreshed, Revised, Unchanged};
        let (open, closed) = (false, true);
        for (before, after, applied, value, revision) in [
            (("1", open, 5), ("1", open, 5), Unchanged, "1", 1),
            (("1", open, 5), ("2", open, 6), Refreshed, "2", 1),
            (("1", open, 5), ("2", open, 4), Unchanged, "1", 1),
            (("1", open, 5), ("2", closed, 6), Completed, "2", 1),
            (("1", open, 5), ("1", closed, 5), Completed, "1", 1),
            (("1", open, 5), ("0", closed, 4), Completed, "1", 1),
            (("1", closed, 5), ("1", closed, 9), Unchanged, "1", 1),
            (("1", closed, 5), ("2", closed, 5), Revised, "2", 2),
            (("1", closed, 5), ("2", closed, 4), Unchanged, "1", 1),
            (("1", closed, 5), ("2", open, 6), Revised, "2", 2),
        ] {
            let build = |(value, complete, sequence)| candidate(value, complete, sequence);
            let outcome = decide(&stored(build(before)), &build(after), now());
            let told = (outcome.applied, outcome.aggregation.revision);
            assert_eq!(told, (applied, revision), "{before:?} {after:?}");
            let aggregation = &outcome.aggregation;
            assert_eq!(aggregation.figures["m"].value, value, "{before:?} {after:?}");
            assert_eq!(aggregation.complete, before.1 || after.1);
            assert_eq!(aggregation.through_sequence, before.2.max(after.2));
            assert_eq!(aggregation.updated_at == now(), applied != Unchanged);
        }
    }

    #[test]
    fn what_archived_meters_showed_stays_once_it_was_announced() {
        let figure = |value: &str, count| super::super::Figure { value: value.into(), count };
        let with = |mut of: Candidate, figures: &[(&str, super::super::Figure)], event_count| {
            of.figures = figures.iter().map(|(key, figure)| ((*key).to_owned(), figure.clone())).collect();
            Candidate { event_count, ..of }
        };
        // Two meters read the type `u`, of which one skipped an event; `w` reads `t` as `m` does.
        let all =
            [("m", figure("1", 1)), ("u1", figure("7", 3)), ("u2", figure("5", 2)), ("w", figure("1", 1))];
        let before = with(candidate("1", true, 5), &all, 4);
        let archived = [("u1", "u"), ("u2", "u"), ("w", "t")];
        let after = |value: &str, sequence| Candidate {
            in_force: in_force(&["m"], &["t"], &archived),
            ..candidate(value, true, sequence)
        };
        let outcome = decide(&stored(before.clone()), &after("1", 9), now());
        assert_eq!((outcome.applied, outcome.aggregation.event_count), (Applied::Unchanged, 4));
        let outcome = decide(&stored(before.clone()), &after("2", 9), now());
        assert_eq!((outcome.applied, outcome.aggregation.event_count), (Applied::Revised, 4));
        let figures: Vec<_> =
            outcome.aggregation.figures.iter().map(|(k, f)| (k.as_str(), f.value.as_str())).collect();
        assert_eq!(figures, [("m", "2"), ("u1", "7"), ("u2", "5"), ("w", "1")]);
        // Before it was announced, it goes with its meter.
        let open = Candidate { complete: false, ..before };
        let outcome = decide(&stored(open), &after("2", 9), now());
        assert_eq!((outcome.applied, outcome.aggregation.figures.len()), (Applied::Completed, 1));
    }

    #[test]
    fn what_was_imported_stays_as_it_is() {
        let imported =
            super::super::Imported { at: now(), status: crate::store::webhook_status::Status::default() };
        let stored = Aggregation { imported: Some(imported), ..stored(candidate("1", true, 0)) };
        let none = Candidate { event_count: 0, figures: BTreeMap::default(), ..candidate("1", true, 9) };
        for (candidate, applied) in [
            (candidate("1", true, 9), Applied::Unchanged),
            (none, Applied::Unchanged),
            (candidate("2", true, 9), Applied::Kept),
        ] {
            let outcome = decide(&stored, &candidate, now());
            assert_eq!(
                (outcome.applied, outcome.announcement(), outcome.is_change()),
                (applied, None, false)
            );
            assert_eq!(outcome.aggregation, stored);
        }
    }

    #[test]
    fn only_ended_periods_are_announced() {
        let outcome =
            |applied, complete| Outcome { applied, aggregation: stored(candidate("1", complete, 1)) };
        assert_eq!(outcome(Applied::Created, false).announcement(), None);
        assert_eq!(outcome(Applied::Refreshed, false).announcement(), None);
        assert_eq!(outcome(Applied::Created, true).announcement(), Some(Announcement::Completed));
        assert_eq!(outcome(Applied::Completed, true).announcement(), Some(Announcement::Completed));
        assert_eq!(outcome(Applied::Revised, true).announcement(), Some(Announcement::Updated));
        assert_eq!(outcome(Applied::Unchanged, true).announcement(), None);
    }
}
