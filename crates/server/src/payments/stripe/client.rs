//! Requests of Stripe's API and its answers.
use super::error::{CallError, shown};
use crate::clock::Clock;
use crate::config::{self, Secret};
use crate::random;
use crate::webhooks::retry_after;
use parking_lot::Mutex;
use reckoner_domain::time::{SECOND, Timestamp};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::error::Error;
use std::time::Duration;
use url::form_urlencoded;

/// Attempts of a call, at most.
const TRIES_MAX: u32 = 3;
/// The wait before the second attempt, in milliseconds; it doubles, and up to half of it is added by chance.
const BACKOFF_MILLIS: u64 = 500;
/// The longest wait that Stripe may ask for within a call, in microseconds; where it asks for more, the call
/// is given up and made again later.
const WAIT_MICROS_MAX: i64 = 10 * SECOND;
/// How long an attempt may take, answer included, in seconds.
const ATTEMPT_SECONDS_MAX: u64 = 30;
/// How long a connection may take to be made, in seconds.
const CONNECT_SECONDS_MAX: u64 = 5;
/// How long a look at whether Stripe answers may take, in seconds.
const LOOK_SECONDS_MAX: u64 = 3;
/// Most bytes of an answer: a page of a hundred objects has some hundred thousand.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// For how long nothing is asked after a call that was not answered, in microseconds of real time: many
/// charges do not each wait for a Stripe that is down.
const REST_MICROS: i64 = 20 * SECOND;

/// Names and values of a request, in the form of Stripe's API.
pub type Params = Vec<(String, String)>;

/// Calls Stripe in the name of one account.
pub struct Client {
    http: reqwest::Client,
    clock: Clock,
    base_url: String,
    api_version: String,
    secret: Secret,
    state: Mutex<State>,
}

/// How calls went.
#[derive(Clone, Debug, Default)]
struct State {
    /// Until when nothing is asked.
    resting_until: Option<Timestamp>,
    /// When there was last an answer, or none, and then why.
    last: Option<(Timestamp, Result<(), String>)>,
}

/// What an attempt came to.
enum Attempt {
    Done(Value),
    Failed(CallError),
    /// To be made again, at the earliest after so many microseconds where Stripe says so.
    Again(CallError, Option<i64>),
}

impl Client {
    /// For an account.
    pub fn new(settings: &config::Stripe, secret: Secret, clock: Clock) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .http1_only()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("reckoner/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .timeout(Duration::from_secs(ATTEMPT_SECONDS_MAX))
            .build()?;
        let (base_url, api_version) = (settings.base_url.clone(), settings.api_version.clone());
        Ok(Self { http, clock, base_url, api_version, secret, state: Mutex::default() })
    }

    /// Reads something; nothing changes by it.
    pub async fn get(&self, path: &str, params: &Params) -> Result<Value, CallError> {
        self.call(&Method::GET, path, params, None).await
    }

    /// Changes something, once for its idempotency key as long as Stripe remembers that (a day at least).
    pub async fn post(&self, path: &str, params: &Params, key: &str) -> Result<Value, CallError> {
        self.call(&Method::POST, path, params, Some(key)).await
    }

    async fn call(
        &self,
        method: &Method,
        path: &str,
        params: &Params,
        key: Option<&str>,
    ) -> Result<Value, CallError> {
        let now = self.clock.real();
        if self.state.lock().resting_until.is_some_and(|until| now < until) {
            return Err(CallError::Unanswered("it did not a moment ago".to_owned()));
        }
        let answer = self.try_often(method, path, params, key).await;
        self.note(&answer);
        answer
    }

