//! The HTTP client of all commands.
use super::error::CliError;
use super::target::ApiKey;
use bytes::Bytes;
use reqwest::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use url::{Host, Url};

mod describe;
mod retry;

pub use describe::{describe, one_error};
pub use retry::RetryPolicy;

/// Longest wait for a connection, in seconds.
const CONNECT_TIMEOUT_S: u64 = 5;
/// Longest wait for a whole answer, in seconds.
const ANSWER_TIMEOUT_S: u64 = 300;
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bodies of one JSON value.
pub const JSON: &str = "application/json";
/// Bodies of one JSON value a line.
pub const NDJSON: &str = "application/x-ndjson";

/// A client of one server with one key.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<ApiKey>,
    retry: RetryPolicy,
}

/// A request to send, as often as it takes.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<(&'static str, Bytes)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody took the connection, or it broke.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The answer is longer than this client reads.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Request {
    /// Reads `path`, which begins with a slash.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), query: Vec::new(), body: None }
    }

    /// Sends a body to `path`.
    pub fn post(path: impl Into<String>, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            query: Vec::new(),
            body: Some((content_type, body.into())),
        }
    }

    /// The same with PUT.
    pub fn put(path: impl Into<String>, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PUT, ..Self::post(path, content_type, body) }
    }

    /// Deletes `path`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// Adds a query parameter.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a query parameter when there is a value.
    pub fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value.to_string()),
            None => self,
        }
    }
}

impl Client {
    /// A client of the server at `base`.
    pub fn new(base: Url, key: Option<ApiKey>, retry: RetryPolicy) -> Result<Self, CliError> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_S))
            .timeout(Duration::from_secs(ANSWER_TIMEOUT_S))
            .user_agent(concat!("reckoner/", env!("CARGO_PKG_VERSION")));
        if is_local(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| CliError::failed(chain(&error)))?;
        Ok(Self { http, base, key, retry })
    }

    /// The server's address without a slash at its end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The key in use.
    pub fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// This client with another policy.
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        Self { retry, ..self.clone() }
    }

    /// Sends a request that does no harm when it arrives twice, again and again as the policy says
    /// while the server is busy (429, 502, 503, 504) or out of reach.
    pub async fn send(&self, request: &Request) -> Result<Answer, ClientError> {
        let mut attempt = 1;
        loop {
            let result = self.send_once(request).await;
            let after = match &result {
                Ok((answer, after)) if retry::is_busy(answer.status) => *after,
                Err(ClientError::Unreachable { .. }) => None,
                _ => return result.map(|(answer, _)| answer),
            };
            let Some(pause) = self.retry.pause(attempt, after) else {
                return result.map(|(answer, _)| answer);
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Sends a request and reads the JSON of a good answer; any other is an error that says what
    /// the server said.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, CliError> {
        let answer = self.send(request).await?;
        if !answer.status.is_success() {
            return Err(self.refused(request, &answer));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| CliError::failed(format!("{} gave an unexpected answer: {error}", request.path)))
    }

    /// The error of an answer that is not what was asked for.
    pub fn refused(&self, request: &Request, answer: &Answer) -> CliError {
        let what = format!("{} {}{}", request.method, self.base(), request.path);
        let hint = match (answer.status, &self.key) {
            (StatusCode::UNAUTHORIZED, None) => " (give a key with --api-key or API_KEY)".to_owned(),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(key)) => format!(" (key {key})"),
            _ => String::new(),
        };
        CliError::failed(format!("{what}: {}{hint}", describe(answer)))
    }

    async fn send_once(&self, request: &Request) -> Result<(Answer, Option<Duration>), ClientError> {
        let mut outgoing = self.http.request(request.method.clone(), self.address(request));
        if let Some(key) = &self.key {
            outgoing = outgoing.header("x-apikey", key.expose());
        }
        if let Some((content_type, body)) = &request.body {
            outgoing = outgoing.header(header::CONTENT_TYPE, *content_type).body(body.clone());
        }
        let mut response = outgoing.send().await.map_err(|error| self.unreachable(&error))?;
        let after = retry::retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::TooLong);
            }
            body.extend_from_slice(&part);
        }
        Ok((Answer { status: response.status(), body: body.into() }, after))
    }

    fn address(&self, request: &Request) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), request.path);
        url.set_path(&path);
        url.set_query(None);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.base().to_owned(), reason: chain(error) }
    }
}

/// A path segment with everything encoded that could end it.
pub fn segment(text: &str) -> String {
    const UNSAFE: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &UNSAFE).to_string()
}

/// A JSON value as a request's body.
pub fn body(value: &Value) -> Bytes {
    value.to_string().into()
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The innermost reason, which is the one that helps: `Connection refused`.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, |error| error.to_string())
}
