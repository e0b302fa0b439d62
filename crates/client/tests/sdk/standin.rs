//! A server that keeps exact counts in memory and fails as it is told to.
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use reckoner_client::Client;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, and this status answered.
    Refuse(u16),
    /// It is done, but this status is answered.
    Forget(u16),
}

#[derive(Default)]
pub struct Inner {
    pub events: BTreeMap<String, Value>,
    /// Faults of the next requests, in order.
    pub faults: VecDeque<Fault>,
    /// What is done while there are no faults in line.
    pub always: Option<Fault>,
    /// Most units of `api.calls` of every customer.
    pub limit: Option<u64>,
    pub leases: BTreeMap<String, (String, u64, u64)>,
    /// Requests by path.
    pub requests: BTreeMap<&'static str, u64>,
    /// Sizes of batches.
    pub batches: Vec<usize>,
    /// Most events of a batch.
    pub batch_max: Option<usize>,
    /// Requests and answers are under way for times that follow from this number; none while it is 0.
    pub delays: u64,
    lease_number: u64,
}

#[derive(Clone)]
pub struct Standin {
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

type Shared = Arc<Mutex<Inner>>;

impl Standin {
    pub async fn start() -> Self {
        let inner = Shared::default();
        let app = Router::new()
            .route("/v1/events", post(events))
            .route("/v1/entitlements/consume", post(consume))
            .route("/v1/entitlements/leases", post(lease))
            .route("/v1/entitlements/leases/{id}/{what}", post(report))
            .layer(middleware::from_fn_with_state(Arc::clone(&inner), under_way))
            .with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inner }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url, "rk_test_0123456789abcdef0123456789abcdef").expect("a client")
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().expect("a lock"))
    }

    /// How many events of a type there are.
    pub fn count(&self, meter: &str) -> usize {
        self.with(|inner| inner.events.values().filter(|event| event["meter"] == meter).count())
    }

    /// The only event of a type.
    pub fn only(&self, meter: &str) -> Value {
        let found: Vec<Value> = self
            .with(|inner| inner.events.values().filter(|event| event["meter"] == meter).cloned().collect());
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }
}

/// A client of nobody: whoever listened there is gone.
pub async fn nobody() -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    Client::new(&url, "rk_test_0123456789abcdef0123456789abcdef").expect("a client")
}

impl Inner {
    fn asked(&mut self, path: &'static str) -> Option<Fault> {
        *self.requests.entry(path).or_default() += 1;
        self.faults.pop_front().or(self.always)
    }

