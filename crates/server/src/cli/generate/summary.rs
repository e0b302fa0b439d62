//! What a run of `generate` did.
use super::event::Generated;
use crate::cli::error::CliError;
use crate::cli::output::{Out, thousands};
use crate::cli::table::{Align, Table};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most different reasons of failure that are kept.
const REASONS_MAX: usize = 5;

/// Counts of a run; the counts per customer and per type are of all events that were sent off,
/// because a batch does not say which of its events failed.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Events the server took.
    pub sent: u64,
    /// Events it did not take.
    pub failed: u64,
    /// Events by customer.
    pub customers: BTreeMap<String, u64>,
    /// Events by type.
    pub event_types: BTreeMap<String, u64>,
    /// The first different reasons of failure.
    pub reasons: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Summary {
    /// Adds a request whose events went off, `failed` of them in vain.
    pub fn add(&mut self, events: &[Generated], failed: u64, reason: Option<String>) {
        self.failed += failed;
        self.sent += (events.len() as u64).saturating_sub(failed);
        for event in events {
            *self.customers.entry(event.customer.clone()).or_default() += 1;
            *self.event_types.entry(event.event_type.clone()).or_default() += 1;
        }
        if let Some(reason) = reason
            && self.reasons.len() < REASONS_MAX
            && !self.reasons.contains(&reason)
        {
            self.reasons.push(reason);
        }
    }

    /// Events that are done with, one way or the other.
    pub fn total(&self) -> u64 {
        self.sent + self.failed
    }

    /// Events taken in a second, rounded down.
    pub fn rate(&self) -> u64 {
        let micros = self.elapsed.as_micros().max(1);
        u64::try_from(u128::from(self.sent) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }

    /// The summary as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "sent": self.sent,
            "failed": self.failed,
            "seconds": seconds(self.elapsed),
            "events_per_second": self.rate(),
            "customers": self.customers,
            "event_types": self.event_types,
            "reasons": self.reasons,
        })
    }

    /// Prints the summary for people.
    pub fn print(&self, out: Out<'_>) -> Result<(), CliError> {
        writeln!(
            out,
            "sent {}, failed {} in {} s ({} events/s)",
            thousands(self.sent),
            thousands(self.failed),
            seconds(self.elapsed),
            thousands(self.rate())
        )?;
        for (title, counts) in [("CUSTOMER", &self.customers), ("TYPE", &self.event_types)] {
            let mut table = Table::new(&[(title, Align::Left), ("EVENTS", Align::Right)]);
            for (name, count) in counts {
                table.row([name.clone(), thousands(*count)]);
            }
            table.print(out, "  ")?;
        }
        for reason in &self.reasons {
            writeln!(out, "failed: {reason}")?;
        }
        Ok(())
    }
}

/// Seconds with three decimals.
pub fn seconds(elapsed: Duration) -> String {
    format!("{}.{:03}", elapsed.as_secs(), elapsed.subsec_millis())
}
