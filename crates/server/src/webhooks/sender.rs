//! One attempt: a request, and as much of its answer as is kept.
use super::guard::{EndpointUrl, Guard, Refused};
use crate::clock::Stopwatch;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// The longest an attempt takes, answer included, in seconds.
pub const ATTEMPT_SECONDS_MAX: u64 = 10;
/// How much of an answer's body is read and kept, in bytes.
pub const BODY_HEAD_BYTES_MAX: usize = 1_024;
/// Longest text of an error that is kept, in characters.
const ERROR_CHARS_MAX: usize = 300;
/// Idle connections kept to one host.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// Receivers commonly close idle connections after 5 seconds; a request sent on one that is just
/// being closed would fail for nothing.
const IDLE_SECONDS_MAX: u64 = 3;

/// Sends deliveries.
#[derive(Clone, Debug)]
pub struct Sender {
    guard: Guard,
    /// Goes only where the guard allows, also after DNS.
    guarded: Client,
    /// For the operator's own endpoints.
    trusted: Client,
    timeout: Duration,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub url: EndpointUrl,
    /// Whether the operator chose the URL, so that it may lead anywhere.
    pub trusted: bool,
    /// All headers, signatures included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status; `None` without an answer.
    pub status: Option<u16>,
    /// From the begin of the attempt to its end, in milliseconds.
    pub latency_ms: u64,
    /// Why it is a failure; `None` for a success (2xx).
    pub error: Option<String>,
    /// The first [`BODY_HEAD_BYTES_MAX`] bytes of the body, as text.
    pub body_head: Option<String>,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
}

impl Sender {
    /// A sender whose attempts take [`ATTEMPT_SECONDS_MAX`] at most.
    pub fn new(guard: Guard) -> Result<Self, reqwest::Error> {
        let guarded = client().dns_resolver(Arc::new(guard.clone())).build()?;
        let timeout = Duration::from_secs(ATTEMPT_SECONDS_MAX);
        Ok(Self { guard, guarded, trusted: client().build()?, timeout })
    }

    /// The same with another limit for an attempt.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What decides where requests may go.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Makes one attempt. Redirects are not followed: they are failures.
    pub async fn send(&self, request: Request) -> Answer {
        let watch = Stopwatch::start();
        let mut answer = self.attempt(request, watch).await;
        answer.latency_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
        answer
    }

    async fn attempt(&self, request: Request, watch: Stopwatch) -> Answer {
        let failed = |error: String| Answer { error: Some(error), ..Answer::default() };
        // A literal address never reaches the resolver.
        if !request.trusted
            && let Err(refused) = self.guard.check(&request.url)
        {
            return failed(refused.to_string());
        }
        let client = if request.trusted { &self.trusted } else { &self.guarded };
        let mut post = client.post(request.url.as_url().clone()).body(request.body);
        for (name, value) in request.headers {
            post = post.header(name, value);
        }
        match tokio::time::timeout(self.timeout, post.send()).await {
            Err(_) => failed(format!("no answer within {} s", self.timeout.as_secs())),
            Ok(Err(error)) => failed(describe(&error)),
            Ok(Ok(response)) => {
                let left = self.timeout.saturating_sub(watch.elapsed());
                read(response, left).await
            }
        }
    }
}

/// HTTP/1.1 only: a connection that hangs then holds up one delivery and no other.
fn client() -> ClientBuilder {
    Client::builder()
        .http1_only()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS_MAX))
}

/// The status decides; a body that breaks off or takes too long is cut there.
async fn read(mut response: Response, left: Duration) -> Answer {
    let status = response.status();
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let mut head = Vec::new();
    let reading = async {
        while head.len() < BODY_HEAD_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => head.extend(chunk.iter().take(BODY_HEAD_BYTES_MAX - head.len())),
                Ok(None) | Err(_) => break,
            }
        }
    };
    // Whether it ended or ran out of time, what came is kept.
    let _ = tokio::time::timeout(left, reading).await;
    let error = match status.as_u16() {
        200..=299 => None,
        300..=399 => Some(format!("answered {}: redirects are not followed", status.as_u16())),
        other => Some(format!("answered {other}")),
    };
    let body_head = (!head.is_empty()).then(|| printable(&head));
    Answer { status: Some(status.as_u16()), error, body_head, retry_after, latency_ms: 0 }
}

/// Text that both databases store: no NUL, invalid UTF-8 replaced.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

/// Why there was no answer, without the URL and without addresses that DNS gave.
fn describe(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    let mut refused = None;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        refused = refused.or_else(|| cause.downcast_ref::<Refused>().copied());
    }
    if let Some(refused) = refused {
        return refused.to_string();
    }
    let text = if error.is_dns() {
        "the host name could not be resolved".to_owned()
    } else if error.is_connect() {
        format!("could not connect: {cause}")
    } else {
        format!("the request failed: {cause}")
    };
    text.chars().filter(|c| !c.is_control()).take(ERROR_CHARS_MAX).collect()
}
