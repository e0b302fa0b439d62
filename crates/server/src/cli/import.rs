//! `reckoner import`: past usage from a file.
use super::client::{Client, Request, RetryPolicy};
use super::error::CliError;
use super::output::{self, Out};
use super::target::Target;
use chunk::{Chunk, Chunker, ImportError};
use clap::Args;
use report::Report;
use send::{Sender, not_kept};
use source::{Format, Input, Reading, Source, SourceError};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

mod aggregation;
mod chunk;
mod csv_source;
mod dump;
mod identity;
mod json_source;
mod occurrences;
mod report;
mod row;
#[cfg(test)]
mod row_tests;
mod send;
mod source;
#[cfg(test)]
mod source_tests;

/// Chunks that are read ahead while one is sent.
const CHUNKS_AHEAD_MAX: usize = 2;
/// Bytes read from a file at once.
const READ_BYTES: usize = 256 * 1024;

/// `reckoner import`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Fields and columns: customer, meter, and where known id, value (1), time, subject, properties (a JSON
object) or properties.NAME. Exports of GET /v1/events and GET /events (eventType, customerId, metadata,
timestamp, _id), as NDJSON or as one JSON array, are read as they are, dumps of a document database too.

Aggregations of the metering webhook system (periodKey, periodStart, events, eventCounts ...), as NDJSON
or as one JSON array, are imported as they are; that takes a key with the scope admin. No webhook is
sent for them, and later events do not change them. One that is there with other content is rejected.

Rows without an id get one made of their content, so the same file imported again adds nothing, and an
import that was interrupted is simply run again. Times older than the server's limit need a key with
the scope backfill.

Examples:
  reckoner import usage.csv --dry-run
  reckoner import usage.csv --rejects rejected.ndjson
  gunzip -c events.ndjson.gz | reckoner import -

Ends with 1 when a row was not taken.")]
pub struct ImportArgs {
    /// The file: CSV, NDJSON or a JSON array; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the file is written [default: told from its first character].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// What stands between the values of a CSV file.
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = parse_delimiter)]
    pub delimiter: u8,
    /// Leave out fields and columns that no event has, instead of refusing them.
    #[arg(long)]
    pub ignore_unknown: bool,
    /// Check the rows and send nothing; needs no server.
    #[arg(long)]
    pub dry_run: bool,
    /// Keep the rows that were not taken in this file, as NDJSON with their reasons.
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub target: Target,
}

/// Runs `reckoner import`.
pub async fn run(args: ImportArgs, out: Out<'_>) -> Result<(), CliError> {
    run_with(args, RetryPolicy::PATIENT, out).await
}

/// Runs `reckoner import` with another patience.
pub async fn run_with(args: ImportArgs, retry: RetryPolicy, out: Out<'_>) -> Result<(), CliError> {
    let client = if args.dry_run { None } else { Some(reachable(&args.target, retry).await?) };
    let reading =
        Reading { format: args.format, delimiter: args.delimiter, ignore_unknown: args.ignore_unknown };
    let (input, bytes_read, bytes_total) = open(&args.file)?;
    let mut report = Report::new(args.dry_run, args.rejects.as_deref()).map_err(|error| not_kept(&error))?;
    let bar = output::byte_bar(bytes_total);
    let started = Instant::now();
    let (to_sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD_MAX);
    let (to_end, reader_end) = oneshot::channel();
    // A thread of its own: one that waits for standard input must not hold up the end.
    std::thread::spawn(move || to_end.send(read_all(input, reading, &bytes_read, &to_sender)));
    let sender = Sender { client, retry };
    let mut end = Ok(());
    while let Some(mut chunk) = chunks.recv().await {
        end = sender.deliver(&mut chunk, &mut report).await;
        if end.is_err() {
            break;
        }
        bar.set_position(chunk.bytes_read);
        bar.set_message(format!("{} rows", output::thousands(report.rows())));
    }
    if end.is_ok() {
        let stopped = |_| CliError::failed("the file was not read to its end");
        end = reader_end.await.map_err(stopped)?.map_err(from_import_error);
    }
    bar.finish_and_clear();
    report.elapsed = started.elapsed();
    report.flush().map_err(|error| not_kept(&error))?;
    conclude(&report, end, args.json, out)
}

/// Prints the report and says how the import ended.
fn conclude(report: &Report, end: Result<(), CliError>, json: bool, out: Out<'_>) -> Result<(), CliError> {
    if end.is_ok() || report.rows() > 0 {
        if json {
            output::json(out, &report.to_json())?;
        } else {
            report.print(out)?;
        }
    }
    match end {
        Err(CliError::Failed(text)) if report.rows() > 0 => Err(CliError::Failed(format!(
            "{text}\nThe import stopped there. Run it again to go on: what was taken counts as duplicate."
        ))),
        Err(error) => Err(error),
        Ok(()) if report.rejected > 0 => Err(CliError::Reported),
        Ok(()) => Ok(()),
    }
}

/// Reads the whole file into chunks; ends early when nobody takes them.
fn read_all(
    input: Input,
    reading: Reading,
    bytes_read: &AtomicU64,
    to_sender: &mpsc::Sender<Chunk>,
) -> Result<(), ImportError> {
    let mut chunker = Chunker::new(Source::open(input, reading)?, reading.ignore_unknown)?;
    loop {
        let mut chunk = chunker.next_chunk()?;
        chunk.bytes_read = bytes_read.load(Ordering::Relaxed);
        if chunk.is_empty() || to_sender.blocking_send(chunk).is_err() {
            return Ok(());
        }
    }
}

/// A client of the server, once it has answered anything at all: a wrong address shows at once.
async fn reachable(target: &Target, retry: RetryPolicy) -> Result<Client, CliError> {
    let client = target.client(RetryPolicy::ONCE)?;
    client.send(&Request::get("/ping")).await?;
    Ok(client.with_retry(retry))
}

fn from_import_error(error: ImportError) -> CliError {
    match error {
        ImportError::Source(SourceError::Columns(_) | SourceError::NoColumn(_)) => {
            CliError::usage(error.to_string())
        }
        other => CliError::failed(other.to_string()),
    }
}

/// The file, a count of the bytes read from it, and its length where it has one.
fn open(path: &Path) -> Result<(Input, Arc<AtomicU64>, Option<u64>), CliError> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    if path == Path::new("-") {
        let counted = Counted { input: io::stdin(), bytes_read: bytes_read.clone() };
        return Ok((Box::new(BufReader::with_capacity(READ_BYTES, counted)), bytes_read, None));
    }
    let unreadable = |error: io::Error| CliError::usage(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(CliError::usage(format!("{} is a directory", path.display())));
    }
    let length = metadata.is_file().then_some(metadata.len());
    let counted = Counted { input: file, bytes_read: bytes_read.clone() };
    Ok((Box::new(BufReader::with_capacity(READ_BYTES, counted)), bytes_read, length))
}

/// Input whose bytes are counted.
struct Counted<R> {
    input: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if text == "\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err("must be one character such as , or ; or \\t".to_owned()),
    }
}
