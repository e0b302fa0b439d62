//! How the messages about many subjects (for instance aggregations) fared.
use super::error::{Result, StoreError};
use super::query::Val;
use super::row;
use super::webhook_deliveries::State;
use super::{Db, Exec};
use crate::sql;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::collections::BTreeMap;

/// Subjects of one query.
const QUERY_SUBJECTS_MAX: usize = 1_000;

/// How the message about one subject fared, over all endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether every enabled endpoint took it (and one did).
    pub delivered: bool,
    /// The most attempts that an endpoint took.
    pub attempts: u32,
    /// When the last endpoint took it, in real time; only when `delivered`.
    pub delivered_at: Option<Timestamp>,
    /// Why the newest failed attempt failed; only while not `delivered`.
    pub last_error: Option<String>,
    /// When the newest attempt was made, in real time.
    pub last_attempt_at: Option<Timestamp>,
    /// Whether it was only logged.
    pub dry_run: bool,
}

#[derive(Clone, Debug, sqlx::FromRow)]
struct Row {
    subject_id: String,
    endpoint_id: String,
    open: bool,
    state: String,
    attempts: i64,
    delivered_at: Option<i64>,
    last_error: Option<String>,
    last_attempt_at: Option<i64>,
    dry_run: bool,
}

/// The status of each of these subjects that has a message of this type with a delivery.
pub async fn of_subjects(
    db: &Db,
    project: ProjectId,
    event_type: &str,
    subjects: &[&str],
) -> Result<BTreeMap<String, Status>> {
    let mut by_subject: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for chunk in subjects.chunks(QUERY_SUBJECTS_MAX) {
        let query = sql!(
            "select m.subject_id, d.endpoint_id, (e.enabled and e.deleted_at is null) as open, d.state,
             d.attempts, d.delivered_at, d.last_error, d.last_attempt_at, d.dry_run
             from webhook_messages m join webhook_deliveries d on d.message_id = m.id
             join webhook_endpoints e on e.id = d.endpoint_id
             where m.project_id = $1 and m.type = $2",
            project,
            event_type
        )
        .push(" and m.subject_id in ", [])
        .list(chunk.iter().map(|&subject| Val::from(subject)));
        let rows: Vec<Row> = db.all(query).await?;
        for row in rows {
            by_subject.entry(row.subject_id.clone()).or_default().push(row);
        }
    }
    by_subject.into_iter().map(|(subject, rows)| Ok((subject, fold(&rows)?))).collect()
}

fn fold(rows: &[Row]) -> Result<Status> {
    let mut status = Status::default();
    // An endpoint that got a message again took it when one of the deliveries was taken.
    let mut taken: BTreeMap<&str, bool> = BTreeMap::new();
    let mut newest_failure = None;
    for row in rows {
        let state = State::parse(&row.state).ok_or_else(|| StoreError::corrupt("state", &row.state))?;
        let took = state == State::Delivered;
        if row.open || took {
            *taken.entry(row.endpoint_id.as_str()).or_default() |= took;
        }
        let last_attempt_at = row::opt_time("last_attempt_at", row.last_attempt_at)?;
        status.attempts = status.attempts.max(row::count("attempts", row.attempts)?);
        status.last_attempt_at = status.last_attempt_at.max(last_attempt_at);
        status.delivered_at = status.delivered_at.max(row::opt_time("delivered_at", row.delivered_at)?);
        status.dry_run |= row.dry_run;
        if let Some(error) = &row.last_error {
            newest_failure = newest_failure.max(Some((last_attempt_at, error)));
        }
    }
    status.delivered = !taken.is_empty() && taken.values().all(|took| *took);
    if status.delivered {
        newest_failure = None;
    } else {
        status.delivered_at = None;
    }
    status.last_error = newest_failure.map(|(_, error)| error.clone());
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(endpoint: &str, open: bool, state: State, attempts: i64, at: i64) -> Row {
        let failed = state != State::Delivered && attempts > 0;
        Row {
            subject_id: "a".into(),
            endpoint_id: endpoint.into(),
            open,
            state: state.as_str().into(),
            attempts,
            delivered_at: (state == State::Delivered).then_some(at),
            last_error: failed.then(|| format!("failed at {at}")),
            last_attempt_at: (attempts > 0).then_some(at),
            dry_run: false,
        }
    }

    #[test]
    fn delivered_means_that_every_enabled_endpoint_took_it() {
        use State::{Canceled, Delivered, Failed, Pending};
        for (rows, delivered) in [
            (vec![], false),
            (vec![row("a", true, Pending, 0, 0)], false),
            (vec![row("a", true, Delivered, 1, 5)], true),
            (vec![row("a", true, Delivered, 1, 5), row("b", true, Failed, 10, 9)], false),
            (vec![row("a", true, Delivered, 1, 5), row("b", false, Canceled, 3, 9)], true),
            (vec![row("b", false, Canceled, 3, 9)], false),
            (vec![row("a", true, Failed, 10, 5), row("a", true, Delivered, 1, 9)], true),
        ] {
            assert_eq!(fold(&rows).unwrap().delivered, delivered, "{rows:?}");
        }
    }

    #[test]
    fn the_newest_failure_is_shown_until_all_took_it() {
        let at = |micros| Timestamp::from_micros(micros);
        let rows = [
            row("a", true, State::Delivered, 1, 5),
            row("b", true, State::Pending, 2, 8),
            row("c", true, State::Pending, 4, 7),
        ];
        let status = fold(&rows).unwrap();
        assert_eq!(status.last_error.as_deref(), Some("failed at 8"));
        assert_eq!((status.attempts, status.last_attempt_at, status.delivered_at), (4, at(8), None));
        let status = fold(&rows[..1]).unwrap();
        assert_eq!((status.last_error, status.delivered_at), (None, at(5)));
    }
}
