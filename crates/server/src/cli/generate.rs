//! `reckoner generate`: random valid events.
use super::client::{Client, Request, RetryPolicy};
use super::error::CliError;
use super::output::{self, Out};
use super::random::{self, SplitMix64};
use super::target::Target;
use super::unset;
use clap::Args;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::{Duration, Instant};

mod event;
mod send;
mod shape;
mod summary;

pub use event::{Generated, Generator};
pub use send::{BATCH_EVENTS_MAX, Mode, Plan, send_all};
pub use shape::Shapes;
pub use summary::{Summary, seconds};

/// Events unless said otherwise.
const COUNT_DEFAULT: u64 = 100;
/// Requests under way at once unless said otherwise.
const PARALLEL_DEFAULT: usize = 8;

/// `reckoner generate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner generate
  reckoner generate --count 50000 --mode batch --parallel 4
  reckoner generate --mode ndjson --customer acme --customer globex --type api.calls
  EVENT_COUNT=10 DELAY_MS=500 API_KEY=... reckoner generate

Events have the properties that the server's meters read, where the key may read the meters.
Each event carries an id, so a retry counts once; ids are new in every run unless --id-prefix is
given. Ends with 1 when an event was not taken.")]
pub struct GenerateArgs {
    /// How many events.
    #[arg(long, short = 'n', value_name = "N", env = "EVENT_COUNT", default_value_t = COUNT_DEFAULT,
          value_parser = unset::number_or(COUNT_DEFAULT, 0..=u64::MAX))]
    pub count: u64,
    /// Milliseconds to wait between two requests.
    #[arg(long, value_name = "MS", env = "DELAY_MS", default_value_t = 0,
          value_parser = unset::number_or(0, 0..=3_600_000))]
    pub delay_ms: u64,
    /// How events travel.
    #[arg(long, value_enum, default_value_t = Mode::Single)]
    pub mode: Mode,
    /// Events of one request in the modes batch and ndjson.
    #[arg(long, value_name = "N", default_value_t = BATCH_EVENTS_MAX as u64,
          value_parser = clap::value_parser!(u64).range(1..=BATCH_EVENTS_MAX as u64))]
    pub batch_size: u64,
    /// Requests under way at once [default: 8, or 1 with a delay].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub parallel: Option<u16>,
    /// The customers to draw from, repeatable.
    #[arg(long = "customer", value_name = "ID", value_delimiter = ',',
          default_values = ["customer_1", "customer_2", "customer_3"])]
    pub customers: Vec<String>,
    /// The event types to draw from, repeatable [default: all that the server is configured for].
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub event_types: Vec<String>,
    /// Repeats the customers, types, values and properties of another run.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What event ids begin with; events sent again under the same ids are duplicates.
    #[arg(long, value_name = "TEXT")]
    pub id_prefix: Option<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub target: Target,
}

impl GenerateArgs {
    fn plan(&self) -> Plan {
        let parallel = match self.parallel {
            Some(parallel) => usize::from(parallel),
            None if self.delay_ms > 0 => 1,
            None => PARALLEL_DEFAULT,
        };
        Plan {
            mode: self.mode,
            batch_size: self.batch_size as usize,
            parallel,
            delay: Duration::from_millis(self.delay_ms),
        }
    }
}

/// Runs `reckoner generate`.
pub async fn run(args: GenerateArgs, out: Out<'_>) -> Result<(), CliError> {
    let client = args.target.client(RetryPolicy::ONCE)?;
    let event_types = match args.event_types.as_slice() {
        [] => configured_types(&client).await?,
        given => given.to_vec(),
    };
    let shapes = Shapes::of_server(&client).await?;
    let key = client.key().map_or_else(|| "none".to_owned(), ToString::to_string);
    if !args.json {
        let count = output::thousands(args.count);
        writeln!(out, "sending {count} events to {} with key {key}", client.base())?;
    }
    let seed = args.seed.map_or_else(|| random::entropy().map(u64::from_le_bytes), Ok)?;
    let id_prefix = match &args.id_prefix {
        Some(prefix) => prefix.clone(),
        None => format!("gen-{}", random::hex(&random::entropy::<8>()?)),
    };
    let random = SplitMix64::new(seed);
    let customers = args.customers.clone();
    let generator = Generator { customers, event_types, shapes, id_prefix, random, made: 0 };
    let events = generator.take(usize::try_from(args.count).unwrap_or(usize::MAX));
    let bar = output::bar(args.count, "events");
    let started = Instant::now();
    let client = client.with_retry(RetryPolicy::BRIEF);
    let mut summary = send_all(&client, events, args.plan(), |done| bar.set_position(done)).await;
    summary.elapsed = started.elapsed();
    bar.finish_and_clear();
    if args.json {
        output::json(out, &summary.to_json())?;
    } else {
        summary.print(out)?;
    }
    if summary.failed > 0 { Err(CliError::Reported) } else { Ok(()) }
}

/// The event types that the server is configured for.
async fn configured_types(client: &Client) -> Result<Vec<String>, CliError> {
    let request = Request::get("/config");
    let answer = client.send(&request).await?;
    if answer.status == StatusCode::FORBIDDEN {
        return Err(CliError::failed(
            "the key may not read which event types there are (scope read): name some with --type",
        ));
    }
    let config: Value = match serde_json::from_slice(&answer.body) {
        Ok(config) if answer.status.is_success() => config,
        _ => return Err(client.refused(&request, &answer)),
    };
    let types = config.get("events").and_then(Value::as_object).into_iter().flatten();
    let types: Vec<String> = types.map(|(name, _)| name.clone()).collect();
    if types.is_empty() {
        return Err(CliError::failed("the server has no event types configured; name some with --type"));
    }
    Ok(types)
}