    /// `accepted`, `duplicate` or `conflict`.
    fn store(&mut self, event: &Value) -> &'static str {
        let id = event["id"].as_str().expect("an id").to_owned();
        let Some(known) = self.events.get(&id) else {
            self.events.insert(id, event.clone());
            return "accepted";
        };
        let timed = known["time"].is_string() && event["time"].is_string();
        let same = |name: &str| known[name] == event[name];
        let all = ["customer", "meter", "value", "subject", "properties"].iter().all(|name| same(name));
        if all && (!timed || same("time")) { "duplicate" } else { "conflict" }
    }

    fn used(&self, customer: &str) -> u64 {
        let of = |event: &&Value| event["customer"] == customer && event["meter"] == "api.calls";
        self.events
            .values()
            .filter(of)
            .map(|event| event["value"].as_str().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    fn left(&self, customer: &str) -> Option<u64> {
        let held = self
            .leases
            .values()
            .filter(|lease| lease.0 == customer)
            .map(|lease| lease.1 - lease.2)
            .sum::<u64>();
        self.limit.map(|limit| limit.saturating_sub(self.used(customer) + held))
    }

    fn verdict(&self, customer: &str, allowed: bool) -> Value {
        let left = self.left(customer);
        let used = self.limit.zip(left).map_or_else(|| self.used(customer), |(limit, left)| limit - left);
        json!({
            "allowed": allowed, "limit": self.limit.map(|n| n.to_string()), "used": used.to_string(),
            "remaining": left.map(|n| n.to_string()), "resets_at": "2096-12-01T00:00:00.000000Z",
            "behaviour": if self.limit.is_some() { "block" } else { "unlimited" }, "reset": "month",
            "reason": if allowed { Value::Null } else { "limit".into() },
        })
    }
}

/// Holds a request and its answer back for up to 15 ms each.
async fn under_way(State(inner): State<Shared>, request: Request, next: Next) -> Response {
    let delay = || {
        let mut inner = inner.lock().expect("a lock");
        let delays = &mut inner.delays;
        *delays ^= *delays << 13;
        *delays ^= *delays >> 7;
        *delays ^= *delays << 17;
        Duration::from_micros(*delays % 15_000)
    };
    tokio::time::sleep(delay()).await;
    let answer = next.run(request).await;
    tokio::time::sleep(delay()).await;
    answer
}

fn refused(status: u16) -> Response {
    let problem = json!({"type": "/docs/x", "title": "x", "status": status, "detail": "as told", "code": "x", "request_id": "r"});
    (StatusCode::from_u16(status).expect("a status"), Json(problem)).into_response()
}

async fn events(State(inner): State<Shared>, Json(body): Json<Value>) -> Response {
    let mut inner = inner.lock().expect("a lock");
    let fault = inner.asked("events");
    if let Some(Fault::Refuse(status)) = fault {
        return refused(status);
    }
    let batch = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    if inner.batch_max.is_some_and(|most| batch.len() > most) {
        return refused(413);
    }
    inner.batches.push(batch.len());
    let (mut counts, mut outcomes) = ([0, 0, 0], Vec::new());
    for (index, event) in batch.iter().enumerate() {
        let errors = if event["meter"] == "nobody.reads.it" {
            json!([{"field": "meter", "reason": "is read by no meter"}])
        } else {
            match inner.store(event) {
                "accepted" => {
                    counts[0] += 1;
                    continue;
                }
                "duplicate" => {
                    counts[1] += 1;
                    outcomes.push(json!({"index": index, "id": event["id"], "status": "duplicate"}));
                    continue;
                }
                _ => json!([{"field": "id", "reason": "is taken by an event with other content"}]),
            }
        };
        counts[2] += 1;
        outcomes.push(json!({"index": index, "id": event["id"], "status": "rejected", "errors": errors}));
    }
    if let Some(Fault::Forget(status)) = fault {
        return refused(status);
    }
    let status = if counts[2] == 0 { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let [accepted, duplicate, rejected] = counts;
    let answer =
        json!({"accepted": accepted, "duplicate": duplicate, "rejected": rejected, "outcomes": outcomes});
    (status, Json(answer)).into_response()
}

async fn consume(State(inner): State<Shared>, Json(event): Json<Value>) -> Response {
    let mut inner = inner.lock().expect("a lock");
    if let Some(Fault::Refuse(status)) = inner.asked("consume") {
        return refused(status);
    }
    let customer = event["customer"].as_str().expect("a customer").to_owned();
    let known = inner.events.contains_key(event["id"].as_str().expect("an id"));
    if !known && inner.left(&customer) == Some(0) {
        return (StatusCode::TOO_MANY_REQUESTS, Json(inner.verdict(&customer, false))).into_response();
    }
    if inner.store(&event) == "conflict" {
        return refused(409);
    }
    Json(inner.verdict(&customer, true)).into_response()
}

async fn lease(State(inner): State<Shared>, Json(wanted): Json<Value>) -> Response {
    let mut inner = inner.lock().expect("a lock");
    if let Some(Fault::Refuse(status)) = inner.asked("leases") {
        return refused(status);
    }
    let customer = wanted["customer"].as_str().expect("a customer").to_owned();
    let wanted: u64 = wanted["value"].as_str().expect("a value").parse().expect("a number");
    let granted = wanted.min(inner.left(&customer).unwrap_or(wanted));
    if granted == 0 {
        return (StatusCode::TOO_MANY_REQUESTS, Json(inner.verdict(&customer, false))).into_response();
    }
    inner.lease_number += 1;
    let id = format!("lse_{}", inner.lease_number);
    inner.leases.insert(id.clone(), (customer.clone(), granted, 0));
    let mut answer = inner.verdict(&customer, true);
    answer["lease_id"] = id.into();
    answer["granted"] = granted.to_string().into();
    answer["expires_at"] = "2096-01-01T00:00:00.000000Z".into();
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn report(
    State(inner): State<Shared>,
    Path((id, what)): Path<(String, String)>,
    Json(told): Json<Value>,
) -> Response {
    let mut inner = inner.lock().expect("a lock");
    if let Some(Fault::Refuse(status)) = inner.asked("report") {
        return refused(status);
    }
    let used: u64 = told["used"].as_str().expect("used").parse().expect("a number");
    let Some(lease) = inner.leases.get_mut(&id) else { return refused(404) };
    assert!(used <= lease.1, "{used} of {lease:?}");
    lease.2 = used;
    let (customer, granted, _) = lease.clone();
    if what == "return" {
        inner.leases.remove(&id);
    }
    let mut answer = inner.verdict(&customer, true);
    answer["lease_id"] = id.into();
    answer["granted"] = granted.to_string().into();
    answer["expires_at"] = "2096-01-01T00:00:00.000000Z".into();
    Json(answer).into_response()
}
