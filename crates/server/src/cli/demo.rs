//! `reckoner demo`: from an event to a verified webhook, in one go.
use super::client::{Client, RetryPolicy};
use super::error::CliError;
use super::generate::seconds;
use super::output::{self, Out, printable, thousands};
use super::receive::{self, Delivery, PATH, Received, Receiver, WAITING_MAX};
use super::target::ApiKey;
use super::{random, signals, wall};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use reckoner_domain::time::Timestamp;
use reckoner_domain::webhook::SECRET_PREFIX;
use serde_json::{Value, json};
use server::{Server, Setup};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

mod server;
mod steps;
mod usage;

/// The month of the demo, and the instants between which it happens: events until just before the
/// month's end, then past the first run of the job in the next one.
const MONTH: [&str; 2] = ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"];
const FROZEN: &str = "2026-01-31T23:50:00Z";
const ADVANCED: &str = "2026-02-01T00:20:00Z";

/// `reckoner demo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner demo
  reckoner demo --exit
  reckoner demo --exit --json | jq .totals

Everything lives in a temporary directory and is removed at the end. No other service is needed, and
nothing leaves this machine.")]
pub struct DemoArgs {
    /// How many events to send.
    #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub events: u32,
    /// Makes other events.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End when everything was shown, instead of running until Ctrl-C.
    #[arg(long)]
    pub exit: bool,
    /// Print one JSON object with what was shown, and nothing else.
    #[arg(long, requires = "exit")]
    pub json: bool,
}

/// What the demo runs on.
struct Stage {
    server: Server,
    client: Client,
    key: String,
    deliveries: mpsc::Receiver<Received>,
    dir: tempfile::TempDir,
}

/// Runs `reckoner demo`.
pub async fn run(args: DemoArgs, out: Out<'_>) -> Result<(), CliError> {
    let stop = signals::stop()?;
    tokio::pin!(stop);
    let mut silent = std::io::sink();
    let shown: Out<'_> = if args.json { &mut silent } else { &mut *out };
    writeln!(shown, "Reckoner: from a usage event to a verified webhook\n")?;
    let mut stage = tokio::select! {
        stage = Stage::set() => stage?,
        () = &mut stop => return Ok(()),
    };
    let result = tokio::select! {
        result = play(&mut stage, &args, shown) => result.map(Some),
        () = &mut stop => Ok(None),
    };
    let result = match result {
        Ok(Some(summary)) if args.json => output::json(out, &summary),
        Ok(_) if !args.exit => tokio::select! {
            result = linger(&mut stage, out) => result,
            () = &mut stop => Ok(()),
        },
        other => other.map(drop),
    };
    stage.server.stop().await;
    result
}

impl Stage {
    /// Starts a receiver, and a server that delivers to it.
    async fn set() -> Result<Self, CliError> {
        let dir = tempfile::Builder::new()
            .prefix("reckoner-demo-")
            .tempdir()
            .map_err(|error| CliError::failed(format!("cannot make a temporary directory: {error}")))?;
        let secret = format!("{SECRET_PREFIX}{}", STANDARD.encode(random::entropy::<24>()?));
        let (hook, deliveries) = receiver(&secret).await?;
        let key = |project: &str| {
            Ok::<_, CliError>(format!("demo_{project}_{}", random::hex(&random::entropy::<16>()?)))
        };
        let (live_key, test_key) = (key("live")?, key("test")?);
        let systemconfig = systemconfig(&hook, &secret).to_string();
        let setup = Setup { dir: dir.path(), systemconfig, live_key: &live_key, test_key: &test_key };
        let server = Server::start(&setup).await?;
        let client =
            Client::new(server.url.clone(), Some(ApiKey::from(test_key.as_str())), RetryPolicy::BRIEF)?;
        Ok(Self { server, client, key: test_key, deliveries, dir })
    }
}

/// A receiver in this process; gives the address to deliver to.
async fn receiver(secret: &str) -> Result<(String, mpsc::Receiver<Received>), CliError> {
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot receive webhooks: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(cannot)?;
    let hook = format!("http://{}{PATH}", listener.local_addr().map_err(cannot)?);
    let (to_shown, deliveries) = mpsc::channel(WAITING_MAX);
    let receiver = Receiver {
        secrets: vec![secret.to_owned()],
        now_s: wall::unix_seconds,
        failures: Arc::new(AtomicU32::new(0)),
        to_shown,
    };
    tokio::spawn(async move { axum::serve(listener, receive::router(receiver)).await });
    Ok((hook, deliveries))
}

