//! The engine on a simulated disk.
mod append;
mod crash;
mod damage;
mod erasure;
mod model;
mod parts;
mod random;
mod readers;
mod retention;
mod sweep;

use crate::batch::Batch;
use crate::disk::sim::SimDisk;
use crate::error::{AppendError, OpenError};
use crate::log::{Opened, Options, SEGMENT_BYTES_MIN, open_on};
use crate::write::core::Work;
use crate::write::outcome::Outcome;
use parking_lot::Mutex;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::event::EventDraft;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::sync::Arc;

pub const PROJECT: ProjectId = ProjectId(1);

/// Small segments, prepared when needed: everything happens on the test's thread, in one order.
pub fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        background: false,
        ..Options::new("unused", *b"0123456789abcdef", 7)
    }
}

pub fn open(disk: &SimDisk) -> Result<Opened, OpenError> {
    open_on(Arc::new(disk.clone()), &options())
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::default().plus_micros(seconds * 1_000_000)
}

pub fn draft(id: &str) -> EventDraft<'_> {
    EventDraft {
        id,
        customer: "c",
        event_type: "t",
        value: Decimal::ONE,
        time: None,
        subject: None,
        properties: None,
        source_context: None,
    }
}

pub fn batch_of(drafts: &[EventDraft<'_>], received_at: Timestamp) -> Batch {
    let mut batch = Batch::new(PROJECT, received_at);
    for draft in drafts {
        batch.push(draft).expect("fits");
    }
    batch
}

pub type Answers = Vec<Option<Result<Vec<Outcome>, AppendError>>>;

/// Commits these batches as one group.
pub fn commit(opened: &mut Opened, batches: Vec<Batch>) -> Answers {
    let answers = Arc::new(Mutex::new(vec![None; batches.len()]));
    let works: Vec<Work> = batches
        .into_iter()
        .enumerate()
        .map(|(index, batch)| {
            let answers = Arc::clone(&answers);
            let mut batch = batch.seal(&opened.shared.hasher);
            opened.shared.want(&mut batch);
            opened.shared.look_up(&mut batch.known).expect("reads");
            Work::Append(batch, Box::new(move |answer| answers.lock()[index] = Some(answer)))
        })
        .collect();
    opened.core.run(works);
    std::mem::take(&mut *answers.lock())
}

/// Commits one batch of events with these ids.
pub fn append(opened: &mut Opened, ids: &[&str]) -> Result<Vec<Outcome>, AppendError> {
    let drafts: Vec<_> = ids.iter().map(|id| draft(id)).collect();
    let batch = batch_of(&drafts, at(100));
    commit(opened, vec![batch]).remove(0).expect("an answer")
}

pub fn ids_of(opened: &Opened) -> Vec<String> {
    let last = opened.shared.memory.read().sequence;
    (1..=last).filter_map(|sequence| opened.shared.event(sequence).expect("reads")).map(|e| e.id).collect()
}
