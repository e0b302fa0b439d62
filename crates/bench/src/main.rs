//! Measures ingest over HTTP, each answer durable, beside what it could cost at best: in one run, as ratios.
//!
//! - (a) a raw append of the same bytes with a hash set of the ids, one fdatasync for 16 batches;
//! - (b) an HTTP handler that throws the body away, under the same load;
//! - a reverse proxy that only passes on, beside the gateway;
//! - (c) PostgreSQL: COPY into a staging table, then INSERT ... ON CONFLICT DO NOTHING, without rollups.
#![expect(clippy::print_stdout, reason = "a program for the command line")]

mod beside_duckdb;
mod child;
mod discard;
mod forward;
mod gateway;
mod http;
mod load;
mod postgres;
mod probe;
mod raw;
mod report;
mod sample;
mod server;
mod soak;
mod soak_events;

use clap::{Parser, Subcommand};
use load::{Load, Measured};
use report::Report;
use std::path::PathBuf;
use std::time::Duration;

/// What any step of a run may fail with; it ends the run.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Connections that send batches.
const BATCH_CONNECTIONS: usize = 16;
/// Connections that send single events.
const SINGLE_CONNECTIONS: usize = 64;

/// Compares ingest with what it could cost at best.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The binary to measure; without it only the baselines are.
    #[arg(long)]
    server: Option<PathBuf>,
    /// A PostgreSQL with fsync on; without it (c) is left out.
    #[arg(long, env = "RECKONER_TEST_POSTGRES_URL")]
    postgres: Option<String>,
    /// Where the data go; on the disk to be measured.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// How long each load lasts, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Serves (b): reads each body and throws it away.
    Discard,
    /// Passes requests on to this `host:port` and does nothing else.
    Forward {
        /// Where to.
        upstream: String,
    },
    /// Measures the gateway only.
    Gateway,
    /// Sends many events, kills the server on the way and holds its totals against what was sent.
    Soak {
        /// How many events.
        #[arg(long, default_value_t = 100_000_000)]
        events: u64,
        /// How often the server is killed.
        #[arg(long, default_value_t = 3)]
        kills: u64,
        /// A Python with the package duckdb, which answers the same query from the same files.
        #[arg(long)]
        duckdb: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    match args.command {
        Some(Command::Discard) => discard::serve().await,
        Some(Command::Forward { upstream }) => forward::serve(upstream).await,
        Some(Command::Gateway) => {
            let server = args.server.as_ref().ok_or("--server names the binary")?;
            std::fs::create_dir_all(&args.dir)?;
            let folder = tempfile::tempdir_in(&args.dir)?;
            let mut report = Report::default();
            gateway::measure(server, folder.path(), Duration::from_secs(args.seconds), &mut report).await?;
            println!("{report}");
            Ok(())
        }
        Some(Command::Soak { events, kills, duckdb }) => {
            let server = args.server.ok_or("--server names the binary")?;
            soak::Soak { server, dir: args.dir, events, kills, duckdb }.run().await
        }
        None => measure(&args).await,
    }
}

/// Runs everything once and prints the table.
async fn measure(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.dir)?;
    let folder = tempfile::tempdir_in(&args.dir)?;
    let duration = Duration::from_secs(args.seconds);
    let mut report = Report { probe_before: Some(probe::fdatasync(folder.path())?), ..Report::default() };

    progress("(a) raw append, hash set, fdatasync");
    report.raw = Some(raw::run(folder.path(), duration)?);

    let bare = child::Child::start(&std::env::current_exe()?, &["discard"], &[], folder.path())?;
    progress("(b) bare handler, batches");
    report.bare_batches = Some(run(&bare.address, "none", sample::BATCH_EVENTS, duration).await?);
    progress("(b) bare handler, single events");
    report.bare_singles = Some(run(&bare.address, "none", 1, duration).await?);
    drop(bare);

    if let Some(binary) = &args.server {
        let server = server::Server::start(binary, folder.path())?;
        progress("reckoner, batches");
        let batches = run(&server.child.address, server::KEY, sample::BATCH_EVENTS, duration).await?;
        progress("reckoner, single events");
        let singles = run(&server.child.address, server::KEY, 1, duration).await?;
        progress("reckoner, consume");
        server.limit().await?;
        let consumed = consume(&server.child.address, duration).await?;
        server.check_total(batches.events + singles.events + consumed.events).await?;
        report.consumed = Some(consumed);
        report.batches = Some(batches);
        report.singles = Some(singles);
        drop(server);
        gateway::measure(binary, folder.path(), duration, &mut report).await?;
    }
    if let Some(url) = &args.postgres {
        progress("(c) PostgreSQL, COPY and ON CONFLICT");
        report.postgres = Some(postgres::run(url, duration).await?);
    }
    report.probe_after = Some(probe::fdatasync(folder.path())?);
    println!("{report}");
    Ok(())
}

/// One load, of batches or of single events.
async fn run(address: &str, key: &str, events: usize, duration: Duration) -> Result<Measured> {
    let connections = if events == 1 { SINGLE_CONNECTIONS } else { BATCH_CONNECTIONS };
    let (address, key) = (address.to_owned(), key.to_owned());
    Load { address, target: "/v1/events", key, events, connections, duration }.run().await
}

/// Single events, each recorded only if a limit that blocks leaves room.
async fn consume(address: &str, duration: Duration) -> Result<Measured> {
    let (address, key) = (address.to_owned(), server::KEY.to_owned());
    let target = "/v1/entitlements/consume";
    Load { address, target, key, events: 1, connections: SINGLE_CONNECTIONS, duration }.run().await
}

fn progress(what: &str) {
    eprintln!("{what} ...");
}
