//! Requests that are over become events.
use super::exchange::Exchanged;
use super::{Work, dropped};
use crate::events::AppendError;
use crate::ingest::draft::{Checked, SYSTEM_CUSTOMER};
use crate::ingest::record::{RecordError, Recorder};
use crate::store::{Db, StoreError, customers};
use reckoner_client::request_event_id;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::{CustomerId, ProjectId};
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::sync::mpsc;

/// The type of the events.
const TRAFFIC: &str = "traffic.bytes";
/// Most requests that are recorded together.
const AT_ONCE: usize = 1_000;
/// How often it is tried to record some, and the pause between, in milliseconds.
const TRIES_MAX: u32 = 5;
const PAUSE_MS: u64 = 200;

/// Records until nobody can note anything any more.
pub async fn write_all(mut waiting: mpsc::Receiver<Work>, db: Db, recorder: Recorder) {
    let mut work = Vec::with_capacity(AT_ONCE);
    while waiting.recv_many(&mut work, AT_ONCE).await > 0 {
        let mut by_project: BTreeMap<u32, Vec<Exchanged>> = BTreeMap::new();
        let mut flushed = Vec::new();
        for one in work.drain(..) {
            match one {
                Work::Record(exchanged) => {
                    by_project.entry(exchanged.project.0).or_default().push(*exchanged);
                }
                Work::Flush(done) => flushed.push(done),
            }
        }
        for (project, exchanged) in by_project {
            write(&db, &recorder, ProjectId(project), &exchanged).await;
        }
        for done in flushed {
            // Whoever waited may be gone.
            let _ = done.send(());
        }
    }
}

/// Records requests of one project; what cannot be recorded is counted.
async fn write(db: &Db, recorder: &Recorder, project: ProjectId, exchanged: &[Exchanged]) {
    let count = exchanged.len() as u64;
    if recorder.catalogues.of(project).reading(TRAFFIC).is_none() {
        return dropped("no_meter", count);
    }
    for attempt in 1..=TRIES_MAX {
        match try_write(db, recorder, project, exchanged).await {
            Ok(()) => return,
            Err(RecordError::Append(AppendError::Busy) | RecordError::Store(StoreError::Unavailable(_)))
                if attempt < TRIES_MAX =>
            {
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
            Err(error) => {
                tracing::error!(%error, requests = count, "own traffic could not be recorded");
                return dropped("failed", count);
            }
        }
    }
}

async fn try_write(
    db: &Db,
    recorder: &Recorder,
    project: ProjectId,
    exchanged: &[Exchanged],
) -> Result<(), RecordError> {
    let mut own_ids: HashMap<&CustomerId, String> = HashMap::new();
    for id in exchanged.iter().filter_map(|one| one.customer.as_ref()) {
        if !own_ids.contains_key(id) {
            own_ids.insert(id, customers::get(db, project, id).await?.external_id);
        }
    }
    let checked: Vec<Checked<'_>> = exchanged
        .iter()
        .map(|one| {
            let own = one.customer.as_ref().and_then(|id| own_ids.get(id)).cloned();
            let assigned = || recorder.assignments.customer_of(project, &one.user, one.time);
            event(one, own.or_else(assigned).unwrap_or_else(|| SYSTEM_CUSTOMER.to_owned()))
        })
        .collect();
    // They arrive as they end.
    let now = exchanged.iter().map(|one| one.time).max().unwrap_or_default();
    recorder.record(project, now, &checked).await.map(drop)
}

fn event(one: &Exchanged, customer: String) -> Checked<'static> {
    let bytes = one.request_bytes.saturating_add(one.response_bytes);
    let properties = json!({
        "endpoint": one.endpoint,
        "method": one.method,
        "requestBytes": one.request_bytes,
        "responseBytes": one.response_bytes,
        "durationMs": one.duration_ms,
        "statusCode": one.status,
    });
    Checked {
        id: Cow::Owned(request_event_id("traffic", &one.user, &one.endpoint, &one.method, &one.request_id)),
        customer: Cow::Owned(customer),
        event_type: Cow::Borrowed(TRAFFIC),
        value: Decimal::parse(&bytes.to_string()).unwrap_or_default(),
        time: Some(one.time),
        subject: Some(Cow::Owned(one.user.clone())),
        properties: Some(Cow::Owned(properties.to_string())),
        source_context: None,
        attributed: false,
    }
}
