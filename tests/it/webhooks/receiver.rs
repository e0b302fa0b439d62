//! A receiver of webhooks that answers as it is told and shows what it got.
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reckoner_domain::webhook::{StandardHeaders, VerifyError, verify_standard, verify_v1};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How the receiver answers.
#[derive(Clone)]
pub enum Reply {
    /// With a status and nothing else.
    Status(u16),
    /// With a status, a header and a body.
    With(u16, (&'static str, String), String),
    /// With 200, once it is let go.
    Hold,
    /// With a status, once it is let go.
    Later(u16),
}

/// What it got.
#[derive(Debug)]
pub struct Hit {
    pub headers: HeaderMap,
    pub body: String,
}

impl Hit {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).expect("the header is there").to_str().expect("text")
    }

    pub fn verify_v1(&self, secret: &str, now_s: i64) -> Result<(), VerifyError> {
        let (signature, time) = (self.header("X-Webhook-Signature"), self.header("X-Webhook-Timestamp"));
        verify_v1(secret, signature, time, self.body.as_bytes(), now_s)
    }

    pub fn verify_standard(&self, secret: &str, now_s: i64) -> Result<(), VerifyError> {
        let headers = StandardHeaders {
            id: self.header("webhook-id"),
            timestamp: self.header("webhook-timestamp"),
            signature: self.header("webhook-signature"),
        };
        verify_standard(secret, headers, self.body.as_bytes(), now_s)
    }
}

#[derive(Clone)]
struct Shared {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    always: Arc<Mutex<Reply>>,
    hits: mpsc::Sender<Hit>,
    held: watch::Receiver<bool>,
}

/// The receiver; it ends when dropped.
pub struct Receiver {
    pub url: String,
    hits: mpsc::Receiver<Hit>,
    hold: watch::Sender<bool>,
    shared: Shared,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that answers 200.
    pub async fn start() -> Self {
        let (sender, hits) = mpsc::channel(10_000);
        let (hold, watching) = watch::channel(true);
        let always = Arc::new(Mutex::new(Reply::Status(200)));
        let shared = Shared { replies: Arc::default(), always, hits: sender, held: watching };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        Self { url, hits, hold, shared, server }
    }

    /// Answers so next, one after the other.
    pub fn then(&self, replies: impl IntoIterator<Item = Reply>) -> &Self {
        self.shared.replies.lock().expect("sound").extend(replies);
        self
    }

    /// Answers so from now on.
    pub fn always(&self, reply: Reply) -> &Self {
        *self.shared.always.lock().expect("sound") = reply;
        self
    }

    /// Lets everything go that is held.
    pub fn let_go(&self) {
        self.hold.send_replace(false);
    }

    /// The next hit, whenever it comes.
    pub async fn hit(&mut self) -> Hit {
        self.hits.recv().await.expect("the receiver runs")
    }

    /// So many hits.
    pub async fn take(&mut self, count: usize) -> Vec<Hit> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.hit().await);
        }
        taken
    }

    /// Whether there are hits that nobody took.
    pub fn has_more(&self) -> bool {
        !self.hits.is_empty()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).expect("text");
    let next = shared.replies.lock().expect("sound").pop_front();
    let reply = next.unwrap_or_else(|| shared.always.lock().expect("sound").clone());
    shared.hits.send(Hit { headers, body }).await.expect("room");
    let status = |code: u16| StatusCode::from_u16(code).expect("a status");
    match reply {
        Reply::Status(code) => status(code).into_response(),
        Reply::With(code, header, body) => (status(code), [header], body).into_response(),
        Reply::Hold => later(shared, StatusCode::OK).await,
        Reply::Later(code) => later(shared, status(code)).await,
    }
}

async fn later(mut shared: Shared, status: StatusCode) -> Response {
    shared.held.wait_for(|held| !held).await.expect("let go");
    status.into_response()
}
