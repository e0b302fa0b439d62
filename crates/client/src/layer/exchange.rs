//! One request and its answer, while they last.
use super::Settings;
use crate::id::request_event_id;
use crate::record::Record;
use reckoner_api::event::SourceContext;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
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
    pub settings: Arc<Settings>,
    pub customer: String,
    pub subject: Option<String>,
    pub source: Option<SourceContext>,
    pub user: String,
    pub endpoint: String,
    pub method: String,
    pub request_id: String,
    pub begun: Instant,
    pub request_bytes: AtomicU64,
    pub response_bytes: AtomicU64,
    status: AtomicU16,
    counted: AtomicBool,
}

/// What is known of a request when it comes.
pub(super) struct Known {
    pub customer: String,
    pub subject: Option<String>,
    pub source: Option<SourceContext>,
    pub user: String,
    pub endpoint: String,
    pub method: String,
    pub request_id: String,
}

impl Exchange {
    pub fn new(settings: Arc<Settings>, known: Known) -> Self {
        let Known { customer, subject, source, user, endpoint, method, request_id } = known;
        Self {
            settings,
            customer,
            subject,
            source,
            user,
            endpoint,
            method,
            request_id,
            begun: Instant::now(),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            status: AtomicU16::new(CALLER_GONE),
            counted: AtomicBool::new(false),
        }
    }

    /// It passes, and counts as a call.
    pub fn counted(&self) {
        self.counted.store(true, Ordering::Relaxed);
    }

    pub fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// What the request uses of the enforced meter.
    pub fn call(&self) -> Record {
        let meter = &self.settings.calls_meter;
        self.record(meter, meter)
            .property("endpoint", self.endpoint.as_str())
            .property("method", self.method.as_str())
    }

    fn traffic(&self) -> Record {
        let (request, response) =
            (self.request_bytes.load(Ordering::Relaxed), self.response_bytes.load(Ordering::Relaxed));
        let duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let traffic = self
            .record("traffic", &self.settings.traffic_meter)
            .value(request.saturating_add(response))
            .property("endpoint", self.endpoint.as_str())
            .property("method", self.method.as_str())
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

    fn record(&self, what: &str, meter: &str) -> Record {
        let id = request_event_id(what, &self.user, &self.endpoint, &self.method, &self.request_id);
        let mut record = Record::new(self.customer.as_str(), meter).id(id);
        if let Some(subject) = &self.subject {
            record = record.subject(subject.as_str());
        }
        match &self.source {
            Some(source) => record.source(source.clone()),
            None => record,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.settings.tracker.track(self.traffic());
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}
