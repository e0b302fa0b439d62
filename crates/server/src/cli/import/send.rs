//! Sending chunks until each has been answered for.
use super::chunk::{BadRow, Chunk};
use super::report::Report;
use crate::cli::client::{self, Answer, Client, JSON, NDJSON, Request, RetryPolicy, one_error};
use crate::cli::error::CliError;
use crate::cli::ingest::Verdict;
use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;

/// What the fields of an import of aggregations begin with.
const AGGREGATION_FIELD: &str = "aggregations[";

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
        self.deliver_aggregations(chunk, report).await?;
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

    /// Sends a chunk's aggregations, which the server takes all or none: those that it refuses are
    /// left out, until it takes the rest.
    async fn deliver_aggregations(&self, chunk: &mut Chunk, report: &mut Report) -> Result<(), CliError> {
        let mut rest = std::mem::take(&mut chunk.aggregations);
        let Some(client) = &self.client else {
            report.accepted += rest.len() as u64;
            return Ok(());
        };
        while !rest.is_empty() {
            let all: Vec<&Value> = rest.iter().map(|(_, aggregation)| aggregation).collect();
            let body = client::body(&json!({"aggregations": all}));
            let request = Request::post("/v1/aggregations/import", JSON, body);
            let answer = client.send(&request).await?;
            let count = |body: &Value, name: &str| body.get(name).and_then(Value::as_u64);
            if answer.status.is_success() {
                let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
                let (Some(new), Some(same)) = (count(&body, "imported"), count(&body, "unchanged")) else {
                    return Err(CliError::failed(
                        "the server's answer to an import of aggregations lacks its counts",
                    ));
                };
                report.accepted += new;
                report.duplicate += same;
                return Ok(());
            }
            let refused = refused_aggregations(&answer);
            if refused.is_empty() {
                return Err(client.refused(&request, &answer));
            }
            let mut kept = Vec::with_capacity(rest.len());
            for (index, (line, aggregation)) in rest.into_iter().enumerate() {
                match refused.get(&index) {
                    Some(reasons) => {
                        let text = aggregation.to_string();
                        chunk.bad.push(BadRow { line, reasons: reasons.clone(), text });
                    }
                    None => kept.push((line, aggregation)),
                }
            }
            rest = kept;
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

/// Which aggregations of a request the server refused, by their place, and why.
fn refused_aggregations(answer: &Answer) -> BTreeMap<usize, Vec<String>> {
    let mut refused: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    if !matches!(answer.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) {
        return refused;
    }
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    for error in problem.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let field = error.get("field").and_then(Value::as_str).unwrap_or_default();
        let place = field.strip_prefix(AGGREGATION_FIELD).and_then(|rest| rest.split_once(']'));
        let Some((Ok(index), name)) = place.map(|(index, name)| (index.parse(), name)) else { continue };
        let reason =
            error.get("reason").and_then(Value::as_str).map_or_else(|| one_error(error), str::to_owned);
        let name = name.trim_start_matches('.');
        let told = if name.is_empty() { reason } else { format!("{name} {reason}") };
        refused.entry(index).or_default().push(told);
    }
    refused
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
