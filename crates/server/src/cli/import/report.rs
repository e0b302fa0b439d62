//! What an import did, and the rows it could not take.
use super::chunk::BadRow;
use crate::cli::error::CliError;
use crate::cli::generate::seconds;
use crate::cli::ingest::Verdict;
use crate::cli::output::{Out, printable, thousands};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Most rejected rows that the report names.
const REASONS_SHOWN_MAX: usize = 10;

/// The counts of an import.
#[derive(Debug, Default)]
pub struct Report {
    /// Whether nothing was sent.
    pub dry_run: bool,
    /// Events that were new; in a dry run those that are well-formed.
    pub accepted: u64,
    /// Events that were there before.
    pub duplicate: u64,
    /// Rows that were not taken.
    pub rejected: u64,
    /// The first rows that were not taken.
    pub first: Vec<BadRow>,
    /// How long it took.
    pub elapsed: Duration,
    rejects: Option<BufWriter<File>>,
}

impl Report {
    /// A report that writes rejected rows to a file when one is given.
    pub fn new(dry_run: bool, rejects: Option<&Path>) -> io::Result<Self> {
        let rejects = rejects.map(File::create).transpose()?.map(BufWriter::new);
        Ok(Self { dry_run, rejects, ..Self::default() })
    }

    /// Counts what the server said.
    pub fn add(&mut self, verdict: &Verdict) {
        self.accepted += verdict.accepted;
        self.duplicate += verdict.duplicate;
        self.rejected += verdict.rejected;
    }

    /// Keeps a row that was not taken; counting it is another matter.
    pub fn keep(&mut self, row: BadRow) -> io::Result<()> {
        if let Some(rejects) = &mut self.rejects {
            writeln!(rejects, "{}", to_json(&row))?;
        }
        if self.first.len() < REASONS_SHOWN_MAX {
            self.first.push(row);
        }
        Ok(())
    }

    /// Brings the file of rejected rows to its end.
    pub fn flush(&mut self) -> io::Result<()> {
        self.rejects.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Rows that were read.
    pub fn rows(&self) -> u64 {
        self.accepted + self.duplicate + self.rejected
    }

    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "rows": self.rows(),
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "dry_run": self.dry_run,
            "seconds": seconds(self.elapsed),
            "first_rejected": self.first.iter().map(to_json).collect::<Vec<_>>(),
        })
    }

    /// Prints the report for people.
    pub fn print(&self, out: Out<'_>) -> Result<(), CliError> {
        let [rows, accepted, duplicate, rejected] =
            [self.rows(), self.accepted, self.duplicate, self.rejected].map(thousands);
        let seconds = seconds(self.elapsed);
        if self.dry_run {
            writeln!(
                out,
                "{rows} rows checked in {seconds} s: {accepted} good, {rejected} bad; nothing was sent"
            )?;
        } else {
            writeln!(
                out,
                "{rows} rows in {seconds} s: {accepted} accepted, {duplicate} duplicate, {rejected} rejected"
            )?;
        }
        for row in &self.first {
            writeln!(out, "  line {}: {}", row.line, printable(&row.reasons.join("; ")))?;
        }
        let more = self.rejected.saturating_sub(self.first.len() as u64);
        if more > 0 && !self.first.is_empty() {
            writeln!(out, "  and {} more (--rejects FILE keeps them all)", thousands(more))?;
        }
        Ok(())
    }
}

fn to_json(row: &BadRow) -> Value {
    json!({"line": row.line, "reasons": row.reasons, "row": row.text})
}
