//! `reckoner log`: the last events, and those that come.
use super::client::{Client, Request, RetryPolicy};
use super::error::CliError;
use super::output::{self, Out, printable};
use super::target::Target;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Most events of one answer.
const PAGE_EVENTS_MAX: u32 = 1_000;
/// Most events that `--tail` shows, and that one round of following catches up with.
const TAIL_EVENTS_MAX: u32 = 100_000;

/// `reckoner log`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner log --tail 50
  reckoner log --follow --customer customer_1
  reckoner log --tail 0 --follow --json | jq .value")]
pub struct LogArgs {
    /// How many of the last events to show first.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(..=i64::from(TAIL_EVENTS_MAX)))]
    pub tail: u32,
    /// Go on with new events until Ctrl-C.
    #[arg(long, short)]
    pub follow: bool,
    /// Milliseconds between two looks for new events.
    #[arg(long, value_name = "MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(50..=3_600_000))]
    pub interval_ms: u64,
    /// Only this customer.
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// Only this meter (event type).
    #[arg(long, value_name = "TYPE")]
    pub meter: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub target: Target,
}

/// A page of `GET /v1/events`, newest first.
#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Value>,
    next_cursor: Option<String>,
}

/// Events as they are listed, looked at by their sequence numbers.
pub struct Feed {
    client: Client,
    request: Request,
    /// The greatest sequence number shown.
    last: u64,
}

impl Feed {
    /// A feed of the events that pass the filters.
    pub fn new(client: Client, customer: Option<String>, meter: Option<String>) -> Self {
        let request = Request::get("/v1/events").with_some("customer", customer).with_some("meter", meter);
        Self { client, request, last: 0 }
    }

    /// The last `count` events, oldest first; what came before them is never shown.
    pub async fn tail(&mut self, count: u32) -> Result<Vec<Value>, CliError> {
        // One event is read even when none is asked for: it says where the end is.
        let mut events = self.newest(count.max(1)).await?;
        self.last = events.iter().map(sequence).max().unwrap_or(0);
        let surplus = events.len().saturating_sub(count as usize);
        Ok(events.split_off(surplus))
    }

    /// The events since the last look, oldest first.
    pub async fn fresh(&mut self) -> Result<Vec<Value>, CliError> {
        let events = self.newest(TAIL_EVENTS_MAX).await?;
        self.last = events.iter().map(sequence).max().unwrap_or(0).max(self.last);
        Ok(events)
    }

    /// At most `count` of the newest events beyond the last one shown, oldest first.
    async fn newest(&self, count: u32) -> Result<Vec<Value>, CliError> {
        let mut events: Vec<Value> = Vec::new();
        let mut cursor = None;
        loop {
            let wanted = count.saturating_sub(events.len() as u32).min(PAGE_EVENTS_MAX);
            let request = self.request.clone().with("limit", wanted.to_string()).with_some("cursor", cursor);
            let page: Page = self.client.json(&request).await?;
            let listed = page.data.len();
            events.extend(page.data.into_iter().filter(|event| sequence(event) > self.last));
            let seen_old = events.len() < listed;
            cursor = page.next_cursor;
            if cursor.is_none() || listed == 0 || seen_old || events.len() >= count as usize {
                break;
            }
        }
        events.sort_by_key(sequence);
        Ok(events)
    }
}

/// Runs `reckoner log`.
pub async fn run(args: LogArgs, out: Out<'_>) -> Result<(), CliError> {
    let client = args.target.client(RetryPolicy::ONCE)?;
    let mut feed = Feed::new(client, args.customer, args.meter);
    show(&feed.tail(args.tail).await?, args.json, out)?;
    if !args.follow {
        return Ok(());
    }
    feed.client = feed.client.with_retry(RetryPolicy::PATIENT);
    loop {
        tokio::time::sleep(Duration::from_millis(args.interval_ms)).await;
        show(&feed.fresh().await?, args.json, out)?;
    }
}

fn show(events: &[Value], json: bool, out: Out<'_>) -> Result<(), CliError> {
    for event in events {
        if json {
            output::json_line(out, event)?;
        } else {
            writeln!(out, "{}", line(event))?;
        }
    }
    Ok(out.flush()?)
}

/// An event as one line: time, customer, meter, value, subject, properties.
fn line(event: &Value) -> String {
    let text = |name: &str| printable(&super::query::text(event.get(name)));
    let mut line =
        format!("{}  {:<16}  {:<20}  {:>12}", text("time"), text("customer"), text("meter"), text("value"));
    for name in ["subject", "properties"] {
        let text = text(name);
        if !text.is_empty() {
            line.push_str("  ");
            line.push_str(&text);
        }
    }
    line
}

fn sequence(event: &Value) -> u64 {
    match event.get("sequence") {
        Some(Value::Number(number)) => number.as_u64().unwrap_or(0),
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        _ => 0,
    }
}
