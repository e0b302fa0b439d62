//! `reckoner log`: the events that came last, and those that come.
use super::client::{Client, Request, RetryPolicy};
use super::error::CliError;
use super::output::{self, Out, printable};
use super::target::Target;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// Most events of one answer.
const PAGE_EVENTS_MAX: u32 = 1_000;
/// Events of the first answer of a look: mostly there is little new.
const FIRST_PAGE_EVENTS: u32 = 100;
/// Most events that `--tail` shows, and that one round of following holds.
const TAIL_EVENTS_MAX: u32 = 100_000;

/// `reckoner log`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner log --tail 50
  reckoner log --follow --customer customer_1
  reckoner log --tail 0 --follow --json | jq .value")]
pub struct LogArgs {
    /// How many of the events that came last to show first.
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

/// A page of `GET /v1/events`, the last commit first.
#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Value>,
    next_cursor: Option<String>,
}

/// Events in the order of their commit: one that arrives late is new, however old its time.
pub struct Feed {
    client: Client,
    request: Request,
    /// The greatest sequence number shown.
    last: u64,
    /// Most events that one look gives.
    events_max: usize,
}

/// What came since the last look.
#[derive(Debug, Default)]
pub struct Fresh {
    /// The events, oldest first.
    pub events: Vec<Value>,
    /// Whether there are more than one look gives.
    pub more: bool,
}

impl Feed {
    /// A feed of the events that pass the filters.
    pub fn new(client: Client, customer: Option<String>, meter: Option<String>) -> Self {
        let request = Request::get("/v1/events").with("order", "sequence");
        let request = request.with_some("customer", customer).with_some("meter", meter);
        Self { client, request, last: 0, events_max: TAIL_EVENTS_MAX as usize }
    }

    /// The same, with another most that one look gives.
    pub fn with_events_max(self, events_max: usize) -> Self {
        Self { events_max, ..self }
    }

    /// The last `count` events, oldest first; what came before them is never shown.
    pub async fn tail(&mut self, count: u32) -> Result<Vec<Value>, CliError> {
        let mut events: Vec<Value> = Vec::new();
        let mut cursor = None;
        loop {
            // One event is read even when none is asked for: it says where the end is.
            let wanted = count.max(1).saturating_sub(events.len() as u32).min(PAGE_EVENTS_MAX);
            let page = self.page(wanted, cursor).await?;
            events.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() || events.len() >= count as usize {
                break;
            }
        }
        self.last = events.first().map_or(0, sequence);
        events.truncate(count as usize);
        events.reverse();
        Ok(events)
    }

    /// The events since the last look, each once; the oldest of them when they are too many.
    pub async fn fresh(&mut self) -> Result<Fresh, CliError> {
        let mut fresh = VecDeque::new();
        let (mut cursor, mut wanted, mut more) = (None, FIRST_PAGE_EVENTS, false);
        loop {
            let page = self.page(wanted, cursor).await?;
            let listed = page.data.len();
            let new = page.data.into_iter().take_while(|event| sequence(event) > self.last);
            let before = fresh.len();
            fresh.extend(new);
            let seen_old = fresh.len() - before < listed;
            // The newest are let go: the next look finds them again.
            let surplus = fresh.len().saturating_sub(self.events_max);
            fresh.drain(..surplus);
            more |= surplus > 0;
            (cursor, wanted) = (page.next_cursor, PAGE_EVENTS_MAX);
            if cursor.is_none() || listed == 0 || seen_old {
                break;
            }
        }
        self.last = fresh.front().map_or(self.last, sequence);
        Ok(Fresh { events: fresh.into_iter().rev().collect(), more })
    }

    async fn page(&self, limit: u32, cursor: Option<String>) -> Result<Page, CliError> {
        let request = self.request.clone().with("limit", limit.to_string()).with_some("cursor", cursor);
        self.client.json(&request).await
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
        let mut more = true;
        while more {
            let fresh = feed.fresh().await?;
            show(&fresh.events, args.json, out)?;
            more = fresh.more;
        }
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
