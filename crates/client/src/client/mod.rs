//! The client: one server, one key.
use crate::id;
use bytes::Bytes;
use error::is_busy;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use reckoner_api::entitlement::Verdict;
use reckoner_api::error::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::{Host, Url};

mod billing;
mod entitlements;
mod error;
mod events;
mod retry;

pub use entitlements::LeaseAnswer;
pub use error::Error;
pub use events::Recorded;
pub(crate) use events::judged;
pub use retry::RetryPolicy;
pub(crate) use retry::retry_after;

/// Longest wait for a connection unless said otherwise, in seconds.
const CONNECT_TIMEOUT_S: u64 = 5;
/// Longest wait for an answer unless said otherwise, in seconds.
const ANSWER_TIMEOUT_S: u64 = 10;
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A client of one Reckoner server with one API key. Cloning it is cheap, and clones share connections.
///
/// Every call is sent again while the server is busy or out of reach, as its [`RetryPolicy`] says, if that does no
/// harm: recordings carry an id, so they count once.
///
/// ```no_run
/// # async fn example() -> Result<(), reckoner_client::Error> {
/// use reckoner_client::{Client, Record};
///
/// let client = Client::new("http://127.0.0.1:8080", "rk_live_...")?;
/// client.record(&Record::new("acme", "api.calls").value(3)).await?;
/// let verdict = client.check("acme", "api.calls", 1).await?;
/// println!("{} left", verdict.remaining.as_deref().unwrap_or("any number"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: HeaderValue,
    retry: RetryPolicy,
}

/// Settings of a client that is to be made.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    base: String,
    key: String,
    connect_timeout: Duration,
    timeout: Duration,
    retry: RetryPolicy,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// Whether it is a 429 of an entitlement; that of a rate limit tells a problem, and passes.
    fn is_verdict(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS && self.read::<Verdict>().is_ok()
    }
}

/// Whether a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// When the server is busy or out of reach.
    Yes,
    /// When it is busy or out of reach; an answer 429 with a verdict is a word of its own.
    NotVerdict,
    /// When the server is busy or out of reach, under one `Idempotency-Key`: it happens once.
    UnderKey,
    /// Never: it would happen twice.
    No,
}

impl ClientBuilder {
    /// The longest wait for a connection; 5 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest wait for each answer; 10 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// When requests are sent again.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Makes the client. `Err` is [`Error::Setting`]: an address that is none of HTTP, or a key that no header can
    /// carry.
    pub fn build(self) -> Result<Client, Error> {
        let base = match Url::parse(&self.base) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => return Err(Error::Setting(format!("`{}` is no address of a server", self.base))),
        };
        let mut key = HeaderValue::from_str(&self.key)
            .map_err(|_| Error::Setting("the API key has characters that no header carries".to_owned()))?;
        key.set_sensitive(true);
        let mut builder = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("reckoner-client/", env!("CARGO_PKG_VERSION")));
        if is_local(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Error::Setting(innermost(&error)))?;
        Ok(Client { http, base, key, retry: self.retry })
    }
}

impl Client {
    /// A client of the server at `base` with an API key that has the scope `ingest`; what is read needs `read`, what is
    /// changed of customers and subscriptions `admin`.
    pub fn new(base: &str, key: &str) -> Result<Self, Error> {
        Self::builder(base, key).build()
    }

    /// A client with settings of its own.
    pub fn builder(base: &str, key: &str) -> ClientBuilder {
        ClientBuilder {
            base: base.to_owned(),
            key: key.to_owned(),
            connect_timeout: Duration::from_secs(CONNECT_TIMEOUT_S),
            timeout: Duration::from_secs(ANSWER_TIMEOUT_S),
            retry: RetryPolicy::default(),
        }
    }

    /// The same client, which sends again as another policy says.
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        Self { retry, ..self.clone() }
    }

    /// The server's address without a slash at its end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Sends JSON and reads JSON from a good answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        again: Again,
    ) -> Result<T, Error> {
        self.read(Method::POST, path, json(body)?, again).await
    }

    /// Sends a request and reads JSON from a good answer.
    async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        again: Again,
    ) -> Result<T, Error> {
        let answer = self.send(method, path, body, again).await?;
        if answer.status.is_success() { answer.read() } else { Err(answer.refused()) }
    }

    /// Sends a request, again while that is sensible, and gives whatever came back.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        again: Again,
    ) -> Result<Answer, Error> {
        let key = (again == Again::UnderKey).then(id::unique);
        let mut attempt = 1;
        loop {
            let result = self.send_once(method.clone(), path, body.clone(), key.as_deref()).await;
            let asked = match &result {
                Ok(answer) if again == Again::NotVerdict && answer.is_verdict() => return result,
                Ok(answer) if is_busy(answer.status) => retry_after(&answer.headers),
                Err(Error::Unreachable { .. }) => None,
                _ => return result,
            };
            if again == Again::No || attempt >= self.retry.attempts_max {
                return result;
            }
            tokio::time::sleep(self.retry.pause(attempt, asked)).await;
            attempt += 1;
        }
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        key: Option<&str>,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.base());
        let mut request = self.http.request(method, url).header("x-apikey", &self.key);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, JSON).body(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(Error::Unexpected(format!("more than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&part);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status: response.status(), headers, body: body.into() })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let reason = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
        Error::Unreachable { url: self.base().to_owned(), reason }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base())
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The body as JSON of this shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Unexpected(error.to_string()))
    }

    /// The error that this answer is.
    pub fn refused(&self) -> Error {
        let problem = serde_json::from_slice::<Problem>(&self.body).ok().map(Box::new);
        Error::Refused { status: self.status, problem }
    }
}

/// A request's body.
pub(crate) fn json(body: &impl Serialize) -> Result<Bytes, Error> {
    let text = serde_json::to_vec(body).map_err(|error| Error::Setting(error.to_string()))?;
    Ok(text.into())
}

/// A path segment with everything encoded that could end it.
pub(crate) fn segment(text: &str) -> String {
    const UNSAFE: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &UNSAFE).to_string()
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
fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}