    async fn try_often(
        &self,
        method: &Method,
        path: &str,
        params: &Params,
        key: Option<&str>,
    ) -> Result<Value, CallError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, wait) = match self.attempt(method, path, params, key).await {
                Attempt::Done(body) => return Ok(body),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(error, wait) => (error, wait),
            };
            let wait = wait.unwrap_or_else(|| backoff(tries));
            if tries == TRIES_MAX || wait > WAIT_MICROS_MAX {
                return Err(error);
            }
            tracing::debug!(%method, path, tries, %error, "Stripe is asked again");
            tokio::time::sleep(Duration::from_micros(u64::try_from(wait).unwrap_or_default())).await;
        }
    }

    async fn attempt(&self, method: &Method, path: &str, params: &Params, key: Option<&str>) -> Attempt {
        let form: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let url = format!("{}{path}", self.base_url);
        let mut request = if *method == Method::GET {
            self.http.get(if form.is_empty() { url } else { format!("{url}?{form}") })
        } else {
            let request = self.http.request(method.clone(), url).body(form);
            request.header("content-type", "application/x-www-form-urlencoded")
        };
        request = request.bearer_auth(self.secret.expose()).header("stripe-version", &self.api_version);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) => Attempt::Again(CallError::Unanswered(self.describe(&error)), None),
        }
    }

    async fn read(&self, mut response: Response) -> Attempt {
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let wait = header("retry-after").and_then(|text| retry_after::parse(text, self.clock.real()));
        let advice = header("stripe-should-retry").map(|text| text == "true");
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() <= ANSWER_BYTES_MAX => bytes.extend(&chunk[..]),
                Ok(Some(_)) => return Attempt::Failed(CallError::Unreadable("it is too long".to_owned())),
                Ok(None) => break,
                Err(error) => {
                    return Attempt::Again(CallError::Unanswered(self.describe(&error)), None);
                }
            }
        }
        let body: Option<Value> = serde_json::from_slice(&bytes).ok();
        if status.is_success() {
            // What was made is made, whether or not it can be read.
            let missing = || Attempt::Failed(CallError::Unanswered("what came is no JSON".to_owned()));
            return body.map_or_else(missing, Attempt::Done);
        }
        self.refusal(status, &body.unwrap_or_default(), (wait, advice))
    }

    /// What an answer that is no success means.
    fn refusal(
        &self,
        status: StatusCode,
        body: &Value,
        (wait, advice): (Option<i64>, Option<bool>),
    ) -> Attempt {
        let text = |name: &str| body.pointer(&format!("/error/{name}")).and_then(Value::as_str);
        let secret = self.secret.expose();
        let said =
            text("message").map_or_else(|| format!("status {}", status.as_u16()), |text| shown(text, secret));
        let code = text("code").or_else(|| text("type")).map(|code| shown(code, secret));
        // The key was sent with something else before: whether that made anything is not told.
        let is_of_key = text("type") == Some("idempotency_error");
        match status.as_u16() {
            409 | 429 | 500.. => {
                let error = CallError::Unanswered(format!("{}: {said}", status.as_u16()));
                if advice == Some(false) { Attempt::Failed(error) } else { Attempt::Again(error, wait) }
            }
            401 | 403 => Attempt::Failed(CallError::Key(said)),
            _ if is_of_key => Attempt::Failed(CallError::Unanswered(said)),
            _ => Attempt::Failed(CallError::Refused { code, message: said }),
        }
    }

    fn note(&self, answer: &Result<Value, CallError>) {
        let now = self.clock.real();
        let trouble = match answer {
            Err(error @ (CallError::Unanswered(_) | CallError::Key(_))) => Err(error.to_string()),
            _ => Ok(()),
        };
        let mut state = self.state.lock();
        state.resting_until = trouble.is_err().then(|| now.plus_micros(REST_MICROS));
        state.last = Some((now, trouble));
    }

    /// Whether Stripe answers: as calls found it within so many microseconds, or else asked now.
    pub async fn answers(&self, within: i64) -> Result<(), String> {
        let last = self.state.lock().last.clone();
        if let Some((at, state)) = last.filter(|(at, _)| self.clock.real().micros_since(*at) < within) {
            tracing::trace!(%at, "Stripe is as it was found");
            return state;
        }
        let params = vec![("limit".to_owned(), "1".to_owned())];
        let asked = self.attempt(&Method::GET, "/v1/customers", &params, None);
        let answer = match tokio::time::timeout(Duration::from_secs(LOOK_SECONDS_MAX), asked).await {
            Ok(Attempt::Done(body)) => Ok(body),
            Ok(Attempt::Failed(error) | Attempt::Again(error, _)) => Err(error),
            Err(_) => Err(CallError::Unanswered(format!("not within {LOOK_SECONDS_MAX} s"))),
        };
        self.note(&answer);
        match answer {
            Err(error @ (CallError::Unanswered(_) | CallError::Key(_))) => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// Why there was no answer, without the URL.
    fn describe(&self, error: &reqwest::Error) -> String {
        let mut cause: &dyn Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let text = if error.is_timeout() { "it took too long".to_owned() } else { cause.to_string() };
        shown(&text, self.secret.expose())
    }
}

/// How long to wait before the attempt after this one, in microseconds.
fn backoff(tries: u32) -> i64 {
    let millis = BACKOFF_MILLIS << tries.saturating_sub(1).min(8);
    // Without chance it is the plain wait.
    let chance = u64::from(random::jitter().unwrap_or_default());
    let micros = millis * 1_000 + millis * 500 * chance / u64::from(u16::MAX);
    i64::try_from(micros).unwrap_or(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_spread() {
        for (tries, least) in [(1, 500_000), (2, 1_000_000), (3, 2_000_000)] {
            for _ in 0..50 {
                let wait = backoff(tries);
                assert!((least..=least * 3 / 2).contains(&wait), "{tries}: {wait}");
            }
        }
    }
}
