//! What stands in front of Stripe, or of its stand-in: it keeps what was asked, and fails, answers by itself
//! or holds answers back when it is told to.
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// For how long anybody would wait.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub key: Option<String>,
    pub version: Option<String>,
    pub params: Vec<(String, String)>,
}

impl Asked {
    /// Its method and path.
    pub fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer in the place of Stripe's.
#[derive(Clone, Debug)]
pub struct Instead {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Value,
}

type Answering = Box<dyn Fn(&Asked) -> Option<Value> + Send + Sync>;

#[derive(Default)]
struct Told {
    /// Where requests go that are not answered here.
    behind: Option<String>,
    asked: Vec<Asked>,
    /// Answers to the next requests that begin with this.
    instead: Vec<(String, VecDeque<Instead>)>,
    answering: Option<Answering>,
    /// Answers to requests that begin with this are held back.
    holding: Option<String>,
}

/// The front; it ends when dropped.
pub struct Front {
    pub url: String,
    told: Arc<Mutex<Told>>,
    held: watch::Sender<u32>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    told: Arc<Mutex<Told>>,
    held: watch::Sender<u32>,
    client: reqwest::Client,
}

impl Front {
    /// In front of another address, or of nothing.
    pub async fn start(behind: Option<String>) -> Self {
        let told = Arc::new(Mutex::new(Told { behind, ..Told::default() }));
        let held = watch::Sender::new(0);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let shared = Shared { told: Arc::clone(&told), held: held.clone(), client };
        let router = Router::new().fallback(take).with_state(shared);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { url, told, held, server }
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.told.lock().asked.clone()
    }

    /// What was asked so far of a kind, such as `POST /v1/customers`.
    pub fn asked_of(&self, what: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|one| one.what() == what).collect()
    }

    /// Answers the next requests that begin so in Stripe's place.
    pub fn instead(&self, what: &str, answers: impl IntoIterator<Item = Instead>) {
        self.told.lock().instead.push((what.to_owned(), answers.into_iter().collect()));
    }

    /// Answers whatever this answers in Stripe's place.
    pub fn answering(&self, answer: impl Fn(&Asked) -> Option<Value> + Send + Sync + 'static) {
        self.told.lock().answering = Some(Box::new(answer));
    }

    /// Holds back answers to requests that begin so: Stripe has done what was asked, and nobody hears of it.
    pub fn hold(&self, what: Option<&str>) {
        self.told.lock().holding = what.map(str::to_owned);
    }

    /// Waits until so many answers were held back in all.
    pub async fn held(&self, times: u32) {
        let mut held = self.held.subscribe();
        let waiting = held.wait_for(|held| *held >= times);
        tokio::time::timeout(PATIENCE, waiting).await.expect("it never came").expect("it runs");
    }

    /// Asks what is behind it.
    pub async fn behind(&self, path: &str) -> Value {
        let behind = self.told.lock().behind.clone().expect("something behind");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("{behind}{path}")).bearer_auth(super::KEY).send().await;
        answer.expect("an answer").json().await.expect("JSON")
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn read(request: &axum::http::request::Parts, body: &Bytes) -> Asked {
    let header =
        |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let form = if request.method == "GET" {
        request.uri.query().unwrap_or_default().as_bytes().to_vec()
    } else {
        body.to_vec()
    };
    assert_eq!(header("authorization"), Some(format!("Bearer {}", super::KEY)));
    Asked {
        method: request.method.to_string(),
        path: request.uri.path().to_owned(),
        key: header("idempotency-key"),
        version: header("stripe-version"),
        params: url::form_urlencoded::parse(&form).into_owned().collect(),
    }
}

/// What is answered in Stripe's place.
fn in_place(told: &mut Told, asked: &Asked) -> Option<Response> {
    let what = asked.what();
    let waiting =
        told.instead.iter_mut().find(|(begins, left)| what.starts_with(begins.as_str()) && !left.is_empty());
    if let Some(answer) = waiting.and_then(|(_, left)| left.pop_front()) {
        let mut response = Response::new(Body::from(answer.body.to_string()));
        *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status");
        for (name, value) in answer.headers {
            response.headers_mut().insert(name, value.parse().expect("a value"));
        }
        return Some(response);
    }
    let answered = told.answering.as_ref().and_then(|answer| answer(asked));
    answered.map(|body| axum::Json(body).into_response())
}

async fn take(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let asked = read(&parts, &body);
    let (answer, behind, holding) = {
        let mut told = shared.told.lock();
        told.asked.push(asked.clone());
        (in_place(&mut told, &asked), told.behind.clone(), told.holding.clone())
    };
    let answer = match (answer, behind) {
        (Some(answer), _) => answer,
        (None, Some(behind)) => pass_on(&shared.client, &behind, &parts, body).await,
        (None, None) => {
            let error =
                json!({"error": {"type": "invalid_request_error", "message": "nobody is behind this"}});
            (StatusCode::NOT_FOUND, axum::Json(error)).into_response()
        }
    };
    if holding.is_some_and(|begins| asked.what().starts_with(&begins)) {
        shared.held.send_modify(|held| *held += 1);
        std::future::pending::<()>().await;
    }
    answer
}

async fn pass_on(
    client: &reqwest::Client,
    behind: &str,
    parts: &axum::http::request::Parts,
    body: Bytes,
) -> Response {
    let url = format!("{behind}{}", parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    let mut request = client.request(parts.method.clone(), url).body(body);
    for (name, value) in &parts.headers {
        if !["host", "content-length", "connection"].contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.expect("the stand-in answers");
    let status = answer.status();
    let bytes = answer.bytes().await.expect("a body");
    (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}
