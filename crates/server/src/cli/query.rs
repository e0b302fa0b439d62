//! `reckoner query`: events and aggregations as a table.
use super::client::{Request, RetryPolicy};
use super::error::CliError;
use super::output::{self, Out};
use super::table::{Align, Table};
use super::target::Target;
use clap::{Args, Subcommand};
use reckoner_domain::time::Timestamp;
use serde_json::{Map, Value};

/// An event or an aggregation as the server gives it.
pub type Row = Map<String, Value>;

/// `reckoner query`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner query events --limit 20
  reckoner query events --customer customer_1 --type api.calls --from 2026-01-01T00:00:00Z --json
  reckoner query aggregations --period monthly")]
pub struct QueryArgs {
    /// What to list.
    #[command(subcommand)]
    pub command: QueryCommand,
}

/// What `reckoner query` lists.
#[derive(Subcommand, Clone, Debug)]
pub enum QueryCommand {
    /// Lists events, newest first.
    Events {
        /// Only events of this type.
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Limits and filters.
        #[command(flatten)]
        listing: Listing,
    },
    /// Lists aggregations, newest period first.
    Aggregations {
        /// Only this period: hourly, daily, weekly, monthly, yearly.
        #[arg(long)]
        period: Option<String>,
        /// Limits and filters.
        #[command(flatten)]
        listing: Listing,
    },
}

/// What both lists take.
#[derive(Args, Clone, Debug)]
pub struct Listing {
    /// Most rows to show; the server gives at most 10,000.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Only this customer.
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// From this time on, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub from: Option<Timestamp>,
    /// Up to this time and including it, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub to: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub target: Target,
}

/// Runs `reckoner query`.
pub async fn run(args: QueryArgs, out: Out<'_>) -> Result<(), CliError> {
    let (request, listing, to_table): (_, _, fn(&[Row]) -> Table) = match args.command {
        QueryCommand::Events { event_type, listing } => {
            (Request::get("/events").with_some("eventType", event_type), listing, events_table)
        }
        QueryCommand::Aggregations { period, listing } => {
            (Request::get("/aggregations").with_some("period", period), listing, aggregations_table)
        }
    };
    let request = request
        .with("limit", listing.limit.to_string())
        .with_some("customerId", listing.customer)
        .with_some("from", listing.from)
        .with_some("to", listing.to);
    let client = listing.target.client(RetryPolicy::ONCE)?;
    let rows: Vec<Row> = client.json(&request).await?;
    if listing.json {
        return output::json(out, &rows);
    }
    let table = to_table(&rows);
    if table.is_empty() {
        return Ok(writeln!(out, "nothing found")?);
    }
    table.print(out, "")
}

/// The events of `GET /events` as a table.
pub fn events_table(events: &[Row]) -> Table {
    let mut table = Table::new(&[
        ("RECEIVED", Align::Left),
        ("CUSTOMER", Align::Left),
        ("TYPE", Align::Left),
        ("VALUE", Align::Right),
        ("ID", Align::Left),
        ("METADATA", Align::Left),
    ]);
    for event in events {
        let cells = ["receivedAt", "customerId", "eventType", "value", "_id", "metadata"];
        table.row(cells.map(|name| text(event.get(name))));
    }
    table
}

/// The aggregations of `GET /aggregations` as a table.
pub fn aggregations_table(aggregations: &[Row]) -> Table {
    let mut table = Table::new(&[
        ("CUSTOMER", Align::Left),
        ("PERIOD", Align::Left),
        ("KEY", Align::Left),
        ("EVENTS", Align::Right),
        ("WEBHOOK", Align::Left),
        ("TOTALS", Align::Left),
    ]);
    for aggregation in aggregations {
        let cell = |name: &str| text(aggregation.get(name));
        let delivered = aggregation.get("webhookStatus").and_then(|status| status.get("delivered"));
        table.row([
            cell("customerId"),
            cell("period"),
            cell("periodKey"),
            cell("eventCount"),
            if delivered == Some(&Value::Bool(true)) { "delivered" } else { "-" }.to_owned(),
            totals(aggregation.get("events")),
        ]);
    }
    table
}

/// `{"a":1,"b":2}` as `a=1 b=2`.
pub fn totals(events: Option<&Value>) -> String {
    let totals = events.and_then(Value::as_object).into_iter().flatten();
    totals.map(|(name, value)| format!("{name}={}", text(Some(value)))).collect::<Vec<_>>().join(" ")
}

/// A JSON value in a cell: strings bare, nothing for null and `{}`.
pub fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(map)) if map.is_empty() => String::new(),
        Some(other) => other.to_string(),
    }
}
