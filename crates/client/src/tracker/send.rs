//! One attempt to send a batch.
use crate::client::{Again, Answer, Client, judged, retry_after};
use bytes::{BufMut, Bytes, BytesMut};
use http::Method;
use reckoner_api::error::FieldError;
use reckoner_api::event::{IngestAnswer, OutcomeStatus};
use std::time::Duration;

/// How the server says that an id is taken by other content.
const CONFLICT: (&str, &str) = ("id", "is taken by an event with other content");

/// A record that the server will never take.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The event as it was sent, JSON.
    pub event: String,
    /// What is wrong with it, by field.
    pub errors: Vec<FieldError>,
}

/// What became of one record.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Stored,
    Duplicate,
    Conflicting,
    Rejected(Vec<FieldError>),
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Sent {
    /// Each record has its fate.
    Judged(Vec<Fate>),
    /// None is settled: try again, after this pause if the server named one.
    Later(String, Option<Duration>),
    /// The server takes no such batch; smaller ones may do.
    Refused(String),
}

/// Sends these lines as one batch, once.
pub(super) async fn send(client: Client, lines: Vec<Bytes>) -> Sent {
    let count = lines.len();
    let answer = match client.send(Method::POST, "/v1/events", array(&lines), Again::No).await {
        Ok(answer) => answer,
        Err(error) => return Sent::Later(error.to_string(), None),
    };
    match judged(&answer) {
        Ok(told) => fates(&told, count),
        Err(error) if means_the_batch(&answer) => Sent::Refused(error.to_string()),
        Err(error) => Sent::Later(error.to_string(), retry_after(&answer.headers)),
    }
}

/// Whether the answer is about what was sent, and not about the server, the key or the address.
fn means_the_batch(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 400 | 409 | 413 | 415 | 422)
}

fn fates(told: &IngestAnswer, count: usize) -> Sent {
    let judged = told.accepted + told.duplicate + told.rejected;
    if judged != count as u64 {
        return Sent::Later(format!("{count} events were sent, {judged} were judged"), None);
    }
    let mut fates = vec![Fate::Stored; count];
    for outcome in &told.outcomes {
        let place = usize::try_from(outcome.index).ok().and_then(|index| fates.get_mut(index));
        let Some(fate) = place else { continue };
        *fate = match outcome.status {
            OutcomeStatus::Accepted => Fate::Stored,
            OutcomeStatus::Duplicate => Fate::Duplicate,
            OutcomeStatus::Rejected if is_conflict(&outcome.errors) => Fate::Conflicting,
            OutcomeStatus::Rejected => Fate::Rejected(outcome.errors.clone()),
        };
    }
    Sent::Judged(fates)
}

fn is_conflict(errors: &[FieldError]) -> bool {
    matches!(errors, [error] if (error.field.as_str(), error.reason.as_str()) == CONFLICT)
}

fn array(lines: &[Bytes]) -> Bytes {
    let mut body = BytesMut::with_capacity(lines.iter().map(|line| line.len() + 1).sum::<usize>() + 1);
    for (index, line) in lines.iter().enumerate() {
        body.put_u8(if index == 0 { b'[' } else { b',' });
        body.put_slice(line);
    }
    body.put_u8(b']');
    body.freeze()
}
