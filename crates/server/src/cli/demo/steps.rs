//! The steps of the demo, each a call of the real API that anyone could make.
use super::usage::{CUSTOMERS, EVENT_TYPES, SUMMED, Usage};
use crate::cli::client::{self, Client, JSON, NDJSON, Request};
use crate::cli::error::CliError;
use crate::cli::ingest::Verdict;
use crate::cli::output::Out;
use crate::cli::query::{Row, aggregations_table};
use crate::cli::receive::{Delivery, Received};
use crate::cli::table::{Align, Table};
use reckoner_domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events of one request.
const EVENTS_PER_REQUEST: usize = 500;
/// Longest wait for the webhooks, in seconds.
const WEBHOOKS_TIMEOUT_S: u64 = 30;

/// Freezes the project's clock.
pub async fn freeze(client: &Client, at: Timestamp) -> Result<(), CliError> {
    let body = json!({"frozen_time": at.to_string()});
    client.json::<Value>(&Request::put("/v1/test-clock", JSON, client::body(&body))).await?;
    Ok(())
}

/// Moves the project's clock and gives the number of jobs that ran on the way.
pub async fn advance(client: &Client, to: Timestamp) -> Result<u64, CliError> {
    let body = json!({"frozen_time": to.to_string()});
    let answer: Value =
        client.json(&Request::post("/v1/test-clock/advance", JSON, client::body(&body))).await?;
    Ok(answer.get("jobs_run").and_then(Value::as_u64).unwrap_or(0))
}

/// Sends the events; each must be new and taken.
pub async fn send(client: &Client, usage: &Usage) -> Result<(), CliError> {
    for events in usage.events.chunks(EVENTS_PER_REQUEST) {
        let lines: String = events.iter().flat_map(|event| [event.to_string(), "\n".to_owned()]).collect();
        let request = Request::post("/v1/events", NDJSON, lines);
        let answer = client.send(&request).await?;
        let verdict = Verdict::read(&answer.body).ok_or_else(|| client.refused(&request, &answer))?;
        if verdict.accepted != events.len() as u64 {
            let reasons = verdict.refusals.first().map(|refusal| refusal.reasons.join("; "));
            return Err(CliError::failed(format!(
                "{} of {} events were not taken: {}",
                events.len() as u64 - verdict.accepted.min(events.len() as u64),
                events.len(),
                reasons.unwrap_or_else(|| "duplicates".to_owned())
            )));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<QueryRow>,
}

#[derive(Deserialize)]
struct QueryRow {
    customer: Option<String>,
    value: Option<String>,
}

/// Prints every customer's totals from `from` until before `to`, checks the sums against what was
/// sent, and gives the totals by customer and event type.
pub async fn totals(
    client: &Client,
    usage: &Usage,
    (from, to): (Timestamp, Timestamp),
    out: Out<'_>,
) -> Result<Value, CliError> {
    let mut totals: BTreeMap<(&str, String), String> = BTreeMap::new();
    for (event_type, _) in EVENT_TYPES {
        let path = format!("/v1/meters/{}/query", client::segment(event_type));
        let request = Request::get(path)
            .with("from", from.to_string())
            .with("to", to.to_string())
            .with("group_by", "customer");
        let answer: Answer = client.json(&request).await?;
        let rows = answer.data.into_iter().filter_map(|row| Some((row.customer?, row.value?)));
        totals.extend(rows.map(|(customer, value)| ((event_type, customer), value)));
    }
    let total = |event_type, customer: &str| {
        totals.get(&(event_type, customer.to_owned())).cloned().unwrap_or_default()
    };
    let [calls, storage, response] = EVENT_TYPES.map(|(name, _)| (name, Align::Right));
    let mut table = Table::new(&[("CUSTOMER", Align::Left), calls, storage, response]);
    for customer in CUSTOMERS {
        let [calls, storage, response] = EVENT_TYPES.map(|(name, _)| total(name, customer));
        table.row([customer.to_owned(), calls, storage, response]);
    }
    table.print(out, "   ")?;
    for (customer, sum) in &usage.sums {
        let (shown, sent) = (total(SUMMED, customer), sum.to_string());
        if shown != sent {
            let text = format!("{SUMMED} of {customer} is {shown}, but {sent} was sent");
            return Err(CliError::failed(text));
        }
    }
    let of_customer = |customer: &str| {
        let totals = EVENT_TYPES.map(|(name, _)| (name.to_owned(), Value::String(total(name, customer))));
        Value::Object(totals.into_iter().collect())
    };
    Ok(CUSTOMERS.iter().map(|customer| ((*customer).to_owned(), of_customer(customer))).collect())
}

/// Prints the month's aggregations and gives them.
pub async fn aggregations(client: &Client, out: Out<'_>) -> Result<Value, CliError> {
    let request = Request::get("/aggregations").with("period", "monthly").with("limit", "10");
    let answer: Value = client.json(&request).await?;
    let rows: Vec<Row> = serde_json::from_value(answer.clone())
        .map_err(|error| CliError::failed(format!("/aggregations gave an unexpected answer: {error}")))?;
    if rows.is_empty() {
        return Err(CliError::failed("the month was not aggregated"));
    }
    aggregations_table(&rows).print(out, "   ")?;
    Ok(answer)
}

/// Waits until the month's webhooks of all customers have come; gives one of them and the number
/// of all deliveries.
pub async fn webhooks(received: &mut mpsc::Receiver<Received>) -> Result<(Delivery, usize), CliError> {
    let (mut all, mut monthly) = (0, Vec::new());
    let waiting = async {
        while monthly.len() < CUSTOMERS.len() {
            match received.recv().await {
                Some(Received::Taken(delivery)) => {
                    all += 1;
                    if delivery.body.get("period").and_then(Value::as_str) == Some("monthly") {
                        monthly.push(delivery);
                    }
                }
                Some(Received::Refused(reason)) => {
                    return Err(CliError::failed(format!("a webhook was refused: {reason}")));
                }
                None => break,
            }
        }
        Ok(())
    };
    let late = |_| CliError::failed(format!("not all webhooks came within {WEBHOOKS_TIMEOUT_S} s"));
    tokio::time::timeout(Duration::from_secs(WEBHOOKS_TIMEOUT_S), waiting).await.map_err(late)??;
    let first = monthly.into_iter().next().ok_or_else(|| CliError::failed("no webhook came"))?;
    Ok((first, all))
}
