//! One request and its answer, while they last.
use super::{DecidedBy, Finished, Refusal, Settings};
use crate::id::{self, request_event_id};
use crate::record::Record;
use reckoner_api::event::SourceContext;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The status of a request whose caller went away before there was an answer.
const CALLER_GONE: u16 = 499;

/// Counts the traffic of one request. It is among the request's extensions: whoever takes over the connection, as for
/// WebSockets, keeps a clone and adds the bytes of both directions; the event is recorded when the last clone is gone.
#[derive(Clone, Debug)]
pub struct TrafficMeter(pub(super) Arc<Exchange>);

impl TrafficMeter {
    /// Counts bytes from the caller.
    pub fn add_request_bytes(&self, bytes: u64) {
        self.0.request_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes to the caller.
    pub fn add_response_bytes(&self, bytes: u64) {
        self.0.response_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes from the caller so far.
    pub fn request_bytes(&self) -> u64 {
        self.0.request_bytes.load(Ordering::Relaxed)
    }
}

/// A request and its answer; recorded when nobody has a part of it any more.
pub(super) struct Exchange {
    settings: Arc<Settings>,
    known: Known,
    begun: Instant,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    status: AtomicU16,
    counted: AtomicBool,
    decided_by: OnceLock<DecidedBy>,
    refusal: OnceLock<Refusal>,
}

/// What is known of a request when it comes.
pub(super) struct Known {
    pub customer: String,
    /// Whether that is somebody, and not the system customer.
    pub is_somebody: bool,
    pub subject: Option<String>,
    pub source: Option<SourceContext>,
    pub user: String,
    pub endpoint: String,
    pub method: String,
    pub request_id: String,
}

impl Exchange {
    pub fn new(settings: Arc<Settings>, known: Known) -> Self {
        Self {
            settings,
            known,
            begun: Instant::now(),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            status: AtomicU16::new(CALLER_GONE),
            counted: AtomicBool::new(false),
            decided_by: OnceLock::new(),
            refusal: OnceLock::new(),
        }
    }

    /// Whether its customer is somebody whose limit counts.
    pub fn is_somebodys(&self) -> bool {
        self.known.is_somebody
    }

    /// It passes, and counts as a call.
    pub fn counted(&self) {
        self.counted.store(true, Ordering::Relaxed);
    }

    /// Whether it may pass was decided; each is told once.
    pub fn decided(&self, by: DecidedBy) {
        let _ = self.decided_by.set(by);
    }

    /// It does not pass.
    pub fn refused(&self, why: Refusal) {
        let _ = self.refusal.set(why);
    }

    pub fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// What the request uses of the enforced meter.
    pub fn call(&self) -> Record {
        let meter = &self.settings.calls_meter;
        self.record(meter, meter, &self.known.request_id)
            .property("endpoint", self.known.endpoint.as_str())
            .property("method", self.known.method.as_str())
    }

    fn traffic(&self) -> Record {
        let (request, response) =
            (self.request_bytes.load(Ordering::Relaxed), self.response_bytes.load(Ordering::Relaxed));
        let duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Whoever is refused sends it again under the same name: what passes then is no repeat of the refusal.
        let own = self.refusal.get().map(|_| id::unique());
        let traffic = self
            .record("traffic", &self.settings.traffic_meter, own.as_ref().unwrap_or(&self.known.request_id))
            .value(request.saturating_add(response))
            .property("endpoint", self.known.endpoint.as_str())
            .property("method", self.known.method.as_str())
            .property("requestBytes", request)
            .property("responseBytes", response)
            .property("durationMs", duration_ms)
            .property("statusCode", self.status.load(Ordering::Relaxed));
        if self.counted.load(Ordering::Relaxed) {
            // How it was answered is not known yet where the call is recorded.
            return traffic.property("call", self.settings.calls_meter.as_str());
        }
        traffic
    }

    fn record(&self, what: &str, meter: &str, request_id: &str) -> Record {
        let Known { customer, subject, source, user, endpoint, method, .. } = &self.known;
        let id = request_event_id(what, user, endpoint, method, request_id);
        let mut record = Record::new(customer.as_str(), meter).id(id);
        if let Some(subject) = subject {
            record = record.subject(subject.as_str());
        }
        match source {
            Some(source) => record.source(source.clone()),
            None => record,
        }
    }

    fn tell(&self) {
        let Some(hear) = &self.settings.on_finished else { return };
        hear(&Finished {
            endpoint: &self.known.endpoint,
            method: &self.known.method,
            customer: self.known.is_somebody.then_some(self.known.customer.as_str()),
            status: self.status.load(Ordering::Relaxed),
            request_bytes: self.request_bytes.load(Ordering::Relaxed),
            response_bytes: self.response_bytes.load(Ordering::Relaxed),
            duration: self.begun.elapsed(),
            refusal: self.refusal.get().copied(),
            decided_by: self.decided_by.get().copied(),
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.settings.tracker.track(self.traffic());
        self.tell();
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("request_id", &self.known.request_id).finish_non_exhaustive()
    }
}
