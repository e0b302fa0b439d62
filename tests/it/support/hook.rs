//! A receiver of webhooks that keeps what it got.
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One delivery.
#[derive(Clone, Debug)]
pub struct Told {
    /// The message's id: the same for each attempt.
    pub message: String,
    /// The project's name.
    pub project: String,
    /// The body.
    pub body: Value,
}

impl Told {
    /// Its type and the aggregation it tells of.
    pub fn subject(&self) -> String {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (kind, customer) = (text(&self.body["type"]), text(&self.body["customerId"]));
        format!("{kind} {customer}_{}_{}", text(&self.body["period"]), text(&self.body["data"]["periodKey"]))
    }
}

/// The receiver; it ends when dropped.
pub struct Hook {
    /// Where it listens.
    pub url: String,
    told: watch::Sender<Vec<Told>>,
    server: JoinHandle<()>,
}

impl Hook {
    /// Starts one.
    pub async fn start() -> Self {
        let told = watch::Sender::new(Vec::new());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let router = Router::new().fallback(take).with_state(told.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { url, told, server }
    }

    /// What it got, once it got so much.
    pub async fn wait_for(&self, count: usize) -> Vec<Told> {
        let mut told = self.told.subscribe();
        told.wait_for(|told| told.len() >= count).await.expect("it runs").clone()
    }

    /// What it got, once messages of so many subjects arrived: the messages of each subject.
    pub async fn by_subject(&self, count: usize) -> BTreeMap<String, BTreeSet<String>> {
        let mut watch = self.told.subscribe();
        let told = watch.wait_for(|told| {
            told.len() >= count && told.iter().map(Told::subject).collect::<BTreeSet<_>>().len() >= count
        });
        let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for told in told.await.expect("it runs").iter() {
            messages.entry(told.subject()).or_default().insert(told.message.clone());
        }
        messages
    }

    /// What it got so far, told apart and in order.
    pub fn subjects(&self) -> Vec<String> {
        let mut subjects: Vec<_> = self.told.borrow().iter().map(Told::subject).collect();
        subjects.sort_unstable();
        subjects
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(told): State<watch::Sender<Vec<Told>>>, headers: HeaderMap, body: Bytes) {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (message, project) = (header("webhook-id"), header("X-Reckoner-Project"));
    let body = serde_json::from_slice(&body).expect("JSON");
    told.send_modify(|told| told.push(Told { message, project, body }));
}
