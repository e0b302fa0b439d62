//! A server that answers as it is told and remembers what it was asked.
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, body};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query as they came.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Decides about an answer: the request and how many came before it.
pub type Script = Arc<dyn Fn(&Asked, usize) -> (u16, String) + Send + Sync>;

pub struct Standin {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Asked {
    /// The body as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The body as NDJSON.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Standin {
    pub async fn start(script: impl Fn(&Asked, usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let state: (Script, _) = (Arc::new(script), Arc::clone(&asked));
        let router = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    /// The requests to this path, in the order they came.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().expect("no one panicked");
        asked.iter().filter(|asked| asked.path.split('?').next() == Some(path)).cloned().collect()
    }
}

async fn answer(State((script, all)): State<(Script, Arc<Mutex<Vec<Asked>>>)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: body::to_bytes(body, usize::MAX).await.expect("a body"),
    };
    let before = {
        let mut all = all.lock().expect("no one panicked");
        all.push(asked.clone());
        all.len() - 1
    };
    let (status, text) = script(&asked, before);
    let status = StatusCode::from_u16(status).expect("a status");
    // No test waits: whoever is told to come again may come at once.
    (status, [(header::RETRY_AFTER, "0")], text).into_response()
}

/// A good answer of `POST /v1/events` to NDJSON.
pub fn all_accepted(asked: &Asked) -> (u16, String) {
    let count = asked.lines().len();
    (200, format!("{{\"committed\":{count}}}\n{{\"accepted\":{count},\"duplicate\":0,\"rejected\":0}}\n"))
}
