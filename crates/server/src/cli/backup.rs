//! `reckoner backup`, `restore` and `verify-store`: copies of a data directory, and whether it is sound.
use super::error::CliError;
use super::host::ServeArgs;
use super::output::{self, Out, thousands};
use super::serve;
use crate::app::{CONTROL_PLANE, EVENT_LOG, EVENTS, SECRET_KEY};
use crate::store::snapshot;
use clap::Args;
use reckoner_eventlog::{Copied, EventLog, Options};
use serde::Serialize;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `reckoner backup`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The server may go on serving. The copy holds everything that was acknowledged when it began; it has
usage and secrets in it and is readable by its owner only. With the control plane in PostgreSQL, dump
that database first and then copy the events with --events-only.

Examples:
  reckoner backup /backups/2026-01-14 --data-dir /var/lib/reckoner
  reckoner verify-store --data-dir /backups/2026-01-14")]
pub struct BackupArgs {
    /// The directory to make; it must not have files yet.
    pub to: PathBuf,
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Copy the event log only.
    #[arg(long)]
    pub events_only: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reckoner restore`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  reckoner restore /backups/2026-01-14 --data-dir /var/lib/reckoner")]
pub struct RestoreArgs {
    /// What `reckoner backup` made.
    pub from: PathBuf,
    /// The data directory to make; it must not have files yet.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reckoner verify-store`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Every checksum is looked at, every rollup is computed anew from its events, every id is looked up.
No server may run on the directory: stop it, or verify a copy.

Examples:
  reckoner verify-store --data-dir /backups/2026-01-14")]
pub struct VerifyArgs {
    /// The data directory, or a copy of one.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What was copied.
#[derive(Serialize)]
struct Report {
    directory: String,
    events_through: u64,
    segments: u64,
    bytes: u64,
    control_plane: bool,
}

/// Runs `reckoner backup`.
pub async fn backup(args: BackupArgs, out: Out<'_>) -> Result<(), CliError> {
    let told = ServeArgs { data_dir: args.data_dir, ..ServeArgs::default() };
    let loaded = serve::load(&told).map_err(|error| CliError::usage(error.to_string()))?;
    let from = loaded.config.data_dir;
    if loaded.config.database_url.is_some() && !args.events_only {
        let text =
            "the control plane is in PostgreSQL: dump it first, then copy the events with --events-only";
        return Err(CliError::usage(text));
    }
    if !from.join(EVENTS).is_dir() {
        return Err(CliError::usage(format!("{} is no data directory", from.display())));
    }
    copy(&from, &args.to, args.events_only, args.json, out).await
}

/// Runs `reckoner restore`.
pub async fn restore(args: RestoreArgs, out: Out<'_>) -> Result<(), CliError> {
    let from = args.from;
    if !from.join(EVENTS).is_dir() {
        return Err(CliError::usage(format!("{} is no copy of a data directory", from.display())));
    }
    let events_only = !from.join(CONTROL_PLANE).is_file();
    copy(&from, &args.data_dir, events_only, args.json, out).await
}

/// The control plane first: whatever it knows of, the events that are copied after it have.
async fn copy(from: &Path, to: &Path, events_only: bool, json: bool, out: Out<'_>) -> Result<(), CliError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| CliError::failed(format!("{what}: {error}"));
    make_empty(to).map_err(|error| failed(&to.display().to_string(), &error))?;
    if !events_only {
        let (control, copy) = (from.join(CONTROL_PLANE), to.join(CONTROL_PLANE));
        snapshot::copy_sqlite(&control, &copy).await.map_err(|error| failed("the control plane", &error))?;
        copy_key(from, to).map_err(|error| failed("the key of secrets", &error))?;
    }
    let (log, copy) = (from.join(EVENTS), to.join(EVENTS));
    let copied = tokio::task::spawn_blocking(move || reckoner_eventlog::backup(&log, &copy)).await;
    let copied = copied.map_err(|error| failed("the event log", &error))?;
    let copied = copied.map_err(|error| failed("the event log", &error))?;
    if !events_only {
        check_pair(&to.join(CONTROL_PLANE), &copied).await?;
    }
    let report = Report {
        directory: to.display().to_string(),
        events_through: copied.sequence,
        segments: copied.segments,
        bytes: copied.bytes,
        control_plane: !events_only,
    };
    if json {
        return output::json(out, &report);
    }
    let records = thousands(report.events_through);
    let rest = if events_only { "without the control plane" } else { "with the control plane" };
    Ok(writeln!(out, "{}: {records} records in {} segments, {rest}", report.directory, report.segments)?)
}

fn make_empty(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    if fs::read_dir(dir)?.next().is_some() {
        return Err(std::io::Error::other("has files in it; name a directory that is not there yet"));
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

/// Secrets in the control plane are of no use without the key they are sealed with, where that lies
/// in the data directory.
fn copy_key(from: &Path, to: &Path) -> std::io::Result<()> {
    let key = from.join(SECRET_KEY);
    if !key.is_file() {
        return Ok(());
    }
    fs::copy(key, to.join(SECRET_KEY))?;
    fs::File::open(to.join(SECRET_KEY))?.sync_all()
}

/// A control plane and the events it is about.
async fn check_pair(control: &Path, copied: &Copied) -> Result<(), CliError> {
    let known = snapshot::setting_of_sqlite(control, EVENT_LOG).await;
    let known = known.map_err(|error| CliError::failed(format!("the control plane: {error}")))?;
    if known.as_deref() == Some(&format!("{:032x}", copied.store_id)) {
        return Ok(());
    }
    Err(CliError::failed("the control plane belongs to another event log"))
}

/// Runs `reckoner verify-store`.
pub async fn verify(args: VerifyArgs, out: Out<'_>) -> Result<(), CliError> {
    let dir = args.data_dir;
    if !dir.join(EVENTS).join("MANIFEST").is_file() {
        return Err(CliError::usage(format!("{} has no event log", dir.display())));
    }
    // Nothing is made: the log is there, with an identity and a key of its own.
    let options = Options { background: false, ..Options::new(dir.join(EVENTS), [0; 16], 0) };
    let verified = tokio::task::spawn_blocking(move || {
        let log = EventLog::open(&options).map_err(|error| error.to_string())?;
        let verified = log.verify().map_err(|error| error.to_string())?;
        Ok::<_, String>((verified, log.sequence()))
    });
    let verified = verified.await.unwrap_or_else(|error| Err(error.to_string()));
    let (verified, sequence) =
        verified.map_err(|error| CliError::failed(format!("the event log: {error}")))?;
    let mut differences = verified.differences;
    let control = dir.join(CONTROL_PLANE);
    if control.is_file() {
        let found = snapshot::check_sqlite(&control).await;
        differences.extend(found.map_err(|error| CliError::failed(format!("the control plane: {error}")))?);
    }
    let sound = differences.is_empty();
    if args.json {
        let (events, rollups) = (verified.events, verified.cells);
        let report = serde_json::json!({"sound": sound, "records": sequence, "events": events, "rollups": rollups, "differences": differences});
        output::json(out, &report)?;
    } else {
        for difference in &differences {
            writeln!(out, "{}", output::printable(difference))?;
        }
        let (events, cells) = (thousands(verified.events), thousands(verified.cells));
        let verdict = if sound { "sound" } else { "NOT SOUND" };
        writeln!(out, "{verdict}: {events} events in {cells} rollups")?;
    }
    if sound { Ok(()) } else { Err(CliError::Reported) }
}
