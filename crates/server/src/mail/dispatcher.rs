//! The background task that sends what is due.
//!
//! It sleeps until it is woken (a mail was queued, a clock was moved), an attempt ends, or the next
//! mail falls due; then it claims as many as it has room for.
use super::message::{Attached, Letter};
use super::queue::Mailer;
use super::retry;
use super::template::Template;
use super::transport::{SendError, Transport};
use crate::clock::{Clock, Stopwatch};
use crate::documents::{DocumentError, Documents};
use crate::random;
use crate::store::mails::{self, Attempt, Mail, Next};
use crate::store::{Db, Result, StoreError};
use reckoner_domain::time::SECOND;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Mails under way at once.
const UNDER_WAY_MAX: usize = 8;
/// How long a claim keeps others away, in microseconds: an attempt and its record, with time to spare.
const LEASE_MICROS: i64 = 120 * SECOND;
/// The longest sleep, in milliseconds: what other processes queue is found by then.
const SLEEP_MILLIS_MAX: u64 = 10_000;
/// The wait after the database failed, in milliseconds.
const TROUBLE_MILLIS: u64 = 1_000;
/// How long a stop waits for mails under way, in seconds.
const STOP_S_MAX: u64 = 3;

/// What mails are sent with.
#[derive(Debug)]
pub struct Parts {
    /// The control plane.
    pub db: Db,
    /// Time.
    pub clock: Clock,
    /// Reads the queue, and says when there is something new in it.
    pub mailer: Mailer,
    /// Makes what is attached.
    pub documents: Documents,
    /// Sends.
    pub transport: Transport,
    /// Names this dispatcher, unlike any other of the database.
    pub worker: String,
}

/// A running dispatcher.
#[derive(Debug)]
pub struct Dispatcher {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// Starts one on the current runtime. Any number may run on one database.
    pub fn start(parts: Parts) -> Self {
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(run(Arc::new(parts), stopping));
        Self { stop, task }
    }

    /// Begins nothing more, waits a little for what is under way, and gives the rest back.
    pub async fn stop(self) {
        // Only a task that is gone already does not hear it.
        let _ = self.stop.send(true);
        if let Err(why) = self.task.await {
            tracing::error!("the mail dispatcher ended badly: {why}");
        }
    }
}

