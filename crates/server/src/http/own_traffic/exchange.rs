//! One request and its answer, while they last.
use super::OwnTraffic;
use super::body::Way;
use crate::auth::caller::Caller;
use crate::ingest::draft::SYSTEM_CUSTOMER;
use crate::store::projects::LIVE;
use axum::extract::{MatchedPath, Request};
use reckoner_domain::id::{CustomerId, ProjectId};
use reckoner_domain::time::Timestamp;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The endpoint of requests that have none.
const UNMATCHED: &str = "unmatched";
/// The status of a request whose caller went away before there was an answer.
const CALLER_GONE: u16 = 499;

/// Counts the bytes of one request; noted when the last clone is gone.
#[derive(Clone)]
pub struct Meter(Arc<Exchange>);

struct Exchange {
    traffic: OwnTraffic,
    endpoint: String,
    method: String,
    request_id: String,
    begun: Instant,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    status: AtomicU16,
    caller: OnceLock<(ProjectId, Option<CustomerId>, String)>,
}

/// What is known of a request that is over.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// The project that it acted on; `live` where it named none.
    pub project: ProjectId,
    /// The customer whose key or account it was.
    pub customer: Option<CustomerId>,
    /// The key, user or service.
    pub user: String,
    /// The route's pattern.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// The request's id.
    pub request_id: String,
    /// Bytes of its body.
    pub request_bytes: u64,
    /// Bytes of the answer's body, as far as they were taken.
    pub response_bytes: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The answer's status.
    pub status: u16,
    /// When it was over, by the project's clock.
    pub time: Timestamp,
}

impl Meter {
    /// Begins with a request of this id.
    pub fn new(traffic: OwnTraffic, request: &Request, id: &str) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        Self(Arc::new(Exchange {
            traffic,
            endpoint: route.map_or(UNMATCHED, MatchedPath::as_str).to_owned(),
            method: request.method().as_str().to_owned(),
            request_id: id.to_owned(),
            begun: Instant::now(),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            status: AtomicU16::new(CALLER_GONE),
            caller: OnceLock::new(),
        }))
    }

    /// Notes whose request it is.
    pub fn by(&self, caller: &Caller) {
        let who = (caller.project, caller.customer.clone(), caller.actor.to_string());
        // It is told once.
        let _ = self.0.caller.set(who);
    }

    /// Notes how it was answered.
    pub fn answered(&self, status: u16) {
        self.0.status.store(status, Ordering::Relaxed);
    }

    /// Counts bytes.
    pub fn add(&self, way: Way, bytes: u64) {
        let counter = match way {
            Way::Request => &self.0.request_bytes,
            Way::Response => &self.0.response_bytes,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let nobody = || (LIVE, None, SYSTEM_CUSTOMER.to_owned());
        let (project, customer, user) = self.caller.take().unwrap_or_else(nobody);
        self.traffic.note(Exchanged {
            project,
            customer,
            user,
            endpoint: std::mem::take(&mut self.endpoint),
            method: std::mem::take(&mut self.method),
            request_id: std::mem::take(&mut self.request_id),
            request_bytes: *self.request_bytes.get_mut(),
            response_bytes: *self.response_bytes.get_mut(),
            duration_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            status: *self.status.get_mut(),
            time: self.traffic.clock.of_project(project),
        });
    }
}
