//! Sending generated events one by one, in batches or as NDJSON.
use super::event::Generated;
use super::summary::Summary;
use crate::cli::client::{self, Answer, Client, JSON, NDJSON, Request, describe};
use crate::cli::ingest::Verdict;
use clap::ValueEnum;
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// Most events of one request to `POST /usagebatch`.
pub const BATCH_EVENTS_MAX: usize = 1_000;

/// How events travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One request an event: `POST /usage/{eventType}`.
    Single,
    /// Up to 1,000 events a request: `POST /usagebatch`.
    Batch,
    /// Up to 1,000 lines a request: `POST /v1/events`.
    Ndjson,
}

/// How the sending goes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How events travel.
    pub mode: Mode,
    /// Events of one request, at most [`BATCH_EVENTS_MAX`]; not for single events.
    pub batch_size: usize,
    /// Requests under way at once.
    pub parallel: usize,
    /// The pause before each request but the first.
    pub delay: Duration,
}

/// How one request went.
struct Sent {
    events: Vec<Generated>,
    failed: u64,
    reason: Option<String>,
}

/// Sends all events; `progress` hears how many are done after each request.
pub async fn send_all(
    client: &Client,
    events: impl Iterator<Item = Generated>,
    plan: Plan,
    mut progress: impl FnMut(u64),
) -> Summary {
    let size = if plan.mode == Mode::Single { 1 } else { plan.batch_size.clamp(1, BATCH_EVENTS_MAX) };
    let mut events = events;
    let requests = std::iter::from_fn(|| {
        let batch: Vec<Generated> = events.by_ref().take(size).collect();
        (!batch.is_empty()).then_some(batch)
    });
    let mut sending = futures_util::stream::iter(requests.enumerate())
        .map(|(index, batch)| async move {
            if index > 0 && !plan.delay.is_zero() {
                tokio::time::sleep(plan.delay).await;
            }
            send(client, plan.mode, batch).await
        })
        .buffer_unordered(plan.parallel.max(1));
    let mut summary = Summary::default();
    while let Some(sent) = sending.next().await {
        summary.add(&sent.events, sent.failed, sent.reason);
        progress(summary.total());
    }
    summary
}

async fn send(client: &Client, mode: Mode, events: Vec<Generated>) -> Sent {
    let result = client.send(&request(mode, &events)).await;
    let all = events.len() as u64;
    let (failed, reason) = match result {
        Ok(answer) => judge(mode, all, &answer),
        Err(error) => (all, Some(error.to_string())),
    };
    Sent { events, failed, reason }
}

fn request(mode: Mode, events: &[Generated]) -> Request {
    match (mode, events) {
        (Mode::Single, [event]) => {
            let path = format!("/usage/{}", client::segment(&event.event_type));
            Request::post(path, JSON, client::body(&event.to_usage()))
        }
        (Mode::Single | Mode::Batch, _) => {
            let entries = events.iter().map(Generated::to_batch_entry).collect();
            Request::post("/usagebatch", JSON, client::body(&Value::Array(entries)))
        }
        (Mode::Ndjson, _) => {
            let lines: String =
                events.iter().flat_map(|event| [event.to_event().to_string(), "\n".into()]).collect();
            Request::post("/v1/events", NDJSON, lines)
        }
    }
}

/// How many of the events failed, and why.
fn judge(mode: Mode, all: u64, answer: &Answer) -> (u64, Option<String>) {
    let good = answer.status.is_success();
    let partly = answer.status == StatusCode::MULTI_STATUS;
    let failed = match mode {
        Mode::Ndjson => match Verdict::read(&answer.body) {
            Some(verdict) => {
                let reason = verdict.refusals.into_iter().flat_map(|refusal| refusal.reasons).next();
                let reason = (verdict.rejected > 0).then(|| reason.unwrap_or_else(|| describe(answer)));
                return (verdict.rejected.min(all), reason);
            }
            None => all,
        },
        Mode::Batch if partly => failed_count(answer).unwrap_or(all).min(all),
        _ if good && !partly => 0,
        _ => all,
    };
    (failed, (failed > 0).then(|| describe(answer)))
}

fn failed_count(answer: &Answer) -> Option<u64> {
    serde_json::from_slice::<Value>(&answer.body).ok()?.get("failedCount")?.as_u64()
}
