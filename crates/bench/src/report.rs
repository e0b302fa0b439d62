//! The table that is printed, in Markdown.
use crate::load::Measured;
use std::fmt;

/// Everything a run measured; what was left out is `None`.
#[derive(Default)]
pub struct Report {
    /// The disk alone, before the loads.
    pub probe_before: Option<Measured>,
    /// The disk alone, after the loads.
    pub probe_after: Option<Measured>,
    /// (a).
    pub raw: Option<Measured>,
    /// (b), batches.
    pub bare_batches: Option<Measured>,
    /// (b), single events.
    pub bare_singles: Option<Measured>,
    /// Reckoner, batches.
    pub batches: Option<Measured>,
    /// Reckoner, single events.
    pub singles: Option<Measured>,
    /// Reckoner, single events held against a limit.
    pub consumed: Option<Measured>,
    /// A plain proxy, batches.
    pub proxy_batches: Option<Measured>,
    /// A plain proxy, single events.
    pub proxy_singles: Option<Measured>,
    /// The gateway, batches.
    pub gateway_batches: Option<Measured>,
    /// The gateway, single events.
    pub gateway_singles: Option<Measured>,
    /// (c).
    pub postgres: Option<Measured>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | events/s | p50 | p99 |\n| --- | ---: | ---: | ---: |")?;
        let rows = [
            ("fdatasync of 4 KiB, before (syncs/s)", &self.probe_before),
            ("(a) raw append + hash set, 16 batches a sync (p: one sync)", &self.raw),
            ("(b) bare handler, batches of 1,000", &self.bare_batches),
            ("(b) bare handler, single events, 64 connections", &self.bare_singles),
            ("reckoner, batches of 1,000, durable", &self.batches),
            ("reckoner, single events, 64 connections, durable", &self.singles),
            ("reckoner, consume, 64 connections, durable, one limit", &self.consumed),
            ("plain hyper proxy, requests of one event, 64 connections", &self.proxy_singles),
            ("gateway, the same", &self.gateway_singles),
            ("plain hyper proxy, requests of 1,000 events", &self.proxy_batches),
            ("gateway, the same", &self.gateway_batches),
            ("(c) PostgreSQL COPY + ON CONFLICT (p: 10,000 rows)", &self.postgres),
            ("fdatasync of 4 KiB, after (syncs/s)", &self.probe_after),
        ];
        for (what, measured) in rows {
            if let Some(measured) = measured {
                writeln!(f, "| {what} | {} |", figures(measured))?;
            }
        }
        if self.batches.is_some() || self.gateway_singles.is_some() {
            writeln!(f, "\n| ratio | value | target |\n| --- | ---: | ---: |")?;
        }
        let ratios = [
            ("batches to (a)", &self.batches, &self.raw, ">= 0.40"),
            ("batches to (b)", &self.batches, &self.bare_batches, ""),
            ("single events to (b)", &self.singles, &self.bare_singles, ">= 0.55"),
            ("consume to (b)", &self.consumed, &self.bare_singles, ">= 0.5"),
            ("batches to (c)", &self.batches, &self.postgres, ">= 7"),
            ("gateway to plain proxy, one event", &self.gateway_singles, &self.proxy_singles, ">= 0.7"),
            ("gateway to plain proxy, 1,000 events", &self.gateway_batches, &self.proxy_batches, ">= 0.7"),
        ];
        for (what, ours, theirs, target) in ratios {
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                writeln!(f, "| {what} | {:.2} | {target} |", ours.rate() / theirs.rate())?;
            }
        }
        Ok(())
    }
}

fn figures(measured: &Measured) -> String {
    let ms = |percent: usize| measured.latency(percent).as_secs_f64() * 1e3;
    format!("{:.0} | {:.2} ms | {:.2} ms", measured.rate(), ms(50), ms(99))
}

#[test]
fn ratios_need_both_sides() {
    use std::time::Duration;
    let measured =
        |events| Some(Measured::new(events, Duration::from_secs(2), vec![Duration::from_micros(250)]));
    let report = Report { batches: measured(900), postgres: measured(100), ..Report::default() };
    let text = report.to_string();
    assert!(text.contains("| batches to (c) | 9.00 | >= 7 |") && !text.contains("to (a)"), "{text}");
    assert!(text.contains("| reckoner, batches of 1,000, durable | 450 | 0.25 ms | 0.25 ms |"), "{text}");
}
