//! Rejected events on their way to the store. They are for people to look at, so ingest never waits
//! for them: what has no room in the queue is counted and let go, and what is in it at a crash is lost.
use crate::clock::Clock;
use crate::random;
use crate::store::rejected_events::{self, Code, INSERT_MAX, Reason, RejectedEvent};
use crate::store::{Db, StoreError};
use reckoner_domain::event::{CUSTOMER_BYTES_MAX, EVENT_TYPE_BYTES_MAX, ID_BYTES_MAX};
use reckoner_domain::id::{ProjectId, RejectedEventId};
use reckoner_domain::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Most rejected events that wait to be stored.
pub const QUEUE_MAX: usize = 4_096;
/// Most bytes kept of an event's text.
pub const EVENT_BYTES_MAX: usize = 2_048;
/// Most reasons kept of an event.
const REASONS_MAX: usize = 20;
/// Most bytes kept of one reason.
const REASON_BYTES_MAX: usize = 512;
/// The pause after a full batch, in milliseconds: a flood of bad events leaves the store to others.
const PAUSE_MS: u64 = 50;
/// How long a reader waits for what was rejected before it asked, in milliseconds.
const FLUSH_MS_MAX: u64 = 2_000;

/// An event that was not stored.
#[derive(Clone, Debug)]
pub struct Rejection<'a> {
    /// Whose event it was to be.
    pub project: ProjectId,
    /// When it arrived, by the project's clock.
    pub received_at: Timestamp,
    /// Its place in the request, from 0.
    pub index: u64,
    /// Why, in a word.
    pub code: Code,
    /// The event's id, where one could be read.
    pub event_id: Option<&'a str>,
    /// The customer, where one could be read.
    pub customer: Option<&'a str>,
    /// The event type, where one could be read.
    pub meter: Option<&'a str>,
    /// Why: fields and what is wrong with them.
    pub reasons: Vec<(&'a str, &'a str)>,
    /// Its bytes as sent.
    pub sent: &'a [u8],
}

enum Work {
    Keep(Box<RejectedEvent>),
    Flush(oneshot::Sender<()>),
}

/// Takes rejected events. Clones share one queue.
#[derive(Clone)]
pub struct Rejections {
    queue: mpsc::Sender<Work>,
}

impl Rejections {
    /// Starts to store what is noted, until the last clone is gone.
    pub fn start(db: Db, clock: Clock) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(write_all(waiting, db, clock));
        Self { queue }
    }

    /// Notes a rejected event, without waiting.
    pub fn note(&self, rejection: &Rejection<'_>) {
        // Conflicts are counted where events are stored.
        if rejection.code != Code::Conflict {
            metrics::counter!("ingest_events_total", "result" => "rejected").increment(1);
        }
        match self.queue.try_reserve() {
            Ok(room) => room.send(Work::Keep(Box::new(to_stored(rejection)))),
            Err(_) => count_dropped(1),
        }
    }

    /// Waits until what was noted before is stored, as long as that takes no more than a moment.
    pub async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Work::Flush(done)).await.is_ok() {
                // An error means that the writer has ended, and with it the server.
                let _ = stored.await;
            }
        };
        // Under a flood of bad events the newest come a little later.
        let _ = tokio::time::timeout(Duration::from_millis(FLUSH_MS_MAX), flushed).await;
    }
}

fn count_dropped(number: u64) {
    metrics::counter!("rejected_events_dropped_total").increment(number);
}

async fn write_all(mut waiting: mpsc::Receiver<Work>, db: Db, clock: Clock) {
    let mut works = Vec::with_capacity(INSERT_MAX);
    while waiting.recv_many(&mut works, INSERT_MAX).await > 0 {
        let full = works.len() >= INSERT_MAX;
        let mut rejected = Vec::with_capacity(works.len());
        let mut flushed = Vec::new();
        for work in works.drain(..) {
            match work {
                Work::Keep(one) => rejected.push(*one),
                Work::Flush(done) => flushed.push(done),
            }
        }
        let number = rejected.len() as u64;
        if let Err(error) = write(&db, &clock, rejected).await {
            count_dropped(number);
            tracing::warn!(%error, "{number} rejected events could not be kept");
        }
        for done in flushed {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
        if full {
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
    }
}

async fn write(db: &Db, clock: &Clock, mut rejected: Vec<RejectedEvent>) -> Result<(), StoreError> {
    if rejected.is_empty() {
        return Ok(());
    }
    // Ids are made in the order of arrival; one that could not be made keeps nothing.
    let Ok(first) = random::id_bits(clock.real()) else { return Ok(()) };
    for (step, one) in (0_u128..).zip(&mut rejected) {
        one.id = RejectedEventId::from_bits(first.wrapping_add(step));
    }
    let projects: BTreeSet<ProjectId> = rejected.iter().map(|one| one.project).collect();
    let mut tx = db.begin().await?;
    rejected_events::insert_many(&mut tx, &rejected).await?;
    for project in projects {
        rejected_events::trim(&mut tx, project).await?;
    }
    tx.commit().await
}

fn to_stored(rejection: &Rejection<'_>) -> RejectedEvent {
    let text = |text: Option<&str>, bytes_max| text.map(|text| cut(text.as_bytes(), bytes_max));
    let reasons = rejection.reasons.iter().take(REASONS_MAX);
    let reason = |(field, reason): &(&str, &str)| Reason {
        field: cut(field.as_bytes(), REASON_BYTES_MAX),
        reason: cut(reason.as_bytes(), REASON_BYTES_MAX),
    };
    RejectedEvent {
        // Given when it is stored.
        id: RejectedEventId::from_bits(0),
        project: rejection.project,
        received_at: rejection.received_at,
        index: rejection.index,
        code: rejection.code,
        event_id: text(rejection.event_id, ID_BYTES_MAX),
        customer: text(rejection.customer, CUSTOMER_BYTES_MAX),
        meter: text(rejection.meter, EVENT_TYPE_BYTES_MAX),
        errors: reasons.map(reason).collect(),
        event: cut(rejection.sent, EVENT_BYTES_MAX),
        is_cut: rejection.sent.len() > EVENT_BYTES_MAX,
    }
}

/// At most so many bytes of a text, as both databases take it: whole characters, no NUL.
fn cut(bytes: &[u8], bytes_max: usize) -> String {
    let is_inside = |end: usize| bytes.get(end).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let end = (0..=bytes_max.min(bytes.len())).rev().find(|end| !is_inside(*end)).unwrap_or(0);
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (bytes, max, expected) in [
            (&b"abc"[..], 3, "abc"),
            (b"abc", 2, "ab"),
            ("aé".as_bytes(), 2, "a"),
            ("aé".as_bytes(), 3, "aé"),
            ("aé".as_bytes(), 9, "aé"),
            ("€€".as_bytes(), 5, "€"),
            (b"a\0b", 3, "a\u{fffd}b"),
            (b"a\xff", 9, "a\u{fffd}"),
            (b"\xbf\xbf\xbf", 2, ""),
            (b"", 2, ""),
        ] {
            assert_eq!(cut(bytes, max), expected, "{bytes:?}");
        }
    }
}
