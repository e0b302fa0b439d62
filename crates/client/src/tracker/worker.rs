//! The thread that sends.
use super::builder::TrackerBuilder;
use super::counters::add;
use super::journal::Journal;
use super::queue::{Entry, OnSettled, Shared, Wish};
use super::send::{self, Fate, Rejected, Sent};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Most records of a batch; the server takes no more.
const BATCH_RECORDS_MAX: usize = 1_000;
/// Most bytes of a batch.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records that come within this time are taken together, in milliseconds: each turn costs a write.
const GATHER_MS: u64 = 2;

/// A record that the worker has.
struct Held {
    line: Bytes,
    settled: Option<OnSettled>,
    since: Instant,
    /// Its file; none: it is in memory only.
    segment: Option<u64>,
}

struct Worker {
    settings: TrackerBuilder,
    shared: Arc<Shared>,
    journal: Option<Journal>,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Attempts that failed since the last one that did not.
    failures: u32,
    not_before: Option<Instant>,
    batch_max: usize,
}

/// Starts the thread; it ends when the tracker was closed and nothing is left, or time is up.
pub(super) fn start(
    settings: TrackerBuilder,
    shared: Arc<Shared>,
    journal: Option<Journal>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("reckoner-tracker".to_owned());
    thread.spawn(move || {
        /// Whoever waits for the end hears of it, whatever ended the thread.
        struct End(Arc<Shared>);
        impl Drop for End {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let end = End(Arc::clone(&shared));
        let worker = Worker {
            settings,
            shared,
            journal,
            held: VecDeque::new(),
            held_bytes: 0,
            failures: 0,
            not_before: None,
            batch_max: BATCH_RECORDS_MAX,
        };
        runtime.block_on(worker.run());
        drop(end);
    })?;
    Ok(())
}

impl Worker {
    async fn run(mut self) {
        self.count_found();
        loop {
            self.take();
            self.load();
            self.note();
            let wish = self.shared.wish();
            if let Wish::End(until) = wish
                && (self.is_done() || Instant::now() >= until)
            {
                return;
            }
            match self.due(wish) {
                Some(at) if at <= Instant::now() && !self.held.is_empty() => self.attempt().await,
                due => self.wait(due, wish).await,
            }
        }
    }

    /// Records that an earlier tracker left count as queued.
    fn count_found(&self) {
        let Some(journal) = &self.journal else { return };
        match journal.count_cold() {
            Ok(count) => add(&self.shared.counting.queued, count),
            Err(error) => tracing::error!(%error, "the spill directory cannot be read"),
        }
    }

    /// Tells those who watch how full the directory is.
    fn note(&self) {
        if let Some(journal) = &self.journal {
            self.shared.counting.spill_bytes.store(journal.bytes(), Ordering::Relaxed);
        }
    }

    fn is_done(&self) -> bool {
        self.held.is_empty() && !self.journal.as_ref().is_some_and(Journal::has_cold)
    }

    /// Takes what callers queued: to disk first, where there is one.
    fn take(&mut self) {
        let entries = self.shared.take();
        if entries.is_empty() {
            return;
        }
        let Some(journal) = &mut self.journal else {
            return self.hold(entries, None);
        };
        let lines: Vec<Bytes> = entries.iter().map(|entry| entry.line.clone()).collect();
        let (records, bytes) = (lines.len(), lines.iter().map(Bytes::len).sum::<usize>());
        let fits = self.held.len() + records <= self.settings.records_max
            && self.held_bytes + bytes <= self.settings.bytes_max;
        match journal.append(&lines, fits) {
            Ok(place) => {
                add(&self.shared.counting.spilled, records as u64);
                self.shared.release(records, bytes);
                if place.hot {
                    self.hold(entries, Some(place.segment));
                }
            }
            // Those that stay in memory hold their place in the bounds of the queue.
            Err(error) if fits => {
                tracing::warn!(%error, "usage is in memory only");
                self.hold(entries, None);
            }
            Err(error) => {
                tracing::error!(%error, records, "usage is lost");
                self.shared.release(records, bytes);
                add(&self.shared.counting.dropped, records as u64);
                add(&self.shared.counting.lost, records as u64);
                self.shared.progress(false);
            }
        }
    }

    fn hold(&mut self, entries: VecDeque<Entry>, segment: Option<u64>) {
        for Entry { line, settled, since } in entries {
            self.held_bytes += line.len();
            self.held.push_back(Held { line, settled, since, segment });
        }
    }

    /// Reads back what is on disk only, once nothing older is left in memory.
    fn load(&mut self) {
        let Some(journal) = self.journal.as_mut().filter(|_| self.held.is_empty()) else { return };
        match journal.load() {
            Ok(Some((segment, lines))) => {
                let since =
                    Instant::now().checked_sub(self.settings.flush_interval).unwrap_or_else(Instant::now);
                let entry = |line| Entry { line, settled: None, since };
                self.hold(lines.into_iter().map(entry).collect(), Some(segment));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "a file of usage cannot be read");
                self.failed("the spill directory cannot be read", None);
            }
        }
    }

    /// When to send; never while there is nothing to be sent.
    fn due(&self, wish: Wish) -> Option<Instant> {
        let Some(first) = self.held.front() else {
            // What is on disk only could not be read.
            return self.not_before.filter(|_| !self.is_done());
        };
        let now = Instant::now();
        let ripe = if wish != Wish::None || self.held.len() >= self.settings.flush_records {
            now
        } else {
            first.since + self.settings.flush_interval
        };
        match self.not_before {
            // Who flushes wants to know how it stands now.
            Some(_) if wish == Wish::Flush => Some(now),
            Some(not_before) => Some(ripe.max(not_before)),
            None => Some(ripe),
        }
    }

    async fn wait(&self, due: Option<Instant>, wish: Wish) {
        let end = match wish {
            Wish::End(until) => Some(until),
            _ => None,
        };
        let until = due.into_iter().chain(end).min();
        let timer = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => {}
            () = self.shared.wake.notified() => gather().await,
        }
    }

    /// Sends one batch. What comes meanwhile is taken, so that it is on disk soon.
    async fn attempt(&mut self) {
        let lines = self.batch();
        let count = lines.len();
        let sending = tokio::spawn(send::send(self.settings.client.clone(), lines));
        tokio::pin!(sending);
        let sent = loop {
            let until = match self.shared.wish() {
                Wish::End(until) => Some(until),
                _ => None,
            };
            let timer = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                sent = &mut sending => break sent.unwrap_or_else(|error| Sent::Later(error.to_string(), None)),
                () = timer => {
                    sending.abort();
                    break Sent::Later("time is up".to_owned(), None);
                }
                () = self.shared.wake.notified() => {
                    gather().await;
                    self.take();
                    self.note();
                }
            }
        };
        self.shared.counting.is_away.store(matches!(sent, Sent::Later(..)), Ordering::Relaxed);
        match sent {
            Sent::Judged(fates) => self.settle(fates),
            Sent::Later(reason, after) => {
                add(&self.shared.counting.retried, count as u64);
                self.failed(&reason, after);
            }
            Sent::Refused(_) if count > 1 => self.batch_max = count / 2,
            Sent::Refused(reason) => self.settle(vec![Fate::Rejected(vec![field_error(reason)])]),
        }
    }

    /// The oldest records, as many as one batch takes.
    fn batch(&self) -> Vec<Bytes> {
        let mut bytes = 0;
        let fits = |held: &&Held| {
            bytes += held.line.len() + 1;
            bytes <= BATCH_BYTES_MAX
        };
        self.held.iter().take(self.batch_max).take_while(fits).map(|held| held.line.clone()).collect()
    }

    fn settle(&mut self, fates: Vec<Fate>) {
        self.failures = 0;
        self.not_before = None;
        self.batch_max = (self.batch_max * 2).min(BATCH_RECORDS_MAX);
        let (mut records, mut bytes) = (0, 0);
        let mut of_segment: Option<(u64, u64)> = None;
        for fate in fates {
            let Some(held) = self.held.pop_front() else { break };
            self.held_bytes -= held.line.len();
            let Some(segment) = held.segment else {
                (records, bytes) = (records + 1, bytes + held.line.len());
                self.tell(&held.line, held.settled, fate);
                continue;
            };
            match &mut of_segment {
                Some((number, count)) if *number == segment => *count += 1,
                other => {
                    let before = other.replace((segment, 1));
                    self.settle_segment(before);
                }
            }
            self.tell(&held.line, held.settled, fate);
        }
        self.settle_segment(of_segment);
        self.shared.release(records, bytes);
        self.shared.progress(false);
    }

    fn settle_segment(&mut self, records: Option<(u64, u64)>) {
        if let (Some(journal), Some((segment, count))) = (&mut self.journal, records) {
            journal.settle(segment, count);
        }
    }

    /// Counts what became of a record and tells whoever asked for it.
    fn tell(&self, line: &[u8], settled: Option<OnSettled>, fate: Fate) {
        let counting = &self.shared.counting;
        let counter = match &fate {
            Fate::Stored => &counting.sent,
            Fate::Duplicate => &counting.duplicate,
            Fate::Conflicting => &counting.conflicting,
            Fate::Rejected(_) => &counting.rejected,
        };
        add(counter, 1);
        if let Some(settled) = settled {
            settled(matches!(fate, Fate::Stored));
        }
        if let Fate::Rejected(errors) = fate {
            self.reject(line, errors);
        }
    }

    fn reject(&self, line: &[u8], errors: Vec<reckoner_api::error::FieldError>) {
        let event = String::from_utf8_lossy(line).into_owned();
        let told: Vec<String> =
            errors.iter().map(|error| format!("{} {}", error.field, error.reason)).collect();
        let reason = told.join("; ");
        tracing::warn!(%reason, "the server refused usage for good");
        if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.keep_rejected(&event, &reason))
        {
            tracing::warn!(%error, "refused usage cannot be kept");
        }
        if let Some(hear) = &self.settings.on_rejected {
            hear(&Rejected { event, errors });
        }
    }

    fn failed(&mut self, reason: &str, after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!(%reason, "usage cannot be sent; it is kept and tried again");
        }
        self.not_before = Some(Instant::now() + self.settings.pauses.pause(self.failures, after));
        self.shared.progress(true);
    }
}

async fn gather() {
    tokio::time::sleep(Duration::from_millis(GATHER_MS)).await;
}

fn field_error(reason: String) -> reckoner_api::error::FieldError {
    reckoner_api::error::FieldError { field: String::new(), reason, allowed: None }
}