fn systemconfig(hook: &str, secret: &str) -> Value {
    let events: serde_json::Map<String, Value> =
        usage::EVENT_TYPES.iter().map(|(name, op)| ((*name).to_owned(), json!({"op": op}))).collect();
    json!({
        "periods": ["daily", "monthly"],
        "events": events,
        "webhooks": [{"url": hook, "secret": secret, "enabled": true, "project": "test"}],
    })
}

/// Plays the demo; gives what it showed.
async fn play(stage: &mut Stage, args: &DemoArgs, out: Out<'_>) -> Result<Value, CliError> {
    let [from, to] = [time(MONTH[0])?, time(MONTH[1])?];
    let (frozen, advanced) = (time(FROZEN)?, time(ADVANCED)?);
    let client = &stage.client;
    writeln!(out, "1. A server is running at {}, its data in {}", client.base(), stage.dir.path().display())?;
    steps::freeze(client, frozen).await?;
    writeln!(out, "2. The clock of project `test` is frozen at {FROZEN}")?;
    let usage = usage::month(args.events, from, frozen, args.seed);
    let started = Instant::now();
    steps::send(client, &usage).await?;
    let took = seconds(started.elapsed());
    let count = thousands(u64::from(args.events));
    writeln!(
        out,
        "3. {count} events of three customers were sent in {took} s, each on disk before its answer"
    )?;
    writeln!(out, "4. January's totals, api.calls as they were sent to the digit:")?;
    let totals = steps::totals(client, &usage, (from, to), out).await?;
    let jobs = steps::advance(client, advanced).await?;
    writeln!(out, "5. The clock moved to {ADVANCED}: {jobs} jobs ran and closed the month:")?;
    let (delivery, all) = steps::webhooks(&mut stage.deliveries).await?;
    let aggregations = steps::aggregations(&stage.client, out).await?;
    show_webhook(&delivery, all, out)?;
    let signatures = &delivery.signatures;
    Ok(json!({
        "server": stage.client.base(),
        "events": args.events,
        "seconds": took,
        "totals": totals,
        "jobs_run": jobs,
        "aggregations": aggregations,
        "webhooks": all,
        "webhook": {"x_webhook_signature": signatures.v1, "webhook_signature": signatures.standard, "body": delivery.body},
    }))
}

fn show_webhook(delivery: &Delivery, all: usize, out: Out<'_>) -> Result<(), CliError> {
    writeln!(out, "6. {all} signed webhooks came; one of them, verified by both schemes:")?;
    let signatures = &delivery.signatures;
    let (Some(v1), Some(standard)) = (&signatures.v1, &signatures.standard) else {
        return Err(CliError::failed("a webhook came without both signatures"));
    };
    writeln!(out, "   X-Webhook-Signature: {}", printable(v1))?;
    writeln!(out, "   webhook-signature: {}", printable(standard))?;
    writeln!(out, "   {}\n", printable(&delivery.body.to_string()))?;
    Ok(())
}

/// Says what to try next and stays.
async fn linger(stage: &mut Stage, out: Out<'_>) -> Result<(), CliError> {
    let (url, key) = (stage.client.base(), &stage.key);
    writeln!(out, "Try it yourself; the server runs until Ctrl-C:")?;
    writeln!(out, "   export RECKONER_URL={url} RECKONER_API_KEY={key}")?;
    writeln!(
        out,
        "   curl -H \"x-apikey: $RECKONER_API_KEY\" \"$RECKONER_URL/aggregations?period=monthly\""
    )?;
    writeln!(
        out,
        "   curl -H \"x-apikey: $RECKONER_API_KEY\" -H 'content-type: application/json' \\\n        \
         -d '{{\"customerId\":\"acme\",\"value\":5}}' $RECKONER_URL/usage/api.calls"
    )?;
    writeln!(out, "   reckoner log --tail 5")?;
    writeln!(out, "   {url}/docs describes the API")?;
    out.flush()?;
    while let Some(received) = stage.deliveries.recv().await {
        match received {
            Received::Taken(delivery) => writeln!(out, "webhook: {}", printable(&delivery.headline()))?,
            Received::Refused(reason) => writeln!(out, "webhook refused: {reason}")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn time(text: &str) -> Result<Timestamp, CliError> {
    Timestamp::parse(text).map_err(|error| CliError::failed(format!("{text} {error}")))
}
