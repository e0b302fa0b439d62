//! Aggregations that are frozen: daily and monthly ones in a time that is billed for ever show what was known when it
//! was locked. Whatever becomes known later is an adjustment of the next invoice.
use super::plan::{Task, Who};
use crate::store::locks::{self, Lock};
use crate::store::{Db, StoreError};
use reckoner_domain::id::ProjectId;
use reckoner_domain::period::Period;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A task's customers by what they are told: those that are locked as of their lock, the others as of now.
pub async fn parts(
    db: &Db,
    project: ProjectId,
    task: &Task,
) -> Result<Vec<(Task, Option<Timestamp>)>, StoreError> {
    if !matches!(task.span.period, Period::Daily | Period::Monthly) {
        return Ok(vec![(task.clone(), None)]);
    }
    let window = Window { start: task.span.start, end: task.span.end };
    let named: Option<Vec<String>> = match &task.who {
        Who::Only(customers) => Some(customers.iter().cloned().collect()),
        Who::AllBut(_) => None,
    };
    let locks = locks::overlapping(db, project, window, named.as_deref()).await?;
    Ok(split(task, window, locks))
}

/// The first lock of a customer that covers the period counts.
fn split(task: &Task, window: Window, locks: Vec<Lock>) -> Vec<(Task, Option<Timestamp>)> {
    let mut since: BTreeMap<String, Timestamp> = BTreeMap::new();
    for lock in locks.into_iter().filter(|lock| lock.covers(window) && task.who.has(&lock.customer)) {
        since.entry(lock.customer).or_insert(lock.since);
    }
    let mut parts = Vec::new();
    let rest = task.who.without(since.keys());
    if !rest.is_nobody() {
        parts.push((Task { who: rest, ..task.clone() }, None));
    }
    let mut by_instant: BTreeMap<Timestamp, BTreeSet<String>> = BTreeMap::new();
    for (customer, since) in since {
        by_instant.entry(since).or_default().insert(customer);
    }
    let frozen =
        |(since, customers)| (Task { who: Who::Only(Arc::new(customers)), ..task.clone() }, Some(since));
    parts.extend(by_instant.into_iter().map(frozen));
    parts
}