async fn run(parts: Arc<Parts>, mut stopping: watch::Receiver<bool>) {
    let mut moves = parts.clock.moves();
    let mut flights = JoinSet::new();
    loop {
        moves.mark_unchanged();
        let sleep = round(&parts, &mut flights).await.unwrap_or_else(|why| {
            tracing::warn!("cannot look for mails that are due: {why}");
            Duration::from_millis(TROUBLE_MILLIS)
        });
        tokio::select! {
            biased;
            _ = stopping.changed() => break,
            Some(ended) = flights.join_next() => land(ended),
            () = parts.mailer.waker.notified() => {}
            _ = moves.changed() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
    let rest = async {
        while let Some(ended) = flights.join_next().await {
            land(ended);
        }
    };
    if tokio::time::timeout(Duration::from_secs(STOP_S_MAX), rest).await.is_err() {
        // What was sent and not recorded is sent again after the next start.
        tracing::warn!(mails = flights.len(), "stopped with mails under way");
        flights.shutdown().await;
    }
    if let Err(why) = mails::release(&parts.db, &parts.worker).await {
        tracing::warn!("claims of mails run out by themselves: {why}");
    }
}

fn land(ended: std::result::Result<(), tokio::task::JoinError>) {
    if let Err(why) = ended {
        // Its lease runs out, and it is sent again.
        tracing::error!("sending a mail ended badly: {why}");
    }
}

/// Starts what is due and has room; says how long nothing more falls due.
async fn round(parts: &Arc<Parts>, flights: &mut JoinSet<()>) -> Result<Duration> {
    let longest = Duration::from_millis(SLEEP_MILLIS_MAX);
    while let Some(ended) = flights.try_join_next() {
        land(ended);
    }
    let now = parts.clock.real();
    let room = UNDER_WAY_MAX.saturating_sub(flights.len());
    if room > 0 {
        let until = now.plus_micros(LEASE_MICROS);
        let want = u32::try_from(room).unwrap_or(u32::MAX);
        for mail in mails::claim(&parts.db, &parts.worker, now, until, want).await? {
            flights.spawn(fly(Arc::clone(parts), mail));
        }
    }
    metrics::gauge!("email_queue").set(mails::pending(&parts.db).await? as f64);
    let next = mails::next_due(&parts.db, now).await?;
    let until = next.and_then(|next| u64::try_from(next.micros_since(now)).ok());
    Ok(until.map_or(longest, |micros| Duration::from_micros(micros).min(longest)))
}

/// Sends one mail and records what came of it.
async fn fly(parts: Arc<Parts>, mail: Mail) {
    let watch = Stopwatch::start();
    let outcome = if mail.useless_at.is_some_and(|end| end <= parts.clock.real()) {
        Err(SendError::new("nobody wants it any more: its link has ended", true))
    } else {
        send(&parts, &mail).await
    };
    let attempt = Attempt {
        number: mail.attempts.saturating_add(1),
        at: parts.clock.real(),
        latency_ms: u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX),
        error: outcome.as_ref().err().map(|error| error.reason.clone()),
    };
    let jitter = random::jitter().unwrap_or_default();
    let next = retry::next(outcome.as_ref().copied(), attempt.number, attempt.at, mail.useless_at, jitter);
    let status = match next {
        Next::Sent => "sent",
        Next::Retry(_) => "retry",
        Next::Failed => "failed",
    };
    match mails::record(&parts.db, &mail.id, &attempt, next).await {
        Ok(true) => {
            metrics::counter!("email_sent_total", "type" => mail.template.clone(), "status" => status)
                .increment(1);
            tell(&mail, &attempt, next);
        }
        Ok(false) => {}
        Err(why) => tracing::warn!(mail = %mail.id, "an attempt could not be recorded: {why}"),
    }
}

async fn send(parts: &Parts, mail: &Mail) -> std::result::Result<(), SendError> {
    let fault = |error: &dyn std::error::Error| SendError::new(&error.to_string(), true);
    let template = parts.mailer.read(mail).map_err(|error| fault(&error))?;
    let words = template.render().map_err(|error| fault(&error))?;
    let attached = attached(parts, mail, &template).await?;
    let from = parts.transport.from();
    let letter = Letter::new(mail.id.as_str(), from, &mail.recipient, (words, attached), mail.created_at)
        .map_err(|error| fault(&error))?;
    parts.transport.send(&letter).await
}

/// What goes with a mail. It is made anew for each attempt: an invoice never changes, and the queue stays
/// small.
async fn attached(
    parts: &Parts,
    mail: &Mail,
    template: &Template,
) -> std::result::Result<Option<Attached>, SendError> {
    let Template::InvoiceReady(about) = template else { return Ok(None) };
    let made = async {
        let view = parts.documents.invoice(mail.project, &about.id).await?;
        let name = format!("{}.pdf", view.file_name);
        Ok(Attached { name, media_type: "application/pdf", bytes: view.into_pdf().await? })
    };
    let made: std::result::Result<Attached, DocumentError> = made.await;
    made.map(Some).map_err(|error| {
        let passes =
            matches!(&error, DocumentError::Stopping | DocumentError::Store(StoreError::Unavailable(_)));
        SendError::new(&error.to_string(), !passes)
    })
}

/// Logs an attempt, without the address.
fn tell(mail: &Mail, attempt: &Attempt, next: Next) {
    let (id, template, number) = (&mail.id, &mail.template, attempt.number);
    let error = attempt.error.as_deref().unwrap_or_default();
    match next {
        Next::Sent => tracing::info!(mail = %id, template, attempt = number, "mail sent"),
        Next::Retry(due_at) => {
            tracing::warn!(mail = %id, template, attempt = number, %due_at, error, "mail not sent; it is tried again");
        }
        Next::Failed => tracing::error!(mail = %id, template, attempt = number, error, "mail given up"),
    }
}
