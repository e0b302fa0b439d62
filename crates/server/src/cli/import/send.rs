//! Sending chunks until each has been answered for.
use super::chunk::{BadRow, Chunk};
use super::report::Report;
use crate::cli::client::{Client, NDJSON, Request, RetryPolicy};
use crate::cli::error::CliError;
use crate::cli::ingest::Verdict;
use bytes::Bytes;
use std::io;

/// Sends chunks to a server, or only counts them.
pub struct Sender {
    /// The server; `None` in a dry run.
    pub client: Option<Client>,
    /// How often an answer that was cut short is asked for again.
    pub retry: RetryPolicy,
}

impl Sender {
    /// Sends a chunk and adds to the report what became of its rows.
    pub async fn deliver(&self, chunk: &mut Chunk, report: &mut Report) -> Result<(), CliError> {
        let verdict = match &self.client {
            Some(client) if !chunk.events.is_empty() => self.send(client, chunk).await?,
            _ => Verdict { accepted: chunk.events.len() as u64, ..Verdict::default() },
        };
        report.add(&verdict);
        report.rejected += chunk.bad.len() as u64;
        for row in rejected_rows(chunk, verdict) {
            report.keep(row).map_err(|error| not_kept(&error))?;
        }
        Ok(())
    }

    /// Events carry ids, so a chunk is sent again whenever its answer is not whole.
    async fn send(&self, client: &Client, chunk: &mut Chunk) -> Result<Verdict, CliError> {
        let body = Bytes::from(std::mem::take(&mut chunk.body));
        let request = Request::post("/v1/events", NDJSON, body.clone());
        let mut attempt = 1;
        loop {
            let answer = client.send(&request).await?;
            let judged =
                answer.status.is_success() || answer.status == reqwest::StatusCode::UNPROCESSABLE_ENTITY;
            match Verdict::read(&answer.body) {
                Some(verdict) if judged => {
                    chunk.body = body.into();
                    return Ok(verdict);
                }
                _ if !answer.status.is_success() => return Err(client.refused(&request, &answer)),
                _ => {}
            }
            let Some(pause) = self.retry.pause(attempt, None) else {
                return Err(CliError::failed("the server's answers to POST /v1/events lack their counts"));
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }
}

/// The rows of a chunk that were not taken, in the order of the file.
fn rejected_rows(chunk: &mut Chunk, verdict: Verdict) -> Vec<BadRow> {
    let mut rows = std::mem::take(&mut chunk.bad);
    rows.extend(verdict.refusals.into_iter().filter_map(|refusal| {
        let (line, text) = chunk.event(refusal.index)?;
        Some(BadRow { line, reasons: refusal.reasons, text })
    }));
    rows.sort_by_key(|row| row.line);
    rows
}

/// The error of a file of rejected rows that cannot be written.
pub fn not_kept(error: &io::Error) -> CliError {
    CliError::failed(format!("cannot write the rejected rows: {error}"))
}
