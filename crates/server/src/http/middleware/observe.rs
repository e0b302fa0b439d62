//! Counts and times requests, and logs those that failed.
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use metrics::{Counter, Histogram};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

/// The route of requests that have none.
const UNMATCHED: &str = "unmatched";

/// A request under way.
pub struct Begun {
    method: &'static str,
    route: Option<MatchedPath>,
    at: Instant,
}

/// What is counted of a route's requests of one method. Looking a series up in the recorder costs
/// more than a small request does, so they are kept.
struct Series {
    seconds: Histogram,
    /// By status.
    counters: Vec<(u16, Counter)>,
}

/// By route, then method.
type Known = HashMap<String, Vec<(&'static str, Series)>>;

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

impl Begun {
    /// Begins to time a request.
    pub fn new(request: &Request) -> Self {
        Self {
            method: method_name(request.method().as_str()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            at: Instant::now(),
        }
    }

    /// Records a request's route, status and time until its answer began.
    pub fn end(self, response: &Response) {
        let (method, status) = (self.method, response.status().as_u16());
        let route = self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
        let seconds = self.at.elapsed().as_secs_f64();
        if !count(&KNOWN.read(), (route, method, status), seconds) {
            learn(&mut KNOWN.write(), (route, method, status));
            count(&KNOWN.read(), (route, method, status), seconds);
        }
        if status >= 500 {
            tracing::warn!(method, route, status, "answered with an error");
        } else {
            tracing::debug!(method, route, status, seconds, "answered");
        }
    }
}

/// Counts a request whose series are known; whether they are.
fn count(known: &Known, (route, method, status): (&str, &'static str, u16), seconds: f64) -> bool {
    let series = known.get(route).and_then(|methods| methods.iter().find(|(name, _)| *name == method));
    let counter = |series: &Series| {
        series.counters.iter().find(|(known, _)| *known == status).map(|(_, counter)| counter.clone())
    };
    let Some((series, counter)) = series.and_then(|(_, series)| Some((series, counter(series)?))) else {
        return false;
    };
    series.seconds.record(seconds);
    counter.increment(1);
    true
}

/// Makes the series of a request.
fn learn(known: &mut Known, (route, method, status): (&str, &'static str, u16)) {
    let methods = known.entry(route.to_owned()).or_default();
    if !methods.iter().any(|(name, _)| *name == method) {
        let seconds =
            metrics::histogram!("http_request_seconds", "method" => method, "route" => route.to_owned());
        methods.push((method, Series { seconds, counters: Vec::new() }));
    }
    let series = methods.iter_mut().find(|(name, _)| *name == method);
    if let Some((_, series)) =
        series.filter(|(_, series)| series.counters.iter().all(|(known, _)| *known != status))
    {
        let status_text = status.to_string();
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status_text)];
        series.counters.push((status, metrics::counter!("http_requests_total", &labels)));
    }
}

/// The methods there are; anything else would let a client make series at will.
fn method_name(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
